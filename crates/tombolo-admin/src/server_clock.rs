//! The server's clock: the system's, and how far `tombolo clock advance` moved it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use tombolo_domain::time::Clock;
use tombolo_store::typed::Transaction;
use tombolo_store::{Store, keys};

/// The real time, which signatures are checked against.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the server's time comes from"
)]
pub fn real_now() -> Timestamp {
    Timestamp::now()
}

/// The system's time and the stored offset.
#[derive(Debug)]
pub struct ServerClock {
    offset_seconds: AtomicI64,
}

impl ServerClock {
    /// The clock of a store, moved as far as the store says.
    pub async fn open(store: &Arc<dyn Store>) -> Result<Self> {
        let mut tx = Transaction::new(store.clone());
        let offset = tx
            .get(&keys::clock_offset())
            .await
            .context("reading the clock's offset")?;
        Ok(ServerClock {
            offset_seconds: AtomicI64::new(offset.unwrap_or(0)),
        })
    }

    /// How far the clock was moved.
    pub fn offset(&self) -> SignedDuration {
        SignedDuration::from_secs(self.offset_seconds.load(Ordering::Relaxed))
    }

    /// Follows what was stored.
    pub fn set_offset(&self, offset: SignedDuration) {
        self.offset_seconds
            .store(offset.as_secs(), Ordering::Relaxed);
    }
}

impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        real_now()
            .saturating_add(self.offset())
            .unwrap_or(Timestamp::MAX)
    }

    fn at(&self, real: Timestamp) -> Timestamp {
        real.saturating_add(self.offset()).unwrap_or(Timestamp::MAX)
    }
}
