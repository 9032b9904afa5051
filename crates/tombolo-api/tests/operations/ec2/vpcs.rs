//! CreateVpc, DescribeVpcs and DeleteVpc, and what comes and goes with a VPC.

use serde_json::{Value, json};

use crate::document::{text, with};
use crate::server::{AWAY, BACKEND, STUDIO, Server};

#[tokio::test]
async fn a_new_vpc_is_shown_in_full() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let created = backend
        .call(
            "CreateVpc",
            json!({
                "CidrBlock": "10.0.0.18/16",
                "InstanceTenancy": "default",
                "AmazonProvidedIpv6CidrBlock": false,
                "TagSpecifications": [
                    {"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "database"}]},
                ],
            }),
        )
        .await;
    let id = text(&created["Vpc"]["VpcId"]);
    let digits = id.trim_start_matches("vpc-");
    let expected = json!({
        "VpcId": id,
        "OwnerId": BACKEND,
        "State": "available",
        "CidrBlock": "10.0.0.0/16",
        "CidrBlockAssociationSet": [{
            "AssociationId": format!("vpc-cidr-assoc-{digits}"),
            "CidrBlock": "10.0.0.0/16",
            "CidrBlockState": {"State": "associated"},
        }],
        "DhcpOptionsId": "default",
        "InstanceTenancy": "default",
        "IsDefault": false,
        "Tags": [{"Key": "Name", "Value": "database"}],
    });
    assert_eq!(created["Vpc"], expected);
    assert_eq!(backend.only("DescribeVpcs", "Vpcs").await, expected);
    let elsewhere = server.ec2_in(BACKEND, AWAY);
    assert!(elsewhere.all("DescribeVpcs", "Vpcs").await.is_empty());
}

/// As with EC2, `10.0.0.5/16` means `10.0.0.0/16`, in everything that follows from it too.
#[tokio::test]
async fn host_bits_of_a_block_are_dropped() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    for (asked, block) in [
        ("10.0.0.5/16", "10.0.0.0/16"),
        ("10.255.255.255/16", "10.255.0.0/16"),
        ("192.168.1.31/28", "192.168.1.16/28"),
    ] {
        let created = backend.call("CreateVpc", json!({"CidrBlock": asked})).await;
        assert_eq!(created["Vpc"]["CidrBlock"], block);
    }
    let vpc = backend.vpc("10.1.0.5/16").await;
    let subnet = |block: &str| json!({"VpcId": vpc, "CidrBlock": block});
    let created = backend.call("CreateSubnet", subnet("10.1.2.3/24")).await;
    assert_eq!(created["Subnet"]["CidrBlock"], "10.1.2.0/24");
    let refusal = backend
        .refusal("CreateSubnet", subnet("10.1.2.200/24"))
        .await;
    assert_eq!(refusal.code, "InvalidSubnet.Conflict");
}

#[tokio::test]
async fn a_vpc_comes_with_a_main_route_table() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let table = backend.only("DescribeRouteTables", "RouteTables").await;
    let id = text(&table["RouteTableId"]);
    let association = text(&table["Associations"][0]["RouteTableAssociationId"]);
    assert_eq!(
        table,
        json!({
            "RouteTableId": id,
            "VpcId": vpc,
            "OwnerId": BACKEND,
            "Associations": [{
                "Main": true,
                "RouteTableAssociationId": association,
                "RouteTableId": id,
                "SubnetId": null,
                "AssociationState": {"State": "associated"},
            }],
            "PropagatingVgws": [],
            "Routes": [{
                "DestinationCidrBlock": "10.0.0.0/16",
                "GatewayId": "local",
                "VpcPeeringConnectionId": null,
                "Origin": "CreateRouteTable",
                "State": "active",
            }],
            "Tags": [],
        })
    );
}

#[tokio::test]
async fn a_vpc_comes_with_a_default_security_group() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let group = backend
        .only("DescribeSecurityGroups", "SecurityGroups")
        .await;
    let id = text(&group["GroupId"]);
    assert_eq!(
        group,
        json!({
            "GroupId": id,
            "GroupName": "default",
            "Description": "default VPC security group",
            "VpcId": vpc,
            "OwnerId": BACKEND,
            "SecurityGroupArn": format!("arn:aws:ec2:us-west-2:{BACKEND}:security-group/{id}"),
            "IpPermissions": [{
                "IpProtocol": "-1",
                "FromPort": null,
                "ToPort": null,
                "IpRanges": [],
                "UserIdGroupPairs": [{
                    "UserId": BACKEND,
                    "GroupId": id,
                    "VpcId": null,
                    "VpcPeeringConnectionId": null,
                    "PeeringStatus": null,
                    "Description": null,
                }],
                "Ipv6Ranges": [],
                "PrefixListIds": [],
            }],
            "IpPermissionsEgress": [{
                "IpProtocol": "-1",
                "FromPort": null,
                "ToPort": null,
                "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": null}],
                "UserIdGroupPairs": [],
                "Ipv6Ranges": [],
                "PrefixListIds": [],
            }],
            "Tags": [],
        })
    );
}

