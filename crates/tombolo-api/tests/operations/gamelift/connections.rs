//! CreateVpcPeeringConnection, DescribeVpcPeeringConnections and DeleteVpcPeeringConnection, and
//! CreateFleet with a peer.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tombolo_domain::fleet::{Compute, FleetStatus, ManagedCompute};
use tombolo_domain::peering::{FailureReason, Step};
use tombolo_store::keys;
use tombolo_testkit::gamelift::fleet_input;

use crate::account::{Account, Refusal, assert_refused};
use crate::document::{list, text, with};
use crate::server::{AWAY, BACKEND, HOME, STRANGER, STUDIO, Server};

const UNKNOWN_VPC: &str = "vpc-00000000000000000";
const UNKNOWN_FLEET: &str = "fleet-00000000-0000-4000-8000-000000000000";
const UNKNOWN_CONNECTION: &str = "pcx-00000000000000000";

/// An active fleet of the studio, a VPC of the backend, and no authorization yet.
struct Scenario {
    server: Server,
    fleet: String,
    vpc: String,
}

impl Scenario {
    async fn new() -> Self {
        let server = Server::new();
        let fleet = server.gamelift(STUDIO).fleet().await;
        server.set_status(&fleet, FleetStatus::Active).await;
        let vpc = server.gamelift(BACKEND).vpc("10.0.0.0/16").await;
        Scenario { server, fleet, vpc }
    }

    async fn authorized() -> Self {
        let scenario = Self::new().await;
        scenario.backend().authorize(STUDIO, &scenario.vpc).await;
        scenario
    }

    /// With a connection that was just asked for.
    async fn connected() -> Self {
        let scenario = Self::authorized().await;
        scenario.connect().await;
        scenario
    }

    fn studio(&self) -> Account<'_> {
        self.server.gamelift(STUDIO)
    }

    fn backend(&self) -> Account<'_> {
        self.server.gamelift(BACKEND)
    }

    fn create(&self) -> Value {
        json!({
            "FleetId": self.fleet, "PeerVpcAwsAccountId": BACKEND, "PeerVpcId": self.vpc,
        })
    }

    async fn connect(&self) {
        let output = self
            .studio()
            .call("CreateVpcPeeringConnection", self.create())
            .await;
        assert_eq!(output, json!({}));
    }

    async fn connection_id(&self) -> String {
        self.server.connection(&self.fleet).await.id.to_string()
    }

    async fn delete(&self) -> Value {
        json!({"FleetId": self.fleet, "VpcPeeringConnectionId": self.connection_id().await})
    }

    /// The connection's Status, as a reader sees it.
    async fn status(&self) -> (String, String) {
        let shown = self.studio().connections(&self.fleet).await;
        assert_eq!(shown.len(), 1);
        let status = &shown[0]["Status"];
        (text(&status["Code"]), text(&status["Message"]))
    }

    async fn cancel_authorization(&self) {
        let input = json!({"GameLiftAwsAccountId": STUDIO, "PeerVpcId": self.vpc});
        self.backend()
            .call("DeleteVpcPeeringAuthorization", input)
            .await;
    }
}

#[track_caller]
fn assert_unauthorized(refusal: &Refusal, vpc: &str, owner: &str, why: &str) {
    assert_refused(
        refusal,
        "UnauthorizedException",
        &format!(
            "Account {STUDIO} has no valid VPC peering authorization for VPC {vpc} of account \
             {owner} in Region {HOME}: {why}. The owner of the VPC has to call \
             CreateVpcPeeringAuthorization with GameLiftAwsAccountId {STUDIO} first; it is valid \
             for 24 hours."
        ),
    );
}

