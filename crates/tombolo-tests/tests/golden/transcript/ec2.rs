//! EC2.

use tombolo_tests::{scenario, wait};

use super::Transcript;
use super::Who::{Backend, Studio};

pub(super) fn converse(t: &mut Transcript) {
    places(t);
    let vpc = vpcs(t);
    let subnet = subnets(t, &vpc);
    let group = groups(t, &vpc);
    rules(t, &group);
    interfaces(t, &subnet, &group);
    route_tables(t, &vpc, &subnet);
    let (other, connection) = peering(t, &vpc);
    routes(t, &vpc, &connection);
    groups_of_the_other_side(t, &vpc, &other, &group);
    tags(t, &vpc);
    end_of_peering(t, &connection);
    deletion(t, &vpc, &subnet, &group);
    refused_everywhere(t);
}

fn places(t: &mut Transcript) {
    t.ec2(Backend, "DescribeRegions", &[]);
    t.ec2(Backend, "DescribeRegions", &[("RegionName.1", "eu-west-1")]);
    t.ec2(Backend, "DescribeRegions", &[("RegionName.1", "mars-1")]);
    t.ec2(Backend, "DescribeAvailabilityZones", &[]);
    t.ec2(
        Backend,
        "DescribeAvailabilityZones",
        &[("ZoneName.1", "mars-1a")],
    );
    t.ec2(Backend, "DescribeAccountAttributes", &[]);
    t.ec2(
        Backend,
        "DescribeAccountAttributes",
        &[("AttributeName.1", "height")],
    );
}

