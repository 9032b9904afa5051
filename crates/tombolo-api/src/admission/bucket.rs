//! A bucket of tokens, as EC2 describes its own: each request takes one, and they come back at a
//! steady rate until it is full.

use std::time::{Duration, Instant};

use serde::Deserialize;

/// How many requests there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many at once: the size of the bucket.
    pub burst: u32,
    /// How many a second for longer: what comes back.
    pub per_second: u32,
}

/// A bucket, kept as the time at which it will be full again: each token that is out moves that on by
/// what it takes to come back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes a token. `false`: there is none.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let Some(one) = Duration::from_secs(1).checked_div(rate.per_second) else {
            return false;
        };
        // More than a thousand million a second come back as fast as time is told.
        let one = one.max(Duration::from_nanos(1));
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + one;
        // Tokens that are out, this one among them, times the time of one.
        if full_at.duration_since(now) > one * rate.burst {
            return false;
        }
        self.full_at = Some(full_at);
        true
    }

    /// Whether no token is out.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many tokens one can take at once.
    fn take_all(bucket: &mut Bucket, rate: Rate, now: Instant) -> usize {
        (0..1000).take_while(|_| bucket.take(rate, now)).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_what_comes_back() {
        let rate = Rate {
            burst: 100,
            per_second: 20,
        };
        let start = Instant::now();
        let mut bucket = Bucket::default();
        assert!(bucket.is_full(start));
        assert_eq!(take_all(&mut bucket, rate, start), 100);
        assert!(!bucket.is_full(start));
        assert_eq!(take_all(&mut bucket, rate, start), 0);
        let later = start + Duration::from_secs(1);
        assert_eq!(take_all(&mut bucket, rate, later), 20);
        // Never more than it holds, however long nothing is taken.
        let much_later = later + Duration::from_secs(3600);
        assert!(bucket.is_full(much_later));
        assert_eq!(take_all(&mut bucket, rate, much_later), 100);
    }

    #[test]
    fn refused_requests_take_nothing() {
        let rate = Rate {
            burst: 1,
            per_second: 10,
        };
        let start = Instant::now();
        let mut bucket = Bucket::default();
        assert!(bucket.take(rate, start));
        for _ in 0..1000 {
            assert!(!bucket.take(rate, start));
        }
        assert!(bucket.take(rate, start + Duration::from_millis(100)));
    }

    #[test]
    fn rates_at_the_edges_do_what_they_say() {
        let now = Instant::now();
        for (burst, per_second, given) in [
            (0, 10, 0),
            (10, 0, 0),
            (1, u32::MAX, 1),
            (u32::MAX, 1, 1000),
        ] {
            let rate = Rate { burst, per_second };
            let taken = take_all(&mut Bucket::default(), rate, now);
            assert_eq!(taken, given, "{rate:?}");
        }
    }
}
