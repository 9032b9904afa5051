//! AcceptVpcPeeringConnection and RejectVpcPeeringConnection, and what becomes of a request that
//! nobody answers.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tombolo_domain::peering::{State, Step};
use tombolo_domain::quota::Quotas;

use super::peering_scenario::Scenario;
use crate::document::text;
use crate::server::{AWAY, BACKEND, STRANGER, STUDIO, Server};

const ACCEPT: &str = "AcceptVpcPeeringConnection";
const REJECT: &str = "RejectVpcPeeringConnection";

#[tokio::test]
async fn an_accepted_connection_is_provisioning_and_stays_accepted() {
    let scenario = Scenario::delivered().await;
    let tags = json!({"Resources": [scenario.id], "Tags": [{"Key": "whose", "Value": "mine"}]});
    scenario.backend().call("CreateTags", tags).await;
    let accepted = scenario.accept().await;
    let status = json!({"Code": "provisioning", "Message": "Provisioning"});
    assert_eq!(accepted["Status"], status);
    assert_eq!(accepted["ExpirationTime"], Value::Null);
    assert_eq!(accepted["RequesterVpcInfo"]["CidrBlock"], "10.1.0.0/16");
    assert_eq!(accepted["AccepterVpcInfo"]["CidrBlock"], "10.2.0.0/16");
    assert_eq!(accepted["Tags"][0]["Value"], "mine");

    scenario.take(Step::Provisioned).await;
    let before = scenario.server.dump().await;
    let again = scenario.accept().await;
    let status = json!({"Code": "active", "Message": "Active"});
    assert_eq!(again["Status"], status);
    assert!(before == scenario.server.dump().await);
}

#[tokio::test]
async fn the_accepter_alone_answers() {
    let scenario = Scenario::delivered().await;
    for (operation, verb) in [(ACCEPT, "accept"), (REJECT, "reject")] {
        let message = format!(
            "User ({STUDIO}) cannot {verb} peering {}: the owner of the accepter VPC, account \
             {BACKEND}, does.",
            scenario.id
        );
        let code = "OperationNotPermitted";
        scenario
            .studio()
            .refused(operation, scenario.named(), code, &message)
            .await;
    }
}

/// Accounts that have no end of it, the owners in another Region, and the accepter before the
/// request is delivered.
#[tokio::test]
async fn nobody_else_knows_of_a_connection() {
    let scenario = Scenario::requested().await;
    let message = format!(
        "The vpcPeeringConnection ID '{}' does not exist",
        scenario.id
    );
    let code = "InvalidVpcPeeringConnectionID.NotFound";
    for account in [
        scenario.server.ec2(STRANGER),
        scenario.server.ec2_in(STUDIO, AWAY),
        scenario.server.ec2_in(BACKEND, AWAY),
        scenario.backend(),
    ] {
        for operation in [ACCEPT, REJECT, "DeleteVpcPeeringConnection"] {
            account
                .refused(operation, scenario.named(), code, &message)
                .await;
        }
        let mut input = scenario.named();
        input["AccepterPeeringConnectionOptions"] = json!({});
        let modify = "ModifyVpcPeeringConnectionOptions";
        account.refused(modify, input, code, &message).await;
        assert_eq!(account.peering(&scenario.id).await, None);
    }
    let malformed = json!({"VpcPeeringConnectionId": "pcx-1"});
    let code = "InvalidVpcPeeringConnectionId.Malformed";
    let message = "Invalid id: \"pcx-1\" (expecting \"pcx-...\")";
    scenario
        .studio()
        .refused(ACCEPT, malformed, code, message)
        .await;
}

#[tokio::test]
async fn only_a_request_is_answered() {
    for code in ["rejected", "expired", "deleting", "deleted"] {
        let scenario = Scenario::at(code).await;
        for (operation, to) in [(ACCEPT, "provisioning"), (REJECT, "rejected")] {
            refused_from(&scenario, operation, code, to).await;
        }
    }
    for code in ["provisioning", "active"] {
        refused_from(&Scenario::at(code).await, REJECT, code, "rejected").await;
    }
}

