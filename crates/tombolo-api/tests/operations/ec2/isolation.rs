//! What belongs to another account, to another Region or to a fleet is unknown, in the same words
//! as what never was.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tombolo_api::model::ServiceName;
use tombolo_api::operation::ResourceType;
use tombolo_api::registry;
use tombolo_domain::id::VpcCidrAssociationId;
use tombolo_store::keys;

use crate::account::Account;
use crate::document::text;
use crate::server::{AWAY, BACKEND, STRANGER, STUDIO, Server};

/// Every operation that takes an id, with `ids` where it takes them, the error it gives to whoever
/// does not have the resource, and the words of its message before the id.
fn by_id(ids: &Ids) -> Vec<(&'static str, Value, &'static str, String)> {
    let vpc = (
        "InvalidVpcID.NotFound",
        format!("The vpc ID '{}' does not exist", ids.vpc),
    );
    let subnet = (
        "InvalidSubnetID.NotFound",
        format!("The subnet ID '{}' does not exist", ids.subnet),
    );
    let interface = (
        "InvalidNetworkInterfaceID.NotFound",
        format!("The networkInterface ID '{}' does not exist", ids.interface),
    );
    let table = (
        "InvalidRouteTableID.NotFound",
        format!("The routeTable ID '{}' does not exist", ids.table),
    );
    let association = (
        "InvalidAssociationID.NotFound",
        format!("The association ID '{}' does not exist", ids.association),
    );
    let block = (
        "InvalidVpcCidrBlockAssociationID.NotFound",
        format!(
            "The vpc CIDR block association ID '{}' does not exist",
            ids.block
        ),
    );
    let route = |table: &str| {
        json!({
            "RouteTableId": table,
            "DestinationCidrBlock": "10.9.0.0/16",
            "VpcPeeringConnectionId": "pcx-00000000000000000",
        })
    };
    let group = (
        "InvalidGroup.NotFound",
        format!("The security group '{}' does not exist", ids.group),
    );
    let rule = (
        "InvalidSecurityGroupRuleId.NotFound",
        format!("The security group rule ID '{}' does not exist", ids.rule),
    );
    let permissions = |group: &str| {
        let permission = json!({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]});
        json!({"GroupId": group, "IpPermissions": [permission]})
    };
    let tags = |id: &str| json!({"Resources": [id], "Tags": [{"Key": "mine", "Value": ""}]});
    let cases = [
        ("DescribeVpcs", json!({"VpcIds": [ids.vpc]}), &vpc),
        ("DeleteVpc", json!({"VpcId": ids.vpc}), &vpc),
        (
            "ModifyVpcAttribute",
            json!({"VpcId": ids.vpc, "EnableDnsSupport": {"Value": true}}),
            &vpc,
        ),
        (
            "DescribeVpcAttribute",
            json!({"VpcId": ids.vpc, "Attribute": "enableDnsSupport"}),
            &vpc,
        ),
        (
            "AssociateVpcCidrBlock",
            json!({"VpcId": ids.vpc, "CidrBlock": "10.9.0.0/16"}),
            &vpc,
        ),
        (
            "DisassociateVpcCidrBlock",
            json!({"AssociationId": ids.block}),
            &block,
        ),
        ("CreateRouteTable", json!({"VpcId": ids.vpc}), &vpc),
        (
            "DeleteRouteTable",
            json!({"RouteTableId": ids.table}),
            &table,
        ),
        (
            "AssociateRouteTable",
            json!({"RouteTableId": ids.table, "SubnetId": ids.subnet}),
            &table,
        ),
        (
            "DisassociateRouteTable",
            json!({"AssociationId": ids.association}),
            &association,
        ),
        (
            "ReplaceRouteTableAssociation",
            json!({"AssociationId": ids.association, "RouteTableId": ids.table}),
            &association,
        ),
        ("CreateRoute", route(&ids.table), &table),
        ("ReplaceRoute", route(&ids.table), &table),
        (
            "DeleteRoute",
            json!({"RouteTableId": ids.table, "DestinationCidrBlock": "10.9.0.0/16"}),
            &table,
        ),
        (
            "ModifySubnetAttribute",
            json!({"SubnetId": ids.subnet, "MapPublicIpOnLaunch": {"Value": false}}),
            &subnet,
        ),
        ("CreateTags", tags(&ids.vpc), &vpc),
        ("DeleteTags", tags(&ids.vpc), &vpc),
        (
            "CreateSubnet",
            json!({"VpcId": ids.vpc, "CidrBlock": "10.0.9.0/24"}),
            &vpc,
        ),
        (
            "DescribeSubnets",
            json!({"SubnetIds": [ids.subnet]}),
            &subnet,
        ),
        ("DeleteSubnet", json!({"SubnetId": ids.subnet}), &subnet),
        ("CreateTags", tags(&ids.subnet), &subnet),
        (
            "CreateNetworkInterface",
            json!({"SubnetId": ids.subnet}),
            &subnet,
        ),
        (
            "DescribeNetworkInterfaces",
            json!({"NetworkInterfaceIds": [ids.interface]}),
            &interface,
        ),
        (
            "DeleteNetworkInterface",
            json!({"NetworkInterfaceId": ids.interface}),
            &interface,
        ),
        ("CreateTags", tags(&ids.interface), &interface),
        (
            "DescribeRouteTables",
            json!({"RouteTableIds": [ids.table]}),
            &table,
        ),
        ("CreateTags", tags(&ids.table), &table),
        (
            "DescribeSecurityGroups",
            json!({"GroupIds": [ids.group]}),
            &group,
        ),
        ("CreateTags", tags(&ids.group), &group),
        ("DeleteSecurityGroup", json!({"GroupId": ids.group}), &group),
        (
            "CreateSecurityGroup",
            json!({"GroupName": "mine", "Description": "mine", "VpcId": ids.vpc}),
            &vpc,
        ),
        (
            "AuthorizeSecurityGroupIngress",
            permissions(&ids.group),
            &group,
        ),
        (
            "AuthorizeSecurityGroupEgress",
            permissions(&ids.group),
            &group,
        ),
        (
            "RevokeSecurityGroupIngress",
            permissions(&ids.group),
            &group,
        ),
        ("RevokeSecurityGroupEgress", permissions(&ids.group), &group),
        (
            "UpdateSecurityGroupRuleDescriptionsIngress",
            permissions(&ids.group),
            &group,
        ),
        (
            "UpdateSecurityGroupRuleDescriptionsEgress",
            permissions(&ids.group),
            &group,
        ),
        (
            "ModifySecurityGroupRules",
            json!({"GroupId": ids.group, "SecurityGroupRules": [{
                "SecurityGroupRuleId": ids.rule,
                "SecurityGroupRule": {"IpProtocol": "-1", "CidrIpv4": "0.0.0.0/0"},
            }]}),
            &group,
        ),
        (
            "DescribeSecurityGroupReferences",
            json!({"GroupId": [ids.group]}),
            &group,
        ),
        (
            "DescribeStaleSecurityGroups",
            json!({"VpcId": ids.vpc}),
            &vpc,
        ),
        (
            "DescribeSecurityGroupRules",
            json!({"SecurityGroupRuleIds": [ids.rule]}),
            &rule,
        ),
        ("CreateTags", tags(&ids.rule), &rule),
        (
            "ModifyNetworkInterfaceAttribute",
            json!({"NetworkInterfaceId": ids.interface, "Description": {"Value": "mine"}}),
            &interface,
        ),
        (
            "DescribeNetworkInterfaceAttribute",
            json!({"NetworkInterfaceId": ids.interface, "Attribute": "groupSet"}),
            &interface,
        ),
    ];
    let cases = cases.into_iter();
    cases
        .map(|(operation, input, (code, message))| (operation, input, *code, message.clone()))
        .collect()
}

