//! The signals that ask a process to end.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};

use super::error::CliError;

/// Resolves at the first SIGINT or SIGTERM after the call.
///
/// # Errors
/// The operating system refuses the handlers.
pub(crate) fn stop() -> Result<impl Future<Output = ()>, CliError> {
    let failed = |error| CliError::io("signal", &error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
