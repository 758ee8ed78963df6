//! Live views of the log: folds, the worker that runs them, their store, snapshots with the changes after them, as-of and rebuild.
//!
//! Owns the rows and their folder, which is disposable. It must never ask the domain, never write to the log, and never do anything to the outside
//! while it folds: a rebuild is the same fold again.
//!
//! Another crate adds a view with a row type and a fold: [`ViewRow`] and [`ViewFold`], registered in a [`Catalogue`]. `docs/VIEWS.md` is the guide.

mod areas;
mod calls;
mod compare;
mod coverage;
mod errors;
mod fact;
mod filter;
mod fold;
mod history;
mod hub;
mod ledger;
pub mod limits;
mod live;
mod other;
mod pass;
mod people;
mod places;
mod proto_bytes;
mod rebuild;
mod records;
mod replay;
mod report;
mod responders;
mod runner;
mod sites;
mod source;
mod store;
mod subscription;
mod symbols;
mod true_time;
mod units;
mod view;
mod whistles;
mod wire;

pub use areas::Areas;
pub use compare::{Difference, compare, row_pairs};
pub use errors::{QueryError, ReplayError, RunnerError, StoreError};
pub use fact::FactError;
pub use filter::{Bound, Filter};
pub use fold::RowChange;
pub use history::{Compared, HistoryHandle, HistoryStore, RowPair, spawn_history};
pub use live::{Change, ChangeBatch, ChangeKind, Form, Frames, Lag, Live, Outdated, Outlook, Page, PlacedRow, Renewed, Snapshot, Start};
pub use other::{Catalogue, CatalogueError, OtherRow, Registered, Rows, ViewFold, ViewRow, decimal};
pub use pass::{Pass, PassError};
pub use rebuild::{Rebuilt, rebuild};
pub use records::Records;
pub use replay::{as_of, fold_log, position_at};
pub use report::report;
pub use runner::{Dump, Progress, RunnerOptions, ViewsHandle, spawn};
pub use source::{EventSource, LogSource, Origin, SourceError};
pub use store::{Checkpoint, ViewStore};
pub use subscription::Subscription;
pub use true_time::{PRESENCE_VIEWS, as_of_true_time};
pub use view::{Row, Ties, UnknownView, View, row_json};
