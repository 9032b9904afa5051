//! A store together with its read model.

use std::sync::Arc;

use async_trait::async_trait;

use super::ReadModel;
use crate::{Entry, KeyRange, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch};

/// A store whose typed transactions read lists from its read model.
pub struct ModelledStore {
    store: Arc<dyn Store>,
    model: ReadModel,
}

impl ModelledStore {
    /// `store` with a read model, which is made when it is first needed.
    pub fn over(store: Arc<dyn Store>) -> Self {
        let model = ReadModel::new(store.clone());
        ModelledStore { store, model }
    }
}

#[async_trait]
impl Store for ModelledStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.store.get(key).await
    }

    async fn range(&self, range: &KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.store.range(range, limit).await
    }

    async fn count(&self, range: &KeyRange, most: usize) -> Result<usize, StoreError> {
        self.store.count(range, most).await
    }

    async fn list(&self, range: &KeyRange) -> Result<Page, StoreError> {
        self.store.list(range).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        self.store.txn(txn).await
    }

    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        self.store.watch(prefix, after).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision().await
    }

    fn read_model(&self) -> Option<&ReadModel> {
        Some(&self.model)
    }
}
