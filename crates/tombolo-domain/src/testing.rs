//! A clock that stands where a test puts it, and ids that are the same in every run.
//!
//! They are here, in the lowest crate, so that unit tests of every crate can use them. A feature
//! would have every crate compiled twice, with it and without; what nobody calls is not linked.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::id::IdSource;
use crate::time::Clock;

/// A clock that moves only when a test moves it.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        ManualClock(Mutex::new(now))
    }

    /// Moves the clock by a duration: one of `std`'s, or a `SignedDuration` to move it back.
    ///
    /// # Panics
    /// The new time is outside of the years -9999 to 9999.
    pub fn advance<D>(&self, by: D)
    where
        Timestamp: AddAssign<D>,
    {
        // A test that panicked with the lock had moved the clock or had not: both are a time.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ids of a seed: all different, and the same ones in every run. SplitMix64.
///
/// <https://prng.di.unimi.it/splitmix64.c>
#[derive(Debug)]
pub struct SeededIds(AtomicU64);

impl SeededIds {
    /// The ids that begin with `seed`.
    pub const fn new(seed: u64) -> Self {
        SeededIds(AtomicU64::new(seed))
    }
}

impl IdSource for SeededIds {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes()[..chunk.len()]);
        }
    }
}
