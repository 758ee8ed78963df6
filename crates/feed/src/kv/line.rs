//! The rows of a view as they come to its publisher: all of them, then what changes, and all of them anew when the line was cut.
//! The only place here that knows how a view is subscribed to.

use std::collections::VecDeque;

use futures::FutureExt as _;
use muster_log::EpochPosition;
use muster_views::{ChangeBatch, Filter, Live, PlacedRow, QueryError, Snapshot, Start, Subscription, View, ViewsHandle};

use super::publisher::End;

/// What comes.
pub(super) enum News {
    /// What was handed out is void; all rows follow.
    Anew,
    /// Rows, as of a place; with `last` they are all there.
    Rows { rows: Vec<PlacedRow>, at: EpochPosition, last: bool },
    /// Changes of rows that were handed out.
    Changes(ChangeBatch),
}

/// What has come.
pub(super) enum Arrived {
    News(News),
    /// There is nothing else up to here.
    Nothing(EpochPosition),
    /// The views have stopped.
    Over,
}

/// See the module.
pub(super) struct Line {
    views: ViewsHandle,
    subscription: Subscription,
    waiting: VecDeque<News>,
}

impl Line {
    pub(super) async fn open(views: &ViewsHandle, view: View) -> Result<Self, End> {
        let reader = views.clone();
        let subscribed = tokio::task::spawn_blocking(move || reader.subscribe(view, Filter::default(), None)).await;
        let (start, subscription) = match subscribed {
            Ok(Ok(subscribed)) => subscribed,
            Ok(Err(error @ (QueryError::Stopped(_) | QueryError::Store(_)))) => return Err(End::Dead(error.to_string())),
            Ok(Err(error)) => return Err(End::Changed(error.to_string())),
            Err(error) => return Err(End::Changed(error.to_string())),
        };
        let mut line = Self { views: views.clone(), subscription, waiting: VecDeque::new() };
        if let Start::Snapshot(snapshot) = start {
            line.begin(snapshot);
        }
        Ok(line)
    }

    fn begin(&mut self, snapshot: Snapshot) {
        self.waiting.push_back(News::Anew);
        self.waiting.push_back(News::Rows { rows: snapshot.rows, at: snapshot.at, last: true });
    }

    /// What is there already. Waits only where everything comes anew.
    pub(super) async fn now(&mut self) -> Arrived {
        if let Some(news) = self.waiting.pop_front() {
            return Arrived::News(news);
        }
        // Noted before the line is asked: when that has nothing to hand out and is whole, everything up to here was handed out.
        let at = self.views.at();
        if self.subscription.is_whole() {
            match self.subscription.next().now_or_never() {
                Some(live) => return self.arrived(live),
                None if self.subscription.is_whole() => return Arrived::Nothing(at),
                None => {}
            }
        }
        let live = self.subscription.next().await;
        self.arrived(live)
    }

    /// What comes next; waits for it. Safe to cancel.
    pub(super) async fn next(&mut self) -> Arrived {
        if let Some(news) = self.waiting.pop_front() {
            return Arrived::News(news);
        }
        let live = self.subscription.next().await;
        self.arrived(live)
    }

    fn arrived(&mut self, live: Option<Live>) -> Arrived {
        match live {
            Some(Live::Changes(batch)) => Arrived::News(News::Changes(batch)),
            Some(Live::Reset(snapshot)) => {
                self.begin(snapshot);
                self.waiting.pop_front().map_or(Arrived::Over, Arrived::News)
            }
            None => Arrived::Over,
        }
    }
}
