//! The engine for tests and simulations: the same state, with no disk under it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::batch::Batch;
use crate::history::Limits;
use crate::shared::{MemoryServed, SharedState};
use crate::state::State;
use crate::store::{Revision, StoreError, Txn, TxnOutcome};

/// A [`Store`](crate::Store) in memory, gone when it is dropped.
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
impl MemoryServed for MemoryStore {
    fn shared(&self) -> &Arc<SharedState> {
        &self.shared
    }

    async fn commit(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        self.shared.update(|state| {
            let mut batch = Batch::new(state);
            let outcome = batch.evaluate(txn);
            (outcome, batch.finish())
        })
    }
}
