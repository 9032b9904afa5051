//! Waiting for a condition, with a deadline.

use std::time::Duration;

use anyhow::{Result, bail};

/// How patiently a condition is waited for.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// The time between two looks, which cost the machine a little.
    pub(super) every: Duration,
    /// The time after which there is no hope left.
    pub(super) deadline: Duration,
}

/// Looks until there is something; `what` tells that there was nothing until the deadline.
pub(super) async fn until<T>(
    what: &str,
    patience: Patience,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let looking = async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(patience.every).await;
        }
    };
    match tokio::time::timeout(patience.deadline, looking).await {
        Ok(found) => found,
        Err(_) => bail!("{what}: not within {} seconds", patience.deadline.as_secs()),
    }
}
