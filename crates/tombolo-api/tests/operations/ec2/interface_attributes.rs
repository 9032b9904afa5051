//! ModifyNetworkInterfaceAttribute and DescribeNetworkInterfaceAttribute.

use serde_json::{Value, json};
use tombolo_domain::quota::Quotas;

use crate::document::{text, with};
use crate::server::{BACKEND, Server};

const MODIFY: &str = "ModifyNetworkInterfaceAttribute";
const DESCRIBE: &str = "DescribeNetworkInterfaceAttribute";

#[tokio::test]
async fn groups_are_changed_and_shown() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let interface = text(&backend.interface(&subnet).await["NetworkInterfaceId"]);
    let web = backend.group(&vpc, "web").await;
    let db = backend.group(&vpc, "db").await;
    let input = json!({"NetworkInterfaceId": interface, "Groups": [db, web, db]});
    backend.call(MODIFY, input).await;
    let groups = json!([
        {"GroupId": db, "GroupName": "db"},
        {"GroupId": web, "GroupName": "web"},
    ]);
    let shown = backend
        .only("DescribeNetworkInterfaces", "NetworkInterfaces")
        .await;
    assert_eq!(shown["Groups"], groups);
    let input = json!({"NetworkInterfaceId": interface, "Attribute": "groupSet"});
    let shown = backend.call(DESCRIBE, input).await;
    assert_eq!(
        shown,
        json!({"NetworkInterfaceId": interface, "Groups": groups})
    );
}

#[tokio::test]
async fn other_attributes_are_shown_one_at_a_time() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let interface = text(&backend.interface(&subnet).await["NetworkInterfaceId"]);
    for change in [
        json!({"Description": {"Value": "database"}}),
        json!({"SourceDestCheck": {"Value": true}}),
    ] {
        let input = with(change, "NetworkInterfaceId", interface.as_str());
        backend.call(MODIFY, input).await;
    }
    for (attribute, member, value) in [
        ("description", "Description", json!({"Value": "database"})),
        ("sourceDestCheck", "SourceDestCheck", json!({"Value": true})),
        ("attachment", "Attachment", Value::Null),
        (
            "associatePublicIpAddress",
            "AssociatePublicIpAddress",
            json!(false),
        ),
    ] {
        let input = json!({"NetworkInterfaceId": interface, "Attribute": attribute});
        let shown = backend.call(DESCRIBE, input).await;
        let expected = json!({"NetworkInterfaceId": interface, member: value});
        assert_eq!(shown, expected);
    }
    let input = json!({"NetworkInterfaceId": interface});
    let message = "The request must contain the parameter attribute";
    backend
        .refused(DESCRIBE, input, "MissingParameter", message)
        .await;
}

#[tokio::test]
async fn modify_network_interface_attribute_refuses() {
    let server = Server::with_quotas(Quotas {
        security_groups_per_interface: 2,
        ..Quotas::default()
    });
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let interface = text(&backend.interface(&subnet).await["NetworkInterfaceId"]);
    let mut groups = Vec::new();
    for name in ["a", "b", "c"] {
        groups.push(backend.group(&vpc, name).await);
    }
    let other = backend.vpc("10.1.0.0/16").await;
    let foreign = backend.default_group(&other).await;
    let give =
        |member: &str, value: Value| with(json!({"NetworkInterfaceId": interface}), member, value);
    let too_many = "The maximum number of security groups per interface has been reached: 3 were \
                    given, and the quota is 2.";
    let none = "No attributes specified. Give one of Description, Groups and SourceDestCheck.";
    let foreign_group = format!("The security group '{foreign}' does not exist in VPC '{vpc}'");
    for (input, code, message) in [
        (
            json!({"NetworkInterfaceId": interface}),
            "InvalidParameterCombination",
            none,
        ),
        (
            give("Groups", json!([])),
            "InvalidParameterCombination",
            none,
        ),
        (
            with(
                give("Groups", json!([groups[0]])),
                "Description",
                json!({"Value": "x"}),
            ),
            "InvalidParameterCombination",
            "Fields for multiple attribute types specified. Change one attribute at a time.",
        ),
        (
            give("Groups", json!(["web"])),
            "InvalidGroupId.Malformed",
            "Invalid id: \"web\" (expecting \"sg-...\")",
        ),
        (
            give("Groups", json!([groups[0], foreign])),
            "InvalidGroup.NotFound",
            &foreign_group,
        ),
        (
            give("Groups", json!(groups)),
            "SecurityGroupsPerInterfaceLimitExceeded",
            too_many,
        ),
        (
            give("SourceDestCheck", json!({"Value": false})),
            "UnsupportedOperation",
            "SourceDestCheck cannot be turned off: no interface of Tombolo's sends packets from \
             another's address.",
        ),
        (
            give("SourceDestCheck", json!({})),
            "MissingParameter",
            "The request must contain the parameter sourceDestCheck",
        ),
        (
            give("EnablePrimaryIpv6", json!(true)),
            "UnsupportedOperation",
            "Tombolo does not have the parameter EnablePrimaryIpv6; leave it out.",
        ),
    ] {
        backend.refused(MODIFY, input, code, message).await;
    }
    let input = json!({"SubnetId": subnet, "Groups": groups});
    let code = "SecurityGroupsPerInterfaceLimitExceeded";
    backend
        .refused("CreateNetworkInterface", input, code, too_many)
        .await;
}
