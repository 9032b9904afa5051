//! Numbers in the data path: of VPCs, route tables and security groups, all from one sequence.
//!
//! The store holds the last number that is reserved. A run that finds none in memory reserves a
//! whole block together with whatever else it writes; the rest of the block is then handed out from
//! memory, so that calls made at once do not all change the same key, which one commit at a time
//! could win. No number is ever given twice, also after a crash: what was reserved and is not in
//! memory any more stays unused.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::ApiError;
use crate::lookup::ScopedTransaction;

/// The largest number: what a 24-bit tunnel key holds.
const MAX_NUMBER: u32 = (1 << 24) - 1;

/// How many numbers are reserved at a time.
const BLOCK_SIZE: u32 = 256;

/// The numbers that are reserved and free, in memory.
#[derive(Debug, Default)]
pub(super) struct NumberAllocator {
    free: Mutex<Vec<u32>>,
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
    /// Taken from memory.
    taken: Vec<u32>,
    /// Reserved by the run's own transaction and not used, the lowest last.
    reserved: Vec<u32>,
}

impl NumberAllocator {
    /// For one run.
    pub(super) fn reserve(&self) -> NumberReservation<'_> {
        NumberReservation {
            numbers: self,
            state: Mutex::default(),
        }
    }
}

impl NumberReservation<'_> {
    /// A number that nothing had before. It is taken once `tx` is committed.
    ///
    /// # Errors
    /// Only the server's own: the store failed, or all numbers were used.
    pub(crate) async fn next(&self, tx: &mut ScopedTransaction<'_>) -> Result<u32, ApiError> {
        if let Some(number) = self.at_hand() {
            return Ok(number);
        }
        let last = tx.reserved_numbers().await?;
        if last >= MAX_NUMBER {
            return Err(ApiError::internal(
                "taking a number for the data path",
                format!("all {MAX_NUMBER} numbers of this store were used"),
            ));
        }
        let (number, end) = (last + 1, last.saturating_add(BLOCK_SIZE).min(MAX_NUMBER));
        tx.reserve_numbers(end)?;
        locked(&self.state)
            .reserved
            .extend((number + 1..=end).rev());
        Ok(number)
    }

    fn at_hand(&self) -> Option<u32> {
        let mut state = locked(&self.state);
        if let Some(number) = state.reserved.pop() {
            return Some(number);
        }
        let number = locked(&self.numbers.free).pop()?;
        state.taken.push(number);
        Some(number)
    }

    /// The run's transaction is durable: what it reserved and did not use is free for all runs.
    pub(super) fn committed(self) {
        let ReservationState { reserved, .. } = &*locked(&self.state);
        locked(&self.numbers.free).extend(reserved);
    }

    /// The run wrote nothing: what it took is free again.
    pub(super) fn abandoned(self) {
        let ReservationState { taken, .. } = &*locked(&self.state);
        locked(&self.numbers.free).extend(taken);
    }
}

/// A list of numbers is consistent after every statement, so a poisoned lock is safe to use.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
