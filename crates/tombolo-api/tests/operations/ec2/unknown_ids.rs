//! An id that nothing has is refused in EC2's words for its kind. That what others have, or a fleet
//! hides, is answered like that, too, is a test of all services:
//! `tombolo-objects/tests/account_isolation`.

use serde_json::{Value, json};

use crate::server::{BACKEND, Server};

/// Operations that take an id, with `ids` where they take them, the error of whoever does not have
/// the resource, and its message.
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
    let peering = (
        "InvalidVpcPeeringConnectionID.NotFound",
        format!(
            "The vpcPeeringConnection ID '{}' does not exist",
            ids.peering
        ),
    );
    let connection = || json!({"VpcPeeringConnectionId": ids.peering});
    let route = |table: &str| {
        json!({
            "RouteTableId": table,
            "DestinationCidrBlock": "10.9.0.0/16",
            "VpcPeeringConnectionId": ids.peering,
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
        (
            "CreateVpcPeeringConnection",
            json!({"VpcId": ids.vpc, "PeerVpcId": ids.vpc}),
            &vpc,
        ),
        ("AcceptVpcPeeringConnection", connection(), &peering),
        ("RejectVpcPeeringConnection", connection(), &peering),
        ("DeleteVpcPeeringConnection", connection(), &peering),
        (
            "DescribeVpcPeeringConnections",
            json!({"VpcPeeringConnectionIds": [ids.peering]}),
            &peering,
        ),
        (
            "ModifyVpcPeeringConnectionOptions",
            json!({
                "VpcPeeringConnectionId": ids.peering,
                "AccepterPeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": true},
            }),
            &peering,
        ),
        ("CreateTags", tags(&ids.peering), &peering),
        ("DeleteTags", tags(&ids.peering), &peering),
    ];
    let cases = cases.into_iter();
    cases
        .map(|(operation, input, (code, message))| (operation, input, *code, message.clone()))
        .collect()
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
        peering: "pcx-00000000000000000".to_owned(),
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
    peering: String,
}

#[tokio::test]
async fn an_unknown_id_is_refused_in_the_words_of_its_kind() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    for (operation, input, code, message) in by_id(&never()) {
        backend.refused(operation, input, code, &message).await;
    }
}
