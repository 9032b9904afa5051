//! How many instances there are.

use std::collections::BTreeSet;

use tombolo_domain::fleet::FleetStatus;
use tombolo_store::keys;

use super::hosting::IDLE;
use crate::world::World;

#[tokio::test]
async fn a_fleet_is_active_when_all_its_instances_run_each_with_an_interface_of_its_own() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 3, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;

    let instances = world.instances(&fleet).await;
    assert_eq!(instances.len(), 3);
    assert!(instances.iter().all(|instance| instance.running));
    assert!(instances.iter().all(|one| one.active_processes == 1));
    let numbers: BTreeSet<u32> = instances.iter().map(|one| one.number).collect();
    assert_eq!(numbers, BTreeSet::from([1, 2, 3]));
    let vpc = fleet.vpc().unwrap();
    let mut addresses = BTreeSet::new();
    for instance in &instances {
        let key = keys::interface(&fleet.scope, vpc, &instance.interface);
        addresses.insert(world.get(&key).await.unwrap().address);
    }
    assert_eq!(addresses.len(), 3);
    // Three supervisors, and a server process of each.
    assert_eq!(world.processes().len(), 6);
}

#[tokio::test]
async fn instances_come_and_go_with_the_capacity_the_newest_first() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 2, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    let first: BTreeSet<u32> = world
        .instances(&fleet)
        .await
        .iter()
        .map(|one| one.number)
        .collect();

    world.scale(&fleet, 4).await;
    world.has_running(&fleet, 4).await;
    world.scale(&fleet, 2).await;
    let left = world.has_running(&fleet, 2).await;
    assert_eq!(
        left.iter().map(|one| one.number).collect::<BTreeSet<_>>(),
        first
    );
    assert_eq!(world.processes().len(), 4);

    world.scale(&fleet, 0).await;
    world.assert_all_given_back(&fleet).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    world.scale(&fleet, 1).await;
    let again = world.has_running(&fleet, 1).await;
    assert_eq!(again[0].number, 5, "numbers are not given twice");
}

#[tokio::test]
async fn a_fleet_of_no_instances_is_active_once_its_build_was_looked_at() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 0, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    assert_eq!(world.instances(&fleet).await, []);
}

#[tokio::test]
async fn deleting_a_fleet_ends_all_its_instances() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 3, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    world.delete(&fleet).await;
    world.fleet_is(&fleet, FleetStatus::Terminated).await;
    world.assert_all_given_back(&fleet).await;
}

#[tokio::test]
async fn a_fleet_that_is_deleted_on_its_way_leaves_nothing() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 5, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Activating).await;
    world.delete(&fleet).await;
    world.fleet_is(&fleet, FleetStatus::Terminated).await;
    world.assert_all_given_back(&fleet).await;
}
