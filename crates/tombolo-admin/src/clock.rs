//! The clock of a rehearsal.

use anyhow::{Result, bail};
use jiff::SignedDuration;
use tombolo_domain::time::Clock;
use tombolo_store::keys;

use crate::hint::hinted;
use crate::message::{ClockReading, Mode, MoveClock};
use crate::service::AdminService;

/// How far ahead of the real time the clock can be: a hundred years.
const MAX_OFFSET_SECONDS: i64 = 100 * 366 * 24 * 60 * 60;

impl AdminService {
    /// Shows the clock, and moves it first if asked to. The move is stored before it counts, so a
    /// restart never goes back in time.
    pub async fn move_clock(&self, request: MoveClock) -> Result<ClockReading> {
        if request.advance_seconds < 0 {
            bail!("the clock only goes forward: what was stored under a time cannot be taken back");
        }
        if self.mode != Mode::Dev {
            return Err(hinted(
                "the clock of `tombolo serve` is the real one",
                "rehearse with `tombolo dev --dir DIR`, and name that directory",
            ));
        }
        if request.advance_seconds > 0 {
            let offset = self
                .transact(async |tx| {
                    let before = tx.get(&keys::clock_offset()).await?.unwrap_or(0);
                    let offset = before.saturating_add(request.advance_seconds);
                    if offset > MAX_OFFSET_SECONDS {
                        bail!("the clock cannot be more than a hundred years ahead");
                    }
                    tx.put_at(&keys::clock_offset(), &offset)?;
                    Ok(offset)
                })
                .await?;
            self.clock.set_offset(SignedDuration::from_secs(offset));
            self.node.wake().await;
        }
        Ok(ClockReading {
            now: self.clock.now(),
            offset_seconds: self.clock.offset().as_secs(),
        })
    }
}
