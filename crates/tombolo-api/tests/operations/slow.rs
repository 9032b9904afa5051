//! A store whose commits take long enough for everybody else to read first.

use std::sync::Arc;

use async_trait::async_trait;
use tombolo_store::{
    Entry, KeyRange, MemoryStore, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch,
};

/// On a runtime of one thread, requests that are sent at once all read before the first commits,
/// as they may with a disk: of those that write the same key, each round lets one through.
pub(crate) struct Slow(pub(crate) Arc<MemoryStore>);

#[async_trait]
impl Store for Slow {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.0.get(key).await
    }

    async fn range(&self, range: &KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.0.range(range, limit).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        tokio::task::yield_now().await;
        self.0.txn(txn).await
    }

    fn watch(&self, prefix: &[u8], after: Revision) -> Box<dyn Watch> {
        self.0.watch(prefix, after)
    }

    fn revision(&self) -> Revision {
        self.0.revision()
    }
}
