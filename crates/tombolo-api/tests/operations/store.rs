//! A store that a test looks into, or meddles with, while an operation uses it.

use std::sync::Arc;

use async_trait::async_trait;
use tombolo_store::{
    Entry, Event, KeyRange, MemoryStore, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch,
    WatchError,
};

/// What is done on the way to and from the store. By itself, nothing.
#[async_trait]
pub(crate) trait Meddle: Send + Sync {
    /// After the value of `key` was read, and before the operation gets it.
    async fn after_get(&self, _key: &[u8]) {}

    /// Before a range is read.
    fn before_range(&self, _range: &KeyRange) {}

    /// Before a transaction; what it comes to, if it is not to reach the store.
    async fn before_txn(&self) -> Option<TxnOutcome> {
        None
    }

    /// After a watch saw changes, and before it tells them.
    async fn before_changes(&self) {}
}

/// A store in memory with `meddler` in front of it.
pub(crate) struct Meddled<M> {
    store: Arc<MemoryStore>,
    meddler: Arc<M>,
}

struct MeddledWatch<M> {
    watch: Box<dyn Watch>,
    /// What it saw and has not told.
    seen: Option<Result<Vec<Event>, WatchError>>,
    meddler: Arc<M>,
}

impl<M> Meddled<M> {
    pub(crate) fn new(store: Arc<MemoryStore>, meddler: M) -> Arc<Self> {
        let meddler = Arc::new(meddler);
        Arc::new(Meddled { store, meddler })
    }
}

#[async_trait]
impl<M: Meddle> Watch for MeddledWatch<M> {
    async fn next(&mut self) -> Result<Vec<Event>, WatchError> {
        let seen = match self.seen.take() {
            Some(seen) => seen,
            None => self.watch.next().await,
        };
        let seen = self.seen.insert(seen).clone();
        self.meddler.before_changes().await;
        self.seen = None;
        seen
    }
}

#[async_trait]
impl<M: Meddle + 'static> Store for Meddled<M> {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let found = self.store.get(key).await;
        self.meddler.after_get(key).await;
        found
    }

    async fn range(&self, range: &KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.meddler.before_range(range);
        self.store.range(range, limit).await
    }

    async fn count(&self, range: &KeyRange, most: usize) -> Result<usize, StoreError> {
        self.store.count(range, most).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        match self.meddler.before_txn().await {
            Some(outcome) => Ok(outcome),
            None => self.store.txn(txn).await,
        }
    }

    async fn list(&self, range: &KeyRange) -> Result<Page, StoreError> {
        self.store.list(range).await
    }

    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        Ok(Box::new(MeddledWatch {
            watch: self.store.watch(prefix, after).await?,
            seen: None,
            meddler: self.meddler.clone(),
        }))
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision().await
    }
}
