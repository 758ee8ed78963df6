//! Waiting for a condition, bounded. It must never wait for a time to pass: a test that needs a delay waits for what
//! the delay was meant for.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::limits::POLL_INTERVAL;

/// Looks at the condition until it gives `Some`, and gives that. The first look is at once.
///
/// # Errors
/// The look's own error, at once; or, after `limit`, that `what` did not come true.
pub async fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_async(what, limit, || std::future::ready(look())).await
}

/// Like [`until`] for a condition that has to be asked for: `|| async { … }`.
///
/// # Errors
/// As for [`until`].
pub async fn until_async<T, Answer: Future<Output = Result<Option<T>>>>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> Answer,
) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if started.elapsed() >= limit {
            bail!("after {} s still not: {what}", limit.as_secs_f32());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
