//! Transactions that are started over when others changed what they read.
//!
//! There is one rule for how often and how soon ([`Attempts`]), whoever runs the transaction:
//! reconcilers and reports by [`transact`], operations and the admin socket with reads of their own.
//! By hand and not by the crate backon, whose jitter is added on top of the longest wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Committed, Transaction};
use crate::{Overtaken, Store, StoreError};

/// How often a transaction is attempted. Each conflict means that somebody else's went through, so
/// this bounds unfairness, not progress.
const MAX_ATTEMPTS: usize = 100;

/// After how many attempts there is a wait before the next. Whoever was in the way of the first has
/// mostly gone.
const WITHOUT_WAIT: usize = 2;
/// The longest first wait.
const FIRST_WAIT: Duration = Duration::from_millis(1);
/// What the longest wait, doubling from attempt to attempt, does not grow beyond. All attempts
/// together take less than a second more than their work.
const MAX_WAIT: Duration = Duration::from_millis(10);

/// The attempts at one transaction. One that meets no conflict costs nothing.
#[derive(Debug, Default)]
pub struct Attempts {
    lost: usize,
    /// How many waits there were since the first one.
    waits: u32,
}

impl Attempts {
    /// How many attempts met a conflict.
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// Takes note of a conflict, and waits as long as is good for the next attempt.
    ///
    /// # Errors
    /// There were a hundred.
    pub async fn after_conflict(&mut self) -> Result<(), Overtaken> {
        pause(self.next_wait(jitter())?).await;
        Ok(())
    }

    /// Begins again with short waits, for who has waited for its turn already.
    pub fn restart_waits(&mut self) {
        self.waits = 0;
    }

    /// How long to wait after a conflict; `random` are 64 random bits. The wait is drawn from the upper
    /// half of what it may be, so that those who met do not meet again.
    fn next_wait(&mut self, random: u64) -> Result<Option<Duration>, Overtaken> {
        self.lost += 1;
        if self.lost >= MAX_ATTEMPTS {
            let attempts = self.lost;
            return Err(Overtaken { attempts });
        }
        if self.lost < WITHOUT_WAIT {
            return Ok(None);
        }
        let doubled = 1_u32.checked_shl(self.waits).unwrap_or(u32::MAX);
        self.waits = self.waits.saturating_add(1);
        let longest = FIRST_WAIT.saturating_mul(doubled).min(MAX_WAIT);
        let shortest = longest / 2;
        // Not more than 10 ms.
        let spread = u64::try_from((longest - shortest).as_nanos()).unwrap_or(u64::MAX);
        let drawn = random % spread.saturating_add(1);
        Ok(Some(shortest + Duration::from_nanos(drawn)))
    }
}

async fn pause(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        // On the same thread the one that was faster has to come to its end first.
        None => tokio::task::yield_now().await,
    }
}

