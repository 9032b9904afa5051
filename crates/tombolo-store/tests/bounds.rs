//! Kinds of which the newest are kept.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails is meant to panic"
)]

use std::sync::Arc;

use bytes::Bytes;
use tombolo_domain::fleet::{EventCode, FleetEvent, MAX_FLEET_EVENTS};
use tombolo_domain::id::{EventId, FleetId};
use tombolo_domain::repair::{MAX_REPAIRS, RepairRecord};
use tombolo_domain::testing::SeededIds;
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::keys::{Entity, FleetEventKey, KeyParts};
use tombolo_store::typed::{Committed, Transaction, transact, trim_rings};
use tombolo_store::{MemoryStore, Store, Txn, keys};

struct World {
    store: Arc<dyn Store>,
    ids: SeededIds,
    scope: Scope,
    fleet: FleetId,
}

impl World {
    fn new() -> Self {
        let ids = SeededIds::new(1);
        World {
            store: Arc::new(MemoryStore::new()),
            scope: Scope {
                account: "111122223333".parse().unwrap(),
                region: "us-west-2".parse().unwrap(),
            },
            fleet: FleetId::generate(&ids),
            ids,
        }
    }

    fn event(&self, second: usize) -> FleetEvent {
        let second = i64::try_from(second).unwrap();
        FleetEvent::new(
            self.scope.clone(),
            self.fleet.clone(),
            EventCode::GenericEvent,
            format!("number {second}"),
            Timestamp::from_second(second).unwrap(),
            &self.ids,
        )
    }

    async fn write(&self, seconds: impl IntoIterator<Item = usize>) {
        let events: Vec<_> = seconds.into_iter().map(|one| self.event(one)).collect();
        transact(&self.store, async |tx| {
            events.iter().try_for_each(|event| tx.put(event))
        })
        .await
        .unwrap();
    }

    /// What the events that are kept say, the newest first.
    async fn messages(&self) -> Vec<String> {
        let mut tx = Transaction::new(self.store.clone());
        let events = tx.peek(&keys::fleet_events(&self.scope, &self.fleet)).await;
        events.unwrap().into_iter().map(|one| one.message).collect()
    }
}

/// The last `MAX_FLEET_EVENTS` of those up to `newest`, the newest first.
fn newest(newest: usize) -> Vec<String> {
    let kept = (0..=newest).rev().take(MAX_FLEET_EVENTS);
    kept.map(|second| format!("number {second}")).collect()
}

#[tokio::test]
async fn of_a_fleets_events_the_newest_thousand_are_kept() {
    let world = World::new();
    world.write(0..MAX_FLEET_EVENTS).await;
    assert_eq!(world.messages().await, newest(MAX_FLEET_EVENTS - 1));
    for second in MAX_FLEET_EVENTS..MAX_FLEET_EVENTS + 40 {
        world.write([second]).await;
        assert_eq!(world.messages().await.len(), MAX_FLEET_EVENTS);
    }
    assert_eq!(world.messages().await, newest(MAX_FLEET_EVENTS + 39));
    // More at once than are kept.
    world
        .write(MAX_FLEET_EVENTS + 40..3 * MAX_FLEET_EVENTS)
        .await;
    assert_eq!(world.messages().await, newest(3 * MAX_FLEET_EVENTS - 1));
}

/// The clock was set back, or a host reports late: what is written now is the newest.
#[tokio::test]
async fn an_event_of_an_earlier_time_is_kept_and_what_was_written_first_goes() {
    let world = World::new();
    world.write(1_000..1_000 + MAX_FLEET_EVENTS).await;
    for second in 0..3 {
        world.write([second]).await;
    }
    let messages = world.messages().await;
    assert_eq!(messages.len(), MAX_FLEET_EVENTS);
    let oldest: Vec<_> = messages.iter().rev().take(4).collect();
    let expected = ["number 0", "number 1", "number 2", "number 1003"];
    assert_eq!(oldest, expected);
}

/// Two that write at once each see the ring as it was; the next one puts it right.
#[tokio::test]
async fn a_ring_that_two_have_made_too_long_is_put_right_by_the_next() {
    let world = World::new();
    world.write(0..MAX_FLEET_EVENTS - 1).await;
    let (mut one, mut other) = (
        Transaction::new(world.store.clone()),
        Transaction::new(world.store.clone()),
    );
    one.put(&world.event(MAX_FLEET_EVENTS - 1)).unwrap();
    other.put(&world.event(MAX_FLEET_EVENTS)).unwrap();
    assert_eq!(one.commit().await.unwrap(), Committed::Yes);
    assert_eq!(other.commit().await.unwrap(), Committed::Yes);
    world.write([MAX_FLEET_EVENTS + 1]).await;
    assert_eq!(world.messages().await, newest(MAX_FLEET_EVENTS + 1));
}

#[tokio::test]
async fn rings_are_kept_each_by_itself() {
    let mut world = World::new();
    world.write(0..MAX_FLEET_EVENTS).await;
    let first = world.fleet.clone();
    world.fleet = FleetId::generate(&world.ids);
    world.write(0..10).await;
    assert_eq!(world.messages().await.len(), 10);
    world.fleet = first;
    assert_eq!(world.messages().await.len(), MAX_FLEET_EVENTS);

    let repair = |second: usize| RepairRecord {
        id: EventId::generate(&world.ids),
        host: None,
        at: Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
        kind: "interface".to_owned(),
        found: format!("number {second}"),
    };
    for round in 0..=MAX_REPAIRS / 100 {
        let new: Vec<_> = (0..101).map(|one| repair(round * 101 + one)).collect();
        let written = transact(&world.store, async |tx| {
            new.iter().try_for_each(|record| tx.put(record))
        });
        written.await.unwrap();
    }
    let mut tx = Transaction::new(world.store.clone());
    let kept = tx.peek(&keys::repairs()).await.unwrap();
    assert_eq!(kept.len(), MAX_REPAIRS);
    assert_eq!(kept[0].found, "number 1110");
}

/// A store from before there were rings: what is too long is left alone by whoever writes, and brought to
/// its length step by step, the oldest first.
#[tokio::test]
async fn a_ring_from_before_there_were_any_is_brought_to_its_length_once() {
    let world = World::new();
    let puts = (0..MAX_FLEET_EVENTS + 500).map(|second| {
        let event = world.event(second);
        let key = Bytes::copy_from_slice(event.key().as_bytes());
        (key, FleetEventKey::encode(&event).unwrap())
    });
    let all = Txn {
        puts: puts.collect(),
        ..Txn::default()
    };
    world.store.txn(all).await.unwrap();
    let newer = MAX_FLEET_EVENTS + 500;
    world.write([newer]).await;
    assert_eq!(world.messages().await.len(), newer + 1);

    assert_eq!(trim_rings(&world.store).await.unwrap(), 501);
    assert_eq!(world.messages().await, newest(newer));
    assert_eq!(trim_rings(&world.store).await.unwrap(), 0);
    world.write([newer + 1]).await;
    assert_eq!(world.messages().await, newest(newer + 1));
}