#[tokio::test]
async fn create_vpc_refuses() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let cidr = |cidr: &str| json!({"CidrBlock": cidr});
    let good = || cidr("10.0.0.0/16");
    let tagged = |kind: Value, tags: Value| {
        json!({
            "CidrBlock": "10.0.0.0/16",
            "TagSpecifications": [{"ResourceType": kind, "Tags": tags}],
        })
    };
    let long = "k".repeat(129);
    let table: Vec<(Value, &str, String)> =
        vec![
        (
            json!({}),
            "MissingParameter",
            "The request must contain the parameter cidrBlock".into(),
        ),
        (
            cidr("10.0.0.0"),
            "InvalidParameterValue",
            "Value (10.0.0.0) for parameter cidrBlock is invalid. This is not a valid CIDR block."
                .into(),
        ),
        (
            cidr("10.0.0.0/15"),
            "InvalidVpc.Range",
            "The CIDR '10.0.0.0/15' is invalid: 10.0.0.0/15 is not between a /16 and a /28.".into(),
        ),
        (
            cidr("10.0.0.0/29"),
            "InvalidVpc.Range",
            "The CIDR '10.0.0.0/29' is invalid: 10.0.0.0/29 is not between a /16 and a /28.".into(),
        ),
        (
            cidr("127.0.0.0/16"),
            "InvalidVpc.Range",
            "The CIDR '127.0.0.0/16' is invalid: 127.0.0.0/16 is not usable: it touches \
             127.0.0.0/8, which is reserved."
                .into(),
        ),
        (
            with(good(), "InstanceTenancy", "dedicated"),
            "UnsupportedOperation",
            "InstanceTenancy dedicated is not supported: Tombolo has no dedicated hardware. Use \
             default."
                .into(),
        ),
        (
            with(good(), "AmazonProvidedIpv6CidrBlock", true),
            "UnsupportedOperation",
            "Tombolo does not have the parameter AmazonProvidedIpv6CidrBlock; leave it out.".into(),
        ),
        (
            json!({"Ipv4IpamPoolId": "ipam-pool-1", "Ipv4NetmaskLength": 16}),
            "UnsupportedOperation",
            "Tombolo does not have the parameter Ipv4IpamPoolId; leave it out.".into(),
        ),
        (
            with(good(), "VpcEncryptionControl", json!({"Mode": "monitor"})),
            "UnsupportedOperation",
            "Tombolo does not have the parameter VpcEncryptionControl; leave it out.".into(),
        ),
        (
            tagged(json!("subnet"), json!([])),
            "InvalidParameterValue",
            "'subnet' is not a valid taggable resource type for this operation; use 'vpc'.".into(),
        ),
        (
            tagged(Value::Null, json!([])),
            "InvalidParameterValue",
            "Tag specification resource type must have a value".into(),
        ),
        (
            tagged(json!("vpc"), json!([{"Key": "a"}, {"Key": "a", "Value": "b"}])),
            "InvalidParameterValue",
            "Duplicate tag key 'a' specified.".into(),
        ),
        (
            tagged(json!("vpc"), json!([{"Key": "aws:owner"}])),
            "InvalidParameterValue",
            "tag key \"aws:owner\": keys that start with aws: are reserved for system use.".into(),
        ),
        (
            tagged(json!("vpc"), json!([{"Key": long}])),
            "InvalidParameterValue",
            format!(
                "tag key {:?}: a key has 1 to 128 characters and a value at most 256.",
                &long[..64]
            ),
        ),
        (
            with(good(), "DryRun", true),
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.".into(),
        ),
    ];
    for (input, code, message) in table {
        backend.refused("CreateVpc", input, code, &message).await;
    }
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_refused_first() {
    let server = Server::new();
    let input = json!({"DryRun": true, "VpcId": "vpc-00000000000000000"});
    let message = "The vpc ID 'vpc-00000000000000000' does not exist";
    server
        .ec2(BACKEND)
        .refused("DeleteVpc", input, "InvalidVpcID.NotFound", message)
        .await;
}

#[tokio::test]
async fn deleting_a_vpc_leaves_nothing_of_it() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    backend.vpc("10.1.0.0/16").await;
    let before = server.keys("").await;

    let vpc = backend.vpc("10.0.0.0/16").await;
    let all = backend.all("DescribeRouteTables", "RouteTables").await;
    let table = all.iter().find(|table| table["VpcId"] == vpc.as_str());
    let all = backend
        .all("DescribeSecurityGroups", "SecurityGroups")
        .await;
    let group = all.iter().find(|group| group["VpcId"] == vpc.as_str());
    let resources = json!([
        vpc,
        table.unwrap()["RouteTableId"],
        group.unwrap()["GroupId"]
    ]);
    let tags = json!([{"Key": "Name", "Value": "database"}]);
    let input = json!({"Resources": resources, "Tags": tags});
    backend.call("CreateTags", input).await;
    backend.authorize(STUDIO, &vpc).await;

    backend.call("DeleteVpc", json!({"VpcId": vpc})).await;
    assert_eq!(server.keys("").await, before);
}

#[tokio::test]
async fn a_vpc_with_a_subnet_stays() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let other = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let message =
        format!("The vpc '{vpc}' has dependencies and cannot be deleted; delete {subnet} first.");
    let input = json!({"VpcId": vpc});
    backend
        .refused("DeleteVpc", input, "DependencyViolation", &message)
        .await;
    backend.call("DeleteVpc", json!({"VpcId": other})).await;
}
