//! The memory of bodies whose sender is not known yet: one budget for all, and a share of it for
//! each source.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::Source;

/// The budget. Cheap to clone: clones are the same one.
#[derive(Debug, Clone)]
pub struct BodyBudget(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    total: usize,
    share: usize,
    used: Mutex<Used>,
    released: Notify,
}

#[derive(Debug, Default)]
struct Used {
    total: usize,
    /// Only sources that hold something are in it, so that it is bounded by the reservations.
    by_source: BTreeMap<Source, usize>,
}

impl BodyBudget {
    /// The budget unless the configuration says otherwise, in bytes.
    pub const DEFAULT: usize = 64 << 20;

    /// How many sources' shares are all of it.
    pub const SHARES: usize = 8;

    /// A budget of `total` bytes.
    pub fn new(total: usize) -> Self {
        BodyBudget(Arc::new(Budget {
            total,
            share: total / Self::SHARES,
            used: Mutex::default(),
            released: Notify::new(),
        }))
    }

    /// All of it, in bytes.
    pub fn total(&self) -> usize {
        self.0.total
    }

    /// One source's share of it, in bytes.
    pub fn share(&self) -> usize {
        self.0.share
    }

    /// How much is reserved at the moment, in bytes.
    pub fn used(&self) -> usize {
        self.0.used().total
    }

    /// A reservation of `source`'s, of nothing yet.
    pub fn reserve(&self, source: Source) -> BodyReservation {
        BodyReservation {
            budget: self.0.clone(),
            source,
            bytes: 0,
        }
    }
}

impl Budget {
    // Each change is a whole one, so a panic elsewhere leaves nothing half-made.
    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `bytes` more for a body of `source` that has `own` already, unless that is too much. One
    /// body may be larger than a share; then its source has nothing else.
    fn take(&self, source: Source, own: usize, bytes: usize) -> bool {
        let mut used = self.used();
        let Some(total) = used
            .total
            .checked_add(bytes)
            .filter(|all| *all <= self.total)
        else {
            return false;
        };
        if source != Source::Exempt {
            let of_source = used.by_source.get(&source).copied().unwrap_or_default();
            if of_source > own && of_source + bytes > self.share {
                return false;
            }
            used.by_source.insert(source, of_source + bytes);
        }
        used.total = total;
        true
    }

    fn give_back(&self, source: Source, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut used = self.used();
        used.total -= bytes;
        if let Some(of_source) = used.by_source.get_mut(&source) {
            *of_source -= bytes;
            if *of_source == 0 {
                used.by_source.remove(&source);
            }
        }
        drop(used);
        self.released.notify_waiters();
    }
}

/// Bytes of the budget, given back when this is dropped.
#[derive(Debug)]
pub struct BodyReservation {
    budget: Arc<Budget>,
    source: Source,
    bytes: usize,
}

impl BodyReservation {
    /// Reserves `bytes` in all, if there are so many left; else it keeps what it has. Less than it has
    /// gives the rest back.
    #[must_use]
    pub fn resize(&mut self, bytes: usize) -> bool {
        match bytes.checked_sub(self.bytes) {
            Some(more) if more > 0 && !self.budget.take(self.source, self.bytes, more) => {
                return false;
            }
            Some(_) => {}
            None => self.budget.give_back(self.source, self.bytes - bytes),
        }
        self.bytes = bytes;
        true
    }

    /// As [`resize`](Self::resize), and waits until `deadline` for so many to be left. What it has is
    /// given back first, so that of two that wait neither holds what the other waits for.
    #[must_use]
    pub async fn resize_when_free(&mut self, bytes: usize, deadline: Instant) -> bool {
        timeout_at(deadline, self.resize_at_last(bytes))
            .await
            .is_ok()
    }

    async fn resize_at_last(&mut self, bytes: usize) {
        if self.resize(bytes) {
            return;
        }
        let budget = self.budget.clone();
        let _ = self.resize(0);
        loop {
            let mut released = std::pin::pin!(budget.released.notified());
            // From here on a release is noticed, also one between the attempt and the wait.
            released.as_mut().enable();
            if self.resize(bytes) {
                return;
            }
            released.await;
        }
    }
}

impl Drop for BodyReservation {
    fn drop(&mut self) {
        self.budget.give_back(self.source, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn source(n: u8) -> Source {
        Source::V4(Ipv4Addr::new(127, 0, 0, n))
    }

    #[test]
    fn a_source_takes_its_share_and_no_more_and_another_has_its_own() {
        let budget = BodyBudget::new(800);
        let mut held: Vec<_> = (0..3).map(|_| budget.reserve(source(1))).collect();
        assert!(held[0].resize(60));
        assert!(held[1].resize(40));
        assert!(!held[2].resize(1));
        assert!(!held[1].resize(41), "it keeps what it has");
        let mut other = budget.reserve(source(2));
        assert!(other.resize(100));
        assert_eq!(budget.used(), 200);
        held.remove(0);
        assert_eq!(budget.used(), 140);
        assert!(held[1].resize(60));
        drop((held, other));
        assert_eq!(budget.used(), 0);
        assert!(budget.0.used().by_source.is_empty());
    }

    #[test]
    fn all_together_take_the_budget_and_no_more_the_exempt_among_them() {
        let budget = BodyBudget::new(800);
        let mut exempt = budget.reserve(Source::Exempt);
        assert!(exempt.resize(700));
        let mut sources: Vec<_> = (1..=2).map(|n| budget.reserve(source(n))).collect();
        assert!(sources[0].resize(100));
        assert!(!sources[1].resize(1));
        assert!(!exempt.resize(701));
        assert!(exempt.resize(600));
        assert!(sources[1].resize(100));
    }

    #[test]
    fn what_is_larger_than_a_share_is_its_sources_only_one() {
        let budget = BodyBudget::new(800);
        let mut large = budget.reserve(source(1));
        assert!(large.resize(90));
        assert!(large.resize(200));
        assert!(!budget.reserve(source(1)).resize(1));
        drop(large);
        let mut small = budget.reserve(source(1));
        assert!(small.resize(1));
        assert!(!budget.reserve(source(1)).resize(200));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_let_in_when_there_is_room_and_holds_nothing_meanwhile() {
        let budget = BodyBudget::new(800);
        let mut first = budget.reserve(source(1));
        assert!(first.resize(60));
        let mut second = budget.reserve(source(1));
        assert!(second.resize(40));
        {
            let deadline = Instant::now() + Duration::from_secs(1);
            let mut waits = std::pin::pin!(second.resize_when_free(90, deadline));
            assert!(futures_poll(waits.as_mut()).await.is_pending());
            assert_eq!(budget.used(), 60);
            drop(first);
            assert!(waits.await);
        }
        assert_eq!(budget.used(), 90);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_more_than_there_ever_is_waits_until_the_deadline() {
        let budget = BodyBudget::new(800);
        let deadline = Instant::now() + Duration::from_secs(1);
        assert!(
            !budget
                .reserve(source(1))
                .resize_when_free(801, deadline)
                .await
        );
        assert_eq!(budget.used(), 0);
    }

    /// Polls a future once.
    async fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        let mut future = Some(future);
        std::future::poll_fn(|context| {
            let polled = future.take().map(|future| future.poll(context));
            std::task::Poll::Ready(polled.unwrap_or(std::task::Poll::Pending))
        })
        .await
    }
}