#[tokio::test]
async fn a_connection_is_asked_for_and_shows_every_state() {
    let scenario = Scenario::connected().await;
    let shown = scenario.studio().connections(&scenario.fleet).await;
    let hidden = scenario.studio().hidden_vpc(&scenario.fleet).await;
    assert_eq!(
        shown,
        [json!({
            "FleetId": scenario.fleet,
            "FleetArn": format!("arn:aws:gamelift:{HOME}:{STUDIO}:fleet/{}", scenario.fleet),
            "IpV4CidrBlock": hidden.cidr.to_string(),
            "VpcPeeringConnectionId": scenario.connection_id().await,
            "Status": {
                "Code": "initiating-request",
                "Message": format!("Initiating Request to {BACKEND}"),
            },
            "PeerVpcId": scenario.vpc,
            "GameLiftVpcId": hidden.id.to_string(),
        })]
    );
    for (step, code, message) in [
        (
            Step::Deliver,
            "pending-acceptance",
            format!("Pending Acceptance by {BACKEND}"),
        ),
        (Step::Accept, "provisioning", "Provisioning".to_owned()),
        (Step::Provisioned, "active", "Active".to_owned()),
    ] {
        scenario.server.step(&scenario.fleet, step).await;
        assert_eq!(scenario.status().await, (code.to_owned(), message));
    }

    let delete = scenario.delete().await;
    let studio = scenario.studio();
    assert_eq!(
        studio.call("DeleteVpcPeeringConnection", delete).await,
        json!({})
    );
    assert_eq!(
        scenario.status().await,
        ("deleting".to_owned(), format!("Deleting by {STUDIO}"))
    );
    scenario.server.step(&scenario.fleet, Step::Removed).await;
    assert_eq!(
        scenario.status().await,
        ("deleted".to_owned(), format!("Deleted by {STUDIO}"))
    );
}

#[tokio::test]
async fn without_a_valid_authorization_nothing_is_made() {
    let scenario = Scenario::new().await;
    let studio = scenario.studio();
    let operation = "CreateVpcPeeringConnection";

    let refusal = studio.refusal(operation, scenario.create()).await;
    assert_unauthorized(&refusal, &scenario.vpc, BACKEND, "there is none");

    // One for another account is like none.
    scenario.backend().authorize(STRANGER, &scenario.vpc).await;
    let refusal = studio.refusal(operation, scenario.create()).await;
    assert_unauthorized(&refusal, &scenario.vpc, BACKEND, "there is none");

    // So is one for another VPC of the same owner.
    let other = scenario.backend().vpc("10.1.0.0/16").await;
    scenario.backend().authorize(STUDIO, &other).await;
    let refusal = studio.refusal(operation, scenario.create()).await;
    assert_unauthorized(&refusal, &scenario.vpc, BACKEND, "there is none");

    // Naming a wrong owner does not help, and neither unknown nor malformed ids are told apart.
    for vpc in [other.as_str(), UNKNOWN_VPC, "vpc-🏝", "subnet-1"] {
        for owner in [STRANGER, STUDIO] {
            let input = with(scenario.create(), "PeerVpcId", json!(vpc));
            let input = with(input, "PeerVpcAwsAccountId", json!(owner));
            let refusal = studio.refusal(operation, input).await;
            assert_unauthorized(&refusal, vpc, owner, "there is none");
        }
    }
}

#[tokio::test]
async fn an_authorization_ends_by_time_and_by_cancellation() {
    let scenario = Scenario::authorized().await;
    let studio = scenario.studio();
    let operation = "CreateVpcPeeringConnection";

    scenario.server.advance(SignedDuration::from_hours(24));
    let refusal = studio.refusal(operation, scenario.create()).await;
    let expired = "the last one expired at 2026-11-23T12:00:00Z";
    assert_unauthorized(&refusal, &scenario.vpc, BACKEND, expired);

    scenario.backend().authorize(STUDIO, &scenario.vpc).await;
    scenario.cancel_authorization().await;
    let refusal = studio.refusal(operation, scenario.create()).await;
    let cancelled = "the last one was cancelled at 2026-11-23T12:00:00.489Z";
    assert_unauthorized(&refusal, &scenario.vpc, BACKEND, cancelled);

    // Given once more, it counts, and using it does not use it up.
    scenario.backend().authorize(STUDIO, &scenario.vpc).await;
    scenario.connect().await;
    let second = studio.fleet().await;
    let input = with(scenario.create(), "FleetId", json!(second));
    studio.call(operation, input).await;
}

