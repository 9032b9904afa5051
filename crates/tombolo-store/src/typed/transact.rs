//! Transactions that are started over.

use std::sync::Arc;

use super::{Committed, Transaction};
use crate::{Store, StoreError};

/// Runs `work` in a transaction and commits it, over again for as long as what it read changes
/// meanwhile. Each conflict means that somebody else went ahead, so this ends.
pub async fn transact<T>(
    store: &Arc<dyn Store>,
    work: impl AsyncFn(&mut Transaction) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    loop {
        let mut tx = Transaction::new(store.clone());
        let outcome = work(&mut tx).await?;
        if tx.commit().await? == Committed::Yes {
            return Ok(outcome);
        }
    }
}
