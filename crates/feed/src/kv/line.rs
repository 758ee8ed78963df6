//! The rows of a view as they come to its publisher: all of them, then what changes, and all of them anew when the line was cut.
//! The only place here that knows how a view is subscribed to.

use futures::FutureExt as _;
use muster_log::EpochPosition;
use muster_views::{ChangeBatch, Filter, Live, PlacedRow, QueryError, Subscription, View, ViewsHandle};

use super::publisher::End;

/// What comes.
pub(super) enum News {
    /// What was handed out is void; all rows follow.
    Anew,
    /// Rows, as of a place; with `last` they are all there.
    Rows { rows: Vec<PlacedRow>, at: EpochPosition, last: bool },
    /// Changes of rows that were handed out; between pages as well.
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
    subscription: Subscription,
    /// It is to be told that all rows follow.
    anew: bool,
}

impl Line {
    pub(super) fn open(views: &ViewsHandle, view: View) -> Result<Self, End> {
        match views.subscribe(view, Filter::default(), None) {
            Ok((_, subscription)) => Ok(Self { subscription, anew: true }),
            Err(error @ (QueryError::Stopped(_) | QueryError::Store(_))) => Err(End::Dead(error.to_string())),
            Err(error) => Err(End::Changed(error.to_string())),
        }
    }

    /// What is there already. Waits only while rows are still to come.
    pub(super) async fn now(&mut self) -> Arrived {
        // Noted before the line is asked: when that has nothing to hand out, everything up to here was handed out.
        let Some(at) = self.subscription.at().filter(|_| !self.anew) else { return self.next().await };
        self.subscription.next().now_or_never().map_or(Arrived::Nothing(at), arrived)
    }

    /// What comes next; waits for it. Safe to cancel.
    pub(super) async fn next(&mut self) -> Arrived {
        if std::mem::take(&mut self.anew) {
            return Arrived::News(News::Anew);
        }
        arrived(self.subscription.next().await)
    }
}

fn arrived(live: Option<Live>) -> Arrived {
    match live {
        Some(Live::Changes(batch)) => Arrived::News(News::Changes(batch)),
        Some(Live::Rows(page)) => {
            let last = page.next.is_none();
            Arrived::News(News::Rows { rows: page.rows, at: page.at, last })
        }
        Some(Live::Reset(_)) => Arrived::News(News::Anew),
        None => Arrived::Over,
    }
}
