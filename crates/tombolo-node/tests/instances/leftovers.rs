//! What belongs to nothing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tombolo_domain::fleet::{FleetStatus, TransportProtocol};
use tombolo_domain::id::{FleetId, InstanceId};
use tombolo_store::keys::{self, Entity, InstanceRef};

use super::hosting::{IDLE, until};
use crate::world::World;

#[tokio::test]
async fn what_no_fleet_has_is_taken_away_and_what_a_fleet_has_stays() {
    let world = World::new();
    let reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 1, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    reconcilers.stop().await;

    let ids = &*world.context.ids;
    let nobody = FleetId::generate(ids);
    let folders = |fleet: &FleetId| {
        let directory = &world.context.directory;
        let installed = tombolo_node::installed_directory(directory);
        let logs = tombolo_node::logs_directory(directory, fleet);
        [installed.join(fleet.as_str()), logs]
    };
    for folder in folders(&nobody).iter().chain(&folders(&fleet.id)) {
        fs::create_dir_all(folder).unwrap();
    }
    let at = |instance: &InstanceId| InstanceRef {
        scope: fleet.scope.clone(),
        fleet: fleet.id.clone(),
        instance: instance.clone(),
    };
    let instance = world.instances(&fleet).await.remove(0);
    let taken = keys::public_port(TransportProtocol::Udp, 20_000);
    let stale = keys::public_port(TransportProtocol::Udp, 20_001);
    world
        .write(async |tx| {
            tx.put_at(&taken, &at(&instance.id)).unwrap();
            tx.put_at(&stale, &at(&InstanceId::generate(ids))).unwrap();
        })
        .await;

    let _reconcilers = world.start();
    until("the folders of no fleet are gone", || {
        let is_gone = folders(&nobody).iter().all(|folder| !folder.exists());
        is_gone.then_some(())
    })
    .await;
    world
        .eventually("the port of no instance is free", async |tx| {
            tx.get(&stale).await.unwrap().is_none().then_some(())
        })
        .await;
    assert!(world.get(&taken).await.is_some());
    assert!(folders(&fleet.id).iter().all(|folder| folder.exists()));
}

#[tokio::test]
async fn logs_of_instances_that_are_gone_go_when_they_are_too_much() {
    let world = World::new();
    let reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 1, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    reconcilers.stop().await;

    let logs = tombolo_node::logs_directory(&world.context.directory, &fleet.id);
    let live = world.instances(&fleet).await.remove(0).id;
    // In MiB, the oldest first; sparse, so that no disk is filled.
    let mut gone = Vec::new();
    for (age, size) in [(5, 1), (4, 600), (3, 300), (2, 300), (1, 2)] {
        let folder = logs.join(InstanceId::generate(&*world.context.ids).as_str());
        write(&folder, size, Duration::from_secs(age * 100));
        gone.push(folder);
    }
    write(&logs.join(live.as_str()), 5000, Duration::from_secs(10_000));
    write(&logs.join("install"), 5000, Duration::from_secs(10_000));

    let _reconcilers = world.start();
    until("the logs of the oldest are gone", || {
        let there: Vec<_> = gone.iter().map(|folder| folder.exists()).collect();
        (there == [false, false, true, true, true]).then_some(())
    })
    .await;
    assert!(logs.join(live.as_str()).join("old.log").exists());
    assert!(logs.join("install/old.log").exists());
}

/// Writes a log of so many MiB, and so old.
fn write(folder: &Path, size: u64, age: Duration) {
    fs::create_dir_all(folder).unwrap();
    let log = fs::File::create(folder.join("old.log")).unwrap();
    log.set_len(size << 20).unwrap();
    let at = log.metadata().unwrap().modified().unwrap() - age;
    log.set_modified(at).unwrap();
    fs::File::open(folder).unwrap().set_modified(at).unwrap();
}

#[tokio::test]
async fn an_installer_of_no_fleet_is_ended_at_the_start() {
    let world = World::new();
    let reconcilers = world.start();
    let fleet = world.fleet_to_be("100.64.0.0/24", 1).await;
    world.build_file(&fleet, "server", IDLE, 0o755);
    world.build_file(&fleet, "install.sh", IDLE, 0o755);
    world.begin(&fleet).await;
    let name = format!("install-{}", fleet.id);
    let installer = until("the installer runs", || world.child_of(&name)).await;
    reconcilers.stop().await;
    world.write(async |tx| tx.delete(&fleet.key())).await;

    let _reconcilers = world.start();
    until("the installer is gone", || {
        world.on_disk().is_empty().then_some(())
    })
    .await;
    let left = fs::read_to_string(format!("/proc/{installer}/comm"));
    assert!(left.is_err(), "{left:?} still runs");
}

/// Of the tests themselves: each may end while an instance comes up.
#[tokio::test]
async fn a_world_that_goes_while_instances_start_leaves_no_supervisor() {
    for _ in 0..5 {
        let world = World::new();
        let reconcilers = world.start();
        world.hosting("100.64.0.0/24", 3, IDLE).await;
        until("an instance comes up", || {
            (!world.on_disk().is_empty()).then_some(())
        })
        .await;
        let directory = world.context.directory.clone();
        drop(reconcilers);
        drop(world);
        let directory = directory.to_string_lossy();
        // One that was killed before it had anything ends a moment later, and nobody waits for it.
        let what = format!("no supervisor of {directory} stays");
        until(&what, || {
            let mut processes = fs::read_dir("/proc").unwrap().flatten();
            let stays = processes.any(|entry| {
                let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&command).contains(&*directory)
            });
            (!stays).then_some(())
        })
        .await;
    }
}
