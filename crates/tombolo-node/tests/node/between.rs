//! Connections between two VPCs that people own.

use std::time::Duration;

use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::id::VpcCidrAssociationId;
use tombolo_domain::peering::{Connection, FailureReason, REQUEST_LIFETIME, State, Step};
use tombolo_domain::vpc::{CidrAssociation, Vpc};
use tombolo_network::{DropReason, Verdict};
use tombolo_store::keys::{self, Entity, Key, PeeringKey};

use crate::world::{World, net};

/// Two VPCs of two accounts, and the request of the first.
async fn requested(world: &World) -> (Vpc, Vpc, Connection) {
    let own = world.vpc(&world.studio, "10.1.0.0/16").await;
    let peer = world.vpc(&world.backend, "10.2.0.0/16").await;
    let connection = world.ask(&own, &peer).await;
    (own, peer, connection)
}

async fn active(world: &World) -> (Vpc, Vpc, Connection) {
    let (own, peer, connection) = requested(world).await;
    let connection = accepted(world, &connection).await;
    (own, peer, connection)
}

async fn accepted(world: &World, connection: &Connection) -> Connection {
    world.reaches(connection, "pending-acceptance").await;
    world.take(connection, Step::Accept).await;
    world.reaches(connection, "active").await
}

/// What the accepter finds the connection by.
fn entry(connection: &Connection) -> Key<PeeringKey> {
    let peer = &connection.accepter.vpc;
    keys::peering(&connection.accepter_scope(), peer, &connection.id)
}

/// More than the controller takes up of one VPC at a time.
#[tokio::test]
async fn all_requests_of_one_vpc_are_delivered() {
    let world = World::new();
    let own = world.vpc(&world.studio, "10.0.0.0/16").await;
    let mut asked = Vec::new();
    for number in 1..=20 {
        let peer = world
            .vpc(&world.backend, &format!("10.{number}.0.0/16"))
            .await;
        asked.push(world.ask(&own, &peer).await);
    }

    let _reconcilers = world.start();
    for connection in &asked {
        world.reaches(connection, "pending-acceptance").await;
    }
}

#[tokio::test]
async fn a_request_waits_for_its_accepter_and_becomes_active_then() {
    let world = World::new();
    let _reconcilers = world.start();
    let (own, peer, connection) = requested(&world).await;

    let waiting = world.reaches(&connection, "pending-acceptance").await;
    let blocks: Vec<_> = waiting.accepter.cidrs().collect();
    assert_eq!(blocks, [peer.cidr], "the request has learnt them");
    assert!(world.get(&entry(&connection)).await.is_some());

    world.take(&connection, Step::Accept).await;
    let connection = world.reaches(&connection, "active").await;
    let passed = connection.history.iter().map(|then| then.state.code());
    assert_eq!(
        passed.collect::<Vec<_>>(),
        [
            "initiating-request",
            "pending-acceptance",
            "provisioning",
            "active"
        ]
    );
    for vpc in [&own, &peer] {
        let made = world.made_in(vpc, &connection.id).await;
        assert_eq!(made, (0, 0), "each owner adds own routes and rules");
    }
}

#[tokio::test]
async fn packets_pass_where_both_owners_let_them_until_one_deletes() {
    for is_requester in [true, false] {
        let world = World::new();
        let _reconcilers = world.start();
        let (own, peer, connection) = active(&world).await;
        let (one, other) = (world.interface(&own).await, world.interface(&peer).await);
        world.join_by_hand(&own, peer.cidr, &connection).await;
        world.join_by_hand(&peer, own.cidr, &connection).await;
        world
            .eventually_in_force(|| {
                world.verdict(&one, &other) == Verdict::Peering(other.id.clone())
                    && world.verdict(&other, &one) == Verdict::Peering(one.id.clone())
            })
            .await;

        let owner = if is_requester { &own } else { &peer };
        let by = owner.scope.account;
        world.take(&connection, Step::Delete(by)).await;
        let connection = world.reaches(&connection, "deleted").await;
        assert_eq!(connection.state, State::Deleted { by });
        for (from, to) in [(&one, &other), (&other, &one)] {
            let verdict = world.verdict(from, to);
            assert_eq!(verdict, Verdict::Drop(DropReason::NoRoute));
        }
        let tables = keys::route_tables_of(&own.scope, &own.id);
        world
            .write(async |tx| {
                let table = tx.list(&tables).await.unwrap().remove(0);
                assert_eq!(table.routes.len(), 2, "the owner's route stays");
            })
            .await;
    }
}

/// The middle VPC is joined to both others, and everybody's routes lead everywhere; still nothing
/// passes through it.
#[tokio::test]
async fn a_third_vpc_stays_out() {
    let world = World::new();
    let _reconcilers = world.start();
    let (own, middle, first) = active(&world).await;
    let third = world.vpc(&world.backend, "10.3.0.0/16").await;
    let second = world.ask(&middle, &third).await;
    let second = accepted(&world, &second).await;
    let (one, between) = (world.interface(&own).await, world.interface(&middle).await);
    let far = world.interface(&third).await;
    for (here, there, connection) in [
        (&own, &middle, &first),
        (&own, &third, &first),
        (&middle, &own, &first),
        (&middle, &third, &second),
        (&third, &middle, &second),
        (&third, &own, &second),
    ] {
        world.join_by_hand(here, there.cidr, connection).await;
    }
    world
        .eventually_in_force(|| {
            let reaches_middle =
                |from| world.verdict(from, &between) == Verdict::Peering(between.id.clone());
            reaches_middle(&one) && reaches_middle(&far)
        })
        .await;
    for (from, to) in [(&one, &far), (&far, &one)] {
        let verdict = world.verdict(from, to);
        assert!(matches!(verdict, Verdict::Drop(_)), "{verdict:?}");
    }
}

