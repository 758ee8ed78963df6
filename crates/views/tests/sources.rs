//! The worker on sources that are not steady: repeats, breaks, another epoch, a hole, nonsense.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use muster_log::{Epoch, EpochPosition, Log, MemoryLog, Position, Record};
use muster_views::{EventSource, Filter, LogSource, Origin, Page, QueryError, RunnerError, SourceError, View, ViewStore, compare, spawn};
use support::live::*;
use support::world::history;
use support::*;
use tokio::sync::watch;

/// A source that repeats, breaks off, and one day reads another log.
struct Unsteady {
    logs: Vec<Arc<MemoryLog>>,
    inner: LogSource,
    step: usize,
    change: watch::Receiver<bool>,
}

impl EventSource for Unsteady {
    fn origin(&self) -> Origin {
        let epoch = Epoch(3 - u32::try_from(self.logs.len()).unwrap());
        Origin { epoch, ..self.inner.origin() }
    }

    fn end(&self) -> watch::Receiver<Position> {
        self.inner.end()
    }

    async fn seek(&mut self, from: Position) -> Result<(), SourceError> {
        self.inner.seek(Position(from.0.saturating_sub(3).max(1))).await
    }

    async fn next_batch(&mut self) -> Result<Vec<Record>, SourceError> {
        self.step += 1;
        if self.step.is_multiple_of(3) {
            return Err(SourceError::Unavailable { detail: "broken off".into() });
        }
        let more = self.logs.len() > 1;
        let change = async { self.change.wait_for(|change| *change && more).await.is_ok() };
        tokio::select! {
            _ = change => {
                self.logs.remove(0);
                self.inner = LogSource::new(Arc::clone(&self.logs[0]) as Arc<dyn Log>);
                Err(SourceError::OriginChanged)
            }
            batch = self.inner.next_batch() => {
                let batch: Vec<Record> = batch?.into_iter().take(20).collect();
                self.inner.seek(batch[batch.len() - 1].position.next()).await?;
                Ok(batch)
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_breaks_and_a_new_epoch_of_the_source_are_taken() {
    let first = memory_log(&history(&choices(21, 150)));
    let second = memory_log(&history(&choices(22, 150)));
    let dir = tempfile::tempdir().unwrap();
    let (change, changed) = watch::channel(false);
    let source = Unsteady {
        logs: vec![Arc::clone(&first), Arc::clone(&second)],
        inner: LogSource::new(Arc::clone(&first) as Arc<dyn Log>),
        step: 0,
        change: changed,
    };
    let views = spawn(&View::ALL, ViewStore::open(dir.path()).unwrap(), source, quick()).unwrap();
    caught_up(&views, &first).await;
    assert_rows(&views, &first);
    let (_, mut line) = views.subscribe(View::Coverage, Filter::default(), None).unwrap();
    change.send(true).unwrap();
    let mut held = Held::default();
    let end = EpochPosition { epoch: Epoch(2), position: second.watermark() };
    soon("the second log's end", async {
        while held.resets == 0 || line.at() < Some(end) {
            held.take(line.next().await.unwrap());
        }
    })
    .await;
    // The line may hear of a commit a moment before the position is told.
    caught_up(&views, &second).await;
    assert_eq!(views.at(), end);
    for (view, rows) in expected(&second) {
        assert_eq!(compare(view, &views.dump(view).unwrap().1, &rows), [], "{view}");
    }
    views.shutdown().await.unwrap();
}

/// Leaves a record out, or gives one that is no record.
struct Broken {
    inner: LogSource,
    nonsense: bool,
}

impl EventSource for Broken {
    fn origin(&self) -> Origin {
        self.inner.origin()
    }

    fn end(&self) -> watch::Receiver<Position> {
        self.inner.end()
    }

    async fn seek(&mut self, from: Position) -> Result<(), SourceError> {
        self.inner.seek(from).await
    }

    async fn next_batch(&mut self) -> Result<Vec<Record>, SourceError> {
        let mut batch = self.inner.next_batch().await?;
        if self.nonsense {
            batch[5].bytes = "nonsense".into();
        } else {
            batch.remove(5);
        }
        Ok(batch)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_or_a_damaged_record_stops_the_views_and_says_where() {
    for nonsense in [false, true] {
        let log = memory_log(&small_city());
        let dir = tempfile::tempdir().unwrap();
        let source = Broken { inner: LogSource::new(Arc::clone(&log) as Arc<dyn Log>), nonsense };
        let views = spawn(&View::ALL, ViewStore::open(dir.path()).unwrap(), source, quick()).unwrap();
        let Err(QueryError::Stopped(error)) = soon("the stop", views.wait_for(log.watermark())).await else { panic!("it must stop") };
        match &*error {
            RunnerError::Gap { after: Position(5), found: Position(7) } => assert!(!nonsense),
            RunnerError::Record(fault) => assert!(nonsense && fault.position == Position(6), "{fault}"),
            other => panic!("{other}"),
        }
        assert!(matches!(views.snapshot(View::Units, &Filter::default(), &Page::default()), Err(QueryError::Stopped(_))));
        assert!(views.shutdown().await.is_err());
    }
}
