//! DeleteFleet.

use jiff::SignedDuration;
use serde_json::json;
use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::peering::{FailureReason, Step};

use crate::account::assert_refused;
use crate::document::{list, text};
use crate::server::{AWAY, BACKEND, HOME, STRANGER, STUDIO, Server};

#[tokio::test]
async fn a_fleet_is_deleted_by_id_or_arn_and_says_so() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let [by_id, by_arn] = [studio.fleet().await, studio.fleet().await];
    let arn = text(&studio.attributes(&by_arn).await["FleetArn"]);
    for (name, fleet) in [(&by_id, &by_id), (&arn, &by_arn)] {
        server.advance(SignedDuration::from_secs(1));
        studio.call("DeleteFleet", json!({"FleetId": name})).await;
        assert_eq!(studio.attributes(fleet).await["Status"], "DELETING");
        let events = json!({"FleetId": fleet, "Limit": 1});
        let events = studio.call("DescribeFleetEvents", events).await;
        assert_eq!(
            list(&events["Events"])[0]["Message"],
            format!("Fleet {fleet} changed state to DELETING.")
        );
    }
}

/// Some clients wait for TERMINATED, Terraform for the fleet to be shown no more.
#[tokio::test]
async fn a_terminated_fleet_is_shown_for_a_minute_and_its_events_for_longer() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let [fleet, other] = [studio.fleet().await, studio.fleet().await];
    server.terminate(&fleet).await;
    let shown = async |input| {
        let output = studio.call("DescribeFleetAttributes", input).await;
        let fleets = list(&output["FleetAttributes"]);
        let mut ids: Vec<_> = fleets.iter().map(|one| text(&one["FleetId"])).collect();
        ids.sort();
        ids
    };
    let mut both = vec![fleet.clone(), other.clone()];
    both.sort();
    for (seconds, expected) in [(59, both.clone()), (1, vec![other])] {
        server.advance(SignedDuration::from_secs(seconds));
        assert_eq!(shown(json!({"FleetIds": both})).await, expected);
        assert_eq!(shown(json!({})).await, expected);
    }
    server.advance(SignedDuration::from_hours(24));
    assert!(!studio.events(&fleet).await.is_empty());
}

#[tokio::test]
async fn an_anywhere_fleet_ends_with_its_deletion() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio
        .fleet_with(json!({
            "Name": "desks", "ComputeType": "ANYWHERE",
            "Locations": [{"Location": "custom-office"}],
            "AnywhereConfiguration": {"Cost": "1"},
        }))
        .await;
    server.advance(SignedDuration::from_secs(1));
    studio.call("DeleteFleet", json!({"FleetId": fleet})).await;

    let shown = studio.attributes(&fleet).await;
    assert_eq!(shown["Status"], "TERMINATED");
    assert_eq!(server.fleet(&fleet).await.terminated, Some(server.now()));
    let events = json!({"FleetId": fleet, "Limit": 2});
    let events = studio.call("DescribeFleetEvents", events).await;
    let said = list(&events["Events"]).into_iter();
    let said: Vec<_> = said
        .map(|event| (text(&event["EventCode"]), text(&event["Message"])))
        .collect();
    let expected = [
        ("FLEET_DELETED", "TERMINATED"),
        ("GENERIC_EVENT", "DELETING"),
    ];
    let expected = expected.map(|(code, status)| {
        let message = format!("Fleet {fleet} changed state to {status}.");
        (code.to_owned(), message)
    });
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_fleet_is_deleted_once() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    for status in [FleetStatus::Deleting, FleetStatus::Terminated] {
        server.set_status(&fleet, status).await;
        assert_refused(
            &studio
                .refusal("DeleteFleet", json!({"FleetId": fleet}))
                .await,
            "InvalidFleetStatusException",
            &format!("Fleet {fleet} is {status} and cannot be deleted again."),
        );
    }
}

#[tokio::test]
async fn a_fleet_on_its_way_active_or_failed_can_be_deleted() {
    use FleetStatus::*;
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    for status in [
        New,
        Downloading,
        Validating,
        Building,
        Activating,
        Active,
        Error,
    ] {
        let fleet = studio.fleet().await;
        server.set_status(&fleet, status).await;
        studio.call("DeleteFleet", json!({"FleetId": fleet})).await;
    }
}

#[tokio::test]
async fn a_fleet_of_somebody_else_is_unknown() {
    let server = Server::new();
    let fleet = server.gamelift(STUDIO).fleet().await;
    for (account, region) in [(STRANGER, HOME), (STUDIO, AWAY)] {
        let caller = server.gamelift_in(account, region);
        assert_refused(
            &caller
                .refusal("DeleteFleet", json!({"FleetId": fleet}))
                .await,
            "NotFoundException",
            &format!("Fleet {fleet} was not found in account {account} and Region {region}."),
        );
    }
}

#[tokio::test]
async fn a_peered_fleet_goes_only_with_the_consent_of_every_peer() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let backend = server.gamelift(BACKEND);
    let fleet = studio.fleet().await;
    server.set_status(&fleet, FleetStatus::Active).await;
    let vpcs = [
        backend.vpc("10.0.0.0/16").await,
        backend.vpc("10.1.0.0/16").await,
    ];
    for vpc in &vpcs {
        backend.authorize(STUDIO, vpc).await;
        let input = json!({
            "FleetId": fleet, "PeerVpcAwsAccountId": BACKEND, "PeerVpcId": vpc,
        });
        studio.call("CreateVpcPeeringConnection", input).await;
    }

    // One of two consents is not enough, and then neither connection is touched.
    let cancel = json!({"GameLiftAwsAccountId": STUDIO, "PeerVpcId": vpcs[1]});
    backend.call("DeleteVpcPeeringAuthorization", cancel).await;
    let delete = json!({"FleetId": fleet});
    assert_refused(
        &studio.refusal("DeleteFleet", delete.clone()).await,
        "UnauthorizedException",
        &format!(
            "Account {STUDIO} has no valid VPC peering authorization for VPC {} of account \
             {BACKEND} in Region {HOME}: the last one was cancelled at 2026-11-22T12:00:00.489Z. \
             The owner of the VPC has to call CreateVpcPeeringAuthorization with \
             GameLiftAwsAccountId {STUDIO} first; it is valid for 24 hours.",
            vpcs[1]
        ),
    );
    assert_eq!(studio.attributes(&fleet).await["Status"], "ACTIVE");

    backend.authorize(STUDIO, &vpcs[1]).await;
    studio.call("DeleteFleet", delete).await;
    for connection in studio.connections(&fleet).await {
        assert_eq!(connection["Status"]["Code"], "deleting");
    }
    assert_eq!(studio.attributes(&fleet).await["Status"], "DELETING");
}

#[tokio::test]
async fn connections_that_are_over_need_no_consent() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let backend = server.gamelift(BACKEND);
    let fleet = studio.fleet().await;
    let vpc = backend.vpc("10.0.0.0/16").await;
    backend.authorize(STUDIO, &vpc).await;
    let input = json!({"FleetId": fleet, "PeerVpcAwsAccountId": BACKEND, "PeerVpcId": vpc});
    studio.call("CreateVpcPeeringConnection", input).await;
    server
        .step(&fleet, Step::Fail(FailureReason::VpcDeleted))
        .await;
    server.advance(SignedDuration::from_hours(25));
    studio.call("DeleteFleet", json!({"FleetId": fleet})).await;
    assert_eq!(studio.attributes(&fleet).await["Status"], "DELETING");
}
