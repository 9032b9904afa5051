//! What cannot be run: the fleet says why, and keeps nothing.

use std::fs;

use tombolo_domain::fleet::FleetStatus;

use super::hosting::IDLE;
use crate::world::World;

/// A fleet of three that cannot come up: the event that says why.
async fn fails(
    world: &World,
    server: impl AsRef<[u8]>,
    mode: u32,
    code: &str,
    part: &str,
) -> String {
    let fleet = world.fleet_to_be("100.64.0.0/24", 3).await;
    world.build_file(&fleet, "server", server, mode);
    world.begin(&fleet).await;
    world.fleet_is(&fleet, FleetStatus::Error).await;
    world.assert_all_given_back(&fleet).await;
    assert_eq!(
        world.count(&fleet, code).await,
        1,
        "{:?}",
        world.events(&fleet).await
    );
    world.event(&fleet, code, part).await
}

#[tokio::test]
async fn a_launch_path_that_is_missing() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = world.fleet_to_be("100.64.0.0/24", 3).await;
    world.build_file(&fleet, "another", IDLE, 0o755);
    world.begin(&fleet).await;
    world.fleet_is(&fleet, FleetStatus::Error).await;
    let code = "FLEET_VALIDATION_LAUNCH_PATH_NOT_FOUND";
    world.event(&fleet, code, "/local/game/server").await;
    world.assert_all_given_back(&fleet).await;
}

#[tokio::test]
async fn a_script_without_its_run_bit() {
    let world = World::new();
    let _reconcilers = world.start();
    let code = "FLEET_VALIDATION_EXECUTABLE_RUNTIME_FAILURE";
    fails(&world, IDLE, 0o644, code, "chmod +x").await;
}

#[tokio::test]
async fn a_binary_for_another_processor() {
    let world = World::new();
    let _reconcilers = world.start();
    let code = "FLEET_VALIDATION_EXECUTABLE_RUNTIME_FAILURE";
    // An ELF file for SPARC V9 (e_machine 43), which nobody plays on.
    let mut elf = vec![0u8; 64];
    elf[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 2, 1]);
    elf[16..20].copy_from_slice(&[0, 2, 0, 43]);
    let message = fails(&world, elf, 0o755, code, "/local/game/server").await;
    assert!(message.contains("Exec format error"), "{message}");
}

#[tokio::test]
async fn a_server_that_ends_at_once() {
    let world = World::new();
    let _reconcilers = world.start();
    let code = "FLEET_VALIDATION_EXECUTABLE_RUNTIME_FAILURE";
    let server = "#!/bin/sh\necho no level\nexit 4\n";
    let message = fails(&world, server, 0o755, code, "no level").await;
    assert!(message.contains("exit code 4"), "{message}");
}

#[tokio::test]
async fn a_build_that_is_gone() {
    let world = World::new();
    let _reconcilers = world.start();
    let (fleet, _) = world.fleet("100.64.0.0/24", FleetStatus::New).await;
    world.fleet_is(&fleet, FleetStatus::Error).await;
    let build = fleet.managed().unwrap().build.clone();
    world
        .event(&fleet, "FLEET_BINARY_DOWNLOAD_FAILED", build.as_str())
        .await;
}

#[tokio::test]
async fn a_build_that_goes_while_its_fleet_runs_keeps_new_instances_from_starting_until_it_is_back()
{
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 1, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    let (build, away) = (
        world.build_of(&fleet),
        world.build_of(&fleet).with_extension("away"),
    );
    fs::rename(&build, &away).unwrap();

    world.scale(&fleet, 2).await;
    world
        .event(&fleet, "GENERIC_EVENT", "could not be started")
        .await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    fs::rename(away, build).unwrap();
    world.has_running(&fleet, 2).await;
}

#[tokio::test]
async fn more_instances_than_the_block_has_addresses() {
    let world = World::new();
    let _reconcilers = world.start();
    // 16 addresses, five of which nobody can have.
    let fleet = world.hosting("100.64.0.0/28", 12, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Error).await;
    let message = world
        .event(&fleet, "FLEET_INITIALIZATION_FAILED", "100.64.0.0/28")
        .await;
    assert!(message.contains("holds 11 instances"), "{message}");
    world.assert_all_given_back(&fleet).await;
}
