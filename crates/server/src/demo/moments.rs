//! The views as of a hundred random positions, as the server keeps them, against a replay that is cut there: one pass over the log in the order of the
//! positions. It must never read what it compares with from the history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_log::{Log, Position};
use muster_views::{Difference, Dump, HistoryHandle, Pass, RowChange, View, compare};
use serde_json::{Value, json};

use super::summary::Summary;
use super::verify::each_record;
use crate::wiring::RunningServer;

const NAME: &str = "as_of_equals_replay";
const MOMENTS: usize = 100;
/// Differences that are printed.
const DIFFERENCES_MAX: usize = 3;

/// Every view at every moment.
pub(super) async fn as_of(summary: &mut Summary, seed: u64, server: &RunningServer) {
    let end = server.log.watermark();
    if let Err(error) = server.history.wait_for(end).await {
        return summary.failed(NAME, &error.to_string());
    }
    let (log, history) = (Arc::clone(&server.log), server.history.clone());
    let compared = tokio::task::spawn_blocking(move || at_moments(&*log, &history, &moments(seed, end.0)));
    match compared.await.map_err(|error| error.to_string()).and_then(|compared| compared) {
        Ok(found) => summary.add(NAME, found.holds(), found.figures()),
        Err(reason) => summary.failed(NAME, &reason),
    }
}

/// Positions from 1 to `end`, each once; the end is among them.
fn moments(seed: u64, end: u64) -> BTreeSet<u64> {
    let mut moments = BTreeSet::from([end]);
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    while (moments.len() as u64) < end.min(MOMENTS as u64) {
        // SplitMix64: the same seed looks at the same places.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        moments.insert((mixed ^ (mixed >> 31)) % end + 1);
    }
    moments
}

#[derive(Default)]
struct Found {
    positions: usize,
    rows: u64,
    differences: Vec<String>,
    slowest: Duration,
    bytes: u64,
}

impl Found {
    fn holds(&self) -> bool {
        self.positions > 0 && self.rows > 0 && self.differences.is_empty()
    }

    fn figures(&self) -> Value {
        let shown: Vec<_> = self.differences.iter().take(DIFFERENCES_MAX).collect();
        json!({
            "positions": self.positions,
            "rows_compared": self.rows,
            "slowest_whole_view_ms": self.slowest.as_secs_f64() * 1e3,
            "history_bytes": self.bytes,
            "differences": shown,
        })
    }
}

/// Canonical bytes by view and `realm/id`.
type Tables = BTreeMap<View, BTreeMap<String, Vec<u8>>>;

fn at_moments(log: &dyn Log, history: &HistoryHandle, moments: &BTreeSet<u64>) -> Result<Found, String> {
    let (mut pass, mut tables, mut found) = (Pass::new(&View::ALL), Tables::new(), Found { bytes: history.bytes(), ..Found::default() });
    each_record(log, |position, bytes| {
        let record = muster_log::Record { position, bytes: bytes.to_vec().into() };
        pass.take(&record).map_err(|error| error.to_string())?;
        if moments.contains(&position.0) {
            take(&mut tables, pass.drain());
            compare_all(&tables, history, position, &mut found)?;
        }
        Ok(())
    })?;
    Ok(found)
}

/// All views at one position, side by side.
fn compare_all(tables: &Tables, history: &HistoryHandle, position: Position, found: &mut Found) -> Result<(), String> {
    let one = |view: View| -> Result<(u64, Duration, Vec<Difference>), String> {
        let replayed: Dump = tables.get(&view).into_iter().flatten().map(|(key, row)| (key.clone(), row.clone())).collect();
        let started = Instant::now();
        let kept = history.dump(view, position).map_err(|error| error.to_string())?;
        Ok((kept.len() as u64, started.elapsed(), compare(view, &kept, &replayed)))
    };
    let outcomes = std::thread::scope(|scope| {
        let compared = View::ALL.map(|view| scope.spawn(move || one(view)));
        compared.map(|thread| thread.join().unwrap_or_else(|_| Err("the comparison panicked".to_owned())))
    });
    for outcome in outcomes {
        let (rows, took, differences) = outcome?;
        found.rows += rows;
        found.slowest = found.slowest.max(took);
        found.differences.extend(differences.iter().map(|difference| format!("at {position}: {difference}")));
    }
    found.positions += 1;
    Ok(())
}

fn take(tables: &mut Tables, changes: Vec<RowChange>) {
    for change in changes {
        match change {
            RowChange::Put(row) => {
                let key = format!("{}/{}", row.realm(), row.id());
                tables.entry(row.view()).or_default().insert(key, row.encode());
            }
            RowChange::Delete { view, realm, id } => drop(tables.entry(view).or_default().remove(&format!("{realm}/{id}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_looks_at_the_same_places_and_the_end_is_one() {
        let some = moments(7, 1_000);
        assert_eq!(some, moments(7, 1_000));
        assert_ne!(some, moments(8, 1_000));
        assert!(some.len() == MOMENTS && some.contains(&1_000) && some.iter().all(|position| (1..=1_000).contains(position)));
        assert_eq!(moments(7, 3), BTreeSet::from([1, 2, 3]));
    }
}