#[tokio::test]
async fn a_fleet_of_nobody_or_somebody_else_is_unknown() {
    let scenario = Scenario::authorized().await;
    scenario.backend().authorize(STRANGER, &scenario.vpc).await;
    let connection = UNKNOWN_CONNECTION;
    for (account, region, fleet) in [
        (STUDIO, HOME, UNKNOWN_FLEET),
        (STUDIO, HOME, "fleet-no-uuid"),
        (STRANGER, HOME, &scenario.fleet),
        (STUDIO, AWAY, &scenario.fleet),
    ] {
        let caller = scenario.server.gamelift_in(account, region);
        for (operation, input) in [
            (
                "CreateVpcPeeringConnection",
                with(scenario.create(), "FleetId", json!(fleet)),
            ),
            (
                "DeleteVpcPeeringConnection",
                json!({"FleetId": fleet, "VpcPeeringConnectionId": connection}),
            ),
            ("DescribeVpcPeeringConnections", json!({"FleetId": fleet})),
        ] {
            assert_refused(
                &caller.refusal(operation, input).await,
                "NotFoundException",
                &format!("Fleet {fleet} was not found in account {account} and Region {region}."),
            );
        }
    }
}

#[tokio::test]
async fn a_fleet_without_a_vpc_cannot_be_peered() {
    let scenario = Scenario::authorized().await;
    let input = json!({
        "Name": "desks", "ComputeType": "ANYWHERE",
        "Locations": [{"Location": "custom-office"}],
    });
    let fleet = scenario.studio().fleet_with(input).await;
    let input = with(scenario.create(), "FleetId", json!(fleet));
    assert_refused(
        &scenario
            .studio()
            .refusal("CreateVpcPeeringConnection", input)
            .await,
        "InvalidRequestException",
        &format!(
            "Fleet {fleet} has compute type ANYWHERE and no VPC; VPC peering works with fleets of \
             compute type EC2."
        ),
    );
}

#[tokio::test]
async fn a_fleet_can_be_peered_until_it_fails_or_ends() {
    use FleetStatus::*;
    for status in [New, Downloading, Validating, Building, Activating, Active] {
        let scenario = Scenario::authorized().await;
        scenario.server.set_status(&scenario.fleet, status).await;
        scenario.connect().await;
    }
    for status in [Error, Deleting, Terminated] {
        let scenario = Scenario::authorized().await;
        scenario.server.set_status(&scenario.fleet, status).await;
        assert_refused(
            &scenario
                .studio()
                .refusal("CreateVpcPeeringConnection", scenario.create())
                .await,
            "InvalidRequestException",
            &format!(
                "Fleet {} is {status}; a VPC peering connection can be made to a fleet that is \
                 ACTIVE or on its way there.",
                scenario.fleet
            ),
        );
    }
}

#[tokio::test]
async fn the_vpc_that_a_fleet_hides_in_another_region_is_unknown() {
    let scenario = Scenario::new().await;
    let away = scenario.server.gamelift_in(STUDIO, AWAY);
    let fleet = away.fleet().await;
    let hidden = away.hidden_vpc(&fleet).await.id.to_string();
    let input = json!({
        "FleetId": scenario.fleet,
        "PeerVpcAwsAccountId": STUDIO,
        "PeerVpcId": hidden,
    });
    let studio = scenario.studio();
    let refusal = studio.refusal("CreateVpcPeeringConnection", input).await;
    assert_unauthorized(&refusal, &hidden, STUDIO, "there is none");
}

