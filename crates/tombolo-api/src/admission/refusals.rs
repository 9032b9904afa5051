//! Who sends requests that are refused by their heads, over and over.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::Source;
use super::bucket::{Bucket, Rate};

/// How many refusals a source gets at once. More wait a moment: who has mistyped a key sends fewer.
const RATE: Rate = Rate {
    burst: 100,
    per_second: 50,
};

/// The most sources that are remembered; whoever comes on top waits at once.
pub(super) const MAX_SOURCES: usize = 4096;

/// The buckets of the sources that were refused lately.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<Source, Bucket>>);

impl Refusals {
    /// Counts a refusal of `source`'s.
    pub(super) fn are_too_many(&self, source: Source, now: Instant) -> bool {
        if source == Source::Exempt {
            return false;
        }
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() >= MAX_SOURCES && !sources.contains_key(&source) {
            sources.retain(|_, bucket| !bucket.is_full(now));
            if sources.len() >= MAX_SOURCES {
                return true;
            }
        }
        !sources.entry(source).or_default().take(RATE, now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn source(n: u32) -> Source {
        Source::V4(Ipv4Addr::from(n))
    }

    #[test]
    fn who_is_refused_a_hundred_times_waits_and_nobody_else() {
        let refusals = Refusals::default();
        let now = Instant::now();
        for _ in 0..RATE.burst {
            assert!(!refusals.are_too_many(source(1), now));
        }
        assert!(refusals.are_too_many(source(1), now));
        assert!(!refusals.are_too_many(source(2), now));
        assert!(!refusals.are_too_many(source(1), now + Duration::from_secs(1)));
        assert!((0..1000).all(|_| !refusals.are_too_many(Source::Exempt, now)));
    }

    #[test]
    fn many_sources_are_not_remembered_for_ever() {
        let refusals = Refusals::default();
        let now = Instant::now();
        for n in 0..2 * MAX_SOURCES as u32 {
            refusals.are_too_many(source(n), now);
        }
        assert_eq!(refusals.0.lock().unwrap().len(), MAX_SOURCES);
        let later = now + Duration::from_secs(60);
        assert!(!refusals.are_too_many(source(u32::MAX), later));
        assert_eq!(refusals.0.lock().unwrap().len(), 1);
    }
}
