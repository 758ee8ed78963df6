//! Folds a stretch of a log on demand: for as-of, for a rebuild and for measuring. One thread reads and decodes, the caller's folds.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use muster_log::{EpochPosition, Log, Position};

use crate::errors::ReplayError;
use crate::fact::{Batch, Scribe};
use crate::filter::Filter;
use crate::fold::{Folds, RowChange};
use crate::limits;
use crate::live::{PlacedRow, Snapshot};
use crate::places::Places;
use crate::records::Records;
use crate::runner::Dump;
use crate::view::{Row, View};

/// Folds as of one position, and the reader that feeds them.
pub(crate) struct Replayed {
    pub(crate) folds: Folds,
    pub(crate) scribe: Scribe,
}

impl Replayed {
    pub(crate) fn new(views: &[View]) -> Self {
        let folds = Folds::fresh(views);
        let scribe = Scribe::new(folds.interest(), folds.ledger.names.clone());
        Self { folds, scribe }
    }

    /// Folds on, up to and including `to`, which must not be above the watermark. Rows stay in the folds until they are drained.
    pub(crate) fn advance<R: Records + ?Sized>(&mut self, log: &R, to: Position) -> Result<(), ReplayError> {
        let from = self.folds.position.next();
        let Self { folds, scribe } = self;
        let (sender, receiver) = sync_channel(limits::DECODED_BATCHES_MAX);
        thread::scope(|scope| {
            let reader =
                thread::Builder::new().name("views-replay".to_owned()).spawn_scoped(scope, move || read(log, from, to, scribe, &sender));
            let reader = reader.map_err(|error| ReplayError::Thread { detail: error.to_string() })?;
            for (batch, last) in receiver {
                folds.apply(&batch, last, |_| ());
            }
            reader.join().unwrap_or_else(|_| Err(ReplayError::Thread { detail: "the reading thread panicked".to_owned() }))
        })
    }

    /// Each row as it is now, and no others: those of a first drain.
    pub(crate) fn rows(&mut self) -> Vec<Row> {
        let mut rows = Vec::new();
        self.folds.drain(|change| match change {
            RowChange::Put(row) => rows.push(row),
            RowChange::Delete { .. } => {}
        });
        rows
    }
}

fn read<R: Records + ?Sized>(
    log: &R,
    from: Position,
    to: Position,
    scribe: &mut Scribe,
    sender: &SyncSender<(Batch, Position)>,
) -> Result<(), ReplayError> {
    let mut next = from;
    while next <= to {
        let records = log.stretch(next)?;
        let Some(last) = records.last().map(|record| record.position.min(to)) else {
            return Err(ReplayError::NotYet { asked: to, end: log.last() });
        };
        let batch = scribe.read(records.iter().take_while(|record| record.position <= to))?;
        if sender.send((batch, last)).is_err() {
            return Ok(());
        }
        next = last.next();
    }
    Ok(())
}

pub(crate) fn reachable(log: &dyn Log, position: Position) -> Result<(), ReplayError> {
    let end = log.watermark();
    if position > end { Err(ReplayError::NotYet { asked: position, end }) } else { Ok(()) }
}

/// What has to be folded to tell a view's rows: those of a unit are those of the units below it as well.
pub(crate) fn folded_for(view: View) -> Vec<View> {
    let units = Some(View::Units).filter(|_| matches!(view, View::Sites | View::Calls | View::Responders | View::Other(_)));
    std::iter::once(view).chain(units).collect()
}

/// A view as it was once every record up to `position` was taken in: everything from 1 is folded again, in memory. Rows are ordered by realm and id.
///
/// # Errors
/// See [`ReplayError`]; [`ReplayError::NotYet`] above the watermark.
pub fn as_of(log: &dyn Log, view: View, filter: &Filter, position: Position) -> Result<Snapshot, ReplayError> {
    reachable(log, position)?;
    let mut replayed = Replayed::new(&folded_for(view));
    replayed.advance(log, position)?;
    Ok(placed(replayed, view, filter, EpochPosition { epoch: log.epoch(), position }))
}

/// The rows of folds that were never drained, as the filter shows them.
pub(crate) fn placed(mut replayed: Replayed, view: View, filter: &Filter, at: EpochPosition) -> Snapshot {
    let mut rows = replayed.rows();
    let mut places = Places::new(replayed.folds.ledger.tree);
    for row in &rows {
        if let Row::Unit(unit) = row
            && let Some(turn) = places.unit_turn(unit)
        {
            places.take_unit(&turn);
        }
    }
    rows.retain(|row| row.view() == view);
    rows.sort_by_cached_key(|row| (row.realm().to_owned(), row.id()));
    let mut placed = |row: Row| {
        let place = places.entry(&row).place;
        PlacedRow::new(row.into(), places.path(place))
    };
    let rows = rows.into_iter().map(&mut placed).filter(|placed| filter.takes(placed)).collect();
    Snapshot { view, at, rows, next: None }
}

/// The last position recorded at or before a time, Unix milliseconds; 0 if the log begins later. The log's own times never go back within an epoch.
///
/// # Errors
/// See [`ReplayError`].
pub fn position_at(log: &dyn Log, recorded_at_ms: i64) -> Result<Position, ReplayError> {
    // Everything up to `known` is recorded in time, everything from `beyond` on is not.
    let (mut known, mut beyond) = (Position::ZERO, log.watermark().next());
    while known.next() < beyond {
        let middle = Position(known.0 + (beyond.0 - known.0) / 2);
        let record = log.read_one(middle)?;
        let peek = muster_proto::peek(&record.bytes).map_err(|error| crate::fact::FactError { position: middle, error })?;
        if peek.recorded_at_ms <= recorded_at_ms {
            known = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(known)
}

/// Folds the views from position 1 to `to` without a store, and gives each row of each view as `realm/id` and canonical bytes, sorted.
///
/// # Errors
/// See [`ReplayError`]; [`ReplayError::NotYet`] above the watermark.
pub fn fold_log(log: &dyn Log, views: &[View], to: Position) -> Result<Vec<(View, Dump)>, ReplayError> {
    reachable(log, to)?;
    let mut replayed = Replayed::new(views);
    replayed.advance(log, to)?;
    let mut dumps: Vec<(View, Dump)> = views.iter().map(|view| (*view, Dump::new())).collect();
    for row in replayed.rows() {
        if let Some((_, dump)) = dumps.iter_mut().find(|(view, _)| *view == row.view()) {
            dump.push((format!("{}/{}", row.realm(), row.id()), row.encode()));
        }
    }
    dumps.iter_mut().for_each(|(_, dump)| dump.sort_unstable());
    Ok(dumps)
}