#[tokio::test]
async fn a_vpc_in_another_region_is_named_only_to_who_may_know_it() {
    let scenario = Scenario::new().await;
    let backend_away = scenario.server.gamelift_in(BACKEND, AWAY);
    let vpc = backend_away.vpc("10.9.0.0/16").await;
    let input = with(scenario.create(), "PeerVpcId", json!(vpc));
    let operation = "CreateVpcPeeringConnection";
    let studio = scenario.studio();
    let refusal = studio.refusal(operation, input.clone()).await;
    assert_unauthorized(&refusal, &vpc, BACKEND, "there is none");

    let regions = |vpc: &str| {
        format!(
            "VPC {vpc} is in Region {AWAY} and the fleet is in Region {HOME}; VPCs of different \
             Regions cannot be peered."
        )
    };
    backend_away.authorize(STUDIO, &vpc).await;
    let refusal = studio.refusal(operation, input).await;
    assert_refused(&refusal, "InvalidRequestException", &regions(&vpc));

    let own = scenario.server.gamelift_in(STUDIO, AWAY);
    let own = own.vpc("10.9.0.0/16").await;
    let input = json!({
        "FleetId": scenario.fleet, "PeerVpcAwsAccountId": STUDIO, "PeerVpcId": own,
    });
    let refusal = studio.refusal(operation, input).await;
    assert_refused(&refusal, "InvalidRequestException", &regions(&own));
}

#[tokio::test]
async fn a_vpc_that_was_deleted_after_the_authorization_is_not_found() {
    let scenario = Scenario::authorized().await;
    scenario.backend().remove_vpc(&scenario.vpc).await;
    assert_refused(
        &scenario
            .studio()
            .refusal("CreateVpcPeeringConnection", scenario.create())
            .await,
        "NotFoundException",
        &format!(
            "VPC {} of account {BACKEND} was deleted after it had been authorized.",
            scenario.vpc
        ),
    );
}

#[tokio::test]
async fn a_second_connection_waits_for_the_end_of_the_first() {
    let scenario = Scenario::connected().await;
    let studio = scenario.studio();
    let first = scenario.connection_id().await;
    let operation = "CreateVpcPeeringConnection";
    let by = studio.scope().account;
    for (step, code) in [
        (None, "initiating-request"),
        (Some(Step::Deliver), "pending-acceptance"),
        (Some(Step::Accept), "provisioning"),
        (Some(Step::Provisioned), "active"),
        (Some(Step::Delete(by)), "deleting"),
    ] {
        if let Some(step) = step {
            scenario.server.step(&scenario.fleet, step).await;
        }
        assert_refused(
            &studio.refusal(operation, scenario.create()).await,
            "InvalidRequestException",
            &format!(
                "VPC peering connection {first} between fleet {} and VPC {} already exists and is \
                 {code}.",
                scenario.fleet, scenario.vpc
            ),
        );
    }
    scenario.server.step(&scenario.fleet, Step::Removed).await;
    scenario.server.advance(SignedDuration::from_secs(1));
    scenario.connect().await;
    assert_ne!(scenario.connection_id().await, first);
    assert_eq!(studio.connections(&scenario.fleet).await.len(), 2);
}

#[tokio::test]
async fn an_account_id_has_twelve_digits() {
    let scenario = Scenario::authorized().await;
    let input = with(scenario.create(), "PeerVpcAwsAccountId", json!("backend"));
    assert_refused(
        &scenario
            .studio()
            .refusal("CreateVpcPeeringConnection", input)
            .await,
        "InvalidRequestException",
        "Value 'backend' at 'peerVpcAwsAccountId' is not an AWS account ID: it has 12 digits.",
    );
}