#[tokio::test]
async fn a_rejected_request_leaves_nothing_in_the_data_path() {
    let world = World::new();
    let _reconcilers = world.start();
    let (own, peer, connection) = requested(&world).await;
    let (one, other) = (world.interface(&own).await, world.interface(&peer).await);
    world.reaches(&connection, "pending-acceptance").await;
    world.join_by_hand(&own, peer.cidr, &connection).await;
    let by = peer.scope.account;
    world.take(&connection, Step::Reject(by)).await;
    // What is asked for later is dealt with after it.
    let (fleet, _) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let later = world.request(&fleet, &peer).await;
    world.reaches(&later, "active").await;
    let found = world.get(&connection.key()).await.unwrap();
    assert_eq!(found.state, State::Rejected { by });
    let verdict = world.verdict(&one, &other);
    assert_eq!(verdict, Verdict::Drop(DropReason::NoRoute));
}

#[tokio::test]
async fn a_request_that_nobody_answers_expires_and_is_forgotten() {
    let world = World::new();
    let reconcilers = world.start();
    let (_, _, connection) = requested(&world).await;
    world.reaches(&connection, "pending-acceptance").await;
    let lifetime = Duration::try_from(REQUEST_LIFETIME).unwrap();
    world.clock.advance(lifetime + Duration::from_secs(60));
    reconcilers.wake();
    let expired = world.reaches(&connection, "expired").await;
    assert_eq!(Some(expired.since()), connection.expires);
    reconcilers.stop().await;

    world.clock.advance(Duration::from_secs(48 * 60 * 60));
    let _reconcilers = world.start();
    world
        .eventually("the record is gone", async |tx| {
            let found = tx.get(&connection.key()).await.unwrap();
            found.is_none().then_some(())
        })
        .await;
    assert_eq!(world.get(&entry(&connection)).await, None);
}

#[tokio::test]
async fn any_two_blocks_that_share_addresses_fail_before_the_accepter_hears_of_it() {
    let world = World::new();
    let own = world.vpc(&world.studio, "10.1.0.0/16").await;
    let mut peer = world.vpc(&world.backend, "10.2.0.0/16").await;
    peer.secondary_cidrs.push(CidrAssociation {
        id: VpcCidrAssociationId::generate(&*world.context.ids),
        cidr: net("10.1.64.0/20"),
    });
    world.write(async |tx| tx.put(&peer).unwrap()).await;
    let connection = world.ask(&own, &peer).await;
    let _reconcilers = world.start();
    let failed = world.reaches(&connection, "failed").await;
    let reason = FailureReason::OverlappingVpcs {
        requester: own.cidr,
        accepter: net("10.1.64.0/20"),
    };
    assert_eq!(failed.state, State::Failed { reason });
    assert_eq!(world.get(&entry(&connection)).await, None);
}

#[tokio::test]
async fn a_vpc_that_is_not_there_or_a_fleets_fails_alike() {
    let world = World::new();
    let own = world.vpc(&world.studio, "10.1.0.0/16").await;
    let (_, hidden) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let gone = world.vpc(&world.backend, "10.2.0.0/16").await;
    world
        .write(async |tx| tx.remove_vpc(&gone.scope, &gone.id).await.unwrap())
        .await;
    let _reconcilers = world.start();
    for peer in [hidden, gone] {
        let connection = world.ask(&own, &peer).await;
        let failed = world.reaches(&connection, "failed").await;
        let reason = FailureReason::NoSuchVpc;
        assert_eq!(failed.state, State::Failed { reason });
        assert_eq!(
            failed.message(),
            "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"
        );
        assert_eq!(world.get(&entry(&connection)).await, None);
    }
}

/// EC2 peers a VPC with several that share addresses; its owner's routes say which is meant.
#[tokio::test]
async fn a_vpc_is_joined_to_two_of_the_same_block() {
    let world = World::new();
    let _reconcilers = world.start();
    let own = world.vpc(&world.studio, "10.1.0.0/16").await;
    for _ in 0..2 {
        let peer = world.vpc(&world.backend, "10.2.0.0/16").await;
        let connection = world.ask(&own, &peer).await;
        accepted(&world, &connection).await;
    }
}

#[tokio::test]
async fn whatever_state_a_killed_server_left_the_next_one_goes_on() {
    let steps = [Step::Accept, Step::Provisioned];
    for taken in 0..=steps.len() {
        let world = World::new();
        let (_, peer, mut connection) = requested(&world).await;
        let now = connection.since();
        let delivery = connection.delivery(Some(&peer));
        for step in [&[delivery], &steps[..taken]].concat() {
            connection.apply(step, now).unwrap();
        }
        world.put_connection(&connection).await;
        let reconcilers = world.start();
        if connection.state == State::PendingAcceptance {
            world.take(&connection, Step::Accept).await;
        }
        world.reaches(&connection, "active").await;
        reconcilers.stop().await;

        let by = world.studio.account;
        world.take(&connection, Step::Delete(by)).await;
        let _reconcilers = world.start();
        world.reaches(&connection, "deleted").await;
    }
}
