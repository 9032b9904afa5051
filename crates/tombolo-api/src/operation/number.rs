//! Numbers in the data path: of VPCs, route tables and security groups, all from one sequence.
//!
//! The low 24 bits of one are the number itself, which a tunnel key holds; the 8 bits above are its
//! generation, how often the numbers have been gone through: 0 once, and then 1 to 255 again and again.
//! So numbers are used again, the longest
//! given first, and never while anything has them, but what the data path still remembers of who
//! had one before is under another key.
//!
//! The store holds the last one that is reserved. A call that finds none in memory has a whole block
//! reserved and starts over: so calls made at once do not all change the same key, which one commit
//! at a time could win. Of a generation after the first a block may be given only once every host
//! has a network in force from after it was seen that nothing has these numbers. What was reserved and
//! is not in memory any more, after a crash, stays unused for a generation.
//!
//! Unlike the data path's tables, the numbers have no share for each account. The quotas are that bound:
//! with their defaults an account has in a Region at most 1,000 VPCs, 200 route tables in each and 2,500
//! security groups, some 200,000 of the 16 million numbers. An operator who raises them to where one
//! account could have half has decided that.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use tombolo_domain::vpc::NUMBER_BITS;
use tombolo_store::typed::Committed;
use tombolo_store::{Revision, StoreError};

use crate::error::{ApiError, CommonError};
use crate::lookup::ScopedTransaction;

/// What of a number a tunnel key holds.
const MASK: u32 = (1 << NUMBER_BITS) - 1;

/// How many numbers are reserved at a time.
const BLOCK_SIZE: usize = 256;

/// The first number of the second generation, which also follows the last one of the last.
const SECOND_GENERATION: u32 = 1 << NUMBER_BITS;

/// How long a call waits for the hosts, those before it included. A round of the network takes
/// milliseconds.
const WAIT: Duration = Duration::from_secs(2);

/// The numbers that are reserved and free, in memory.
#[derive(Debug, Default)]
pub(super) struct NumberAllocator {
    free: Mutex<Vec<u32>>,
    /// A block that hosts may still know by its earlier generation. Who holds the lock fills.
    cooling: tokio::sync::Mutex<Option<Block>>,
    /// Up to which revision every host has the network in force; `None` when there are no hosts.
    in_force: Option<watch::Receiver<Revision>>,
}

/// Numbers that were reserved together, the next last.
#[derive(Debug)]
struct Block {
    numbers: Vec<u32>,
    /// What every host must have in force before they are given; `None` when no host can know them.
    after: Option<Revision>,
}

/// What one run of an operation takes of them. A run that does not learn whether its transaction was
/// committed, because it failed halfway or its client disconnected, keeps what it took.
#[derive(Debug)]
pub(crate) struct NumberReservation<'n> {
    numbers: &'n NumberAllocator,
    state: Mutex<ReservationState>,
}

#[derive(Debug, Default)]
struct ReservationState {
    taken: Vec<u32>,
    /// Whether there was none to take.
    is_lacking: bool,
}

impl NumberAllocator {
    /// One that asks the hosts before it gives a number again.
    pub(super) fn after(in_force: watch::Receiver<Revision>) -> Self {
        NumberAllocator {
            in_force: Some(in_force),
            ..NumberAllocator::default()
        }
    }

