//! The state as readers, watches and the one writer share it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use crate::batch::{Evaluated, require_distinct_keys};
use crate::state::State;
use crate::store::{
    Entry, Event, KeyRange, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch, WatchError,
};

/// A [`State`] behind a lock that is only ever held for work in memory: no reader waits for a disk.
pub(crate) struct SharedState {
    guarded: RwLock<Guarded>,
    /// Says only "look again". What there is to see is in the state, so that a wake-up can come
    /// late or twice and no change is missed.
    wake: watch::Sender<()>,
}

struct Guarded {
    state: State,
    open: bool,
}

impl SharedState {
    pub(crate) fn new(state: State) -> Arc<Self> {
        let guarded = RwLock::new(Guarded { state, open: true });
        Arc::new(Self {
            guarded,
            wake: watch::Sender::new(()),
        })
    }

    pub(crate) fn revision(&self) -> Revision {
        self.shared().state.revision()
    }

    /// Looks at the committed state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, StoreError> {
        let guarded = self.shared();
        if guarded.open {
            Ok(look(&guarded.state))
        } else {
            Err(StoreError::Closed)
        }
    }

    /// Takes over a batch that is durable, and wakes the watches.
    pub(crate) fn apply(&self, evaluated: Evaluated) {
        self.exclusive().state.apply(evaluated);
        self.wake.send_replace(());
    }

    /// Evaluates and applies under one lock, for an engine without a disk between the two.
    pub(crate) fn update<T>(
        &self,
        evaluate: impl FnOnce(&State) -> (T, Evaluated),
    ) -> Result<T, StoreError> {
        let mut guarded = self.exclusive();
        if !guarded.open {
            return Err(StoreError::Closed);
        }
        let (outcome, evaluated) = evaluate(&guarded.state);
        guarded.state.apply(evaluated);
        drop(guarded);
        self.wake.send_replace(());
        Ok(outcome)
    }

    /// Ends all reads and, once they told the last change, all watches.
    pub(crate) fn close(&self) {
        self.exclusive().open = false;
        self.wake.send_replace(());
    }

    pub(crate) fn watch(self: &Arc<Self>, prefix: &[u8], after: Revision) -> Box<dyn Watch> {
        Box::new(PrefixWatch {
            shared: Arc::clone(self),
            wake: self.wake.subscribe(),
            prefix: Bytes::copy_from_slice(prefix),
            after,
        })
    }

    // Applying a batch does not panic, so a poisoned lock can only come from a reader's closure,
    // which changes nothing: the state behind it is whole.
    fn shared(&self) -> RwLockReadGuard<'_, Guarded> {
        self.guarded.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Guarded> {
        self.guarded.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An engine that answers reads from a [`SharedState`]. What differs is how a transaction gets there.
#[async_trait]
pub(crate) trait MemoryServed: Send + Sync {
    /// What its readers and watches see.
    fn shared(&self) -> &Arc<SharedState>;

    /// [`Store::txn`], for a transaction that names each key once.
    async fn commit(&self, txn: Txn) -> Result<TxnOutcome, StoreError>;
}

#[async_trait]
impl<S: MemoryServed> Store for S {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.shared().read(|state| state.get(key))
    }

    async fn range(&self, range: &KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.shared().read(|state| state.page(range, limit))
    }

    async fn count(&self, range: &KeyRange, most: usize) -> Result<usize, StoreError> {
        self.shared()
            .read(|state| state.within(range).take(most).count())
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        require_distinct_keys(&txn)?;
        self.commit(txn).await
    }

    async fn list(&self, range: &KeyRange) -> Result<Page, StoreError> {
        self.shared().read(|state| state.page(range, usize::MAX))
    }

    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        Ok(self.shared().watch(prefix, after))
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.shared().read(State::revision)
    }
}

/// Without the entries: secret keys are among them, and `{:?}` ends in logs.
impl fmt::Debug for SharedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedState")
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

/// A [`Watch`] that reads the state's history. Dropping a `next` half-way loses nothing: the
/// position moves in the same step that returns the events.
struct PrefixWatch {
    shared: Arc<SharedState>,
    wake: watch::Receiver<()>,
    prefix: Bytes,
    after: Revision,
}

impl PrefixWatch {
    /// The changes since the last look. The position moves past other prefixes' changes too, so
    /// that a quiet prefix is not compacted away under its watch.
    fn look(&mut self) -> Result<Vec<Event>, WatchError> {
        let guarded = self.shared.shared();
        let events = guarded.state.events(&self.prefix, self.after)?;
        self.after = self.after.max(guarded.state.revision());
        if events.is_empty() && !guarded.open {
            Err(WatchError::Closed)
        } else {
            Ok(events)
        }
    }
}

#[async_trait]
impl Watch for PrefixWatch {
    async fn next(&mut self) -> Result<Vec<Event>, WatchError> {
        loop {
            // Before the look: a change right after it then wakes this watch at once.
            self.wake.mark_unchanged();
            let events = self.look()?;
            if !events.is_empty() {
                return Ok(events);
            }
            self.wake.changed().await.map_err(|_| WatchError::Closed)?;
        }
    }
}
