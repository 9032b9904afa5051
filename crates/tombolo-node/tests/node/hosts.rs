//! What hosts report, without nodes: which reports count, and which are written.

use std::collections::BTreeSet;
use std::sync::Arc;

use tombolo_controller::{Controller, FleetAt, FleetReport, Happening, InstanceAt, InstanceEvent};
use tombolo_controller::{NetworkApplied, Reports};
use tombolo_domain::fleet::{Fleet, FleetStatus, Instance};
use tombolo_domain::id::{BootId, HostId, InstanceId};
use tombolo_domain::reported::FleetProgress;
use tombolo_domain::vpc::Attachment;
use tombolo_store::keys::{self, Entity};

use crate::world::World;

/// A fleet in `status` that has, and is to have, one instance, which is on `host` and has yet to run.
async fn fleet_with_one(world: &World, host: &HostId, status: FleetStatus) -> (Fleet, Instance) {
    let (fleet, vpc) = world.fleet("100.64.0.0/24", status).await;
    let id = InstanceId::generate(&*world.context.ids);
    let attachment = Attachment::Instance {
        fleet: fleet.id.clone(),
        instance: id.clone(),
    };
    let interface = world.interface_of(&vpc, attachment).await;
    let instance = Instance {
        scope: fleet.scope.clone(),
        fleet: fleet.id.clone(),
        id,
        host: Some(host.clone()),
        number: 1,
        interface: interface.id,
        ports: Vec::new(),
        running: false,
        active_processes: 0,
        ending: false,
        earlier_position: None,
        created: fleet.created,
    };
    let mut fleet = fleet;
    if let Some(managed) = fleet.managed_mut() {
        managed.capacity.desired = 1;
        managed.capacity.maximum = 1;
    }
    world
        .write(async |tx| {
            tx.put(&fleet).unwrap();
            tx.put(&instance).unwrap();
        })
        .await;
    (fleet, instance)
}

fn at(fleet: &Fleet) -> FleetAt {
    FleetAt {
        scope: fleet.scope.clone(),
        id: fleet.id.clone(),
    }
}

/// Where two hosts report: that of the world, and another one.
fn two_hosts(world: &World) -> (Controller, Arc<dyn Reports>, Arc<dyn Reports>, HostId) {
    let controller = Controller::start(world.context.controller()).unwrap();
    let here = controller.reports(world.context.host.host.clone());
    let other = HostId::generate(&*world.context.ids);
    let there = controller.reports(other.clone());
    (controller, here, there, other)
}

/// All its server processes run.
fn running(world: &World) -> Vec<InstanceEvent> {
    vec![InstanceEvent {
        seq: 1,
        at: world.server.now(),
        lost: 0,
        running: 1,
        what: Happening::Running,
    }]
}

#[tokio::test]
async fn what_another_host_reports_of_an_instance_changes_nothing() {
    let world = World::new();
    let own = &world.context.host.host;
    let (_, instance) = fleet_with_one(&world, own, FleetStatus::Active).await;
    let (_controller, here, there, _) = two_hosts(&world);
    let at = InstanceAt::of(&instance);

    let before = world.server.dump().await;
    let events = there.instance_events(&at, "run", running(&world));
    events.await.unwrap();
    there.instance_ended(&at).await.unwrap();
    there.instance_released(&at).await.unwrap();
    assert_eq!(world.server.dump().await, before);

    // The same reports of its own host do.
    let events = here.instance_events(&at, "run", running(&world));
    events.await.unwrap();
    assert!(world.get(&instance.key()).await.unwrap().running);
    here.instance_ended(&at).await.unwrap();
    let vpc = world.server.fleet(instance.fleet.as_str()).await;
    let interface = keys::interface(&instance.scope, vpc.vpc().unwrap(), &instance.interface);
    assert_eq!(world.get(&interface).await, None);
    here.instance_released(&at).await.unwrap();
    assert_eq!(world.get(&instance.key()).await, None);
}

