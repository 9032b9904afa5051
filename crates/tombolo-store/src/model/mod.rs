//! The read model: the records of a store, decoded, with indexes, as they were at one revision.
//!
//! It is fed by the store's watch. A record is decoded once for each change of it, however often it
//! is read, and what is asked for by an id or by something else that is in a record is found without
//! a look at the others.
//!
//! **Nothing that is read from it is older than what the store had acknowledged when it was asked.** A
//! reader asks the store for its revision and waits until the model has come as far
//! ([`ReadModel::current`]); if that takes too long the read fails, and is never answered from
//! what was. Whoever waits takes the changes over itself, in [turns](turns), so that no other task has to
//! be scheduled first; [`ReadModel::follow`] does the same while nobody reads.
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
mod turns;

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};

pub use index::{Indexed, Term};
pub use modelled_store::ModelledStore;
pub use snapshot::Snapshot;
pub(crate) use snapshot::has_table;
pub use table::reads;
pub(crate) use table::{Record, Table};
use turns::Turns;

use crate::{KeyRange, Revision, Store, StoreError, Watch, WatchError};

/// How long a reader waits for the model to come as far as the store.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long to wait before a watch that was lost is begun again, the first time; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest wait before a store that cannot be reached is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// The read model of one store.
pub struct ReadModel {
    store: Arc<dyn Store>,
    /// Locked for as long as it takes to copy or to replace a pointer.
    newest: RwLock<Arc<Snapshot>>,
    turns: Arc<Turns>,
    /// Nobody waits for this lock: who has it has the turn.
    feed: Mutex<Feed>,
}

/// Where the changes come from.
struct Feed {
    at: At,
    /// How often the watch was lost since it last told something.
    losses: u32,
}

/// What comes next.
enum At {
    /// The model must be made from the store's entries.
    Rebuild,
    /// A watch must be begun at the newest snapshot.
    Begin,
    /// The watch tells the changes after the newest snapshot.
    Changes(Box<dyn Watch>),
    /// One of these has begun.
    UnderWay(Step),
}

/// One wait for something, and what follows. It is polled by whoever has the turn.
type Step = Pin<Box<dyn Future<Output = (At, Came)> + Send>>;

/// What a step came to.
enum Came {
    New(Arc<Snapshot>),
    /// What was waited for is no longer kept.
    Compacted,
    Lost,
    Failed(StoreError),
}

/// How far a turn came.
enum Turned {
    /// The model is where it should be, or may be.
    On,
    /// Others have the turn, or there is nothing yet: all who wait will be woken.
    Wait,
    /// The watch was lost so many times: nobody begins it again without a pause.
    Pause(u32),
}

