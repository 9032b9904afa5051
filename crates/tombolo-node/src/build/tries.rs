//! How often, and when, an archive that the disk refused is tried again.

use std::time::Duration;

use tokio::time::Instant;

/// How often an archive is unpacked before its build is FAILED. With the waits between, that is
/// about half an hour, in which an operator can make room.
pub(super) const MOST_TRIES: u32 = 10;

/// The wait after the first try.
const FIRST: Duration = Duration::from_secs(15);
/// What the wait, doubling from try to try, does not grow beyond.
const LONGEST: Duration = Duration::from_secs(300);

/// What was tried so far. A server that starts again begins anew: its operator may have helped.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tries {
    failures: u32,
    next: Option<Instant>,
}

impl Tries {
    /// Takes note that the disk refused something.
    pub(super) fn failed(&mut self, now: Instant) {
        let doubled = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.next = now.checked_add(FIRST.saturating_mul(doubled).min(LONGEST));
    }

    /// Whether it is too early for another try.
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| now < next)
    }

    /// Whether the next try is the last one.
    pub(super) fn are_all_but_one(&self) -> bool {
        self.failures.saturating_add(1) >= MOST_TRIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_the_tries_have_an_end() {
        let mut now = Instant::now();
        let begun = now;
        let mut tries = Tries::default();
        assert!(!tries.waits(now));
        let mut wait = FIRST;
        for _ in 1..MOST_TRIES {
            assert!(!tries.are_all_but_one());
            tries.failed(now);
            assert!(tries.waits(now + wait - Duration::from_millis(1)));
            now += wait;
            assert!(!tries.waits(now));
            wait = (wait * 2).min(LONGEST);
        }
        assert!(tries.are_all_but_one());
        let minutes = (now - begun).as_secs() / 60;
        assert!((20..40).contains(&minutes), "{minutes} minutes");
    }
}
