//! CreateVpcPeeringConnection.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tombolo_domain::quota::Quotas;
use tombolo_testkit::ec2::filter;

use super::peering_scenario::Scenario;
use crate::document::{text, with};
use crate::server::{BACKEND, HOME, STRANGER, STUDIO, Server};

const CREATE: &str = "CreateVpcPeeringConnection";

#[tokio::test]
async fn a_request_is_answered_at_once_without_a_word_of_the_other_vpc() {
    let server = Server::new();
    let studio = server.ec2(STUDIO);
    let own = studio.vpc("10.1.0.0/16").await;
    let known = server.ec2(BACKEND).vpc("10.2.0.0/16").await;
    let overlapping = server.ec2(BACKEND).vpc("10.1.2.0/24").await;
    let unknown = "vpc-00000000000000000".to_owned();
    let options = json!({
        "AllowDnsResolutionFromRemoteVpc": false,
        "AllowEgressFromLocalClassicLinkToRemoteVpc": false,
        "AllowEgressFromLocalVpcToRemoteClassicLink": false,
    });
    let tags = json!([{"Key": "Name", "Value": "to the backend"}]);
    for peer in [known, overlapping, unknown] {
        let input = json!({
            "VpcId": own,
            "PeerVpcId": peer,
            "PeerOwnerId": BACKEND,
            "PeerRegion": HOME,
            "TagSpecifications": [{"ResourceType": "vpc-peering-connection", "Tags": tags}],
        });
        let reply = studio.call(CREATE, input).await;
        let shown = &reply["VpcPeeringConnection"];
        let id = shown["VpcPeeringConnectionId"].clone();
        assert_eq!(
            *shown,
            json!({
                "VpcPeeringConnectionId": id,
                "RequesterVpcInfo": {
                    "VpcId": own,
                    "OwnerId": STUDIO,
                    "Region": HOME,
                    "CidrBlock": "10.1.0.0/16",
                    "CidrBlockSet": [{"CidrBlock": "10.1.0.0/16"}],
                    "PeeringOptions": options,
                },
                "AccepterVpcInfo": {
                    "VpcId": peer,
                    "OwnerId": BACKEND,
                    "Region": HOME,
                    "CidrBlock": null,
                    "CidrBlockSet": [],
                    "PeeringOptions": options,
                },
                "Status": {
                    "Code": "initiating-request",
                    "Message": format!("Initiating Request to {BACKEND}"),
                },
                "ExpirationTime": shown["ExpirationTime"],
                "Tags": tags,
            })
        );
        let expires = server.now().as_second() + 7 * 24 * 60 * 60;
        assert_eq!(shown["ExpirationTime"].as_f64(), Some(expires as f64));
        assert_eq!(studio.peering(&text(&id)).await.as_ref(), Some(shown));
        assert_eq!(server.ec2(BACKEND).peering(&text(&id)).await, None);
    }
}

/// One that the account does not have, one that it has and that overlaps, and a fleet's hidden one.
#[tokio::test]
async fn a_request_that_cannot_be_fails_in_the_same_words_whatever_is_wrong() {
    let server = Server::new();
    let (studio, backend) = (server.ec2(STUDIO), server.ec2(BACKEND));
    let own = studio.vpc("10.1.0.0/16").await;
    let overlapping = backend.vpc("10.1.2.0/24").await;
    let elsewhere = server.ec2(STRANGER).vpc("10.9.0.0/16").await;
    let fleet = studio.fleet().await;
    let hidden = studio.gamelift().hidden_vpc(&fleet).await.id.to_string();
    for (owner, peer) in [
        (BACKEND, overlapping.as_str()),
        (BACKEND, "vpc-00000000000000000"),
        (BACKEND, elsewhere.as_str()),
        (STUDIO, hidden.as_str()),
        (STUDIO, own.as_str()),
    ] {
        let id = studio.ask(&own, owner, peer).await;
        server.deliver(&id).await;
        let shown = studio.peering(&id).await.unwrap();
        let message = "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range";
        let status = json!({"Code": "failed", "Message": message});
        assert_eq!(shown["Status"], status);
        if owner != STUDIO {
            assert_eq!(shown["AccepterVpcInfo"]["CidrBlockSet"], json!([]));
            assert_eq!(
                backend.peering(&id).await,
                None,
                "the accepter never hears of it"
            );
        }
    }
}

#[tokio::test]
async fn each_owner_sees_the_blocks_of_the_other_when_it_may() {
    let scenario = Scenario::delivered().await;
    let blocks = async |side: &str| {
        let mut seen = Vec::new();
        for account in [scenario.studio(), scenario.backend()] {
            let shown = account.peering(&scenario.id).await.unwrap();
            seen.push(shown[side]["CidrBlock"].clone());
        }
        seen
    };
    let (own, peer) = ("10.1.0.0/16", "10.2.0.0/16");
    assert_eq!(blocks("RequesterVpcInfo").await, [own, own]);
    assert_eq!(blocks("AccepterVpcInfo").await, [Value::Null, json!(peer)]);
    scenario.accept().await;
    assert_eq!(blocks("AccepterVpcInfo").await, [peer, peer]);
}

#[tokio::test]
async fn every_block_filters_and_is_shown() {
    let scenario = Scenario::requested().await;
    let input = json!({"VpcId": scenario.peer, "CidrBlock": "10.3.0.0/16"});
    scenario
        .backend()
        .call("AssociateVpcCidrBlock", input)
        .await;
    scenario.server.deliver(&scenario.id).await;
    let shown = scenario.backend().peering(&scenario.id).await.unwrap();
    assert_eq!(
        shown["AccepterVpcInfo"]["CidrBlockSet"],
        json!([{"CidrBlock": "10.2.0.0/16"}, {"CidrBlock": "10.3.0.0/16"}])
    );
    for (account, count) in [(scenario.backend(), 1), (scenario.studio(), 0)] {
        let filters = filter("accepter-vpc-info.cidr-block", "10.3.0.0/16");
        let found = account.filtered(
            "DescribeVpcPeeringConnections",
            "VpcPeeringConnections",
            filters,
        );
        assert_eq!(found.await.len(), count);
    }
}