#[tokio::test]
async fn overlapping_blocks_are_no_error_of_the_request() {
    let scenario = Scenario::new().await;
    let build = scenario.studio().ready_build().await;
    let tags = json!([{"Key": "tombolo:fleet-cidr", "Value": "10.0.0.0/24"}]);
    let fleet = scenario
        .studio()
        .fleet_with(with(fleet_input(&build), "Tags", tags))
        .await;
    scenario.backend().authorize(STUDIO, &scenario.vpc).await;
    let input = with(scenario.create(), "FleetId", json!(fleet));
    scenario
        .studio()
        .call("CreateVpcPeeringConnection", input)
        .await;
    let shown = scenario.studio().connections(&fleet).await;
    assert_eq!(shown[0]["Status"]["Code"], "initiating-request");
}

#[tokio::test]
async fn deleting_needs_the_consent_of_the_moment() {
    let scenario = Scenario::connected().await;
    scenario.server.activate(&scenario.fleet).await;
    let studio = scenario.studio();
    let operation = "DeleteVpcPeeringConnection";
    let delete = scenario.delete().await;

    scenario.cancel_authorization().await;
    let refusal = studio.refusal(operation, delete.clone()).await;
    let cancelled = "the last one was cancelled at 2026-11-22T12:00:00.489Z";
    assert_unauthorized(&refusal, &scenario.vpc, BACKEND, cancelled);
    assert_eq!(scenario.status().await.0, "active");

    scenario.backend().authorize(STUDIO, &scenario.vpc).await;
    scenario.server.advance(SignedDuration::from_hours(24));
    let refusal = studio.refusal(operation, delete.clone()).await;
    let expired = "the last one expired at 2026-11-23T12:00:00Z";
    assert_unauthorized(&refusal, &scenario.vpc, BACKEND, expired);
    assert_eq!(scenario.status().await.0, "active");

    scenario.backend().authorize(STUDIO, &scenario.vpc).await;
    studio.call(operation, delete.clone()).await;
    assert_eq!(scenario.status().await.0, "deleting");

    // Asked again, it says yes and changes nothing, with consent or without.
    scenario.cancel_authorization().await;
    let revision = scenario.server.connection(&scenario.fleet).await;
    studio.call(operation, delete.clone()).await;
    scenario.server.step(&scenario.fleet, Step::Removed).await;
    studio.call(operation, delete.clone()).await;
    assert_eq!(
        scenario.server.connection(&scenario.fleet).await.id,
        revision.id
    );
    assert_eq!(scenario.status().await.0, "deleted");
}

#[tokio::test]
async fn a_connection_is_deleted_through_its_own_fleet_only() {
    let scenario = Scenario::connected().await;
    let studio = scenario.studio();
    let other = studio.fleet().await;
    let mine = scenario.connection_id().await;
    for (fleet, connection) in [
        (scenario.fleet.as_str(), UNKNOWN_CONNECTION),
        (scenario.fleet.as_str(), "pcx-🏝"),
        (other.as_str(), mine.as_str()),
    ] {
        let input = json!({"FleetId": fleet, "VpcPeeringConnectionId": connection});
        assert_refused(
            &studio.refusal("DeleteVpcPeeringConnection", input).await,
            "NotFoundException",
            &format!("VPC peering connection {connection} of fleet {fleet} was not found."),
        );
    }
}