impl ReadModel {
    /// A model of `store`, which is made when it is first needed.
    pub fn new(store: Arc<dyn Store>) -> Self {
        ReadModel {
            store,
            newest: RwLock::default(),
            turns: Arc::default(),
            feed: Mutex::new(Feed {
                at: At::Rebuild,
                losses: 0,
            }),
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
        let acknowledged = OnceLock::new();
        let mut reach = pin!(async {
            let revision = self.store.revision().await?;
            let revision = *acknowledged.get_or_init(|| revision);
            self.reach(revision).await
        });
        // The store's engines in this process have the changes at hand, and nobody needs a timer.
        let at_once = poll_fn(|context| Poll::Ready(reach.as_mut().poll(context)));
        if let Poll::Ready(reached) = at_once.await {
            return reached;
        }
        match timeout(DEADLINE, reach).await {
            Ok(reached) => reached,
            Err(_) => Err(StoreError::Behind {
                reached: self.newest().revision(),
                acknowledged: acknowledged.get().copied(),
            }),
        }
    }

    /// Takes over the store's changes until the store is closed, so that few are left for readers.
    /// `tell` is told of each time, and of what failed.
    pub async fn follow(&self, tell: impl Fn(Option<&StoreError>)) {
        loop {
            let next = Revision(self.newest().revision().0 + 1);
            match self.reach(next).await {
                Ok(_) => tell(None),
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tell(Some(&error));
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Takes changes over, or waits for others to, until the model has come to `revision`.
    async fn reach(&self, revision: Revision) -> Result<Arc<Snapshot>, StoreError> {
        let newest = self.newest();
        if newest.revision() >= revision {
            return Ok(newest);
        }
        let mut wakes = self.turns.subscribe();
        let mut paused_for = 0;
        loop {
            // Before the look: what comes right after it then wakes at once.
            wakes.mark_unchanged();
            let newest = self.newest();
            if newest.revision() >= revision {
                return Ok(newest);
            }
            match self.take_turn(revision, paused_for)? {
                Turned::On => {}
                // The sender is this model's own.
                Turned::Wait => _ = wakes.changed().await,
                Turned::Pause(losses) => {
                    sleep(pause(losses)).await;
                    paused_for = losses;
                }
            }
        }
    }

    /// Takes over what there is, if it is nobody else's turn, up to `revision`. `paused_for` is the
    /// number of losses after which the caller has made a pause.
    fn take_turn(&self, revision: Revision, paused_for: u32) -> Result<Turned, StoreError> {
        let Some(turn) = self.turns.take() else {
            return Ok(Turned::Wait);
        };
        // Should a poll panic, the watch is begun again.
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        if feed.losses > paused_for {
            return Ok(Turned::Pause(feed.losses));
        }
        let waker = Waker::from(self.turns.clone());
        loop {
            let newest = self.newest();
            if newest.revision() >= revision {
                return Ok(Turned::On);
            }
            let mut step = match std::mem::replace(&mut feed.at, At::Begin) {
                At::UnderWay(step) => step,
                at => Box::pin(next(self.store.clone(), newest, at)),
            };
            let Poll::Ready((at, came)) = step.as_mut().poll(&mut Context::from_waker(&waker))
            else {
                feed.at = At::UnderWay(step);
                drop(feed);
                turn.found_nothing();
                return Ok(Turned::Wait);
            };
            feed.at = at;
            match came {
                Came::New(snapshot) => {
                    feed.losses = 0;
                    self.publish(snapshot);
                }
                Came::Compacted => {}
                Came::Lost => {
                    feed.losses = feed.losses.saturating_add(1);
                    return Ok(Turned::Pause(feed.losses));
                }
                Came::Failed(error) => return Err(error),
            }
        }
    }

    fn publish(&self, snapshot: Arc<Snapshot>) {
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *newest, snapshot);
        drop(newest);
        // The last copy of a large one takes a while to go.
        drop(old);
    }
}

/// Waits for what comes after `newest`, and says what comes after that.
async fn next(store: Arc<dyn Store>, newest: Arc<Snapshot>, at: At) -> (At, Came) {
    let mut watch = match at {
        At::Changes(watch) => watch,
        At::Rebuild => {
            return match rebuild(&*store).await {
                Ok((snapshot, watch)) => (At::Changes(watch), Came::New(Arc::new(snapshot))),
                Err(error) => (At::Rebuild, Came::Failed(error)),
            };
        }
        At::Begin => match store.watch(b"", newest.revision()).await {
            Ok(watch) => watch,
            Err(error) => return (At::Begin, Came::Failed(error)),
        },
        // It is its own step.
        At::UnderWay(step) => return step.await,
    };
    match watch.next().await {
        Ok(events) => (
            At::Changes(watch),
            Came::New(Arc::new(newest.after(&events))),
        ),
        Err(WatchError::Compacted(_)) => (At::Rebuild, Came::Compacted),
        Err(WatchError::Lost) => (At::Begin, Came::Lost),
        Err(WatchError::Closed) => (At::Begin, Came::Failed(StoreError::Closed)),
    }
}

/// Makes the model from all of the store's entries, and gives the watch that goes on from there.
async fn rebuild(store: &dyn Store) -> Result<(Snapshot, Box<dyn Watch>), StoreError> {
    let all = KeyRange {
        start: Bytes::new(),
        end: Bytes::from_static(&[0xff]),
    };
    let page = store.list(&all).await?;
    let watch = store.watch(b"", page.revision).await?;
    Ok((Snapshot::load(&page.entries, page.revision), watch))
}

/// How long to wait before a watch that was lost so many times is begun again.
fn pause(losses: u32) -> Duration {
    let doubled = 1_u32.checked_shl(losses.saturating_sub(1));
    FIRST_PAUSE
        .saturating_mul(doubled.unwrap_or(u32::MAX))
        .min(RETRY)
}

impl fmt::Debug for ReadModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadModel")
            .field("revision", &self.newest().revision())
            .finish_non_exhaustive()
    }
}
