//! DescribeNetworkAcls.

use serde_json::{Value, json};
use tombolo_testkit::ec2::filter;

use crate::document::text;
use crate::server::{BACKEND, STUDIO, Server};

const ACLS: (&str, &str) = ("DescribeNetworkAcls", "NetworkAcls");

#[tokio::test]
async fn a_vpc_has_a_default_acl_that_lets_everything_through() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let id = vpc.replace("vpc-", "acl-");
    let entry = |egress: bool, action: &str, number: i64| {
        json!({
            "CidrBlock": "0.0.0.0/0",
            "Egress": egress,
            "Protocol": "-1",
            "RuleAction": action,
            "RuleNumber": number,
        })
    };
    let expected = json!({
        "NetworkAclId": id,
        "VpcId": vpc,
        "OwnerId": BACKEND,
        "IsDefault": true,
        "Associations": [{
            "NetworkAclAssociationId": subnet.replace("subnet-", "aclassoc-"),
            "NetworkAclId": id,
            "SubnetId": subnet,
        }],
        "Entries": [
            entry(true, "allow", 100),
            entry(true, "deny", 32767),
            entry(false, "allow", 100),
            entry(false, "deny", 32767),
        ],
        "Tags": [],
    });
    assert_eq!(backend.only(ACLS.0, ACLS.1).await, expected);
    // Its id stays, and so do its associations'.
    assert_eq!(backend.only(ACLS.0, ACLS.1).await, expected);
}

#[tokio::test]
async fn acls_are_selected() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    backend.vpc("10.1.0.0/16").await;
    // A fleet's hidden VPC has none that its account sees.
    server.ec2(STUDIO).fleet().await;
    assert!(server.ec2(STUDIO).all(ACLS.0, ACLS.1).await.is_empty());

    let id = vpc.replace("vpc-", "acl-");
    for (name, value, count) in [
        ("association.association-id", "aclassoc-*", 1),
        ("association.network-acl-id", id.as_str(), 1),
        ("association.subnet-id", &subnet, 1),
        ("default", "true", 2),
        ("default", "false", 0),
        ("entry.cidr", "0.0.0.0/0", 2),
        ("entry.egress", "true", 2),
        ("entry.protocol", "-1", 2),
        ("entry.protocol", "tcp", 0),
        ("entry.rule-action", "deny", 2),
        ("entry.rule-number", "100", 2),
        ("network-acl-id", &id, 1),
        ("owner-id", BACKEND, 2),
        ("vpc-id", &vpc, 1),
        ("tag:Name", "*", 0),
    ] {
        let found = backend.filtered(ACLS.0, ACLS.1, filter(name, value));
        assert_eq!(found.await.len(), count, "{name}={value}");
    }
    let found = backend.call(ACLS.0, json!({"NetworkAclIds": [id]})).await;
    assert_eq!(text(&found["NetworkAcls"][0]["VpcId"]), vpc);
    assert_eq!(found["NextToken"], Value::Null);
    for (unknown, code, message) in [
        (
            "acl-00000000000000000",
            "InvalidNetworkAclID.NotFound",
            "The networkAcl ID 'acl-00000000000000000' does not exist",
        ),
        (
            "acl-x",
            "InvalidNetworkAclId.Malformed",
            "Invalid id: \"acl-x\" (expecting \"acl-...\")",
        ),
    ] {
        let input = json!({"NetworkAclIds": [unknown]});
        backend.refused(ACLS.0, input, code, message).await;
    }
}
