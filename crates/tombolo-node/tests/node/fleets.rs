//! Connections that fleets ask for.

use std::time::Duration;

use serde_json::json;
use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::id::{SecurityGroupRuleId, VpcCidrAssociationId};
use tombolo_domain::peering::{State, Step, VALIDITY};
use tombolo_domain::vpc::{
    CidrAssociation, Peer, Protocol, Route, RouteTarget, RuleDirection, SecurityGroupRule,
};
use tombolo_network::{Packet, Transport, Verdict};
use tombolo_store::keys::{self, Entity};

use crate::world::{World, net};

#[tokio::test]
async fn a_request_becomes_active_and_packets_may_pass_both_ways() {
    let world = World::new();
    let (fleet, fleet_vpc) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let peer = world.vpc(&world.backend, "10.0.0.0/16").await;
    let (game, database) = (
        world.interface(&fleet_vpc).await,
        world.interface(&peer).await,
    );
    let _reconcilers = world.start();

    let connection = world.request(&fleet, &peer).await;
    let connection = world.reaches(&connection, "active").await;

    let passed: Vec<_> = connection
        .history
        .iter()
        .map(|step| step.state.code())
        .collect();
    assert_eq!(
        passed,
        [
            "initiating-request",
            "pending-acceptance",
            "provisioning",
            "active"
        ]
    );
    assert_eq!(connection.message(), "Active");
    let report = keys::reported_network(&world.context.host.host);
    let store = &world.context.store;
    let reported = store.get(report.as_bytes()).await.unwrap().unwrap();
    let made = store.get(connection.key().as_bytes()).await.unwrap();
    assert_eq!(
        reported.modified,
        made.unwrap().modified,
        "the report commits with the state that it leads to"
    );
    let report = world.get(&report).await.unwrap();
    assert!(report.revision < reported.modified.0 && report.refused.is_none());
    let to_database = world
        .engine
        .verdict(&game.id, &datagram(game.address, database.address));
    assert_eq!(to_database, Verdict::Peering(database.id.clone()));
    let to_game = world
        .engine
        .verdict(&database.id, &datagram(database.address, game.address));
    assert_eq!(to_game, Verdict::Peering(game.id.clone()));
    assert_eq!(world.made_in(&peer, &connection.id).await, (1, 1));
    assert_eq!(world.made_in(&fleet_vpc, &connection.id).await, (1, 1));

    let (code, message) = world.events(&fleet).await.remove(0);
    assert_eq!(code, "FLEET_VPC_PEERING_SUCCEEDED");
    for named in [
        connection.id.as_str(),
        peer.id.as_str(),
        "10.0.0.0/16",
        "100.64.0.0/24",
    ] {
        assert!(message.contains(named), "{message:?} names {named}");
    }
}

