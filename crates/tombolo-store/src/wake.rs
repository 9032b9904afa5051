//! Wake-ups: the store's changes, as "look again", to whom they may concern.
//!
//! A wake-up carries no input. Several before somebody looks are one, and each loop that waits for
//! them also looks by itself from time to time: a lost one costs time, never correctness.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tombolo_domain::error_chain;
use tombolo_domain::id::FleetId;
use tombolo_domain::peering::Requester;

use crate::keys::{AnyKey, ConnectionKey, FleetKey, InstanceKey, Kind, ScalingPolicyKey};
use crate::{Store, StoreError, WatchError};

/// How long to wait before a store that cannot be reached is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// Wakes those who wait for changes of some kinds of records.
#[derive(Clone, Default)]
pub struct Wake(Arc<Mutex<Subscriptions>>);

/// Waits for wake-ups.
pub type Wakes = watch::Receiver<()>;

#[derive(Default)]
struct Subscriptions {
    /// Of everything of some kinds.
    kinds: Vec<Subscription>,
    /// Of what belongs to one fleet: what happens to one of a hundred fleets is no matter
    /// of the others.
    fleets: BTreeMap<FleetId, Vec<Subscription>>,
}

struct Subscription {
    kinds: &'static [Kind],
    wake: watch::Sender<()>,
}

impl Wake {
    /// Wake-ups at changes of `kinds`; the first wait returns at once.
    pub fn on(&self, kinds: &'static [Kind]) -> Wakes {
        let subscription = Subscription::new(kinds);
        let wakes = subscription.wakes();
        self.subscriptions().kinds.push(subscription);
        wakes
    }

    /// Wake-ups at changes of `kinds` that belong to one fleet, whose id is in their keys; the first
    /// wait returns at once.
    pub fn on_fleet(&self, kinds: &'static [Kind], fleet: &FleetId) -> Wakes {
        let subscription = Subscription::new(kinds);
        let wakes = subscription.wakes();
        let fleets = &mut self.subscriptions().fleets;
        fleets.retain(|_, of_fleet| {
            of_fleet.retain(Subscription::is_waited_for);
            !of_fleet.is_empty()
        });
        fleets.entry(fleet.clone()).or_default().push(subscription);
        wakes
    }

    /// Wakes everybody.
    pub fn all(&self) {
        let subscriptions = self.subscriptions();
        let of_fleets = subscriptions.fleets.values().flatten();
        for subscription in subscriptions.kinds.iter().chain(of_fleets) {
            subscription.wake.send_replace(());
        }
    }

    /// Wakes those whom a change of one of `keys` may concern.
    fn of<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) {
        let subscriptions = self.subscriptions();
        let mut woken = vec![false; subscriptions.kinds.len()];
        for key in keys {
            let key = match AnyKey::parse(key) {
                Ok(key) => key,
                Err(error) => {
                    tracing::error!(%error, "something was written that concerns nobody");
                    continue;
                }
            };
            for (subscription, woken) in subscriptions.kinds.iter().zip(&mut woken) {
                *woken |= subscription.is_of(key.kind());
            }
            let of_fleet = fleet_of(&key).and_then(|fleet| subscriptions.fleets.get(fleet));
            for subscription in of_fleet.into_iter().flatten() {
                if subscription.is_of(key.kind()) {
                    subscription.wake.send_replace(());
                }
            }
        }
        for (subscription, woken) in subscriptions.kinds.iter().zip(woken) {
            if woken {
                subscription.wake.send_replace(());
            }
        }
    }

    /// Wakes at the store's changes, until the store is closed, and tells `seen_some` each time.
    pub async fn follow(self, store: Arc<dyn Store>, seen_some: impl Fn()) {
        loop {
            match self.follow_one_watch(&*store, &seen_some).await {
                Ok(WatchError::Compacted(_)) => {}
                Ok(WatchError::Closed) | Err(StoreError::Closed) => return,
                Ok(WatchError::Lost) => sleep(RETRY).await,
                Err(error) => {
                    tracing::warn!(
                        error = error_chain(&error),
                        "the store's changes cannot be watched; trying again"
                    );
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Wakes everybody, and then those whom a change concerns, until the watch ends.
    async fn follow_one_watch(
        &self,
        store: &dyn Store,
        seen_some: &impl Fn(),
    ) -> Result<WatchError, StoreError> {
        let seen = store.revision().await?;
        let mut changes = store.watch(b"", seen).await?;
        self.all();
        seen_some();
        loop {
            match changes.next().await {
                Ok(events) => {
                    self.of(events.iter().map(|event| &event.key[..]));
                    seen_some();
                }
                Err(ended) => return Ok(ended),
            }
        }
    }

    fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        // Each change is whole, so a panic elsewhere leaves no half-made state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    fn new(kinds: &'static [Kind]) -> Self {
        Subscription {
            kinds,
            wake: watch::Sender::new(()),
        }
    }

    fn wakes(&self) -> Wakes {
        let mut wakes = self.wake.subscribe();
        wakes.mark_changed();
        wakes
    }

    fn is_waited_for(&self) -> bool {
        self.wake.receiver_count() > 0
    }

    fn is_of(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }
}

/// The fleet that what is kept under `key` belongs to.
fn fleet_of(key: &AnyKey) -> Option<&FleetId> {
    match key {
        AnyKey::Fleet(FleetKey { fleet, .. })
        | AnyKey::Instance(InstanceKey { fleet, .. })
        | AnyKey::ScalingPolicy(ScalingPolicyKey { fleet, .. })
        | AnyKey::Connection(ConnectionKey {
            requester: Requester::Fleet(fleet),
            ..
        }) => Some(fleet),
        _ => None,
    }
}