/// Those on a resource that are not in the table: what is to be made has no id yet, and connections
/// are seen from both ends, as the tests of peering have it.
const NOT_BY_ID: [&str; 6] = [
    "AcceptVpcPeeringConnection",
    "CreateVpc",
    "CreateVpcPeeringConnection",
    "DeleteVpcPeeringConnection",
    "ModifyVpcPeeringConnectionOptions",
    "RejectVpcPeeringConnection",
];

#[test]
fn every_operation_on_a_resource_is_in_the_table() {
    let rows = registry::operations(ServiceName::Ec2).iter();
    let on_a_resource: BTreeSet<_> = rows
        .filter(|row| row.resource != ResourceType::Any)
        .map(|row| row.name)
        .collect();
    let tried = by_id(&never()).into_iter().map(|(name, ..)| name);
    let tried: BTreeSet<_> = tried.chain(NOT_BY_ID).collect();
    let missing: Vec<_> = on_a_resource.difference(&tried).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
}

/// Ids that nothing ever had.
fn never() -> Ids {
    Ids {
        vpc: "vpc-00000000000000000".to_owned(),
        subnet: "subnet-00000000000000000".to_owned(),
        interface: "eni-00000000000000000".to_owned(),
        table: "rtb-00000000000000000".to_owned(),
        association: "rtbassoc-00000000000000000".to_owned(),
        block: "vpc-cidr-assoc-00000000000000000".to_owned(),
        group: "sg-00000000000000000".to_owned(),
        rule: "sgr-00000000000000000".to_owned(),
    }
}

