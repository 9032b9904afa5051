//! A disk that hangs.

use std::fs::{self, OpenOptions};
use std::path::Path;

use nix::sys::stat::Mode;
use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::id::InstanceId;
use tombolo_store::keys::Entity;

use crate::world::World;

/// How many times this process has a file open.
fn times_open(file: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    let links = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
    links.filter(|to| to == file).count()
}

/// The file by which an instance's supervisor is found is a FIFO that nobody writes to, so that whoever
/// reads it waits, as on a disk that does not answer.
#[tokio::test]
async fn a_disk_that_hangs_under_an_instance_holds_up_neither_a_peering_nor_another_fleet() {
    let world = World::new();
    let (active, _) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let peer = world.vpc(&world.backend, "10.0.0.0/16").await;
    let directory = world.context.directory.canonicalize().unwrap();
    let instance = InstanceId::generate(&*world.context.ids);
    let instance = directory.join("instances").join(instance.as_str());
    fs::create_dir_all(&instance).unwrap();
    let file = instance.join("supervisor.json");
    nix::unistd::mkfifo(&file, Mode::S_IRWXU).unwrap();
    let mut options = OpenOptions::new();
    let held_open = options.read(true).write(true).open(&file).unwrap();

    let reconcilers = world.start();
    world.eventually_in_force(|| times_open(&file) == 2).await;
    let connection = world.request(&active, &peer).await;
    world.reaches(&connection, "active").await;
    // It cannot come up, since its build has no files, and the node says so.
    let (new, _) = world.fleet("100.64.1.0/24", FleetStatus::New).await;
    world
        .eventually("the new fleet's end", async |tx| {
            let fleet = tx.get(&new.key()).await.unwrap().unwrap();
            (fleet.status == FleetStatus::Error).then_some(())
        })
        .await;
    assert_eq!(times_open(&file), 2, "the disk hangs all this time");

    drop(held_open);
    fs::remove_file(&file).unwrap();
    reconcilers.stop().await;
}
