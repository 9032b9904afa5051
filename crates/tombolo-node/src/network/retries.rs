//! When interfaces that could not be made are tried again. Each costs only its owner: nothing else of the
//! machine is looked at for it, also while rules of others do not fit. While a network is refused none is
//! tried.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tombolo_domain::id::NetworkInterfaceId;

/// The wait after the first failure, which doubles with each further one.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15);

/// The interfaces that could not be made.
#[derive(Default)]
pub(super) struct Retries(BTreeMap<NetworkInterfaceId, Retry>);

struct Retry {
    wait: Duration,
    due: Instant,
}

impl Retries {
    /// It could not be made, again if it was here.
    pub(super) fn failed(&mut self, id: &NetworkInterfaceId, now: Instant) {
        let wait = match self.0.get(id) {
            Some(retry) => (retry.wait * 2).min(LONGEST),
            None => FIRST,
        };
        let due = now + wait;
        self.0.insert(id.clone(), Retry { wait, due });
    }

    /// It was made, or nobody wants it.
    pub(super) fn forget(&mut self, id: &NetworkInterfaceId) {
        self.0.remove(id);
    }

    /// All were tried, and of them these failed.
    pub(super) fn keep(&mut self, failed: &BTreeMap<NetworkInterfaceId, String>, now: Instant) {
        self.0.retain(|id, _| failed.contains_key(id));
        for id in failed.keys() {
            self.failed(id, now);
        }
    }

    /// Those to try now.
    pub(super) fn due(&self, now: Instant) -> Vec<NetworkInterfaceId> {
        let due = self.0.iter().filter(|(_, retry)| retry.due <= now);
        due.map(|(id, _)| id.clone()).collect()
    }

    /// How long it is until one is due; `None` if none is waited for.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let due = self.0.values().map(|retry| retry.due).min()?;
        Some(due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_success() {
        let id: NetworkInterfaceId = "eni-00000000000000001".parse().unwrap();
        let mut retries = Retries::default();
        let mut now = Instant::now();
        for seconds in [1, 2, 4, 8, 15, 15] {
            retries.failed(&id, now);
            let wait = Duration::from_secs(seconds);
            assert_eq!(retries.pause(now), Some(wait));
            assert_eq!(retries.due(now), []);
            now += wait;
            assert_eq!(retries.due(now), std::slice::from_ref(&id));
        }
        retries.forget(&id);
        assert_eq!((retries.pause(now), retries.due(now)), (None, vec![]));
        retries.failed(&id, now);
        assert_eq!(retries.pause(now), Some(FIRST));
    }
}