async fn refused_from(scenario: &Scenario, operation: &str, from: &str, to: &str) {
    let message = format!(
        "Invalid state transition for {}, attempted to transition from {from} to {to}",
        scenario.id
    );
    let code = "InvalidStateTransition";
    scenario
        .backend()
        .refused(operation, scenario.named(), code, &message)
        .await;
}

#[tokio::test]
async fn an_account_answers_itself_without_waiting_for_the_delivery() {
    for (operation, code) in [(ACCEPT, "provisioning"), (REJECT, "rejected")] {
        let server = Server::new();
        let studio = server.ec2(STUDIO);
        let own = studio.vpc("10.1.0.0/16").await;
        let other = studio.vpc("10.2.0.0/16").await;
        let id = studio.ask(&own, STUDIO, &other).await;
        let input = json!({"VpcPeeringConnectionId": id});
        studio.call(operation, input).await;
        assert_eq!(studio.peering_state(&id).await.as_deref(), Some(code));
        let shown = studio.peering(&id).await.unwrap();
        assert_eq!(shown["AccepterVpcInfo"]["CidrBlock"], "10.2.0.0/16");

        let overlapping = studio.vpc("10.1.0.0/16").await;
        let id = studio.ask(&own, STUDIO, &overlapping).await;
        let input = json!({"VpcPeeringConnectionId": id});
        let refusal = studio.refusal(operation, input).await;
        assert_eq!(refusal.code, "InvalidStateTransition");
        assert!(refusal.message.contains("from failed to"), "{refusal:?}");
    }
}

#[tokio::test]
async fn vpcs_that_overlap_by_now_are_not_joined() {
    let scenario = Scenario::delivered().await;
    let input = json!({"VpcId": scenario.peer, "CidrBlock": "10.1.128.0/20"});
    scenario
        .backend()
        .call("AssociateVpcCidrBlock", input)
        .await;
    let answered = scenario.accept().await;
    assert_eq!(answered["Status"]["Code"], "failed");
    assert_eq!(
        scenario
            .studio()
            .peering_state(&scenario.id)
            .await
            .as_deref(),
        Some("failed")
    );
    assert_eq!(scenario.backend().peering(&scenario.id).await, None);
}

#[tokio::test]
async fn of_two_requests_that_cross_one_is_accepted() {
    let server = Server::new();
    let (studio, backend) = (server.ec2(STUDIO), server.ec2(BACKEND));
    let own = studio.vpc("10.1.0.0/16").await;
    let peer = backend.vpc("10.2.0.0/16").await;
    let one = studio.ask(&own, BACKEND, &peer).await;
    let other = backend.ask(&peer, STUDIO, &own).await;
    for id in [&one, &other] {
        server.deliver(id).await;
    }
    backend
        .call(ACCEPT, json!({"VpcPeeringConnectionId": one}))
        .await;
    let second = json!({"VpcPeeringConnectionId": other});
    let message = format!(
        "A VPC peering connection between {own} and {peer} already exists: {one} is provisioning."
    );
    let code = "VpcPeeringConnectionAlreadyExists";
    studio.refused(ACCEPT, second.clone(), code, &message).await;
    studio.call(REJECT, second).await;
}

#[tokio::test]
async fn a_vpc_has_only_so_many_active_connections() {
    let quotas = Quotas {
        active_peerings_per_vpc: 1,
        ..Quotas::default()
    };
    let scenario = Scenario::on(Server::with_quotas(quotas)).await;
    scenario.server.deliver(&scenario.id).await;
    scenario.accept().await;
    let full = |vpc: &str| {
        format!(
            "VPC {vpc} has as many active VPC peering connections as it may have, 1; one of them \
             has to be deleted first."
        )
    };
    let code = "VpcPeeringConnectionsPerVpcLimitExceeded";
    // Each of the two is full, whichever end it is of the next connection.
    let (studio, backend) = (scenario.studio(), scenario.backend());
    let third = backend.vpc("10.3.0.0/16").await;
    let waiting = studio.ask(&scenario.own, BACKEND, &third).await;
    scenario.server.deliver(&waiting).await;
    let accept = json!({"VpcPeeringConnectionId": waiting});
    backend
        .refused(ACCEPT, accept.clone(), code, &full(&scenario.own))
        .await;
    let to_peer = backend.ask(&third, BACKEND, &scenario.peer).await;
    scenario.server.deliver(&to_peer).await;
    let input = json!({"VpcPeeringConnectionId": to_peer});
    backend
        .refused(ACCEPT, input, code, &full(&scenario.peer))
        .await;

    // A fleet's connection counts too.
    let fleet = studio.fleet().await;
    backend.authorize(STUDIO, &scenario.peer).await;
    let input = json!({
        "FleetId": fleet, "PeerVpcAwsAccountId": BACKEND, "PeerVpcId": scenario.peer,
    });
    let refusal = studio
        .gamelift()
        .refusal("CreateVpcPeeringConnection", input)
        .await;
    assert_eq!(refusal.code, "InvalidRequestException");
    assert_eq!(refusal.message, full(&scenario.peer));

    let delete = scenario.named();
    studio.call("DeleteVpcPeeringConnection", delete).await;
    backend.call(ACCEPT, accept).await;
}

