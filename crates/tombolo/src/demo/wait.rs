//! Waiting for a condition, with a deadline.

use std::time::Duration;

use anyhow::{Result, bail};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until there is something, for at most `deadline`; `what` is what is waited for.
pub(super) async fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let looking = async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(deadline, looking).await {
        Ok(found) => found,
        Err(_) => bail!("{what}: not within {} seconds", deadline.as_secs()),
    }
}
