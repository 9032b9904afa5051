//! The read model: the records of a store, decoded, with indexes, as they were at one revision.
//!
//! It is fed by the store's watch. A record is decoded once for each change of it, however often it
//! is read, and what is asked for by an id or by something else that is in a record is found without
//! a look at the others.
//!
//! **Nothing that is read from it is older than what the store had acknowledged when it was asked.** A
//! reader asks the store for its revision and waits until the model has come as far
//! ([`ReadModel::current`]); if that takes too long the read fails, and is never answered from
//! what was. Whoever waits takes the changes over itself, so that no other task has to be scheduled
//! first; [`ReadModel::follow`] does the same while nobody reads.
//!
//! **A [`Snapshot`] never changes.** All that a transaction reads here is of one revision. The commit
//! compares that revision with the store's, so that what decides a write is still what the store has.
//!
//! If the store no longer has the changes that are missing, the model is made anew beside the old one,
//! and takes its place once it is whole.

mod index;
mod modelled_store;
mod snapshot;
mod table;

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};
use tombolo_domain::error_chain;

pub use index::{Indexed, Term};
pub use modelled_store::ModelledStore;
pub use snapshot::Snapshot;
pub(crate) use snapshot::has_table;
pub(crate) use table::Table;

use crate::{KeyRange, Revision, Store, StoreError, Watch, WatchError};

/// How long a reader waits for the model to come as far as the store.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long to wait before a store that cannot be reached is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// The read model of one store.
pub struct ReadModel {
    store: Arc<dyn Store>,
    /// Locked for as long as it takes to copy or to replace a pointer.
    newest: RwLock<Arc<Snapshot>>,
    /// What is next. Whoever has the lock is the one that takes changes over. `None`: the model must
    /// be made from the store's entries first.
    feed: tokio::sync::Mutex<Option<Box<dyn Watch>>>,
}

impl ReadModel {
    /// A model of `store`, which is made when it is first needed.
    pub fn new(store: Arc<dyn Store>) -> Self {
        ReadModel {
            store,
            newest: RwLock::default(),
            feed: tokio::sync::Mutex::new(None),
        }
    }

    /// The newest snapshot that there is, which may be older than the store.
    pub fn newest(&self) -> Arc<Snapshot> {
        // A pointer is replaced at once, so a panic elsewhere leaves nothing half-made.
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        newest.clone()
    }

    /// A snapshot that shows everything that the store had acknowledged when this was called.
    ///
    /// # Errors
    /// [`StoreError::Behind`] if the store's changes did not come in time, and those of the store.
    pub async fn current(&self) -> Result<Arc<Snapshot>, StoreError> {
        let acknowledged = self.store.revision().await?;
        let newest = self.newest();
        if newest.revision() >= acknowledged {
            return Ok(newest);
        }
        let mut reach = pin!(self.reach(acknowledged));
        // The store's engines in this process have the changes at hand, and nobody has to wait.
        if let Poll::Ready(reached) =
            poll_fn(|context| Poll::Ready(reach.as_mut().poll(context))).await
        {
            return reached;
        }
        match timeout(DEADLINE, reach).await {
            Ok(reached) => reached,
            Err(_) => Err(StoreError::Behind {
                reached: self.newest().revision(),
                acknowledged,
            }),
        }
    }

    /// Takes over the store's changes until the store is closed, so that few are left for readers.
    pub async fn follow(&self) {
        loop {
            match self.follow_once().await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(
                        error = error_chain(&error),
                        "the read model cannot follow the store; trying again"
                    );
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Waits for a change without keeping readers from taking it over first.
    async fn follow_once(&self) -> Result<(), StoreError> {
        let seen = self.reach(self.store.revision().await?).await?.revision();
        let mut changes = self.store.watch(b"", seen).await?;
        loop {
            let Ok(events) = changes.next().await else {
                return match self.store.revision().await {
                    // The watch alone has ended.
                    Ok(_) => Ok(()),
                    Err(error) => Err(error),
                };
            };
            if let Some(last) = events.last() {
                self.reach(last.revision).await?;
            }
        }
    }

    /// Takes changes over until the model has come to `revision`.
    async fn reach(&self, revision: Revision) -> Result<Arc<Snapshot>, StoreError> {
        let mut feed = self.feed.lock().await;
        loop {
            let newest = self.newest();
            if newest.revision() >= revision {
                return Ok(newest);
            }
            let Some(watch) = feed.as_mut() else {
                *feed = Some(self.rebuild().await?);
                continue;
            };
            // Dropped half-way it has lost nothing, and the next reader goes on.
            match watch.next().await {
                Ok(events) => self.publish(newest.after(&events)),
                Err(WatchError::Compacted(_)) => *feed = None,
                Err(WatchError::Lost) => {
                    *feed = Some(self.store.watch(b"", newest.revision()).await?);
                }
                Err(WatchError::Closed) => return Err(StoreError::Closed),
            }
        }
    }

    /// Makes the model from all of the store's entries, and gives the watch that goes on from there.
    async fn rebuild(&self) -> Result<Box<dyn Watch>, StoreError> {
        let all = KeyRange {
            start: Bytes::new(),
            end: Bytes::from_static(&[0xff]),
        };
        let page = self.store.list(&all).await?;
        let watch = self.store.watch(b"", page.revision).await?;
        self.publish(Snapshot::load(&page.entries, page.revision));
        Ok(watch)
    }

    fn publish(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *newest, snapshot);
        drop(newest);
        // The last copy of a large one takes a while to go.
        drop(old);
    }
}

impl fmt::Debug for ReadModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadModel")
            .field("revision", &self.newest().revision())
            .finish_non_exhaustive()
    }
}
