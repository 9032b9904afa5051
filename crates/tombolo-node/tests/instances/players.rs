//! Where players reach instances, and how many instances there are for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tombolo_domain::fleet::{
    Fleet, FleetStatus, InboundPermission, Instance, MappedPort, PublicAddress, ScalingPolicy,
    TransportProtocol,
};
use tombolo_store::keys::{self, Entity};

use super::hosting::IDLE;
use crate::engine::Narrow;
use crate::world::{DEADLINE, World, net};

use TransportProtocol::{Tcp, Udp};

fn permission(protocol: TransportProtocol, from_port: u16, to_port: u16) -> InboundPermission {
    InboundPermission {
        from_port,
        to_port,
        range: net("0.0.0.0/0"),
        protocol,
    }
}

/// A world whose players come in at these ports, and its engine.
fn with_players(ports: &str) -> (World, Arc<Narrow>) {
    let mut world = World::new();
    let engine = Arc::new(Narrow::with_peering_capacity(usize::MAX));
    world.context.engine = engine.clone();
    world.context.public = Some(PublicAddress {
        address: "203.0.113.5".parse().unwrap(),
        ports: ports.parse().unwrap(),
    });
    (world, engine)
}

/// A fleet that opens `permissions`.
async fn open(world: &World, desired: u32, permissions: Vec<InboundPermission>) -> Fleet {
    let fleet = world.fleet_to_be("100.64.0.0/24", desired).await;
    world.build_file(&fleet, "server", IDLE, 0o755);
    set(world, &fleet, permissions).await;
    world.begin(&fleet).await
}

async fn set(world: &World, fleet: &Fleet, permissions: Vec<InboundPermission>) {
    world
        .managed(fleet, |managed| {
            managed.inbound_permissions = permissions.clone();
        })
        .await;
}

fn public_ports(instances: &[Instance]) -> BTreeSet<(TransportProtocol, u16)> {
    let all = instances.iter().flat_map(|one| &one.ports);
    all.map(|one| (one.protocol, one.public_port)).collect()
}

/// The ports that the store says lead somewhere.
async fn taken(world: &World) -> BTreeSet<(TransportProtocol, u16)> {
    let mut tx = tombolo_store::typed::Transaction::new(world.context.store.clone());
    let mut taken = BTreeSet::new();
    for protocol in [Tcp, Udp] {
        let found = tx.list_keyed(&keys::public_ports(protocol)).await.unwrap();
        taken.extend(found.iter().map(|(key, _)| (protocol, key.port)));
    }
    taken
}

#[tokio::test]
async fn each_instance_has_ports_of_its_own_and_the_fleet_tells_where() {
    let (world, engine) = with_players("8300-8309");
    let _reconcilers = world.start();
    let fleet = open(
        &world,
        2,
        vec![permission(Udp, 8303, 8304), permission(Tcp, 8303, 8303)],
    )
    .await;
    world.fleet_is(&fleet, FleetStatus::Active).await;

    let instances = world.instances(&fleet).await;
    assert_eq!(
        public_ports(&instances),
        BTreeSet::from([
            (Tcp, 8300),
            (Tcp, 8303),
            (Udp, 8300),
            (Udp, 8301),
            (Udp, 8303),
            (Udp, 8304),
        ])
    );
    assert_eq!(taken(&world).await, public_ports(&instances));
    for instance in &instances {
        let outside = engine
            .interface(&instance.interface)
            .unwrap()
            .outside
            .unwrap();
        assert_eq!(outside.ports, instance.ports);
        assert!(!outside.internet);
        let told = world
            .event(&fleet, "GENERIC_EVENT", instance.id.as_str())
            .await;
        assert!(told.contains("203.0.113.5: TCP 8303 at port"), "{told}");
    }

    world.delete(&fleet).await;
    world.fleet_is(&fleet, FleetStatus::Terminated).await;
    assert_eq!(taken(&world).await, BTreeSet::new());
}

#[tokio::test]
async fn ports_open_and_close_while_the_others_stay() {
    let (world, engine) = with_players("8300-8309");
    let _reconcilers = world.start();
    let fleet = open(&world, 1, vec![permission(Udp, 8303, 8304)]).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    set(&world, &fleet, vec![permission(Udp, 8304, 8305)]).await;

    let at = |port| MappedPort {
        protocol: Udp,
        port,
        public_port: port,
    };
    let expected = vec![at(8304), at(8305)];
    let instance = world
        .eventually("the ports are others", async |tx| {
            let prefix = keys::instances_of(&fleet.scope, &fleet.id);
            let mut found = tx.peek(&prefix).await.unwrap();
            found.pop().filter(|one| one.ports == expected)
        })
        .await;
    assert_eq!(
        taken(&world).await,
        public_ports(std::slice::from_ref(&instance))
    );
    world.event(&fleet, "GENERIC_EVENT", "were changed").await;
    world
        .eventually_in_force(|| {
            let outside = engine
                .interface(&instance.interface)
                .and_then(|one| one.outside);
            outside.is_some_and(|outside| outside.ports == expected)
        })
        .await;
}

#[tokio::test]
async fn ports_that_are_all_taken_fail_the_fleet_and_keep_none() {
    let (mut world, _) = with_players("8300-8302");
    let _reconcilers = world.start();
    let first = open(&world, 2, vec![permission(Udp, 8303, 8303)]).await;
    world.fleet_is(&first, FleetStatus::Active).await;
    world.studio = world.backend.clone();
    let second = open(&world, 2, vec![permission(Udp, 8303, 8303)]).await;
    world.fleet_is(&second, FleetStatus::Error).await;
    let message = world
        .event(&second, "FLEET_ACTIVATION_FAILED", "8300-8302 all lead")
        .await;
    assert!(
        message.contains("no UDP port of the public address 203.0.113.5"),
        "{message}"
    );
    world
        .eventually("the ports are given back", async |_| {
            let left = BTreeSet::from([(Udp, 8300), (Udp, 8301)]);
            (taken(&world).await == left).then_some(())
        })
        .await;
    world.fleet_is(&first, FleetStatus::Active).await;
}

