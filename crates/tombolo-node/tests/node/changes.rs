//! What the network engine is given: all there should be once, and then what changes.

use std::sync::Arc;

use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::peering::Step;
use tombolo_network::NetworkChange;

use crate::engine::Narrow;
use crate::world::World;

fn world() -> (World, Arc<Narrow>) {
    let mut world = World::new();
    let engine = Arc::new(Narrow::with_peering_capacity(usize::MAX));
    world.context.engine = engine.clone();
    (world, engine)
}

fn size(change: &NetworkChange) -> usize {
    change.vpcs.len()
        + change.route_tables.len()
        + change.security_groups.len()
        + change.interfaces.len()
        + change.peerings.len()
}

/// However many VPCs there are: what a connection touches is itself, and the tables and groups of two.
#[tokio::test]
async fn a_connection_is_given_as_the_change_that_it_means() {
    let (world, engine) = world();
    for number in 0..24 {
        let block = format!("10.{number}.0.0/16");
        let vpc = world.vpc(&world.backend, &block).await;
        world.interface(&vpc).await;
    }
    let (fleet, _) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let peer = world.vpc(&world.backend, "10.200.0.0/16").await;
    world.interface(&peer).await;
    let reconcilers = world.start();
    world
        .eventually_in_force(|| engine.whole_networks() == 1)
        .await;
    let connection = world.request(&fleet, &peer).await;
    let connection = world.reaches(&connection, "active").await;
    world
        .take(&connection, Step::Delete(world.backend_account()))
        .await;
    world.reaches(&connection, "deleted").await;
    reconcilers.stop().await;

    assert_eq!(engine.whole_networks(), 1);
    let changes = engine.changes();
    assert!(changes.len() >= 2);
    for change in &changes {
        assert!(size(change) <= 5, "{change:?}");
    }
}

/// Nobody else's things are looked at for an interface that cannot be made, once or again.
#[tokio::test]
async fn an_interface_that_is_refused_is_tried_again_by_itself() {
    let (world, engine) = world();
    let vpc = world.vpc(&world.backend, "10.0.0.0/16").await;
    let refused = world.interface(&vpc).await.id;
    world.interface(&vpc).await;
    engine.refuse(&refused);
    let reconcilers = world.start();
    world
        .eventually_in_force(|| engine.changes().len() >= 2)
        .await;
    reconcilers.stop().await;

    assert_eq!(engine.whole_networks(), 1);
    for change in engine.changes() {
        assert_eq!(change.interfaces.keys().collect::<Vec<_>>(), [&refused]);
        assert_eq!(size(&change), 1);
    }
}