#[tokio::test]
async fn deleting_takes_back_what_the_connection_made_and_nothing_that_a_person_wrote() {
    let world = World::new();
    let (fleet, fleet_vpc) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let peer = world.vpc(&world.backend, "10.0.0.0/16").await;
    let (game, database) = (
        world.interface(&fleet_vpc).await,
        world.interface(&peer).await,
    );
    let _reconcilers = world.start();
    let connection = world.request(&fleet, &peer).await;
    let connection = world.reaches(&connection, "active").await;

    // A person's own route through the connection, and own rule for the same addresses.
    world
        .write(async |tx| {
            let prefix = keys::route_tables_of(&peer.scope, &peer.id);
            let mut table = tx.list(&prefix).await.unwrap().remove(0);
            table.routes.push(Route {
                destination: net("100.64.0.128/25"),
                target: RouteTarget::Peering(connection.id.clone()),
                made_by: None,
            });
            tx.put(&table).unwrap();
            let prefix = keys::security_groups_of(&peer.scope, &peer.id);
            let mut group = tx.list(&prefix).await.unwrap().remove(0);
            group.rules.push(SecurityGroupRule {
                id: SecurityGroupRuleId::generate(&*world.context.ids),
                direction: RuleDirection::Ingress,
                protocol: Protocol::All,
                peer: Peer::Cidr(fleet_vpc.cidr),
                description: None,
                made_by: None,
            });
            tx.put(&group).unwrap();
        })
        .await;
    world
        .write(async |tx| {
            let mut connection = tx.get(&connection.key()).await.unwrap().unwrap();
            connection
                .apply(
                    Step::Delete(world.studio.account),
                    world.context.clock.now(),
                )
                .unwrap();
            tx.put(&connection).unwrap();
        })
        .await;

    let connection = world.reaches(&connection, "deleted").await;
    assert_eq!(
        connection.message(),
        format!("Deleted by {}", world.studio.account)
    );
    let verdict = world
        .engine
        .verdict(&game.id, &datagram(game.address, database.address));
    assert!(matches!(verdict, Verdict::Drop(_)), "{verdict:?}");
    assert_eq!(world.made_in(&peer, &connection.id).await, (0, 0));
    assert_eq!(world.made_in(&fleet_vpc, &connection.id).await, (0, 0));
    world
        .write(async |tx| {
            let prefix = keys::route_tables_of(&peer.scope, &peer.id);
            let table = tx.list(&prefix).await.unwrap().remove(0);
            assert_eq!(table.routes.len(), 2, "the local route and the person's");
            let prefix = keys::security_groups_of(&peer.scope, &peer.id);
            let group = tx.list(&prefix).await.unwrap().remove(0);
            assert_eq!(
                group.rules.len(),
                3,
                "the two of a default group and the person's"
            );
        })
        .await;
    let events = world.events(&fleet).await;
    assert!(
        events
            .iter()
            .any(|event| event.0 == "FLEET_VPC_PEERING_DELETED"),
        "{events:?}"
    );
}

/// The fleet's owner learns from an event what the VPC's owner did.
#[tokio::test]
async fn deleting_the_vpc_ends_its_connection_with_an_event_of_the_fleet() {
    let world = World::new();
    let (fleet, fleet_vpc) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let peer = world.vpc(&world.backend, "10.0.0.0/16").await;
    let game = world.interface(&fleet_vpc).await;
    let _reconcilers = world.start();
    let connection = world.request(&fleet, &peer).await;
    let connection = world.reaches(&connection, "active").await;

    // What DeleteVpc writes, a second later.
    world.clock.advance(Duration::from_secs(1));
    world
        .write(async |tx| {
            let mut connection = tx.get(&connection.key()).await.unwrap().unwrap();
            let owner = Step::Delete(world.backend_account());
            connection.apply(owner, world.context.clock.now()).unwrap();
            tx.put(&connection).unwrap();
            tx.remove_vpc(&peer.scope, &peer.id).await.unwrap();
        })
        .await;

    let connection = world.reaches(&connection, "deleted").await;
    assert_eq!(
        connection.state,
        State::Deleted {
            by: world.backend_account()
        }
    );
    assert_eq!(world.made_in(&fleet_vpc, &connection.id).await, (0, 0));
    let verdict = world.engine.verdict(
        &game.id,
        &datagram(game.address, "10.0.0.4".parse().unwrap()),
    );
    assert!(matches!(verdict, Verdict::Drop(_)), "{verdict:?}");
    let (code, message) = world.events(&fleet).await.remove(0);
    assert_eq!(code, "FLEET_VPC_PEERING_DELETED");
    for named in [connection.id.as_str(), peer.id.as_str()] {
        assert!(message.contains(named), "{message:?} names {named}");
    }
}

