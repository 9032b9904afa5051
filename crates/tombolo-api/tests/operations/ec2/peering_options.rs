//! ModifyVpcPeeringConnectionOptions.

use serde_json::{Value, json};

use super::peering_story::Story;
use crate::server::{BACKEND, STUDIO};

const MODIFY: &str = "ModifyVpcPeeringConnectionOptions";
const OF_REQUESTER: &str = "RequesterPeeringConnectionOptions";
const OF_ACCEPTER: &str = "AccepterPeeringConnectionOptions";

fn input(story: &Story, side: &str, options: Value) -> Value {
    let mut input = story.named();
    input[side] = options;
    input
}

fn dns(allowed: bool) -> Value {
    json!({"AllowDnsResolutionFromRemoteVpc": allowed})
}

/// DNS hostnames, which both VPCs need.
async fn enable_dns(story: &Story) {
    for (account, vpc) in [(story.studio(), &story.own), (story.backend(), &story.peer)] {
        let input = json!({"VpcId": vpc, "EnableDnsHostnames": {"Value": true}});
        account.call("ModifyVpcAttribute", input).await;
    }
}

#[tokio::test]
async fn each_owner_changes_its_own_side_of_an_active_connection() {
    let story = Story::active().await;
    enable_dns(&story).await;
    let allowed = json!({
        "AllowDnsResolutionFromRemoteVpc": true,
        "AllowEgressFromLocalClassicLinkToRemoteVpc": false,
        "AllowEgressFromLocalVpcToRemoteClassicLink": false,
    });
    let changed = story.backend();
    let changed = changed.call(MODIFY, input(&story, OF_ACCEPTER, dns(true)));
    assert_eq!(
        changed.await,
        json!({OF_ACCEPTER: allowed, OF_REQUESTER: null})
    );
    for account in [story.studio(), story.backend()] {
        let shown = account.peering(&story.id).await.unwrap();
        assert_eq!(shown["AccepterVpcInfo"]["PeeringOptions"], allowed);
        let other = &shown["RequesterVpcInfo"]["PeeringOptions"];
        assert_eq!(other["AllowDnsResolutionFromRemoteVpc"], false);
    }
    // Not named is not changed, and ClassicLink may be said to be off.
    let off = json!({"AllowEgressFromLocalClassicLinkToRemoteVpc": false});
    let same = story.backend();
    let same = same.call(MODIFY, input(&story, OF_ACCEPTER, off)).await;
    assert_eq!(same[OF_ACCEPTER], allowed);

    for (account, side, owner, theirs) in [
        (STUDIO, OF_ACCEPTER, BACKEND, "accepter"),
        (BACKEND, OF_REQUESTER, STUDIO, "requester"),
    ] {
        let message = format!(
            "User ({account}) cannot modify peering {}: account {owner} owns the {theirs}'s side.",
            story.id
        );
        let caller = story.server.ec2(account);
        let input = input(&story, side, dns(false));
        let code = "OperationNotPermitted";
        caller.refused(MODIFY, input, code, &message).await;
    }
}

#[tokio::test]
async fn options_of_a_connection_that_is_not_active_stay() {
    for code in ["pending-acceptance", "provisioning", "deleted"] {
        let story = Story::at(code).await;
        let message = format!(
            "VPC peering connection {} is {code}; its options can be modified while it is active.",
            story.id
        );
        let input = input(&story, OF_ACCEPTER, dns(false));
        let backend = story.backend();
        backend
            .refused(MODIFY, input, "IncorrectState", &message)
            .await;
    }
}

#[tokio::test]
async fn dns_needs_dns_hostnames_in_both_vpcs() {
    let story = Story::active().await;
    let refused = async |vpc: &str| {
        let message = format!(
            "To enable DNS resolution for VPC peering connection {}, DNS hostnames and DNS support \
             must be enabled for VPC {vpc}; use ModifyVpcAttribute.",
            story.id
        );
        let code = "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled";
        let input = input(&story, OF_ACCEPTER, dns(true));
        story.backend().refused(MODIFY, input, code, &message).await;
    };
    refused(&story.own).await;
    let hostnames = json!({"VpcId": story.own, "EnableDnsHostnames": {"Value": true}});
    story.studio().call("ModifyVpcAttribute", hostnames).await;
    refused(&story.peer).await;
    enable_dns(&story).await;
    let no_support = json!({"VpcId": story.own, "EnableDnsSupport": {"Value": false}});
    story.studio().call("ModifyVpcAttribute", no_support).await;
    refused(&story.own).await;
    // Off needs nothing.
    let off = input(&story, OF_ACCEPTER, dns(false));
    story.backend().call(MODIFY, off).await;
}

#[tokio::test]
async fn options_that_tombolo_does_not_have_are_refused_by_name() {
    let story = Story::active().await;
    let backend = story.backend();
    for option in [
        "AllowEgressFromLocalClassicLinkToRemoteVpc",
        "AllowEgressFromLocalVpcToRemoteClassicLink",
        "AllowMultipathResilience",
    ] {
        let message = format!("Tombolo does not have the parameter {option}; leave it out.");
        let input = input(&story, OF_ACCEPTER, json!({option: true}));
        let code = "UnsupportedOperation";
        backend.refused(MODIFY, input, code, &message).await;
    }
    let message = "The request must contain the parameter accepterPeeringConnectionOptions or \
                   requesterPeeringConnectionOptions";
    backend
        .refused(MODIFY, story.named(), "MissingParameter", message)
        .await;
}
