//! The way back to whoever asked. Each request gets exactly one answer, whatever becomes of the engine.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use muster_proto::{Answer, CommandError};
use tokio::sync::oneshot;

use crate::errors::{AdvanceError, LOG_STOPPED, NO_PLANNER, ShutdownError};
use crate::handle::{Advanced, Ended};

/// What a request becomes.
pub type Outcome = Result<Answer, CommandError>;

/// What stands for an answer that nobody can give any more.
pub trait Unanswered {
    /// The answer of an engine that is gone.
    fn unanswered() -> Self;
}

impl Unanswered for Outcome {
    fn unanswered() -> Self {
        Err(LOG_STOPPED)
    }
}

/// What the planner's state says to a question; or why it cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<T>(pub Result<T, CommandError>);

impl<T> Unanswered for Asked<T> {
    fn unanswered() -> Self {
        Self(Err(NO_PLANNER))
    }
}

impl Unanswered for Result<Advanced, AdvanceError> {
    fn unanswered() -> Self {
        Err(AdvanceError::Stopped)
    }
}

impl Unanswered for Result<Ended, ShutdownError> {
    fn unanswered() -> Self {
        Err(ShutdownError::Stopped)
    }
}

enum Target<T> {
    Waiting(oneshot::Sender<T>),
    Callback(Box<dyn FnOnce(T) + Send>),
}

/// One answer to give. Dropped without one, it gives [`Unanswered::unanswered`].
pub(crate) struct Reply<T: Unanswered>(Option<Target<T>>);

impl<T: Unanswered> Reply<T> {
    pub(crate) fn waiting() -> (Self, Waiting<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(Target::Waiting(sender))), Waiting(receiver))
    }

    pub(crate) fn callback(callback: Box<dyn FnOnce(T) + Send>) -> Self {
        Self(Some(Target::Callback(callback)))
    }

    pub(crate) fn send(mut self, answer: T) {
        self.give(answer);
    }

    fn give(&mut self, answer: T) {
        match self.0.take() {
            // Whoever asked may have gone; the command is stored all the same.
            Some(Target::Waiting(sender)) => drop(sender.send(answer)),
            Some(Target::Callback(callback)) => callback(answer),
            None => {}
        }
    }
}

impl<T: Unanswered> Drop for Reply<T> {
    fn drop(&mut self) {
        if self.0.is_some() {
            self.give(T::unanswered());
        }
    }
}

/// An answer on its way: a future, or [`Waiting::wait`] for a plain thread. Dropping it does not take the request back.
#[must_use = "the answer says whether the request was carried out"]
pub struct Waiting<T>(oneshot::Receiver<T>);

impl<T: Unanswered> Waiting<T> {
    /// Blocks this thread until the answer is there.
    ///
    /// # Panics
    /// Inside of an asynchronous task, which is to await it.
    pub fn wait(self) -> T {
        self.0.blocking_recv().unwrap_or_else(|_| T::unanswered())
    }
}

impl<T: Unanswered> Future for Waiting<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(context).map(|received| received.unwrap_or_else(|_| T::unanswered()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_reply_still_answers() {
        let (reply, waiting) = Reply::<Outcome>::waiting();
        drop(reply);
        assert_eq!(waiting.wait(), Err(LOG_STOPPED));

        let (sender, receiver) = crossbeam_channel::bounded(1);
        drop(Reply::<Outcome>::callback(Box::new(move |outcome| sender.send(outcome).expect("the test waits"))));
        assert_eq!(receiver.recv(), Ok(Err(LOG_STOPPED)));
    }
}
