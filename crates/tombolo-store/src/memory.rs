//! The engine for tests and simulations: the same state, with no disk under it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::batch::{Batch, require_distinct_keys};
use crate::history::Limits;
use crate::shared::SharedState;
use crate::state::State;
use crate::store::{Entry, KeyRange, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch};

/// A [`Store`] in memory, gone when it is dropped.
#[derive(Debug)]
pub struct MemoryStore {
    shared: Arc<SharedState>,
}

impl MemoryStore {
    /// An empty store at revision 0.
    #[must_use]
    pub fn new() -> Self {
        let state = State::new(BTreeMap::new(), Revision(0), Limits::DEFAULT);
        Self {
            shared: SharedState::new(state),
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.shared.close();
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.shared.get(key)
    }

    async fn range(&self, range: &KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.shared.page(range, limit)
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        require_distinct_keys(&txn)?;
        self.shared.update(|state| {
            let mut batch = Batch::new(state);
            let outcome = batch.evaluate(txn);
            (outcome, batch.finish())
        })
    }

    fn watch(&self, prefix: &[u8], after: Revision) -> Box<dyn Watch> {
        self.shared.watch(prefix, after)
    }

    fn revision(&self) -> Revision {
        self.shared.revision()
    }
}
