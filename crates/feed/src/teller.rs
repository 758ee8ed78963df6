//! A status that is told whenever something has changed, and at times where only figures move. It must never wait for whoever listens.

use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use crate::limits;

/// Tells a status.
pub(crate) struct Teller<S> {
    told: watch::Sender<S>,
    changed: Notify,
}

impl<S: PartialEq> Teller<S> {
    pub(crate) fn new(told: watch::Sender<S>) -> Self {
        Self { told, changed: Notify::new() }
    }

    /// It is to be told soon.
    pub(crate) fn note(&self) {
        self.changed.notify_one();
    }

    /// Tells what is so, whenever it may have changed; without an end.
    pub(crate) async fn run(&self, status: impl Fn() -> S) {
        let mut ticks = tokio::time::interval(limits::STATUS_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.changed.notified() => {}
                _ = ticks.tick() => {}
            }
            self.tell(status());
        }
    }

    /// Tells it now, if it is another one.
    pub(crate) fn tell(&self, status: S) {
        self.told.send_if_modified(|known| {
            let modified = *known != status;
            *known = status;
            modified
        });
    }
}
