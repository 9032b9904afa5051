//! Runtime configurations that change while instances run.

use tombolo_domain::fleet::FleetStatus;

use super::hosting::{IDLE, until};
use crate::world::World;

#[tokio::test]
async fn running_instances_take_up_a_new_configuration_and_keep_what_is_in_both() {
    let world = World::new();
    let reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 2, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    let before = world.processes();
    world.run(&fleet, "/local/game/server", 3).await;
    until("three server processes an instance", || {
        (world.processes().len() == 8).then_some(())
    })
    .await;
    let after = world.processes();
    assert!(
        before.iter().all(|pid| after.contains(pid)),
        "{before:?} in {after:?}"
    );
    world
        .eventually("the records say so", async |_| {
            let instances = world.instances(&fleet).await;
            instances
                .iter()
                .all(|one| one.active_processes == 3)
                .then_some(())
        })
        .await;

    // One that is written while nobody is there to tell it.
    reconcilers.stop().await;
    world.run(&fleet, "/local/game/server", 1).await;
    let _reconcilers = world.start();
    until("one server process an instance", || {
        (world.processes().len() == 4).then_some(())
    })
    .await;
    assert_eq!(world.count(&fleet, "INSTANCE_RECYCLED").await, 0);
    assert_eq!(world.count(&fleet, "SERVER_PROCESS_CRASHED").await, 0);
}

#[tokio::test]
async fn a_new_launch_path_that_is_not_in_the_build_is_told_and_fails_nothing() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 1, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    world.run(&fleet, "/local/game/other", 1).await;
    world
        .event(&fleet, "SERVER_PROCESS_INVALID_PATH", "/local/game/other")
        .await;
    world.fleet_is(&fleet, FleetStatus::Active).await;

    world.run(&fleet, "/local/game/server", 1).await;
    until("a supervisor and its server process", || {
        let processes = world.processes();
        (processes.len() == 2).then_some(())
    })
    .await;
}
