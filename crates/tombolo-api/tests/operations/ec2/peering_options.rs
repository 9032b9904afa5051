//! ModifyVpcPeeringConnectionOptions.

use serde_json::{Value, json};

use super::peering_scenario::Scenario;
use crate::server::{BACKEND, STUDIO};

const MODIFY: &str = "ModifyVpcPeeringConnectionOptions";
const OF_REQUESTER: &str = "RequesterPeeringConnectionOptions";
const OF_ACCEPTER: &str = "AccepterPeeringConnectionOptions";

fn input(scenario: &Scenario, side: &str, options: Value) -> Value {
    let mut input = scenario.named();
    input[side] = options;
    input
}

fn dns(allowed: bool) -> Value {
    json!({"AllowDnsResolutionFromRemoteVpc": allowed})
}

/// DNS hostnames, which both VPCs need.
async fn enable_dns(scenario: &Scenario) {
    for (account, vpc) in [
        (scenario.studio(), &scenario.own),
        (scenario.backend(), &scenario.peer),
    ] {
        let input = json!({"VpcId": vpc, "EnableDnsHostnames": {"Value": true}});
        account.call("ModifyVpcAttribute", input).await;
    }
}

#[tokio::test]
async fn each_owner_changes_its_own_side_of_an_active_connection() {
    let scenario = Scenario::active().await;
    enable_dns(&scenario).await;
    let allowed = json!({
        "AllowDnsResolutionFromRemoteVpc": true,
        "AllowEgressFromLocalClassicLinkToRemoteVpc": false,
        "AllowEgressFromLocalVpcToRemoteClassicLink": false,
    });
    let changed = scenario.backend();
    let changed = changed.call(MODIFY, input(&scenario, OF_ACCEPTER, dns(true)));
    assert_eq!(
        changed.await,
        json!({OF_ACCEPTER: allowed, OF_REQUESTER: null})
    );
    for account in [scenario.studio(), scenario.backend()] {
        let shown = account.peering(&scenario.id).await.unwrap();
        assert_eq!(shown["AccepterVpcInfo"]["PeeringOptions"], allowed);
        let other = &shown["RequesterVpcInfo"]["PeeringOptions"];
        assert_eq!(other["AllowDnsResolutionFromRemoteVpc"], false);
    }
    // Not named is not changed, and ClassicLink may be said to be off.
    let off = json!({"AllowEgressFromLocalClassicLinkToRemoteVpc": false});
    let same = scenario.backend();
    let same = same.call(MODIFY, input(&scenario, OF_ACCEPTER, off)).await;
    assert_eq!(same[OF_ACCEPTER], allowed);

    for (account, side, owner, theirs) in [
        (STUDIO, OF_ACCEPTER, BACKEND, "accepter"),
        (BACKEND, OF_REQUESTER, STUDIO, "requester"),
    ] {
        let message = format!(
            "User ({account}) cannot modify peering {}: account {owner} owns the {theirs}'s side.",
            scenario.id
        );
        let caller = scenario.server.ec2(account);
        let input = input(&scenario, side, dns(false));
        let code = "OperationNotPermitted";
        caller.refused(MODIFY, input, code, &message).await;
    }
}

#[tokio::test]
async fn options_of_a_connection_that_is_not_active_stay() {
    for code in ["pending-acceptance", "provisioning", "deleted"] {
        let scenario = Scenario::at(code).await;
        let message = format!(
            "VPC peering connection {} is {code}; its options can be modified while it is active.",
            scenario.id
        );
        let input = input(&scenario, OF_ACCEPTER, dns(false));
        let backend = scenario.backend();
        backend
            .refused(MODIFY, input, "IncorrectState", &message)
            .await;
    }
}

#[tokio::test]
async fn dns_needs_dns_hostnames_in_both_vpcs() {
    let scenario = Scenario::active().await;
    let refused = async |vpc: &str| {
        let message = format!(
            "To enable DNS resolution for VPC peering connection {}, DNS hostnames and DNS support \
             must be enabled for VPC {vpc}; use ModifyVpcAttribute.",
            scenario.id
        );
        let code = "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled";
        let input = input(&scenario, OF_ACCEPTER, dns(true));
        scenario
            .backend()
            .refused(MODIFY, input, code, &message)
            .await;
    };
    refused(&scenario.own).await;
    let hostnames = json!({"VpcId": scenario.own, "EnableDnsHostnames": {"Value": true}});
    scenario
        .studio()
        .call("ModifyVpcAttribute", hostnames)
        .await;
    refused(&scenario.peer).await;
    enable_dns(&scenario).await;
    let no_support = json!({"VpcId": scenario.own, "EnableDnsSupport": {"Value": false}});
    scenario
        .studio()
        .call("ModifyVpcAttribute", no_support)
        .await;
    refused(&scenario.own).await;
    // Off needs nothing.
    let off = input(&scenario, OF_ACCEPTER, dns(false));
    scenario.backend().call(MODIFY, off).await;
}

#[tokio::test]
async fn options_that_tombolo_does_not_have_are_refused_by_name() {
    let scenario = Scenario::active().await;
    let backend = scenario.backend();
    for option in [
        "AllowEgressFromLocalClassicLinkToRemoteVpc",
        "AllowEgressFromLocalVpcToRemoteClassicLink",
        "AllowMultipathResilience",
    ] {
        let message = format!("Tombolo does not have the parameter {option}; leave it out.");
        let input = input(&scenario, OF_ACCEPTER, json!({option: true}));
        let code = "UnsupportedOperation";
        backend.refused(MODIFY, input, code, &message).await;
    }
    let message = "The request must contain the parameter accepterPeeringConnectionOptions or \
                   requesterPeeringConnectionOptions";
    backend
        .refused(MODIFY, scenario.named(), "MissingParameter", message)
        .await;
}
