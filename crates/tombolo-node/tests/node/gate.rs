//! A store that reconcilers meet only when nobody keeps them out: what several operations make, one
//! after the other, they see at once.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{RwLock, RwLockWriteGuard};
use tombolo_store::{
    Entry, KeyRange, MemoryStore, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch,
};

/// A store in memory with a gate in front of it.
pub(crate) struct Gate {
    store: Arc<MemoryStore>,
    passing: RwLock<()>,
}

impl Gate {
    /// An open gate before `store`.
    pub(crate) fn before(store: Arc<MemoryStore>) -> Self {
        Gate {
            store,
            passing: RwLock::new(()),
        }
    }

    /// Keeps everybody out until the guard is dropped.
    pub(crate) async fn close(&self) -> RwLockWriteGuard<'_, ()> {
        self.passing.write().await
    }
}

#[async_trait]
impl Store for Gate {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let _open = self.passing.read().await;
        self.store.get(key).await
    }

    async fn range(&self, range: &KeyRange, limit: usize) -> Result<Page, StoreError> {
        let _open = self.passing.read().await;
        self.store.range(range, limit).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        let _open = self.passing.read().await;
        self.store.txn(txn).await
    }

    async fn list(&self, range: &KeyRange) -> Result<Page, StoreError> {
        let _open = self.passing.read().await;
        self.store.list(range).await
    }

    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        self.store.watch(prefix, after).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        let _open = self.passing.read().await;
        self.store.revision().await
    }
}