#[tokio::test]
async fn a_failed_connection_shows_its_block_for_two_hours_and_cannot_be_deleted() {
    let scenario = Scenario::connected().await;
    let reason = FailureReason::OverlappingCidr {
        fleet: "10.0.0.0/24".parse().unwrap(),
        other: "10.0.0.0/16".parse().unwrap(),
    };
    scenario
        .server
        .step(&scenario.fleet, Step::Fail(reason))
        .await;
    assert_eq!(
        scenario.status().await,
        (
            "failed".to_owned(),
            "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range".to_owned()
        )
    );
    let shown = scenario.studio().connections(&scenario.fleet).await;
    let hidden = scenario.studio().hidden_vpc(&scenario.fleet).await;
    assert_eq!(shown[0]["IpV4CidrBlock"], hidden.cidr.to_string());

    let id = scenario.connection_id().await;
    let delete = scenario.delete().await;
    let operation = "DeleteVpcPeeringConnection";
    assert_refused(
        &scenario.studio().refusal(operation, delete.clone()).await,
        "InvalidRequestException",
        &format!(
            "VPC peering connection {id} has failed, so there is nothing to delete; its record \
             goes by itself."
        ),
    );

    let nearly = SignedDuration::from_hours(2) - SignedDuration::from_nanos(1);
    scenario.server.advance(nearly);
    assert_eq!(
        scenario.studio().connections(&scenario.fleet).await.len(),
        1
    );
    scenario.server.advance(SignedDuration::from_nanos(1));
    assert!(
        scenario
            .studio()
            .connections(&scenario.fleet)
            .await
            .is_empty()
    );
    assert_refused(
        &scenario.studio().refusal(operation, delete).await,
        "NotFoundException",
        &format!(
            "VPC peering connection {id} of fleet {} was not found.",
            scenario.fleet
        ),
    );
}

#[tokio::test]
async fn connections_are_shown_to_the_account_of_the_fleet() {
    let scenario = Scenario::connected().await;
    for (account, count) in [
        (scenario.studio(), 1),
        (scenario.backend(), 0),
        (scenario.server.gamelift(STRANGER), 0),
        (scenario.server.gamelift_in(STUDIO, AWAY), 0),
    ] {
        let output = account.call("DescribeVpcPeeringConnections", json!({}));
        let connections = list(&output.await["VpcPeeringConnections"]);
        assert_eq!(connections.len(), count);
    }
}

#[tokio::test]
async fn a_fleet_is_created_with_its_peering_or_not_at_all() {
    let scenario = Scenario::new().await;
    let studio = scenario.studio();
    let build = studio.ready_build().await;
    let input = with(fleet_input(&build), "PeerVpcAwsAccountId", json!(BACKEND));
    let input = with(input, "PeerVpcId", json!(scenario.vpc));

    // Refused means that nothing is left: no fleet, no VPC, no event.
    let refusal = studio.refusal("CreateFleet", input.clone()).await;
    assert_unauthorized(&refusal, &scenario.vpc, BACKEND, "there is none");

    scenario.backend().authorize(STUDIO, &scenario.vpc).await;
    for (lacking, given) in [
        ("PeerVpcId", "PeerVpcAwsAccountId"),
        ("PeerVpcAwsAccountId", "PeerVpcId"),
    ] {
        let half = with(input.clone(), lacking, Value::Null);
        assert_refused(
            &studio.refusal("CreateFleet", half).await,
            "InvalidRequestException",
            &format!("{given} needs {lacking} too: a VPC is named by its owner and its id."),
        );
    }
    let wrong = with(input.clone(), "PeerVpcAwsAccountId", json!("backend"));
    assert_refused(
        &studio.refusal("CreateFleet", wrong).await,
        "InvalidRequestException",
        "Value 'backend' at 'peerVpcAwsAccountId' is not an AWS account ID: it has 12 digits.",
    );

    let fleet = studio.fleet_with(input).await;
    let shown = studio.connections(&fleet).await;
    assert_eq!(shown[0]["Status"]["Code"], "initiating-request");
    let Compute::Managed(managed) = scenario.server.fleet(&fleet).await.compute else {
        panic!("an EC2 fleet");
    };
    let ManagedCompute { peering, vpc, .. } = *managed;
    let connection = scenario.server.connection(&fleet).await;
    assert_eq!(peering.as_ref(), Some(&connection.id));
    assert_eq!(connection.requester.vpc, vpc);
    let accepter = connection.accepter_scope();
    let entry = keys::peering(&accepter, &connection.accepter.vpc, &connection.id);
    let entry = scenario.server.transaction().get(&entry).await.unwrap();
    assert_eq!(entry.unwrap().requester.to_string(), fleet);
}