#[tokio::test]
async fn a_fleet_ends_with_the_last_instance_whichever_host_has_it() {
    let world = World::new();
    let (controller, here, there, other) = two_hosts(&world);
    let (fleet, instance) = fleet_with_one(&world, &other, FleetStatus::Deleting).await;

    here.fleet(&at(&fleet), FleetReport::Released)
        .await
        .unwrap();
    let status = world.get(&fleet.key()).await.unwrap().status;
    assert_eq!(status, FleetStatus::Deleting);
    let vpc = keys::vpc(&fleet.scope, fleet.vpc().unwrap());
    assert!(world.get(&vpc).await.is_some());

    // The node here looks again when a record of the fleet's goes, and says the same.
    let _reconcilers = world.start();
    there
        .instance_ended(&InstanceAt::of(&instance))
        .await
        .unwrap();
    there
        .instance_released(&InstanceAt::of(&instance))
        .await
        .unwrap();
    world
        .eventually("the fleet has ended", async |tx| {
            let fleet = tx.get(&fleet.key()).await.unwrap().unwrap();
            (fleet.status == FleetStatus::Terminated).then_some(())
        })
        .await;
    assert_eq!(world.get(&vpc).await, None);
    controller.stop().await;
}

#[tokio::test]
async fn a_report_from_which_nothing_follows_is_not_written() {
    let world = World::new();
    let (_controller, here, _, _) = two_hosts(&world);
    let own = &world.context.host.host;
    let (building, instance) = fleet_with_one(&world, own, FleetStatus::Building).await;
    let boot = BootId::generate(&*world.context.ids);
    let of = InstanceAt::of(&instance);
    let report = async || {
        here.host("pc", &boot).await.unwrap();
        let built = FleetReport::Built { installed: true };
        here.fleet(&at(&building), built).await.unwrap();
        // Nothing is connected: the fleet stays where it is.
        let none = FleetReport::Connected(BTreeSet::new());
        here.fleet(&at(&building), none).await.unwrap();
        let events = here.instance_events(&of, "run", running(&world));
        events.await.unwrap();
        let applied = NetworkApplied {
            revision: world.context.store.revision().await.unwrap(),
            provisioned: Vec::new(),
            removed: Vec::new(),
        };
        here.network_applied(applied).await.unwrap();
    };
    report().await;
    let kept = keys::reported_fleet(&building.scope, &building.id, own);
    let kept = world.get(&kept).await.unwrap();
    assert_eq!(kept.progress, FleetProgress::Built { installed: true });
    let of_host = world.get(&keys::reported_host(own)).await.unwrap();
    assert_eq!((of_host.label.as_str(), &of_host.boot), ("pc", &boot));

    let before = world.context.store.revision().await.unwrap();
    for _ in 0..3 {
        report().await;
    }
    assert_eq!(world.context.store.revision().await.unwrap(), before);
}

/// What `tombolo doctor` names: players may be in it, and which host is right a person has to say.
#[tokio::test]
async fn an_instance_in_this_data_directory_that_is_another_hosts_is_known() {
    let world = World::new();
    let own = world.context.host.host.clone();
    let other = HostId::generate(&*world.context.ids);
    let (_, here) = fleet_with_one(&world, &own, FleetStatus::Active).await;
    let (_, elsewhere) = fleet_with_one(&world, &other, FleetStatus::Active).await;
    let directory = world.context.directory.clone();
    let known = async || {
        let store = &world.context.store;
        let known = tombolo_node::instances_of_other_hosts(store, &directory, &own);
        known.await.unwrap()
    };
    assert_eq!(known().await, []);
    for instance in [&here, &elsewhere] {
        let folder = tombolo_node::instance_directory(&directory, &instance.id);
        std::fs::create_dir_all(folder).unwrap();
    }
    assert_eq!(known().await, [elsewhere]);
}
