//! How long to wait before a process is started again.
//!
//! By hand and not by the crate backon: its jitter is added on top of the longest wait, which the
//! spec of an instance bounds, and it starts over only with a new value.

use std::time::Duration;

use crate::api::spec::RestartPolicy;

/// Exponential backoff with jitter: the wait doubles from restart to restart, and is drawn from
/// its upper half so that processes which died together do not come back together.
#[derive(Debug, Default)]
pub(super) struct RestartBackoff {
    /// Restarts since the process last ran for long.
    restarts: u32,
}

impl RestartBackoff {
    /// The wait after a process ran for `ran`; `random` are 64 random bits.
    pub(super) fn next(&mut self, policy: &RestartPolicy, ran: Duration, random: u64) -> Duration {
        if ran >= policy.reset_after() {
            self.restarts = 0;
        }
        let doubled = 1u64.checked_shl(self.restarts).unwrap_or(u64::MAX);
        let longest = policy
            .first_delay_ms
            .saturating_mul(doubled)
            .min(policy.longest_delay_ms);
        self.restarts = self.restarts.saturating_add(1);
        let shortest = longest / 2;
        let spread = longest - shortest;
        Duration::from_millis(shortest + random % spread.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHORT: Duration = Duration::from_millis(10);

    fn policy() -> RestartPolicy {
        RestartPolicy::default()
    }

    proptest! {
        /// Every wait is in the upper half of the doubled first delay, and never above the cap.
        #[test]
        fn waits_double_up_to_the_cap(randoms in proptest::collection::vec(any::<u64>(), 1..80)) {
            let mut backoff = RestartBackoff::default();
            let mut longest = 50.0_f64;
            for random in randoms {
                let wait = backoff.next(&policy(), SHORT, random).as_millis() as f64;
                prop_assert!(wait <= longest && wait >= (longest / 2.0).floor(), "{wait} of {longest}");
                longest = (longest * 2.0).min(30_000.0);
            }
        }

        /// No policy overflows, and the cap holds.
        #[test]
        fn any_policy_is_bounded(first: u64, cap: u64, random: u64, restarts: u32) {
            let policy = RestartPolicy { first_delay_ms: first, longest_delay_ms: cap, ..policy() };
            let mut backoff = RestartBackoff { restarts };
            prop_assert!(backoff.next(&policy, SHORT, random).as_millis() <= u128::from(cap));
        }
    }

    #[test]
    fn a_process_that_ran_for_long_starts_over() {
        let mut backoff = RestartBackoff::default();
        for _ in 0..20 {
            backoff.next(&policy(), SHORT, u64::MAX);
        }
        assert!(backoff.next(&policy(), SHORT, 0) >= Duration::from_secs(15));
        let wait = backoff.next(&policy(), policy().reset_after(), u64::MAX);
        assert!(wait <= Duration::from_millis(50), "{wait:?}");
    }
}
