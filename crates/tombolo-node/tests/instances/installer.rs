//! Builds that have an `install.sh`.

use std::path::PathBuf;

use tombolo_domain::fleet::{Fleet, FleetStatus};

use super::hosting::until;
use crate::world::World;

/// A server that needs what the installer makes.
const SERVER: &str =
    "#!/bin/sh\ntest \"$(cat /local/game/level)\" = built || exit 5\nexec sleep infinity\n";

async fn with_installer(world: &World, installer: &str, mode: u32) -> Fleet {
    let fleet = world.fleet_to_be("100.64.0.0/24", 2).await;
    world.build_file(&fleet, "server", SERVER, 0o755);
    world.build_file(&fleet, "install.sh", installer, mode);
    world.begin(&fleet).await
}

fn installed(world: &World, fleet: &Fleet) -> PathBuf {
    tombolo_node::installed_directory(&world.context.directory).join(fleet.id.as_str())
}

#[tokio::test]
async fn what_it_makes_is_there_for_every_instance_and_goes_with_the_fleet() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = with_installer(&world, "#!/bin/sh\necho built > /local/game/level\n", 0o755).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    let instances = world.has_running(&fleet, 2).await;
    for code in [
        "FLEET_CREATION_RUNNING_INSTALLER",
        "FLEET_CREATION_COMPLETED_INSTALLER",
    ] {
        assert_eq!(world.count(&fleet, code).await, 1, "{code}");
    }
    assert!(installed(&world, &fleet).is_dir());
    for instance in &instances {
        world.server_process(&instance.id);
    }
    assert_eq!(world.on_disk().len(), 2, "the installer is gone");

    world.delete(&fleet).await;
    world.fleet_is(&fleet, FleetStatus::Terminated).await;
    world.assert_all_given_back(&fleet).await;
    assert!(!installed(&world, &fleet).exists());
}

#[tokio::test]
async fn one_that_fails_fails_the_fleet_with_its_last_words() {
    let world = World::new();
    let _reconcilers = world.start();
    let script = "#!/bin/sh\necho no compiler here >&2\nexit 9\n";
    let fleet = with_installer(&world, script, 0o755).await;
    world.fleet_is(&fleet, FleetStatus::Error).await;
    let code = "FLEET_CREATION_FAILED_INSTALLER";
    let message = world.event(&fleet, code, "no compiler here").await;
    assert!(message.contains("exit code 9"), "{message}");
    assert_eq!(world.count(&fleet, code).await, 1);
    world.assert_all_given_back(&fleet).await;
    assert!(!installed(&world, &fleet).exists());
}

#[tokio::test]
async fn one_without_its_run_bit_fails_the_fleet() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = with_installer(&world, "#!/bin/sh\n", 0o644).await;
    world.fleet_is(&fleet, FleetStatus::Error).await;
    world
        .event(&fleet, "FLEET_CREATION_FAILED_INSTALLER", "install.sh")
        .await;
    world.assert_all_given_back(&fleet).await;
}

#[tokio::test]
async fn a_fleet_that_is_deleted_while_it_installs_leaves_nothing() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = with_installer(&world, "#!/bin/sh\nexec sleep infinity\n", 0o755).await;
    until("the installer runs", || {
        (world.processes().len() == 2).then_some(())
    })
    .await;
    world.delete(&fleet).await;
    world.fleet_is(&fleet, FleetStatus::Terminated).await;
    world.assert_all_given_back(&fleet).await;
    assert!(!installed(&world, &fleet).exists());
}

#[tokio::test]
async fn a_new_control_plane_finds_the_installer_that_an_earlier_one_has_started() {
    let world = World::new();
    let reconcilers = world.start();
    let script = "#!/bin/sh\necho built > /local/game/level\n\
                  trap 'exit 0' USR1\nwhile :; do sleep 0.05; done\n";
    let fleet = with_installer(&world, script, 0o755).await;
    let name = format!("install-{}", fleet.id);
    let running = until("the installer runs", || {
        let running = world.child_of(&name)?;
        // It loops once it has slept.
        (!world.children(running).is_empty()).then_some(running)
    })
    .await;
    reconcilers.stop().await;

    let _reconcilers = world.start();
    nix::sys::signal::kill(running, nix::sys::signal::Signal::SIGUSR1).unwrap();
    world.fleet_is(&fleet, FleetStatus::Active).await;
    let code = "FLEET_CREATION_RUNNING_INSTALLER";
    assert_eq!(world.count(&fleet, code).await, 1);
}
