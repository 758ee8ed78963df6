//! The views in the middle of the play, while people are on post: the end of a demo, with everybody gone home, would be equal too
//! easily. Taken of the server and of the worker at the same position; must never keep the play from going on.

use std::sync::Arc;

use muster_demo::naive::Rows;
use muster_log::EpochPosition;
use muster_views::{Row, View, ViewsHandle};

use super::worker::WorkerProcess;
use crate::words::Lang;

/// Before the first command of each of these names: the outbreak in full swing, the city converted, everything at once.
const MOMENTS: [&str; 3] = ["MergeWhistles", "ChangeResponse", "StandDownArea"];

/// The views at one position.
pub(super) struct Taken {
    pub(super) at: EpochPosition,
    pub(super) server: Result<Rows, String>,
    /// None without a worker.
    pub(super) worker: Option<Result<Rows, String>>,
}

pub(super) struct Snapshots {
    views: ViewsHandle,
    worker: Option<Arc<WorkerProcess>>,
    left: Vec<&'static str>,
    taken: Vec<Taken>,
}

impl Snapshots {
    pub(super) fn new(views: ViewsHandle, worker: Option<Arc<WorkerProcess>>) -> Self {
        Self { views, worker, left: MOMENTS.to_vec(), taken: Vec::new() }
    }

    /// Takes one if the command that comes next begins a moment.
    pub(super) async fn before(&mut self, command: &str, end: EpochPosition) {
        let Some(place) = self.left.iter().position(|moment| *moment == command) else { return };
        self.left.remove(place);
        let server = match self.views.wait_for(end.position).await {
            Ok(_) => rows(&self.views),
            Err(error) => Err(error.to_string()),
        };
        let worker = match &self.worker {
            Some(worker) => Some(worker_rows(worker, end).await),
            None => None,
        };
        self.taken.push(Taken { at: end, server, worker });
    }

    pub(super) fn taken(self) -> Vec<Taken> {
        self.taken
    }
}

/// All rows of the worker's views, once they are of this position.
pub(super) async fn worker_rows(worker: &WorkerProcess, end: EpochPosition) -> Result<Rows, String> {
    let words = |error: crate::cli::CliError| error.words.get(Lang::En).to_owned();
    worker.wait_for(end).await.map_err(words)?;
    worker.rows().await.map_err(words)
}

/// All rows of the server's views.
pub(super) fn rows(views: &ViewsHandle) -> Result<Rows, String> {
    let mut rows = Rows::default();
    for view in View::ALL {
        let (_, dump) = views.dump(view).map_err(|error| error.to_string())?;
        for (_, bytes) in dump {
            match Row::decode(view, &bytes).map_err(|error| error.to_string())? {
                Row::Coverage(row) => rows.insert_coverage(row),
                Row::Unit(row) => rows.insert_unit(row),
                Row::Site(row) => rows.insert_site(row),
                Row::Whistle(row) => rows.insert_whistle(row),
                Row::Call(row) => rows.insert_call(*row),
                Row::Responder(row) => rows.insert_responder(*row),
                // Nobody counts the rows of other crates beside their folds.
                Row::Other(_) => {}
            }
        }
    }
    Ok(rows)
}