/// One of each kind of resource.
struct Ids {
    vpc: String,
    subnet: String,
    interface: String,
    table: String,
    association: String,
    block: String,
    group: String,
    rule: String,
}

async fn require_unknown(caller: &Account<'_>, ids: &Ids) {
    for (operation, input, code, message) in by_id(ids) {
        caller.refused(operation, input, code, &message).await;
    }
    for (operation, list) in [
        ("DescribeVpcs", "Vpcs"),
        ("DescribeSubnets", "Subnets"),
        ("DescribeNetworkInterfaces", "NetworkInterfaces"),
        ("DescribeRouteTables", "RouteTables"),
        ("DescribeNetworkAcls", "NetworkAcls"),
        ("DescribeSecurityGroups", "SecurityGroups"),
        ("DescribeSecurityGroupRules", "SecurityGroupRules"),
        ("DescribeVpcPeeringConnections", "VpcPeeringConnections"),
        ("DescribeTags", "Tags"),
    ] {
        let shown = caller.all(operation, list).await;
        assert_eq!(shown, Vec::<Value>::new(), "{operation}");
    }
}

#[tokio::test]
async fn what_others_have_is_like_what_never_was() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let interface = backend.interface(&subnet).await;
    let table = backend.only("DescribeRouteTables", "RouteTables").await;
    let tags = json!({"Resources": [vpc], "Tags": [{"Key": "Name"}]});
    backend.call("CreateTags", tags).await;
    let group = text(&interface["Groups"][0]["GroupId"]);
    let ids = Ids {
        block: backend.add_block(&vpc, "10.8.0.0/16").await,
        vpc,
        subnet,
        rule: text(&backend.rules(&group).await[0]["SecurityGroupRuleId"]),
        group,
        interface: text(&interface["NetworkInterfaceId"]),
        table: text(&table["RouteTableId"]),
        association: text(&table["Associations"][0]["RouteTableAssociationId"]),
    };
    for caller in [server.ec2(STUDIO), server.ec2_in(BACKEND, AWAY)] {
        require_unknown(&caller, &ids).await;
        require_unknown(&caller, &never()).await;
    }
}

#[tokio::test]
async fn a_fleets_hidden_network_is_unknown_to_its_own_account() {
    let server = Server::new();
    let studio = server.ec2(STUDIO);
    let fleet = studio.fleet().await;
    let scope = studio.scope();
    let mut tx = server.transaction();
    let [vpc] = &tx.peek(&keys::vpcs(&scope)).await.unwrap()[..] else {
        panic!("a fleet has one VPC");
    };
    assert!(vpc.fleet.is_some());
    let subnets = tx.peek(&keys::subnets(&scope)).await.unwrap();
    let tables = tx.peek(&keys::route_tables(&scope)).await.unwrap();
    let groups = tx.peek(&keys::security_groups(&scope)).await.unwrap();
    studio.instance(&fleet, |_| {}).await;
    let interface = &tx.peek(&keys::interfaces(&scope)).await.unwrap()[0];
    let ids = Ids {
        vpc: vpc.id.to_string(),
        subnet: subnets[0].id.to_string(),
        interface: interface.id.to_string(),
        table: tables[0].id.to_string(),
        association: tables[0].main.clone().unwrap().to_string(),
        block: VpcCidrAssociationId::primary_of(&vpc.id).to_string(),
        group: groups[0].id.to_string(),
        rule: groups[0].rules[0].id.to_string(),
    };
    require_unknown(&studio, &ids).await;
}

#[tokio::test]
async fn a_third_account_does_not_see_a_connection() {
    let server = Server::new();
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let vpc = backend.vpc("10.0.0.0/16").await;
    let fleet = studio.fleet().await;
    backend.authorize(STUDIO, &vpc).await;
    studio.connect(&fleet, BACKEND, &vpc).await;
    let id = server.only_connection().await.id;
    let message = format!("The vpcPeeringConnection ID '{id}' does not exist");
    let code = "InvalidVpcPeeringConnectionID.NotFound";
    for stranger in [
        server.ec2(STRANGER),
        server.ec2_in(BACKEND, AWAY),
        server.ec2_in(STUDIO, AWAY),
    ] {
        for (operation, input) in [
            (
                "DescribeVpcPeeringConnections",
                json!({"VpcPeeringConnectionIds": [id]}),
            ),
            ("CreateTags", json!({"Resources": [id], "Tags": []})),
            ("DeleteTags", json!({"Resources": [id]})),
        ] {
            stranger.refused(operation, input, code, &message).await;
        }
        let shown = stranger
            .all("DescribeVpcPeeringConnections", "VpcPeeringConnections")
            .await;
        assert!(shown.is_empty());
    }
}