    /// For one run.
    pub(super) fn reserve(&self) -> NumberReservation<'_> {
        NumberReservation {
            numbers: self,
            state: Mutex::default(),
        }
    }

    /// Sees to it that there are numbers, unless another call was faster; a conflict is with a call of
    /// another server's. It takes a transaction of
    /// its own, which `begin` begins; `revision` gives the store's.
    ///
    /// # Errors
    /// The store failed, something has every number, or the hosts are too slow.
    pub(super) async fn fill<'p, F: Future<Output = Result<Revision, StoreError>>>(
        &self,
        begin: impl Fn() -> ScopedTransaction<'p>,
        revision: impl Fn() -> F,
    ) -> Result<Committed, ApiError> {
        let deadline = Instant::now() + WAIT;
        let mut cooling = match &self.in_force {
            // Whoever has the lock waits for the store only.
            None => self.cooling.lock().await,
            Some(_) => timeout_at(deadline, self.cooling.lock())
                .await
                .map_err(|_| hosts_are_slow())?,
        };
        if !locked(&self.free).is_empty() {
            return Ok(Committed::Yes);
        }
        let block = match cooling.take() {
            Some(block) => block,
            None => {
                let mut tx = begin();
                let (numbers, may_be_known) = reserve_block(&mut tx).await?;
                if let Committed::Conflict = tx.commit().await? {
                    return Ok(Committed::Conflict);
                }
                let after = match may_be_known {
                    true => Some(revision().await?),
                    false => None,
                };
                Block { numbers, after }
            }
        };
        if let (Some(after), Some(in_force)) = (block.after, &self.in_force) {
            let mut in_force = in_force.clone();
            let waiting = in_force.wait_for(|revision| *revision >= after);
            if !matches!(timeout_at(deadline, waiting).await, Ok(Ok(_))) {
                *cooling = Some(block);
                return Err(hosts_are_slow());
            }
        }
        locked(&self.free).extend(block.numbers);
        Ok(Committed::Yes)
    }
}

fn hosts_are_slow() -> ApiError {
    ApiError::new(
        CommonError::Busy,
        "The network has not forgotten yet who had the numbers that are free; try it again, and see \
         `tombolo status` if that does not help.",
    )
}

/// Reserves the next numbers that nothing has, the next one last; says whether hosts may know them by
/// an earlier generation.
async fn reserve_block(tx: &mut ScopedTransaction<'_>) -> Result<(Vec<u32>, bool), ApiError> {
    let last = tx.reserved_numbers().await?;
    let end = last.checked_add(BLOCK_SIZE as u32 + 1);
    let is_first_generation = end.is_some_and(|end| end <= MASK);
    // In the first generation nothing has what comes.
    let in_use: BTreeSet<u32> = match is_first_generation {
        true => BTreeSet::new(),
        false => {
            let numbers = tx.numbers_in_use().await?.into_iter();
            numbers.map(|number| number & MASK).collect()
        }
    };
    let mut numbers = Vec::with_capacity(BLOCK_SIZE);
    let mut number = last;
    for _ in 0..=MASK {
        if numbers.len() == BLOCK_SIZE {
            break;
        }
        // Never the first generation again, of which nothing is asked.
        number = number.checked_add(1).unwrap_or(SECOND_GENERATION);
        // 0 is what is outside of every VPC, in each generation.
        if number & MASK != 0 && !in_use.contains(&(number & MASK)) {
            numbers.push(number);
        }
    }
    if numbers.is_empty() {
        return Err(ApiError::internal(
            "taking a number for the data path",
            format!("VPCs, route tables and security groups have all {MASK} numbers"),
        ));
    }
    tx.reserve_numbers(number)?;
    numbers.reverse();
    Ok((numbers, !is_first_generation))
}

impl NumberReservation<'_> {
    /// A number that nothing has. It is taken once the run's transaction is committed.
    ///
    /// # Errors
    /// There is none in memory; the call is to be run again after [`NumberAllocator::fill`].
    pub(crate) fn next(&self) -> Result<u32, ApiError> {
        let mut state = locked(&self.state);
        let Some(number) = locked(&self.numbers.free).pop() else {
            state.is_lacking = true;
            return Err(ApiError::internal(
                "taking a number for the data path",
                "none is reserved".to_owned(),
            ));
        };
        state.taken.push(number);
        Ok(number)
    }

    /// Whether the run failed for want of numbers.
    pub(super) fn is_lacking(&self) -> bool {
        locked(&self.state).is_lacking
    }

    /// The run wrote nothing: what it took is free again.
    pub(super) fn abandoned(self) {
        let ReservationState { taken, .. } = &*locked(&self.state);
        locked(&self.numbers.free).extend(taken.iter().rev());
    }
}

/// A list of numbers is consistent after every statement, so a poisoned lock is safe to use.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
