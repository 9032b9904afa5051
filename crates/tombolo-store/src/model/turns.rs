//! Whose turn it is to take the store's changes over.
//!
//! Changes follow one another, so one at a time takes them over. A turn lasts for a few polls and never
//! across an await: who waits has no turn, and nobody waits until another task, on a thread that is
//! busy, is polled again.
//!
//! What is waited for is polled with one waker, whoever polls it: it wakes all who wait, and each of
//! them can go on with it. So it is no matter which of them are dropped, or are not polled. Nobody is
//! forgotten either: who finds a turn taken has subscribed before, and that turn ends in one of two
//! ways. Either what is waited for has nothing yet, and then it has the waker; or somebody must look
//! again, and then all who wait are woken. That the waker came while the turn lasted is seen at its
//! end, under the same lock as the turn itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

use tokio::sync::watch;

/// Gives turns, and wakes those who wait for one to have ended.
#[derive(Default)]
pub(super) struct Turns {
    /// Locked for a few instructions only.
    now: Mutex<Now>,
    /// Says only "look again".
    look_again: watch::Sender<()>,
}

#[derive(Default)]
struct Now {
    is_taken: bool,
    /// Whether the waker came since the turn, or the last one, began.
    has_woken: bool,
}

/// The right to poll what is waited for. All are woken when it is dropped, unless it
/// [found nothing](Turn::found_nothing).
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    has_found: bool,
}

impl Turns {
    /// Tells when to look again. Who subscribes before it asks for a turn misses nothing.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.look_again.subscribe()
    }

    /// A turn, unless somebody has one.
    pub(super) fn take(&self) -> Option<Turn<'_>> {
        let mut now = self.now();
        if now.is_taken {
            return None;
        }
        *now = Now {
            is_taken: true,
            has_woken: false,
        };
        Some(Turn {
            turns: self,
            has_found: true,
        })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Each change is whole, so a panic elsewhere leaves no half-made state.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Turns {
    fn wake(self: Arc<Self>) {
        self.now().has_woken = true;
        self.look_again.send_replace(());
    }
}

impl Turn<'_> {
    /// Ends the turn with what is waited for pending: it wakes who waits.
    pub(super) fn found_nothing(mut self) {
        self.has_found = false;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut now = self.turns.now();
        now.is_taken = false;
        let is_more = self.has_found || now.has_woken;
        drop(now);
        if is_more {
            self.turns.look_again.send_replace(());
        }
    }
}
