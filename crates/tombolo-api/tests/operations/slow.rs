//! A store whose commits take long enough for everybody else to read first.

use async_trait::async_trait;
use tombolo_store::TxnOutcome;

use crate::store::Meddle;

/// On a runtime of one thread, requests that are sent at once all read before the first commits,
/// as they may with a disk: of those that write the same key, each round lets one through.
pub(crate) struct Slow;

#[async_trait]
impl Meddle for Slow {
    async fn before_txn(&self) -> Option<TxnOutcome> {
        tokio::task::yield_now().await;
        None
    }
}