#[tokio::test]
async fn one_account_has_half_of_the_ports_and_leaves_the_rest_to_others() {
    let (mut world, _) = with_players("8300-8303");
    let _reconcilers = world.start();
    let game = vec![permission(Udp, 8303, 8303)];
    let first = open(&world, 2, game.clone()).await;
    world.fleet_is(&first, FleetStatus::Active).await;

    // Neither by another fleet, nor by more instances of the same one; of TCP it has none yet.
    let more = open(&world, 1, game.clone()).await;
    world.fleet_is(&more, FleetStatus::Error).await;
    let why = "may have 2 of its ports 8300-8303, and have as many";
    world.event(&more, "FLEET_ACTIVATION_FAILED", why).await;
    world.scale(&first, 3).await;
    world.event(&first, "GENERIC_EVENT", why).await;
    let other = open(&world, 2, vec![permission(Tcp, 8303, 8303)]).await;
    world.fleet_is(&other, FleetStatus::Active).await;

    world.studio = world.backend.clone();
    let others = open(&world, 2, game).await;
    world.fleet_is(&others, FleetStatus::Active).await;
}

#[tokio::test]
async fn instances_reach_the_internet_if_the_fleet_says_so() {
    let (world, engine) = with_players("8300-8309");
    let _reconcilers = world.start();
    let fleet = world.fleet_to_be("100.64.0.0/24", 1).await;
    world.build_file(&fleet, "server", IDLE, 0o755);
    world
        .managed(&fleet, |managed| managed.internet = true)
        .await;
    world.begin(&fleet).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    let instance = world.instances(&fleet).await.remove(0);
    let outside = engine
        .interface(&instance.interface)
        .unwrap()
        .outside
        .unwrap();
    assert!(outside.internet);
    assert_eq!(outside.ports, []);
}

#[tokio::test]
async fn a_policy_makes_instances_for_players_and_takes_those_away_that_have_none() {
    let (world, engine) = with_players("8300-8309");
    let _reconcilers = world.start();
    let fleet = open(&world, 1, vec![permission(Udp, 8303, 8303)]).await;
    world
        .managed(&fleet, |managed| managed.capacity.maximum = 3)
        .await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    let first = world.instances(&fleet).await.remove(0);
    engine.has_players(&first.interface, 1);
    let policy = ScalingPolicy {
        scope: fleet.scope.clone(),
        fleet: fleet.id.clone(),
        name: "keep half free".to_owned(),
        target: 50.0,
    };
    world.write(async |tx| tx.put(&policy).unwrap()).await;

    let two = world.has_running(&fleet, 2).await;
    let message = world
        .event(&fleet, "FLEET_SCALING_EVENT", "from 1 to 2")
        .await;
    assert!(message.contains("keep half free"), "{message}");

    // The first one's players go over to the second. Two would be needed for them, but no more than
    // one may be: after a while the first one goes.
    let second = two.iter().find(|one| one.id != first.id).unwrap();
    engine.has_players(&first.interface, 0);
    world
        .managed(&fleet, |managed| managed.capacity.maximum = 1)
        .await;
    engine.has_players(&second.interface, 1);
    let mut look_again = tokio::time::interval(Duration::from_millis(100));
    let left = async {
        loop {
            let found = world.instances(&fleet).await;
            if found.len() == 1 {
                return found;
            }
            world.clock.advance(Duration::from_secs(61));
            look_again.tick().await;
        }
    };
    let left = tokio::time::timeout(DEADLINE, left)
        .await
        .expect("one is left");
    assert_eq!(left[0].id, second.id, "players are not thrown out");
}

#[tokio::test]
async fn while_scaling_is_stopped_players_change_nothing() {
    let (world, engine) = with_players("8300-8309");
    let _reconcilers = world.start();
    let fleet = open(&world, 1, vec![permission(Udp, 8303, 8303)]).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    world
        .managed(&fleet, |managed| {
            managed.capacity.maximum = 3;
            managed.scaling_is_stopped = true;
        })
        .await;
    let first = world.instances(&fleet).await.remove(0);
    engine.has_players(&first.interface, 1);
    let policy = ScalingPolicy {
        scope: fleet.scope.clone(),
        fleet: fleet.id.clone(),
        name: "keep half free".to_owned(),
        target: 50.0,
    };
    world.write(async |tx| tx.put(&policy).unwrap()).await;

    // Ports are set right first and policies are looked at then: with the second change, the first
    // look with the policy is over.
    for port in [8304, 8305] {
        set(&world, &fleet, vec![permission(Udp, port, port)]).await;
        world
            .eventually("the port is another", async |tx| {
                let prefix = keys::instances_of(&fleet.scope, &fleet.id);
                let found = tx.peek(&prefix).await.unwrap();
                found
                    .iter()
                    .any(|one| one.ports.iter().any(|mapped| mapped.port == port))
                    .then_some(())
            })
            .await;
    }
    let desired = async || {
        let fleet = world.get(&fleet.key()).await.unwrap();
        fleet.managed().unwrap().capacity.desired
    };
    assert_eq!(desired().await, 1);

    world
        .managed(&fleet, |managed| managed.scaling_is_stopped = false)
        .await;
    world
        .event(&fleet, "FLEET_SCALING_EVENT", "from 1 to 2")
        .await;
    assert_eq!(desired().await, 2);
}
