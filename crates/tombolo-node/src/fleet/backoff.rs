//! How long to wait before an instance is started again, or after it could not be.

use std::time::Duration;

/// The wait after the first failure. Players of the whole instance wait with it.
const FIRST: Duration = Duration::from_millis(100);
/// What the wait, doubling from failure to failure, does not grow beyond.
const LONGEST: Duration = Duration::from_secs(30);
/// Who lives this long starts over with the first wait.
const WELL: Duration = Duration::from_secs(60);

/// Waits that double.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after a failure.
    pub(super) fn next(&mut self) -> Duration {
        let doubled = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        FIRST.saturating_mul(doubled).min(LONGEST)
    }

    /// Takes note that it went well for `lived`.
    pub(super) fn lived(&mut self, lived: Duration) {
        if lived >= WELL {
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over_after_a_long_life() {
        let mut backoff = Backoff::default();
        let mut expected = FIRST;
        for _ in 0..200 {
            assert_eq!(backoff.next(), expected);
            expected = (expected * 2).min(LONGEST);
        }
        backoff.lived(WELL - Duration::from_millis(1));
        assert_eq!(backoff.next(), LONGEST);
        backoff.lived(WELL);
        assert_eq!(backoff.next(), FIRST);
    }
}
