//! What is killed, and what becomes of it.

use std::collections::BTreeSet;

use nix::unistd::Pid;
use tombolo_domain::fleet::FleetStatus;
use tombolo_store::keys::Entity;

use super::hosting::{IDLE, until};
use crate::world::World;

#[tokio::test]
async fn a_killed_supervisor_is_started_again_and_the_others_go_on() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 3, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    let before = world.instances(&fleet).await;
    let supervisors: Vec<_> = before.iter().map(|one| world.supervisor(&one.id)).collect();

    let victim = &before[1].id;
    let killed = world.kill_supervisor(victim);
    let message = world
        .event(&fleet, "INSTANCE_RECYCLED", victim.as_str())
        .await;
    assert!(message.contains("started again"), "{message}");
    let after = world.has_running(&fleet, 3).await;
    assert_eq!(
        after.iter().map(|one| &one.id).collect::<Vec<_>>(),
        before.iter().map(|one| &one.id).collect::<Vec<_>>(),
    );
    assert_ne!(world.supervisor(victim), Some(killed));
    for (instance, supervisor) in before.iter().zip(supervisors) {
        if instance.id != *victim {
            assert_eq!(world.supervisor(&instance.id), supervisor);
        }
    }
    assert_eq!(world.processes().len(), 6);
    assert_eq!(world.count(&fleet, "INSTANCE_RECYCLED").await, 1);
    world.fleet_is(&fleet, FleetStatus::Active).await;
}

#[tokio::test]
async fn a_new_control_plane_finds_all_instances_and_starts_none_again() {
    let world = World::new();
    let reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 3, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    let before: BTreeSet<Pid> = world.processes().into_iter().collect();
    let events = world.events(&fleet).await;
    reconcilers.stop().await;

    let _reconcilers = world.start();
    // Only who has found the supervisor again reads that one of its processes ended.
    for instance in world.instances(&fleet).await {
        let server = world.server_process(&instance.id);
        nix::sys::signal::kill(server, nix::sys::signal::Signal::SIGKILL).unwrap();
        world
            .event(&fleet, "SERVER_PROCESS_CRASHED", instance.id.as_str())
            .await;
    }
    let supervisors: BTreeSet<Pid> = world
        .instances(&fleet)
        .await
        .iter()
        .map(|one| world.supervisor(&one.id).unwrap())
        .collect();
    assert!(
        supervisors.is_subset(&before),
        "{supervisors:?} of {before:?}"
    );
    assert_eq!(world.count(&fleet, "INSTANCE_RECYCLED").await, 0);
    assert_eq!(
        world.count(&fleet, "SERVER_PROCESS_CRASHED").await,
        3,
        "beyond {events:?}"
    );
}

#[tokio::test]
async fn an_instance_that_the_store_does_not_know_is_ended_at_the_start() {
    let world = World::new();
    let reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 2, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    reconcilers.stop().await;
    // As a store from before the instance was made.
    let orphan = world.instances(&fleet).await.remove(0);
    let supervisor = world.supervisor(&orphan.id).unwrap();
    world
        .write(async |tx| {
            tx.delete(&orphan.key());
            let mut fleet = tx.get(&fleet.key()).await.unwrap().unwrap();
            if let tombolo_domain::fleet::Compute::Managed(managed) = &mut fleet.compute {
                managed.capacity.desired = 1;
            }
            tx.put(&fleet).unwrap();
        })
        .await;

    let _reconcilers = world.start();
    until("the orphan is gone", || {
        let is_gone = !world.on_disk().contains(orphan.id.as_str());
        (is_gone && !world.processes().contains(&supervisor)).then_some(())
    })
    .await;
    world.has_running(&fleet, 1).await;
    assert_eq!(world.processes().len(), 2);
}