#[tokio::test]
async fn the_same_request_again_makes_no_second_one() {
    let scenario = Scenario::requested().await;
    for _ in ["initiating-request", "pending-acceptance"] {
        let before = scenario.server.dump().await;
        let again = scenario
            .studio()
            .ask(&scenario.own, BACKEND, &scenario.peer)
            .await;
        assert_eq!(again, scenario.id);
        assert!(before == scenario.server.dump().await);
        if scenario.record().await.accepter.cidr.is_none() {
            scenario.server.deliver(&scenario.id).await;
        }
    }
}

#[tokio::test]
async fn there_is_one_live_connection_between_two_vpcs() {
    let there = ["pending-acceptance", "provisioning", "active"];
    let over = ["rejected", "expired", "deleting", "deleted", "failed"];
    for code in there {
        let scenario = Scenario::at(code).await;
        let from_studio = (scenario.studio(), &scenario.own, BACKEND, &scenario.peer);
        let from_backend = (scenario.backend(), &scenario.peer, STUDIO, &scenario.own);
        for (account, vpc, owner, peer) in [from_studio, from_backend] {
            if code == "pending-acceptance" && owner == BACKEND {
                continue;
            }
            let input = json!({"VpcId": vpc, "PeerVpcId": peer, "PeerOwnerId": owner});
            let message = format!(
                "A VPC peering connection between {} and {} already exists: {} is {code}.",
                scenario.own, scenario.peer, scenario.id
            );
            let refused = "VpcPeeringConnectionAlreadyExists";
            account.refused(CREATE, input, refused, &message).await;
        }
    }
    for code in over {
        let scenario = Scenario::at(code).await;
        let another = scenario
            .studio()
            .ask(&scenario.own, BACKEND, &scenario.peer)
            .await;
        assert_ne!(another, scenario.id, "{code}");
    }
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let server = Server::new();
    let studio = server.ec2(STUDIO);
    let own = studio.vpc("10.1.0.0/16").await;
    let fleet = studio.fleet().await;
    let hidden = studio.gamelift().hidden_vpc(&fleet).await.id;
    let peer = server.ec2(BACKEND).vpc("10.2.0.0/16").await;
    let good = json!({"VpcId": own, "PeerVpcId": peer, "PeerOwnerId": BACKEND});
    for (member, value, code, message) in [
        (
            "VpcId",
            json!(peer),
            "InvalidVpcID.NotFound",
            format!("The vpc ID '{peer}' does not exist"),
        ),
        (
            "VpcId",
            json!(hidden),
            "InvalidVpcID.NotFound",
            format!("The vpc ID '{hidden}' does not exist"),
        ),
        (
            "PeerVpcId",
            json!("vpc"),
            "InvalidVpcID.Malformed",
            "Invalid id: \"vpc\" (expecting \"vpc-...\")".to_owned(),
        ),
        (
            "PeerVpcId",
            Value::Null,
            "MissingParameter",
            "The request must contain the parameter peerVpcId".to_owned(),
        ),
        (
            "PeerOwnerId",
            json!("me"),
            "InvalidParameterValue",
            "Value (me) for parameter peerOwnerId is invalid. An AWS account ID has 12 digits."
                .to_owned(),
        ),
        (
            "PeerRegion",
            json!("eu-west-1"),
            "UnsupportedOperation",
            "PeerRegion eu-west-1: Tombolo's Regions are not joined, and VPCs are peered within \
             one. Leave it out, or use us-west-2."
                .to_owned(),
        ),
        (
            "RequesterPeeringConnectionOptions",
            json!({"AllowMultipathResilience": true}),
            "UnsupportedOperation",
            "Tombolo does not have the parameter RequesterPeeringConnectionOptions; leave it out."
                .to_owned(),
        ),
        (
            "TagSpecifications",
            json!([{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": ""}]}]),
            "InvalidParameterValue",
            "'vpc' is not a valid taggable resource type for this operation; use \
             'vpc-peering-connection'."
                .to_owned(),
        ),
        (
            "DryRun",
            json!(true),
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.".to_owned(),
        ),
    ] {
        let input = with(good.clone(), member, value);
        studio.refused(CREATE, input, code, &message).await;
    }
    studio.call(CREATE, good).await;
}

#[tokio::test]
async fn an_account_has_only_so_many_requests_unanswered() {
    let quotas = Quotas {
        outstanding_peering_requests: 1,
        ..Quotas::default()
    };
    let scenario = Scenario::on(Server::with_quotas(quotas)).await;
    let another = scenario.backend().vpc("10.3.0.0/16").await;
    let input = json!({"VpcId": scenario.own, "PeerVpcId": another, "PeerOwnerId": BACKEND});
    let message = format!(
        "Account {STUDIO} has as many unanswered requests for VPC peering connections as it may \
         have, 1; one of them has to be deleted first."
    );
    let code = "OutstandingVpcPeeringConnectionLimitExceeded";
    let studio = scenario.studio();
    studio.refused(CREATE, input.clone(), code, &message).await;

    scenario.server.deliver(&scenario.id).await;
    scenario.accept().await;
    studio.call(CREATE, input.clone()).await;
    scenario.server.advance(SignedDuration::from_hours(7 * 24));
    let third = scenario.backend().vpc("10.4.0.0/16").await;
    studio
        .call(CREATE, with(input, "PeerVpcId", json!(third)))
        .await;
}
