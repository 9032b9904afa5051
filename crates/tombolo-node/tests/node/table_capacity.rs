//! What exceeds the capacity of the data path, and what was found changed behind its back.

use std::collections::BTreeMap;
use std::sync::Arc;

use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::peering::{Connection, FailureReason, State, Step};
use tombolo_domain::repair::MAX_REPAIRS;
use tombolo_domain::vpc::{SecurityGroupNumber, Vpc};
use tombolo_store::keys;

use crate::engine::{Narrow, TABLE};
use crate::world::{World, net};

/// A world with a small engine.
fn narrow(peerings: usize) -> (World, Arc<Narrow>) {
    let mut world = World::new();
    let engine = Arc::new(Narrow::with_peering_capacity(peerings));
    world.context.engine = engine.clone();
    (world, engine)
}

#[tokio::test]
async fn a_connection_that_does_not_fit_fails_and_leaves_the_others_and_nothing_behind() {
    let (world, _) = narrow(1);
    let (fleet, fleet_vpc) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let first = world.vpc(&world.backend, "10.0.0.0/16").await;
    let second = world.vpc(&world.backend, "10.1.0.0/16").await;
    let reconcilers = world.start();
    let fits = world.request(&fleet, &first).await;
    world.reaches(&fits, "active").await;

    let surplus = world.request(&fleet, &second).await;
    let surplus = world.reaches(&surplus, "failed").await;
    let reason = FailureReason::NoRoom {
        table: TABLE.to_owned(),
        capacity: 1,
    };
    assert_eq!(surplus.state, State::Failed { reason });
    assert_eq!(world.made_in(&second, &surplus.id).await, (0, 0));
    assert_eq!(world.made_in(&fleet_vpc, &surplus.id).await, (0, 0));
    let events = world.events(&fleet).await;
    let failed = events
        .iter()
        .find(|(code, _)| *code == "FLEET_VPC_PEERING_FAILED");
    let (_, message) = failed.unwrap();
    assert!(message.contains("no room"), "{message}");

    // The one that fitted goes on.
    assert_eq!(world.made_in(&first, &fits.id).await, (1, 1));
    world.reaches(&fits, "active").await;
    let capacity = world.context.table_capacity.borrow().clone();
    let full = capacity.check(&[TABLE]).unwrap_err();
    assert_eq!((full.table.as_str(), full.capacity), (TABLE, 1));
    let report = keys::reported_network(&world.context.host.host);
    world
        .eventually("the host reports no refusal any more", async |tx| {
            let reported = tx.get(&report).await.unwrap().unwrap();
            reported.refused.is_none().then_some(())
        })
        .await;
    reconcilers.stop().await;
}

#[tokio::test]
async fn of_those_accepted_at_once_as_many_are_made_as_fit() {
    let (world, _) = narrow(2);
    let (fleet, _) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let mut asked = Vec::new();
    for block in ["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"] {
        let peer = world.vpc(&world.backend, block).await;
        asked.push(world.request(&fleet, &peer).await);
    }
    let reconcilers = world.start();
    let ended = world
        .eventually("all to be made or to fail", async |tx| {
            let connections = tx.peek(&keys::all_connections()).await.unwrap();
            let mut codes: Vec<_> = connections.iter().map(|one| one.state.code()).collect();
            codes.sort_unstable();
            let is_over = codes.iter().all(|code| ["active", "failed"].contains(code));
            is_over.then_some(codes)
        })
        .await;
    assert_eq!(ended, ["active", "active", "failed", "failed"]);
    reconcilers.stop().await;
}

/// Has the default group of `vpc` let in `blocks` blocks, each within the one before, or none.
async fn nest(world: &World, vpc: &Vpc, connection: &Connection, blocks: u8) {
    world
        .write(async |tx| {
            let groups = keys::security_groups_of(&vpc.scope, &vpc.id);
            for mut group in tx.list(&groups).await.unwrap() {
                group.remove_rules_of(&connection.id);
                for length in 0..blocks {
                    let block = net(&format!("0.0.0.0/{length}"));
                    group.admit(block, &connection.id, &*world.context.ids);
                }
                tx.put(&group).unwrap();
            }
        })
        .await;
}

#[tokio::test]
async fn rules_that_do_not_fit_close_their_own_vpc_and_hold_up_nobody_else() {
    let mut world = World::new();
    let engine = Arc::new(Narrow::with_rule_capacity(20));
    world.context.engine = engine.clone();
    let heavy = world.vpc(&world.backend, "10.0.0.0/16").await;
    let light = world.vpc(&world.studio, "10.1.0.0/16").await;
    let peer = world.vpc(&world.studio, "10.2.0.0/16").await;
    let connection = world.ask(&light, &peer).await;
    for vpc in [&heavy, &light] {
        world.interface(vpc).await;
    }
    nest(&world, &heavy, &connection, 30).await;
    let reconcilers = world.start();

    world.reaches(&connection, "pending-acceptance").await;
    world.take(&connection, Step::Accept).await;
    world.reaches(&connection, "active").await;
    let (of_heavy, of_light) = (
        SecurityGroupNumber(heavy.number.0),
        SecurityGroupNumber(light.number.0),
    );
    assert_eq!(
        engine.rules_in_force(),
        BTreeMap::from([(of_heavy, 0), (of_light, 2)])
    );

    // Once they fit, they are back.
    nest(&world, &heavy, &connection, 1).await;
    world
        .take(&connection, Step::Delete(world.studio.account))
        .await;
    world.reaches(&connection, "deleted").await;
    assert_eq!(
        engine.rules_in_force(),
        BTreeMap::from([(of_heavy, 3), (of_light, 2)])
    );
    reconcilers.stop().await;
}

#[tokio::test]
async fn repairs_are_written_down_and_the_oldest_forgotten() {
    let (world, engine) = narrow(1);
    engine.meddle(3);
    let reconcilers = world.start();
    let found = world
        .eventually("three repairs", async |tx| {
            let repairs = tx.peek(&keys::repairs()).await.unwrap();
            (repairs.len() == 3).then_some(repairs)
        })
        .await;
    assert!(found.iter().all(|repair| repair.kind == "interface"));
    assert!(found[0].found.starts_with("the link number "));

    // More of them than one round tells one by one, more often than records are kept.
    let a_round = 150;
    for round in 1..=MAX_REPAIRS / 100 + 1 {
        engine.meddle(a_round);
        world.clock.advance(std::time::Duration::from_secs(1));
        world
            .vpc(&world.backend, &format!("10.{round}.0.0/16"))
            .await;
        world
            .eventually("a round's repairs", async |tx| {
                let repairs = tx.peek(&keys::repairs()).await.unwrap();
                let rounds = repairs.iter().filter(|one| one.kind == "unlisted");
                (rounds.count() >= round.min(MAX_REPAIRS / 101)).then_some(())
            })
            .await;
    }
    let repairs = world
        .eventually("no more records than are kept", async |tx| {
            let repairs = tx.peek(&keys::repairs()).await.unwrap();
            (repairs.len() == MAX_REPAIRS).then_some(repairs)
        })
        .await;
    assert!(repairs.is_sorted_by(|newer, older| newer.at >= older.at));
    assert!(!repairs.contains(&found[0]));
    let unlisted = repairs.iter().find(|one| one.kind == "unlisted").unwrap();
    assert_eq!(unlisted.found, "50 more things in the same moment");
    reconcilers.stop().await;
}
