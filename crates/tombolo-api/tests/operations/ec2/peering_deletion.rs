//! DeleteVpcPeeringConnection, and what DeleteVpc does to connections.

use jiff::SignedDuration;
use serde_json::json;
use tombolo_domain::peering::{State, Step};

use super::peering_scenario::Scenario;
use crate::server::{BACKEND, STUDIO, Server};

const DELETE: &str = "DeleteVpcPeeringConnection";

#[tokio::test]
async fn either_owner_ends_a_connection() {
    for code in ["provisioning", "active"] {
        for account in [STUDIO, BACKEND] {
            let scenario = Scenario::at(code).await;
            let deleted = scenario
                .server
                .ec2(account)
                .call(DELETE, scenario.named())
                .await;
            assert_eq!(deleted, json!({"Return": true}));
            let by = account.parse().unwrap();
            assert_eq!(scenario.record().await.state, State::Deleting { by });
        }
    }
}

#[tokio::test]
async fn a_request_is_taken_back_by_who_made_it() {
    for code in ["initiating-request", "pending-acceptance"] {
        let scenario = Scenario::at(code).await;
        scenario.studio().call(DELETE, scenario.named()).await;
        let by = STUDIO.parse().unwrap();
        assert_eq!(scenario.record().await.state, State::Deleting { by });
    }
    let scenario = Scenario::delivered().await;
    let message = format!(
        "User ({BACKEND}) cannot delete peering {}: its requester does. Reject it.",
        scenario.id
    );
    let code = "OperationNotPermitted";
    scenario
        .backend()
        .refused(DELETE, scenario.named(), code, &message)
        .await;
}

#[tokio::test]
async fn what_is_over_is_not_deleted_and_what_is_deleted_stays_so() {
    for from in ["rejected", "expired", "failed"] {
        let scenario = Scenario::at(from).await;
        let message = format!(
            "Invalid state transition for {}, attempted to transition from {from} to deleting",
            scenario.id
        );
        let code = "InvalidStateTransition";
        scenario
            .studio()
            .refused(DELETE, scenario.named(), code, &message)
            .await;
    }
    for code in ["deleting", "deleted"] {
        let scenario = Scenario::at(code).await;
        let before = scenario.server.dump().await;
        scenario.studio().call(DELETE, scenario.named()).await;
        assert!(before == scenario.server.dump().await);
    }
}

#[tokio::test]
async fn a_deleted_connection_is_seen_longest_by_who_did_not_delete_it() {
    let scenario = Scenario::active().await;
    scenario.studio().call(DELETE, scenario.named()).await;
    scenario.take(Step::Removed).await;
    let seen = async || {
        let (studio, backend) = (scenario.studio(), scenario.backend());
        (
            studio.peering_state(&scenario.id).await.is_some(),
            backend.peering_state(&scenario.id).await.is_some(),
        )
    };
    assert_eq!(seen().await, (true, true));
    scenario.server.advance(SignedDuration::from_hours(2));
    assert_eq!(seen().await, (false, true));
    scenario.server.advance(SignedDuration::from_hours(46));
    assert_eq!(seen().await, (false, false));
}

/// The VPC is its owner's, who may cut it off at any time; the fleet's owner needs an
/// authorization, which GameLift's operation asks for.
#[tokio::test]
async fn the_owner_of_the_vpc_ends_a_fleets_connection_without_an_authorization() {
    let server = Server::new();
    let (studio, backend) = (server.ec2(STUDIO), server.ec2(BACKEND));
    let vpc = backend.vpc("10.0.0.0/16").await;
    let fleet = studio.fleet().await;
    backend.authorize(STUDIO, &vpc).await;
    studio.connect(&fleet, BACKEND, &vpc).await;
    server.activate(&fleet).await;
    server.advance(SignedDuration::from_hours(24));
    let id = server.only_connection().await.id;
    let input = json!({"VpcPeeringConnectionId": id});
    let message = format!(
        "User ({STUDIO}) cannot delete peering {id}: it is fleet {fleet}'s. Use the operation of \
         this name of Amazon GameLift, while the owner of VPC {vpc} authorizes it."
    );
    let code = "OperationNotPermitted";
    studio.refused(DELETE, input.clone(), code, &message).await;

    backend.call(DELETE, input).await;
    let by = BACKEND.parse().unwrap();
    assert_eq!(server.only_connection().await.state, State::Deleting { by });
}

#[tokio::test]
async fn deleting_either_vpc_ends_the_connection() {
    for code in ["provisioning", "active"] {
        for (account, is_requester) in [(STUDIO, true), (BACKEND, false)] {
            let scenario = Scenario::at(code).await;
            let vpc = if is_requester {
                &scenario.own
            } else {
                &scenario.peer
            };
            let owner = scenario.server.ec2(account);
            owner.call("DeleteVpc", json!({"VpcId": vpc})).await;
            let by = account.parse().unwrap();
            assert_eq!(scenario.record().await.state, State::Deleting { by });
        }
    }
}

#[tokio::test]
async fn a_vpc_that_another_account_asks_for_stays_until_the_answer() {
    let scenario = Scenario::delivered().await;
    let delete = json!({"VpcId": scenario.peer});
    let message = format!(
        "The vpc '{}' has dependencies and cannot be deleted; reject {} first.",
        scenario.peer, scenario.id
    );
    let code = "DependencyViolation";
    let backend = scenario.backend();
    backend
        .refused("DeleteVpc", delete.clone(), code, &message)
        .await;
    // The requester's own VPC goes, and the request with it.
    let own = json!({"VpcId": scenario.own});
    scenario.studio().call("DeleteVpc", own).await;
    let by = STUDIO.parse().unwrap();
    assert_eq!(scenario.record().await.state, State::Deleting { by });
    backend.call("DeleteVpc", delete).await;

    let expired = Scenario::delivered().await;
    expired.server.advance(SignedDuration::from_hours(7 * 24));
    let delete = json!({"VpcId": expired.peer});
    expired.backend().call("DeleteVpc", delete).await;
}