/// 64 bits, other ones each time. Who contends for a store is in this process, so that one sequence
/// tells all of them apart; nothing else depends on it. SplitMix64.
fn jitter() -> u64 {
    static SEQUENCE: AtomicU64 = AtomicU64::new(0);
    let mut z = SEQUENCE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Runs `work` in a transaction and commits it, over again while what it read changes meanwhile.
///
/// # Errors
/// Those of `work` and of the store, and [`StoreError::Overtaken`]: whoever wanted it looks again at
/// its next round.
pub async fn transact<T>(
    store: &Arc<dyn Store>,
    work: impl AsyncFn(&mut Transaction) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    attempt(store, work, pause).await
}

/// As [`transact`], with `pause` between the attempts.
async fn attempt<T>(
    store: &Arc<dyn Store>,
    work: impl AsyncFn(&mut Transaction) -> Result<T, StoreError>,
    pause: impl AsyncFn(Option<Duration>),
) -> Result<T, StoreError> {
    let mut attempts = Attempts::default();
    loop {
        let mut tx = Transaction::new(store.clone());
        let outcome = work(&mut tx).await?;
        if tx.commit().await? == Committed::Yes {
            return Ok(outcome);
        }
        pause(attempts.next_wait(jitter())?).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use async_trait::async_trait;
    use tombolo_domain::error_chain;

    use super::*;
    use crate::{Entry, KeyRange, MemoryStore, Page, Revision, Txn, TxnOutcome, Watch, keys};

    /// A store in which others are faster the first so many times.
    struct Contended {
        store: MemoryStore,
        conflicts: AtomicUsize,
    }

    impl Contended {
        fn times(conflicts: usize) -> Arc<dyn Store> {
            Arc::new(Contended {
                store: MemoryStore::new(),
                conflicts: AtomicUsize::new(conflicts),
            })
        }
    }

    #[async_trait]
    impl Store for Contended {
        async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
            self.store.get(key).await
        }

        async fn range(&self, range: &KeyRange, limit: usize) -> Result<Page, StoreError> {
            self.store.range(range, limit).await
        }

        async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
            let left = self.conflicts.load(Ordering::Relaxed);
            self.conflicts
                .store(left.saturating_sub(1), Ordering::Relaxed);
            match left {
                0 => self.store.txn(txn).await,
                _ => Ok(TxnOutcome::Conflict),
            }
        }

        async fn list(&self, range: &KeyRange) -> Result<Page, StoreError> {
            self.store.list(range).await
        }

        async fn watch(
            &self,
            prefix: &[u8],
            after: Revision,
        ) -> Result<Box<dyn Watch>, StoreError> {
            self.store.watch(prefix, after).await
        }

        async fn revision(&self) -> Result<Revision, StoreError> {
            self.store.revision().await
        }
    }

    /// What a transaction comes to, how often it ran, and how it waited.
    async fn outcome(
        store: &Arc<dyn Store>,
    ) -> (Result<u32, StoreError>, usize, Vec<Option<Duration>>) {
        let (runs, waits) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let count = async |tx: &mut Transaction| {
            runs.fetch_add(1, Ordering::Relaxed);
            let key = keys::vpc_number();
            let number = tx.get(&key).await?.unwrap_or(0) + 1;
            tx.put_at(&key, &number)?;
            Ok(number)
        };
        let outcome = attempt(store, count, async |wait| waits.lock().unwrap().push(wait)).await;
        (outcome, runs.into_inner(), waits.into_inner().unwrap())
    }

    #[tokio::test]
    async fn who_meets_nobody_does_not_wait() {
        let (outcome, runs, waits) = outcome(&Contended::times(0)).await;
        assert_eq!((outcome.unwrap(), runs), (1, 1));
        assert_eq!(waits, []);
    }

    #[tokio::test]
    async fn what_others_overtook_is_attempted_again() {
        let (outcome, runs, waits) = outcome(&Contended::times(3)).await;
        assert_eq!((outcome.unwrap(), runs, waits.len()), (1, 4, 3));
    }

    #[tokio::test]
    async fn who_is_always_overtaken_waits_longer_each_time_and_is_told() {
        let (outcome, runs, waits) = outcome(&Contended::times(usize::MAX)).await;
        assert_eq!(
            error_chain(&outcome.unwrap_err()).to_string(),
            "a transaction was given up, and the next round of the task tries again: others changed \
             the same records 100 times meanwhile, and nothing was written"
        );
        assert_eq!((runs, waits.len()), (MAX_ATTEMPTS, MAX_ATTEMPTS - 1));
        let (at_once, waiting) = waits.split_at(WITHOUT_WAIT - 1);
        assert!(at_once.iter().all(Option::is_none));
        let (mut bound, mut longest) = (FIRST_WAIT, Duration::ZERO);
        for wait in waiting {
            let wait = wait.unwrap();
            assert!(wait >= bound / 2 && wait <= bound, "{wait:?} of {bound:?}");
            longest += bound;
            bound = (bound * 2).min(MAX_WAIT);
        }
        assert!(longest < Duration::from_secs(1), "{longest:?}");
    }

    #[tokio::test]
    async fn those_who_met_do_not_wait_equally_long() {
        let (_, _, one) = outcome(&Contended::times(usize::MAX)).await;
        let (_, _, other) = outcome(&Contended::times(usize::MAX)).await;
        assert_ne!(one, other);
    }
}