/// Makes a VPC, and leaves it with a further block.
fn vpcs(t: &mut Transcript) -> String {
    t.ec2(Backend, "CreateVpc", &[]);
    t.ec2(Backend, "CreateVpc", &[("CidrBlock", "10.0.0.0/8")]);
    t.ec2(Backend, "CreateVpc", &[("CidrBlock", "ten")]);
    t.ec2(
        Backend,
        "CreateVpc",
        &[
            ("CidrBlock", "10.0.0.0/16"),
            ("InstanceTenancy", "dedicated"),
        ],
    );
    t.ec2(
        Backend,
        "CreateVpc",
        &[("CidrBlock", "10.0.0.0/16"), ("DryRun", "true")],
    );
    let made = t.ec2(
        Backend,
        "CreateVpc",
        &[
            ("CidrBlock", "10.0.0.0/16"),
            ("TagSpecification.1.ResourceType", "vpc"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
            ("TagSpecification.1.Tag.1.Value", "backend & database"),
        ],
    );
    let vpc = made.text("vpcId");
    t.walk_ec2(Backend, "DescribeVpcs", &[("VpcId.1", &vpc)]);
    t.ec2(Backend, "DescribeVpcs", &[("VpcId.1", "vpc-1")]);
    t.ec2(
        Backend,
        "DescribeVpcs",
        &[("Filter.1.Name", "cidr"), ("Filter.1.Value.1", "10.0.*")],
    );
    t.ec2(
        Backend,
        "DescribeVpcs",
        &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")],
    );
    t.ec2(Backend, "DescribeVpcs", &[("MaxResults", "5")]);
    t.ec2(
        Backend,
        "DescribeVpcs",
        &[("MaxResults", "5"), ("VpcId.1", &vpc)],
    );
    t.ec2(Backend, "DescribeVpcs", &[("NextToken", "nonsense")]);
    t.walk_ec2(
        Backend,
        "DescribeVpcAttribute",
        &[("VpcId", &vpc), ("Attribute", "enableDnsSupport")],
    );
    t.walk_ec2(
        Backend,
        "ModifyVpcAttribute",
        &[("VpcId", &vpc), ("EnableDnsHostnames.Value", "true")],
    );
    t.ec2(
        Backend,
        "DescribeVpcAttribute",
        &[("VpcId", &vpc), ("Attribute", "enableDnsHostnames")],
    );
    let added = t.walk_ec2(
        Backend,
        "AssociateVpcCidrBlock",
        &[("VpcId", &vpc), ("CidrBlock", "10.10.0.0/16")],
    );
    let block = added.text("associationId");
    t.ec2(
        Backend,
        "AssociateVpcCidrBlock",
        &[("VpcId", &vpc), ("CidrBlock", "10.0.1.0/24")],
    );
    t.walk_ec2(
        Backend,
        "DisassociateVpcCidrBlock",
        &[("AssociationId", &block)],
    );
    t.ec2(
        Backend,
        "AssociateVpcCidrBlock",
        &[("VpcId", &vpc), ("CidrBlock", "10.11.0.0/16")],
    );
    t.ec2(Backend, "DescribeVpcs", &[]);
    t.walk_ec2(
        Backend,
        "DescribeNetworkAcls",
        &[("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &vpc)],
    );
    t.ec2(
        Backend,
        "DescribeNetworkAcls",
        &[("NetworkAclId.1", "acl-00000000000000000")],
    );
    vpc
}

fn subnets(t: &mut Transcript, vpc: &str) -> String {
    let made = t.walk_ec2(
        Backend,
        "CreateSubnet",
        &[
            ("VpcId", vpc),
            ("CidrBlock", "10.0.1.0/24"),
            ("AvailabilityZone", "us-west-2b"),
        ],
    );
    let subnet = made.text("subnetId");
    t.ec2(
        Backend,
        "CreateSubnet",
        &[("VpcId", vpc), ("CidrBlock", "10.0.1.128/25")],
    );
    t.ec2(
        Backend,
        "CreateSubnet",
        &[("VpcId", vpc), ("CidrBlock", "10.9.1.0/24")],
    );
    t.walk_ec2(Backend, "DescribeSubnets", &[("SubnetId.1", &subnet)]);
    t.walk_ec2(
        Backend,
        "ModifySubnetAttribute",
        &[
            ("SubnetId", &subnet),
            ("MapPublicIpOnLaunch.Value", "false"),
        ],
    );
    t.ec2(
        Backend,
        "ModifySubnetAttribute",
        &[("SubnetId", &subnet), ("MapPublicIpOnLaunch.Value", "true")],
    );
    subnet
}

fn groups(t: &mut Transcript, vpc: &str) -> String {
    let made = t.walk_ec2(
        Backend,
        "CreateSecurityGroup",
        &[
            ("GroupName", "database"),
            ("GroupDescription", "what the fleets talk to"),
            ("VpcId", vpc),
            ("TagSpecification.1.ResourceType", "security-group"),
            ("TagSpecification.1.Tag.1.Key", "stage"),
            ("TagSpecification.1.Tag.1.Value", "test"),
        ],
    );
    let group = made.text("groupId");
    t.ec2(
        Backend,
        "CreateSecurityGroup",
        &[
            ("GroupName", "database"),
            ("GroupDescription", "again"),
            ("VpcId", vpc),
        ],
    );
    t.ec2(
        Backend,
        "CreateSecurityGroup",
        &[
            ("GroupName", "default"),
            ("GroupDescription", "another"),
            ("VpcId", vpc),
        ],
    );
    t.walk_ec2(Backend, "DescribeSecurityGroups", &[("GroupId.1", &group)]);
    t.ec2(Backend, "DescribeSecurityGroups", &[]);
    t.ec2(
        Backend,
        "DescribeSecurityGroups",
        &[("GroupName.1", "database")],
    );
    group
}

fn rules(t: &mut Transcript, group: &str) {
    t.ec2(
        Backend,
        "DescribeSecurityGroupRules",
        &[("Filter.1.Name", "group-id"), ("Filter.1.Value.1", group)],
    );
    let inbound = t.walk_ec2(
        Backend,
        "AuthorizeSecurityGroupIngress",
        &[
            ("GroupId", group),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "5432"),
            ("IpPermissions.1.ToPort", "5432"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"),
            ("IpPermissions.1.IpRanges.1.Description", "fleets"),
        ],
    );
    let rule = inbound.text("securityGroupRuleId");
    for (protocol, from, to) in [("icmp", "8", "-1"), ("udp", "53", "53"), ("-1", "-1", "-1")] {
        t.ec2(
            Backend,
            "AuthorizeSecurityGroupIngress",
            &[
                ("GroupId", group),
                ("IpPermissions.1.IpProtocol", protocol),
                ("IpPermissions.1.FromPort", from),
                ("IpPermissions.1.ToPort", to),
                ("IpPermissions.1.Groups.1.GroupId", group),
            ],
        );
    }
    // The older form, the same rule again, and ports the wrong way round.
    let plain = |from: &'static str, to: &'static str| {
        [
            ("IpProtocol", "tcp"),
            ("FromPort", from),
            ("ToPort", to),
            ("CidrIp", "10.0.0.0/8"),
        ]
    };
    for (from, to) in [("80", "81"), ("80", "81"), ("81", "80")] {
        let parameters = [&[("GroupId", group)][..], &plain(from, to)].concat();
        t.ec2(Backend, "AuthorizeSecurityGroupIngress", &parameters);
    }
    let outbound = |cidr: &'static str| {
        [
            ("IpPermissions.1.IpProtocol", "udp"),
            ("IpPermissions.1.FromPort", "1000"),
            ("IpPermissions.1.ToPort", "2000"),
            ("IpPermissions.1.IpRanges.1.CidrIp", cidr),
        ]
    };
    let to_fleets = [&[("GroupId", group)][..], &outbound("10.0.0.0/8")].concat();
    t.walk_ec2(Backend, "AuthorizeSecurityGroupEgress", &to_fleets);
    t.walk_ec2(
        Backend,
        "DescribeSecurityGroupRules",
        &[("SecurityGroupRuleId.1", &rule)],
    );
    t.ec2(Backend, "DescribeSecurityGroupRules", &[]);
    t.walk_ec2(
        Backend,
        "ModifySecurityGroupRules",
        &[
            ("GroupId", group),
            ("SecurityGroupRule.1.SecurityGroupRuleId", &rule),
            ("SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "tcp"),
            ("SecurityGroupRule.1.SecurityGroupRule.FromPort", "5433"),
            ("SecurityGroupRule.1.SecurityGroupRule.ToPort", "5433"),
            (
                "SecurityGroupRule.1.SecurityGroupRule.CidrIpv4",
                "10.1.0.0/16",
            ),
        ],
    );
    t.walk_ec2(
        Backend,
        "UpdateSecurityGroupRuleDescriptionsIngress",
        &[
            ("GroupId", group),
            ("SecurityGroupRuleDescription.1.SecurityGroupRuleId", &rule),
            (
                "SecurityGroupRuleDescription.1.Description",
                "fleets & friends",
            ),
        ],
    );
    let described = [
        &to_fleets[..],
        &[("IpPermissions.1.IpRanges.1.Description", "voice")],
    ]
    .concat();
    t.walk_ec2(
        Backend,
        "UpdateSecurityGroupRuleDescriptionsEgress",
        &described,
    );
    t.ec2(Backend, "DescribeSecurityGroups", &[("GroupId.1", group)]);
    t.walk_ec2(Backend, "RevokeSecurityGroupEgress", &to_fleets);
    let old = [&[("GroupId", group)][..], &plain("80", "81")].concat();
    t.walk_ec2(Backend, "RevokeSecurityGroupIngress", &old);
    t.ec2(Backend, "RevokeSecurityGroupIngress", &old);
}

fn interfaces(t: &mut Transcript, subnet: &str, group: &str) {
    let made = t.walk_ec2(
        Backend,
        "CreateNetworkInterface",
        &[
            ("SubnetId", subnet),
            ("Description", "the database's"),
            ("PrivateIpAddress", "10.0.1.77"),
            ("SecurityGroupId.1", group),
        ],
    );
    let interface = made.text("networkInterfaceId");
    t.ec2(
        Backend,
        "CreateNetworkInterface",
        &[("SubnetId", subnet), ("PrivateIpAddress", "10.0.1.77")],
    );
    t.ec2(
        Backend,
        "CreateNetworkInterface",
        &[("SubnetId", subnet), ("PrivateIpAddress", "10.0.2.1")],
    );
    t.walk_ec2(
        Backend,
        "DescribeNetworkInterfaces",
        &[("NetworkInterfaceId.1", &interface)],
    );
    t.walk_ec2(
        Backend,
        "ModifyNetworkInterfaceAttribute",
        &[
            ("NetworkInterfaceId", &interface),
            ("Description.Value", "nobody's"),
        ],
    );
    t.ec2(
        Backend,
        "ModifyNetworkInterfaceAttribute",
        &[
            ("NetworkInterfaceId", &interface),
            ("SourceDestCheck.Value", "false"),
        ],
    );
    for attribute in ["description", "groupSet", "sourceDestCheck", "attachment"] {
        t.ec2(
            Backend,
            "DescribeNetworkInterfaceAttribute",
            &[("NetworkInterfaceId", &interface), ("Attribute", attribute)],
        );
    }
    t.walk_ec2(
        Backend,
        "DescribeNetworkInterfaceAttribute",
        &[
            ("NetworkInterfaceId", &interface),
            ("Attribute", "description"),
        ],
    );
    t.ec2(Backend, "DeleteSecurityGroup", &[("GroupId", group)]);
    t.ec2(Backend, "DeleteSubnet", &[("SubnetId", subnet)]);
    t.walk_ec2(
        Backend,
        "DeleteNetworkInterface",
        &[("NetworkInterfaceId", &interface)],
    );
}

fn route_tables(t: &mut Transcript, vpc: &str, subnet: &str) {
    let made = t.walk_ec2(Backend, "CreateRouteTable", &[("VpcId", vpc)]);
    let table = made.text("routeTableId");
    let associated = t.walk_ec2(
        Backend,
        "AssociateRouteTable",
        &[("RouteTableId", &table), ("SubnetId", subnet)],
    );
    t.ec2(
        Backend,
        "AssociateRouteTable",
        &[("RouteTableId", &table), ("SubnetId", subnet)],
    );
    t.walk_ec2(
        Backend,
        "DescribeRouteTables",
        &[("RouteTableId.1", &table)],
    );
    let other = t
        .ec2(Backend, "CreateRouteTable", &[("VpcId", vpc)])
        .text("routeTableId");
    let replaced = t.walk_ec2(
        Backend,
        "ReplaceRouteTableAssociation",
        &[
            ("AssociationId", &associated.text("associationId")),
            ("RouteTableId", &other),
        ],
    );
    t.ec2(Backend, "DeleteRouteTable", &[("RouteTableId", &other)]);
    t.walk_ec2(
        Backend,
        "DisassociateRouteTable",
        &[("AssociationId", &replaced.text("newAssociationId"))],
    );
    t.ec2(Backend, "DeleteRouteTable", &[("RouteTableId", &other)]);
    t.walk_ec2(Backend, "DeleteRouteTable", &[("RouteTableId", &table)]);
}

/// A peering of the backend's VPC with one of the studio's, accepted; before it one that is rejected
/// and one that fails. The VPC and the connection.
fn peering(t: &mut Transcript, vpc: &str) -> (String, String) {
    let (studio, backend) = (t.server.studio(), t.server.backend());
    let other = scenario::vpc(&studio, "10.1.0.0/16");
    let asked = [
        ("VpcId", vpc),
        ("PeerVpcId", &*other),
        ("PeerOwnerId", &*studio.account),
    ];
    let one = t.walk_ec2(Backend, "CreateVpcPeeringConnection", &asked);
    let one = one.text("vpcPeeringConnectionId");
    until(&backend, &one, "pending-acceptance");
    t.ec2(
        Backend,
        "AcceptVpcPeeringConnection",
        &[("VpcPeeringConnectionId", &one)],
    );
    t.walk_ec2(
        Studio,
        "RejectVpcPeeringConnection",
        &[("VpcPeeringConnectionId", &one)],
    );
    t.ec2(
        Studio,
        "AcceptVpcPeeringConnection",
        &[("VpcPeeringConnectionId", &one)],
    );

    let overlapping = scenario::vpc(&studio, "10.0.128.0/20");
    let asked_too = [
        ("VpcId", vpc),
        ("PeerVpcId", &*overlapping),
        ("PeerOwnerId", &*studio.account),
    ];
    let failed = t.ec2(Backend, "CreateVpcPeeringConnection", &asked_too);
    let failed = failed.text("vpcPeeringConnectionId");
    until(&backend, &failed, "failed");
    t.ec2(
        Backend,
        "DescribeVpcPeeringConnections",
        &[("VpcPeeringConnectionId.1", &failed)],
    );

    let two = t.ec2(Backend, "CreateVpcPeeringConnection", &asked);
    let two = two.text("vpcPeeringConnectionId");
    until(&backend, &two, "pending-acceptance");
    t.ec2(Backend, "CreateVpcPeeringConnection", &asked);
    t.ec2(
        Backend,
        "DescribeVpcPeeringConnections",
        &[("VpcPeeringConnectionId.1", &two)],
    );
    t.walk_ec2(
        Studio,
        "AcceptVpcPeeringConnection",
        &[("VpcPeeringConnectionId", &two)],
    );
    until(&backend, &two, "active");
    t.walk_ec2(
        Backend,
        "DescribeVpcPeeringConnections",
        &[("VpcPeeringConnectionId.1", &two)],
    );
    t.ec2(Backend, "DescribeVpcPeeringConnections", &[]);
    t.ec2(
        Studio,
        "DescribeVpcPeeringConnections",
        &[
            ("Filter.1.Name", "status-code"),
            ("Filter.1.Value.1", "active"),
        ],
    );
    t.walk_ec2(
        Backend,
        "ModifyVpcPeeringConnectionOptions",
        &[
            ("VpcPeeringConnectionId", &two),
            (
                "RequesterPeeringConnectionOptions.AllowDnsResolutionFromRemoteVpc",
                "true",
            ),
        ],
    );
    let hostnames = [("VpcId", &*other), ("EnableDnsHostnames.Value", "true")];
    studio
        .ec2("ModifyVpcAttribute", &hostnames)
        .expect("ModifyVpcAttribute");
    t.ec2(
        Backend,
        "ModifyVpcPeeringConnectionOptions",
        &[
            ("VpcPeeringConnectionId", &two),
            (
                "RequesterPeeringConnectionOptions.AllowDnsResolutionFromRemoteVpc",
                "true",
            ),
        ],
    );
    (other, two)
}

fn routes(t: &mut Transcript, vpc: &str, connection: &str) {
    let table = t
        .ec2(Backend, "CreateRouteTable", &[("VpcId", vpc)])
        .text("routeTableId");
    let to = [
        ("RouteTableId", &*table),
        ("DestinationCidrBlock", "10.1.0.0/16"),
        ("VpcPeeringConnectionId", connection),
    ];
    t.walk_ec2(Backend, "CreateRoute", &to);
    t.ec2(Backend, "CreateRoute", &to);
    t.ec2(
        Backend,
        "CreateRoute",
        &[
            ("RouteTableId", &table),
            ("DestinationCidrBlock", "10.2.0.0/16"),
            ("GatewayId", "igw-00000000000000000"),
        ],
    );
    t.walk_ec2(Backend, "ReplaceRoute", &to);
    t.ec2(
        Backend,
        "DescribeRouteTables",
        &[("RouteTableId.1", &table)],
    );
    t.walk_ec2(Backend, "DeleteRoute", &to[..2]);
    t.ec2(Backend, "DeleteRoute", &to[..2]);
    t.ec2(Backend, "DeleteRouteTable", &[("RouteTableId", &table)]);
}

fn groups_of_the_other_side(t: &mut Transcript, vpc: &str, other: &str, group: &str) {
    let studio = t.server.studio();
    let made = studio.ec2(
        "CreateSecurityGroup",
        &[
            ("GroupName", "fleets"),
            ("GroupDescription", "that ask"),
            ("VpcId", other),
        ],
    );
    let theirs = made.expect("CreateSecurityGroup").text("groupId");
    t.ec2(
        Backend,
        "AuthorizeSecurityGroupIngress",
        &[
            ("GroupId", group),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "6379"),
            ("IpPermissions.1.ToPort", "6379"),
            ("IpPermissions.1.Groups.1.GroupId", &theirs),
            ("IpPermissions.1.Groups.1.UserId", &studio.account),
        ],
    );
    t.walk_ec2(
        Studio,
        "DescribeSecurityGroupReferences",
        &[("GroupId.1", &theirs)],
    );
    t.walk_ec2(Backend, "DescribeStaleSecurityGroups", &[("VpcId", vpc)]);
    t.ec2(Backend, "DescribeSecurityGroups", &[("GroupId.1", group)]);
}

fn tags(t: &mut Transcript, vpc: &str) {
    let tagging = [
        ("ResourceId.1", vpc),
        ("Tag.1.Key", "stage"),
        ("Tag.1.Value", "test"),
        ("Tag.2.Key", "Name"),
        ("Tag.2.Value", "database"),
    ];
    t.walk_ec2(Backend, "CreateTags", &tagging);
    t.ec2(
        Backend,
        "CreateTags",
        &[
            ("ResourceId.1", vpc),
            ("Tag.1.Key", "aws:mine"),
            ("Tag.1.Value", ""),
        ],
    );
    t.walk_ec2(
        Backend,
        "DescribeTags",
        &[("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", vpc)],
    );
    t.ec2(
        Backend,
        "DescribeTags",
        &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")],
    );
    t.walk_ec2(
        Backend,
        "DeleteTags",
        &[("ResourceId.1", vpc), ("Tag.1.Key", "stage")],
    );
    t.ec2(Backend, "DescribeTags", &[]);
}

fn end_of_peering(t: &mut Transcript, connection: &str) {
    t.walk_ec2(
        Backend,
        "DeleteVpcPeeringConnection",
        &[("VpcPeeringConnectionId", connection)],
    );
    until(&t.server.backend(), connection, "deleted");
    t.ec2(
        Backend,
        "DeleteVpcPeeringConnection",
        &[("VpcPeeringConnectionId", connection)],
    );
    t.ec2(Studio, "DescribeVpcPeeringConnections", &[]);
}

fn deletion(t: &mut Transcript, vpc: &str, subnet: &str, group: &str) {
    // The studio's group is named by a rule whose peering is gone.
    t.ec2(Backend, "DescribeStaleSecurityGroups", &[("VpcId", vpc)]);
    t.ec2(Backend, "DeleteVpc", &[("VpcId", vpc)]);
    t.walk_ec2(Backend, "DeleteSecurityGroup", &[("GroupId", group)]);
    t.walk_ec2(Backend, "DeleteSubnet", &[("SubnetId", subnet)]);
    t.walk_ec2(Backend, "DeleteVpc", &[("VpcId", vpc)]);
    t.ec2(Backend, "DescribeVpcs", &[]);
}

/// What has nothing to do with any one action.
fn refused_everywhere(t: &mut Transcript) {
    t.disbelieved("ec2", "DescribeVpcs");
    t.ec2(
        Backend,
        "RunInstances",
        &[("ImageId", "ami-00000000000000000")],
    );
    t.ec2(Backend, "NoSuchAction", &[]);
    t.ec2(Backend, "DescribeVpcs", &[("NoSuchParameter", "1")]);
    t.ec2(Backend, "DescribeVpcs", &[("MaxResults", "many")]);
}

#[track_caller]
fn until(client: &tombolo_tests::aws::Client, connection: &str, state: &str) {
    wait::until(&format!("{connection} to be {state}"), || {
        let asked = [("VpcPeeringConnectionId.1", connection)];
        let found = client.ec2("DescribeVpcPeeringConnections", &asked);
        (found.expect("DescribeVpcPeeringConnections").text("code") == state).then_some(())
    });
}
