//! ModifyVpcAttribute and DescribeVpcAttribute, and ModifySubnetAttribute.

use serde_json::{Value, json};

use crate::account::Account;
use crate::server::{BACKEND, Server};

const ATTRIBUTES: [(&str, &str); 3] = [
    ("enableDnsSupport", "EnableDnsSupport"),
    ("enableDnsHostnames", "EnableDnsHostnames"),
    (
        "enableNetworkAddressUsageMetrics",
        "EnableNetworkAddressUsageMetrics",
    ),
];

/// A VPC's attributes, in the order of [`ATTRIBUTES`].
async fn attributes_of(account: &Account<'_>, vpc: &str) -> Vec<bool> {
    let mut values = Vec::new();
    for (name, member) in ATTRIBUTES {
        let input = json!({"VpcId": vpc, "Attribute": name});
        let shown = account.call("DescribeVpcAttribute", input).await;
        assert_eq!(shown["VpcId"], vpc);
        let others = ATTRIBUTES.iter().filter(|(_, other)| *other != member);
        for (_, other) in others {
            assert_eq!(shown[other], Value::Null, "{name} shows {other}");
        }
        values.push(shown[member]["Value"].as_bool().unwrap());
    }
    values
}

async fn set(account: &Account<'_>, vpc: &str, member: &str, value: bool) {
    let input = json!({"VpcId": vpc, member: {"Value": value}});
    account.call("ModifyVpcAttribute", input).await;
}

#[tokio::test]
async fn attributes_are_kept_each_for_itself() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    assert_eq!(attributes_of(&backend, &vpc).await, [true, false, false]);
    set(&backend, &vpc, "EnableDnsHostnames", true).await;
    assert_eq!(attributes_of(&backend, &vpc).await, [true, true, false]);
    let metrics = "EnableNetworkAddressUsageMetrics";
    set(&backend, &vpc, metrics, true).await;
    assert_eq!(attributes_of(&backend, &vpc).await, [true, true, true]);
    set(&backend, &vpc, "EnableDnsHostnames", false).await;
    set(&backend, &vpc, "EnableDnsSupport", false).await;
    assert_eq!(attributes_of(&backend, &vpc).await, [false, false, true]);
}

#[tokio::test]
async fn modify_vpc_attribute_refuses() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    set(&backend, &vpc, "EnableDnsSupport", false).await;
    let yes = json!({"Value": true});
    for (input, code, message) in [
        (
            json!({"VpcId": vpc, "EnableDnsSupport": yes, "EnableDnsHostnames": yes}),
            "InvalidParameterCombination",
            "Only one attribute can be modified at a time: EnableDnsSupport, EnableDnsHostnames or \
             EnableNetworkAddressUsageMetrics."
                .to_owned(),
        ),
        (
            json!({"VpcId": vpc}),
            "InvalidParameterCombination",
            "No attributes specified; name one.".to_owned(),
        ),
        (
            json!({"VpcId": vpc, "EnableDnsHostnames": yes}),
            "InvalidParameterValue",
            format!(
                "DNS hostnames of VPC {vpc} cannot be enabled while its DNS support is disabled; \
                 enable that first."
            ),
        ),
        (
            json!({"VpcId": "vpc-00000000000000000", "EnableDnsSupport": yes}),
            "InvalidVpcID.NotFound",
            "The vpc ID 'vpc-00000000000000000' does not exist".to_owned(),
        ),
    ] {
        let operation = "ModifyVpcAttribute";
        backend.refused(operation, input, code, &message).await;
    }
}

#[tokio::test]
async fn a_subnets_attributes_can_be_set_to_what_they_are() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let no = json!({"Value": false});
    let before = backend.only("DescribeSubnets", "Subnets").await;
    for (member, value) in [
        ("MapPublicIpOnLaunch", no.clone()),
        ("AssignIpv6AddressOnCreation", no.clone()),
        ("EnableDns64", no.clone()),
        ("MapCustomerOwnedIpOnLaunch", no.clone()),
        ("EnableResourceNameDnsARecordOnLaunch", no.clone()),
        ("EnableResourceNameDnsAAAARecordOnLaunch", no),
        ("PrivateDnsHostnameTypeOnLaunch", json!("ip-name")),
    ] {
        let input = json!({"SubnetId": subnet, member: value});
        backend.call("ModifySubnetAttribute", input).await;
    }
    assert_eq!(backend.only("DescribeSubnets", "Subnets").await, before);
}

#[tokio::test]
async fn modify_subnet_attribute_refuses() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let (yes, no) = (json!({"Value": true}), json!({"Value": false}));
    for (input, code, message) in [
        (
            json!({"SubnetId": subnet, "MapPublicIpOnLaunch": yes}),
            "UnsupportedOperation",
            "Tombolo does not have the parameter MapPublicIpOnLaunch; leave it out.",
        ),
        (
            json!({"SubnetId": subnet, "PrivateDnsHostnameTypeOnLaunch": "resource-name"}),
            "UnsupportedOperation",
            "PrivateDnsHostnameTypeOnLaunch resource-name is not supported: Tombolo names no \
             hosts. Use ip-name.",
        ),
        (
            json!({"SubnetId": subnet, "MapPublicIpOnLaunch": no, "EnableDns64": no}),
            "InvalidParameterCombination",
            "One attribute can be modified at a time, and the request has 2; use a request for \
             each.",
        ),
        (
            json!({"SubnetId": subnet}),
            "InvalidParameterCombination",
            "One attribute can be modified at a time, and the request has 0; use a request for \
             each.",
        ),
        (
            json!({"SubnetId": "subnet-00000000000000000", "EnableDns64": no}),
            "InvalidSubnetID.NotFound",
            "The subnet ID 'subnet-00000000000000000' does not exist",
        ),
    ] {
        let operation = "ModifySubnetAttribute";
        backend.refused(operation, input, code, message).await;
    }
}
