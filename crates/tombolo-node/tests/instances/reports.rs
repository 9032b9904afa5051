//! What a host reports of fleets and their instances, apart from what is desired.

use nix::sys::signal::{Signal, kill};
use tombolo_domain::fleet::{Fleet, FleetStatus};
use tombolo_domain::id::HostId;
use tombolo_domain::reported::{FleetProgress, ReportedInstance};
use tombolo_store::Revision;
use tombolo_store::keys::{self, Entity, Key, KeyParts};

use super::hosting::{IDLE, until};
use crate::world::World;

/// When a record was last written.
async fn written<K: KeyParts>(world: &World, key: &Key<K>) -> Revision {
    let found = world.context.store.get(key.as_bytes()).await.unwrap();
    found.expect("it is there").modified
}

/// What was reported of the instances of a fleet.
async fn reported(world: &World, fleet: &Fleet) -> Vec<ReportedInstance> {
    let mut found = Vec::new();
    for instance in world.instances(fleet).await {
        let key = keys::reported_instance(&fleet.scope, &fleet.id, &instance.id);
        found.extend(world.get(&key).await);
    }
    found
}

#[tokio::test]
async fn a_fleet_is_active_in_the_commit_of_the_report_that_its_last_instance_runs() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 1, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    let active = written(&world, &fleet.key()).await;
    let host = &world.context.host.host;
    let reports = reported(&world, &fleet).await;
    let [report] = &reports[..] else {
        panic!("{reports:?}")
    };
    assert_eq!(written(&world, &report.key()).await, active);
    assert!(report.running && report.host == *host, "{report:?}");
    let of_fleet = keys::reported_fleet(&fleet.scope, &fleet.id, host);
    let of_fleet = world.get(&of_fleet).await.unwrap();
    assert_eq!(of_fleet.progress, FleetProgress::Connected);
    for instance in world.instances(&fleet).await {
        assert_eq!(instance.host.as_ref(), Some(host));
    }
    let of_itself = world.get(&keys::reported_host(host)).await.unwrap();
    assert_eq!(of_itself.boot, world.context.host.boot);
}

#[tokio::test]
async fn reports_go_with_what_they_are_of() {
    let world = World::new();
    let _reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 2, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    world.scale(&fleet, 1).await;
    world.has_running(&fleet, 1).await;
    assert_eq!(world.server.keys("reported-instance/").await.len(), 1);
    world.delete(&fleet).await;
    world.fleet_is(&fleet, FleetStatus::Terminated).await;
    for kind in ["reported-instance/", "reported-fleet/"] {
        assert_eq!(world.server.keys(kind).await, Vec::<String>::new());
    }
}

/// What its supervisor had reported was in its own record then, and no host was.
#[tokio::test]
async fn an_instance_from_before_hosts_had_ids_is_this_hosts_and_tells_nothing_twice() {
    let world = World::new();
    let reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 1, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    let before = world.events(&fleet).await;
    reconcilers.stop().await;
    let [report] = &reported(&world, &fleet).await[..] else {
        panic!("there is one instance")
    };
    let mut instance = world.instances(&fleet).await.remove(0);
    instance.host = None;
    instance.earlier_position = Some(report.last_event.clone());
    world
        .write(async |tx| {
            tx.remove(report);
            tx.put(&instance).unwrap();
        })
        .await;

    let _reconcilers = world.start();
    let server = world.server_process(&instance.id);
    kill(server, Signal::SIGKILL).unwrap();
    world.event(&fleet, "SERVER_PROCESS_CRASHED", "").await;
    let events = world.events(&fleet).await;
    assert_eq!(events[1..], before[..]);
    let moved = world.instances(&fleet).await.remove(0);
    assert_eq!((moved.host, moved.earlier_position), (None, None));
    let [after] = &reported(&world, &fleet).await[..] else {
        panic!("it is reported")
    };
    assert_eq!(after.last_event.incarnation, report.last_event.incarnation);
    assert!(after.last_event.number > report.last_event.number);
}

/// Which host an instance is on may be recorded wrongly, by a copied file for instance, and the players in
/// it are there all the same.
#[tokio::test]
async fn what_another_host_has_is_neither_started_nor_ended_here() {
    let world = World::new();
    let reconcilers = world.start();
    let fleet = world.hosting("100.64.0.0/24", 3, IDLE).await;
    world.fleet_is(&fleet, FleetStatus::Active).await;
    reconcilers.stop().await;
    let mut instances = world.instances(&fleet).await;
    let (kept, mut moved) = (instances.remove(0), instances.remove(0));
    let unknown = instances.remove(0);
    moved.host = Some(HostId::generate(&*world.context.ids));
    world
        .write(async |tx| {
            tx.put(&moved).unwrap();
            tx.remove(&unknown);
        })
        .await;
    world
        .managed(&fleet, |managed| managed.capacity.desired = 2)
        .await;
    let (left_alone, ended) = (
        world.server_process(&moved.id),
        world.server_process(&unknown.id),
    );

    let _reconcilers = world.start();
    until("what the store does not know has ended", || {
        (!world.on_disk().contains(unknown.id.as_str())).then_some(())
    })
    .await;
    assert!(kill(ended, None).is_err(), "{ended} is of nobody");
    let server = world.server_process(&kept.id);
    kill(server, Signal::SIGKILL).unwrap();
    world
        .event(&fleet, "SERVER_PROCESS_CRASHED", kept.id.as_str())
        .await;
    assert_eq!(world.server_process(&moved.id), left_alone);
    assert_eq!(world.get(&moved.key()).await, Some(moved.clone()));
    // It is somebody else's: when its server process ends, this host tells nobody.
    let both = [&kept, &moved].map(|one| one.id.to_string());
    assert_eq!(world.on_disk(), both.into());
    assert_eq!(world.count(&fleet, "SERVER_PROCESS_CRASHED").await, 1);
}