#[tokio::test]
async fn overlapping_blocks_fail_with_both_in_the_event() {
    let world = World::new();
    let (fleet, _) = world.fleet("10.0.3.0/24", FleetStatus::Active).await;
    let peer = world.vpc(&world.backend, "10.0.0.0/16").await;
    let _reconcilers = world.start();

    let connection = world.request(&fleet, &peer).await;
    let connection = world.reaches(&connection, "failed").await;

    assert_eq!(
        connection.message(),
        "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"
    );
    assert_eq!(world.made_in(&peer, &connection.id).await, (0, 0));
    let (code, message) = world.events(&fleet).await.remove(0);
    assert_eq!(code, "FLEET_VPC_PEERING_FAILED");
    for named in ["10.0.3.0/24", "10.0.0.0/16"] {
        assert!(message.contains(named), "{message:?} names {named}");
    }
}

#[tokio::test]
async fn of_two_fleets_with_the_same_block_the_second_to_ask_fails() {
    let world = World::new();
    let peer = world.vpc(&world.backend, "10.0.0.0/16").await;
    let (first, _) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let (second, _) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let _reconcilers = world.start();

    let connection = world.request(&first, &peer).await;
    world.reaches(&connection, "active").await;
    let connection = world.request(&second, &peer).await;
    world.reaches(&connection, "failed").await;
    let (_, message) = world.events(&second).await.remove(0);
    assert!(
        message.contains("connected to 100.64.0.0/24 already"),
        "{message}"
    );
}

#[tokio::test]
async fn a_fleet_does_not_reach_two_vpcs_of_the_same_block() {
    let world = World::new();
    let (fleet, _) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let first = world.vpc(&world.backend, "10.0.0.0/16").await;
    let second = world.vpc(&world.backend, "10.0.0.0/16").await;
    let _reconcilers = world.start();

    let connection = world.request(&fleet, &first).await;
    world.reaches(&connection, "active").await;
    let connection = world.request(&fleet, &second).await;
    world.reaches(&connection, "failed").await;
}

#[tokio::test]
async fn a_connection_fails_when_consent_ended_before_it_was_made() {
    let world = World::new();
    let (fleet, _) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let peer = world.vpc(&world.backend, "10.0.0.0/16").await;
    let connection = world.request(&fleet, &peer).await;
    world.clock.advance(Duration::try_from(VALIDITY).unwrap());

    let _reconcilers = world.start();
    let connection = world.reaches(&connection, "failed").await;
    assert!(
        connection.message().contains("authorization"),
        "{}",
        connection.message()
    );
}

#[tokio::test]
async fn a_connection_fails_when_its_vpc_was_deleted_before_it_was_made() {
    let world = World::new();
    let (fleet, _) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let peer = world.vpc(&world.backend, "10.0.0.0/16").await;
    let connection = world.request(&fleet, &peer).await;
    world
        .write(async |tx| tx.remove_vpc(&peer.scope, &peer.id).await.unwrap())
        .await;

    let _reconcilers = world.start();
    let connection = world.reaches(&connection, "failed").await;
    assert_eq!(connection.message(), "Failed: the peer VPC was deleted");
}

#[tokio::test]
async fn a_connection_asked_for_with_its_fleet_waits_for_it_and_fails_with_it() {
    let world = World::new();
    let peer = world.vpc(&world.backend, "10.0.0.0/16").await;
    world.authorize(&peer).await;
    let peering = json!({
        "PeerVpcAwsAccountId": peer.scope.account.to_string(),
        "PeerVpcId": peer.id.as_str(),
    });
    // The fleet cannot come up: its build has no files.
    let new = world.fleet_with("100.64.0.0/24", FleetStatus::New, peering);
    let (fleet, _) = new.await;
    let connection = world.server.connection(fleet.id.as_str()).await;

    let _reconcilers = world.start();
    let connection = world.reaches(&connection, "failed").await;

    let passed: Vec<_> = connection
        .history
        .iter()
        .map(|step| step.state.code())
        .collect();
    assert_eq!(
        passed,
        ["initiating-request", "failed"],
        "it never reached the other side"
    );
    let found = world.get(&fleet.key()).await.unwrap();
    assert_eq!(found.status, FleetStatus::Error);
    let codes: Vec<_> = world
        .events(&fleet)
        .await
        .into_iter()
        .map(|event| event.0)
        .collect();
    for code in [
        "FLEET_BINARY_DOWNLOAD_FAILED",
        "FLEET_STATE_ERROR",
        "FLEET_VPC_PEERING_FAILED",
    ] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
}

