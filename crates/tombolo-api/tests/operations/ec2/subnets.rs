//! CreateSubnet, DescribeSubnets and DeleteSubnet.

use serde_json::{Value, json};

use crate::document::{text, with};
use crate::server::{BACKEND, Server};

#[tokio::test]
async fn a_new_subnet_is_shown_in_full() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let created = backend
        .call(
            "CreateSubnet",
            json!({
                "VpcId": vpc,
                "CidrBlock": "10.0.1.7/24",
                "AvailabilityZoneId": "usw2-az2",
                "TagSpecifications": [{"ResourceType": "subnet", "Tags": [{"Key": "tier"}]}],
            }),
        )
        .await;
    let id = text(&created["Subnet"]["SubnetId"]);
    let expected = json!({
        "SubnetId": id,
        "SubnetArn": format!("arn:aws:ec2:us-west-2:{BACKEND}:subnet/{id}"),
        "VpcId": vpc,
        "OwnerId": BACKEND,
        "State": "available",
        "CidrBlock": "10.0.1.0/24",
        "AvailabilityZone": "us-west-2b",
        "AvailabilityZoneId": "usw2-az2",
        "AvailableIpAddressCount": 251,
        "DefaultForAz": false,
        "MapPublicIpOnLaunch": false,
        "MapCustomerOwnedIpOnLaunch": false,
        "AssignIpv6AddressOnCreation": false,
        "Ipv6CidrBlockAssociationSet": [],
        "Ipv6Native": false,
        "EnableDns64": false,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": false,
            "EnableResourceNameDnsAAAARecord": false,
        },
        "Tags": [{"Key": "tier", "Value": ""}],
    });
    assert_eq!(created["Subnet"], expected);
    assert_eq!(backend.only("DescribeSubnets", "Subnets").await, expected);
}

#[tokio::test]
async fn interfaces_take_addresses_off_the_count() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/28").await;
    let count = async || {
        let subnet = backend.only("DescribeSubnets", "Subnets").await;
        subnet["AvailableIpAddressCount"].clone()
    };
    assert_eq!(count().await, 11);
    backend.interface(&subnet).await;
    backend.interface(&subnet).await;
    assert_eq!(count().await, 9);
}

#[tokio::test]
async fn subnets_fill_a_vpc_side_by_side() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/24").await;
    let twin = backend.vpc("10.0.0.0/24").await;
    for vpc in [vpc, twin] {
        backend.subnet(&vpc, "10.0.0.0/25").await;
        backend.subnet(&vpc, "10.0.0.128/25").await;
    }
}

#[tokio::test]
async fn create_subnet_refuses() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let taken = backend.subnet(&vpc, "10.0.1.0/24").await;
    let cidr = |cidr: &str| json!({"VpcId": vpc, "CidrBlock": cidr});
    let good = || cidr("10.0.2.0/24");
    let table: Vec<(Value, &str, String)> = vec![
        (
            json!({"VpcId": "subnet-1", "CidrBlock": "10.0.2.0/24"}),
            "InvalidVpcID.Malformed",
            "Invalid id: \"subnet-1\" (expecting \"vpc-...\")".into(),
        ),
        (
            json!({"VpcId": "vpc-0a1b2c3d", "CidrBlock": "10.0.2.0/24"}),
            "InvalidVpcID.NotFound",
            "The vpc ID 'vpc-0a1b2c3d' does not exist".into(),
        ),
        (
            json!({"VpcId": vpc}),
            "MissingParameter",
            "The request must contain the parameter cidrBlock".into(),
        ),
        (
            cidr("10.0.2.0/29"),
            "InvalidSubnet.Range",
            "The CIDR '10.0.2.0/29' is invalid: 10.0.2.0/29 is not between a /16 and a /28.".into(),
        ),
        (
            cidr("10.1.0.0/24"),
            "InvalidSubnet.Range",
            format!(
                "The CIDR '10.1.0.0/24' is invalid: VPC {vpc} has 10.0.0.0/16, and a subnet's \
                 block is within one block of its VPC."
            ),
        ),
        (
            cidr("10.0.0.0/23"),
            "InvalidSubnet.Conflict",
            format!(
                "The CIDR '10.0.0.0/23' conflicts with another subnet: {taken} has 10.0.1.0/24."
            ),
        ),
        (
            with(good(), "AvailabilityZone", "us-west-2d"),
            "InvalidParameterValue",
            "Value (us-west-2d) for parameter availabilityZone is invalid. Subnets can be created \
             in the following Availability Zones: us-west-2a, us-west-2b, us-west-2c."
                .into(),
        ),
        (
            with(good(), "AvailabilityZoneId", "use1-az1"),
            "InvalidParameterValue",
            "Value (use1-az1) for parameter availabilityZoneId is invalid. Subnets can be created \
             in the following Availability Zones: us-west-2a, us-west-2b, us-west-2c."
                .into(),
        ),
        (
            with(
                with(good(), "AvailabilityZoneId", "usw2-az1"),
                "AvailabilityZone",
                "us-west-2a",
            ),
            "InvalidParameterCombination",
            "The parameters availabilityZone and availabilityZoneId cannot be used together; use \
             one of them."
                .into(),
        ),
        (
            with(good(), "Ipv6Native", true),
            "UnsupportedOperation",
            "Tombolo does not have the parameter Ipv6Native; leave it out.".into(),
        ),
        (
            with(good(), "DryRun", true),
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.".into(),
        ),
    ];
    for (input, code, message) in table {
        backend.refused("CreateSubnet", input, code, &message).await;
    }
}

#[tokio::test]
async fn a_subnet_goes_when_it_is_empty_and_its_tags_with_it() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let before = server.keys("").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let tags = json!({"Resources": [subnet], "Tags": [{"Key": "Name"}]});
    backend.call("CreateTags", tags).await;
    let interface = text(&backend.interface(&subnet).await["NetworkInterfaceId"]);

    let message = format!(
        "The subnet '{subnet}' has dependencies and cannot be deleted; delete {interface} first."
    );
    let delete = json!({"SubnetId": subnet});
    backend
        .refused(
            "DeleteSubnet",
            delete.clone(),
            "DependencyViolation",
            &message,
        )
        .await;
    let input = json!({"NetworkInterfaceId": interface});
    backend.call("DeleteNetworkInterface", input).await;
    backend.call("DeleteSubnet", delete.clone()).await;
    assert_eq!(server.keys("").await, before);

    let message = format!("The subnet ID '{subnet}' does not exist");
    backend
        .refused("DeleteSubnet", delete, "InvalidSubnetID.NotFound", &message)
        .await;
}
