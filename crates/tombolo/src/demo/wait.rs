//! Waiting for a condition, with a deadline.

use std::time::Duration;

use anyhow::{Result, bail};

/// How a condition is waited for.
#[derive(Clone, Copy)]
pub(super) struct Polling {
    /// The time between two looks, which cost the machine a little.
    pub(super) interval: Duration,
    /// The time after which it has failed.
    pub(super) deadline: Duration,
}

/// Looks until there is something; `what` tells that there was nothing until the deadline.
pub(super) async fn until<T>(
    what: &str,
    polling: Polling,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let looking = async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(polling.interval).await;
        }
    };
    match tokio::time::timeout(polling.deadline, looking).await {
        Ok(found) => found,
        Err(_) => bail!("{what}: not within {} seconds", polling.deadline.as_secs()),
    }
}