#[tokio::test]
async fn whatever_state_a_killed_server_left_the_next_one_ends_it() {
    let steps = [Step::Deliver, Step::Accept, Step::Provisioned];
    for taken in 0..=steps.len() {
        let world = World::new();
        let (fleet, _) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
        let peer = world.vpc(&world.backend, "10.0.0.0/16").await;
        let mut connection = world.request(&fleet, &peer).await;
        for step in &steps[..taken] {
            connection
                .apply(step.clone(), world.context.clock.now())
                .unwrap();
        }
        world.put_connection(&connection).await;

        let reconcilers = world.start();
        let mut connection = world.reaches(&connection, "active").await;
        reconcilers.stop().await;

        connection
            .apply(Step::Delete(world.backend_account()), connection.since())
            .unwrap();
        world.put_connection(&connection).await;
        let _reconcilers = world.start();
        let connection = world.reaches(&connection, "deleted").await;
        assert_eq!(
            connection.state,
            State::Deleted {
                by: world.backend_account()
            }
        );
    }
}

#[tokio::test]
async fn an_ended_connection_is_forgotten_after_two_hours() {
    let world = World::new();
    let (fleet, _) = world.fleet("10.0.3.0/24", FleetStatus::Active).await;
    let peer = world.vpc(&world.backend, "10.0.0.0/16").await;
    let connection = world.request(&fleet, &peer).await;
    let reconcilers = world.start();
    world.reaches(&connection, "failed").await;
    reconcilers.stop().await;

    world.clock.advance(Duration::from_secs(2 * 60 * 60));
    let _reconcilers = world.start();
    world
        .eventually("the record is gone", async |tx| {
            tx.get(&connection.key())
                .await
                .unwrap()
                .is_none()
                .then_some(())
        })
        .await;
    let peer_key = keys::peering(&peer.scope, &peer.id, &connection.id);
    assert_eq!(world.get(&peer_key).await, None);
}

/// A datagram to the port that a game's database listens on.
fn datagram(source: std::net::Ipv4Addr, destination: std::net::Ipv4Addr) -> Packet {
    Packet {
        source,
        destination,
        transport: Transport::Udp {
            source_port: 4000,
            destination_port: 4000,
        },
    }
}

#[tokio::test]
async fn a_fleet_is_joined_to_every_block_of_the_vpc_and_refused_for_any() {
    let world = World::new();
    let (fleet, fleet_vpc) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let (other, _) = world.fleet("10.1.3.0/24", FleetStatus::Active).await;
    let mut peer = world.vpc(&world.backend, "10.0.0.0/16").await;
    peer.secondary_cidrs.push(CidrAssociation {
        id: VpcCidrAssociationId::generate(&*world.context.ids),
        cidr: net("10.1.0.0/16"),
    });
    world.write(async |tx| tx.put(&peer).unwrap()).await;
    let _reconcilers = world.start();

    let connection = world.request(&fleet, &peer).await;
    let connection = world.reaches(&connection, "active").await;
    assert_eq!(world.made_in(&fleet_vpc, &connection.id).await, (2, 2));
    assert_eq!(world.made_in(&peer, &connection.id).await, (1, 1));

    let refused = world.request(&other, &peer).await;
    world.reaches(&refused, "failed").await;
    let (_, message) = world.events(&other).await.remove(0);
    for named in ["10.1.3.0/24", "10.1.0.0/16"] {
        assert!(message.contains(named), "{message:?} names {named}");
    }
}