#[tokio::test]
async fn a_request_expires_by_the_clock_alone() {
    let scenario = Scenario::delivered().await;
    let seven_days = SignedDuration::from_hours(7 * 24);
    let second = SignedDuration::from_secs(1);
    scenario.server.advance(seven_days - second);
    let state = async || scenario.backend().peering_state(&scenario.id).await;
    assert_eq!(state().await.as_deref(), Some("pending-acceptance"));

    scenario.server.advance(second);
    refused_from(&scenario, ACCEPT, "expired", "provisioning").await;
    refused_from(&scenario, REJECT, "expired", "rejected").await;
    assert_eq!(scenario.record().await.state, State::PendingAcceptance);
    for account in [scenario.studio(), scenario.backend()] {
        let shown = account.peering(&scenario.id).await.unwrap();
        let status = json!({"Code": "expired", "Message": "Expired"});
        assert_eq!(shown["Status"], status);
        assert_eq!(shown["ExpirationTime"], Value::Null);
    }
    scenario.server.advance(SignedDuration::from_hours(48));
    for account in [scenario.studio(), scenario.backend()] {
        assert_eq!(account.peering(&scenario.id).await, None);
    }
}

#[tokio::test]
async fn a_rejected_request_is_seen_longest_by_who_asked() {
    let scenario = Scenario::delivered().await;
    let rejected = scenario.backend().call(REJECT, scenario.named()).await;
    assert_eq!(rejected, json!({"Return": true}));
    let hours = SignedDuration::from_hours;
    let state = async || {
        let accounts = [scenario.studio(), scenario.backend()];
        let [studio, backend] = &accounts;
        (
            studio.peering_state(&scenario.id).await,
            backend.peering_state(&scenario.id).await,
        )
    };
    let rejected = || Some("rejected".to_owned());
    assert_eq!(state().await, (rejected(), rejected()));
    let shown = scenario.studio().peering(&scenario.id).await.unwrap();
    let message = text(&shown["Status"]["Message"]);
    assert_eq!(message, format!("Rejected by {BACKEND}"));
    scenario.server.advance(hours(2));
    assert_eq!(state().await, (rejected(), None));
    scenario.server.advance(hours(46));
    assert_eq!(state().await, (None, None));
}

/// Its answer is the authorization.
#[tokio::test]
async fn a_fleets_request_is_not_answered_here() {
    let server = Server::new();
    let (studio, backend) = (server.ec2(STUDIO), server.ec2(BACKEND));
    let vpc = backend.vpc("10.0.0.0/16").await;
    let fleet = studio.fleet().await;
    backend.authorize(STUDIO, &vpc).await;
    studio.connect(&fleet, BACKEND, &vpc).await;
    let id = server.only_connection().await.id;
    for (operation, verb) in [(ACCEPT, "accept"), (REJECT, "reject")] {
        let message = format!(
            "User ({BACKEND}) cannot {verb} peering {id}: the VPC peering authorization answers \
             the requests of fleet {fleet}. Delete the authorization to have no more of them, and \
             the connection to end it."
        );
        let input = json!({"VpcPeeringConnectionId": id});
        let code = "OperationNotPermitted";
        backend.refused(operation, input, code, &message).await;
    }
}
