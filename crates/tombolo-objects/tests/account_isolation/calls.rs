//! A call of every operation that has a model, as an account makes it on what it has itself. It
//! succeeds, so that what is refused in a walk is refused for what is looked for.

use serde_json::{Value, json};
use tombolo_api::model::ServiceName;

use crate::world::{Things, policy_of};

/// The calls of a service's operations.
pub(crate) fn of_service(service: ServiceName, own: &Things) -> Vec<(&'static str, Value)> {
    match service {
        ServiceName::GameLift => gamelift(own),
        ServiceName::Ec2 => ec2(own),
        ServiceName::Sts => vec![("GetCallerIdentity", json!({}))],
    }
}

fn gamelift(own: &Things) -> Vec<(&'static str, Value)> {
    let on = |id: &str, value: &str, members: Value| {
        let mut input = members;
        input[id] = value.into();
        input
    };
    let on_fleet = |members| on("FleetId", &own.fleet, members);
    let on_arn = |members| on("ResourceARN", &own.fleet_arn, members);
    let on_build = |build: &str| json!({"BuildId": build});
    let fleets = || json!({"FleetIds": [own.fleet]});
    let (account, region) = (own.who.account, own.who.region);
    let authorization = json!({"GameLiftAwsAccountId": account, "PeerVpcId": own.vpc});
    let processes = json!([{"LaunchPath": "/local/game/server", "ConcurrentExecutions": 1}]);
    let runtime = json!({"ServerProcesses": processes});
    let permission =
        json!({"FromPort": 7000, "ToPort": 7001, "IpRange": "0.0.0.0/0", "Protocol": "UDP"});
    let actions = json!({"Actions": ["AUTO_SCALING"]});
    vec![
        ("CreateVpcPeeringAuthorization", authorization.clone()),
        ("DescribeVpcPeeringAuthorizations", json!({})),
        ("DeleteVpcPeeringAuthorization", authorization),
        (
            "CreateVpcPeeringConnection",
            on_fleet(json!({"PeerVpcAwsAccountId": account, "PeerVpcId": own.other_vpc})),
        ),
        ("DescribeVpcPeeringConnections", on_fleet(json!({}))),
        (
            "DeleteVpcPeeringConnection",
            on_fleet(json!({"VpcPeeringConnectionId": own.fleet_connection})),
        ),
        (
            "CreateBuild",
            json!({"StorageLocation": {
                "Bucket": own.bucket,
                "Key": own.object,
                "RoleArn": "arn:aws:iam::111122223333:role/any",
            }}),
        ),
        ("DescribeBuild", on_build(&own.build)),
        ("ListBuilds", json!({})),
        (
            "UpdateBuild",
            on("BuildId", &own.build, json!({"Name": "lagoon"})),
        ),
        ("DeleteBuild", on_build(&own.failed_build)),
        ("RequestUploadCredentials", on_build(&own.awaited_build)),
        (
            "CreateFleet",
            json!({
                "Name": "lagoon",
                "BuildId": own.build,
                "EC2InstanceType": "c5.large",
                "RuntimeConfiguration": runtime,
                "PeerVpcAwsAccountId": account,
                "PeerVpcId": own.vpc,
            }),
        ),
        ("DescribeFleetAttributes", fleets()),
        ("UpdateFleetAttributes", on_fleet(json!({"Name": "lagoon"}))),
        ("ListFleets", json!({"BuildId": own.build})),
        ("DescribeFleetEvents", on_fleet(json!({}))),
        ("DeleteFleet", on_fleet(json!({}))),
        ("DescribeFleetLocationAttributes", on_fleet(json!({}))),
        (
            "DescribeInstances",
            on_fleet(json!({"InstanceId": own.instance})),
        ),
        (
            "UpdateFleetCapacity",
            on_fleet(json!({"DesiredInstances": 0})),
        ),
        ("DescribeFleetCapacity", fleets()),
        (
            "DescribeFleetLocationCapacity",
            on_fleet(json!({"Location": region})),
        ),
        ("DescribeFleetUtilization", fleets()),
        (
            "DescribeFleetLocationUtilization",
            on_fleet(json!({"Location": region})),
        ),
        ("DescribeRuntimeConfiguration", on_fleet(json!({}))),
        (
            "UpdateRuntimeConfiguration",
            on_fleet(json!({"RuntimeConfiguration": runtime})),
        ),
        ("DescribeFleetPortSettings", on_fleet(json!({}))),
        (
            "UpdateFleetPortSettings",
            on_fleet(json!({"InboundPermissionAuthorizations": [permission]})),
        ),
        ("PutScalingPolicy", policy_of(&own.fleet, &own.policy)),
        ("DescribeScalingPolicies", on_fleet(json!({}))),
        ("DeleteScalingPolicy", on_fleet(json!({"Name": own.policy}))),
        ("StopFleetActions", on_fleet(actions.clone())),
        ("StartFleetActions", on_fleet(actions)),
        ("ListTagsForResource", on_arn(json!({}))),
        (
            "TagResource",
            on_arn(json!({"Tags": [{"Key": "team", "Value": "arena"}]})),
        ),
        ("UntagResource", on_arn(json!({"TagKeys": ["team"]}))),
    ]
}

fn ec2(own: &Things) -> Vec<(&'static str, Value)> {
    let vpc = || json!({"VpcId": own.vpc});
    let interface = || json!({"NetworkInterfaceId": own.interface});
    let connection = |id: &str| json!({"VpcPeeringConnectionId": id});
    let with = |mut input: Value, member: &str, value: Value| {
        input[member] = value;
        input
    };
    let route = |destination: &str| {
        json!({
            "RouteTableId": own.route_table,
            "DestinationCidrBlock": destination,
            "VpcPeeringConnectionId": own.peering,
        })
    };
    let permissions = json!([{
        "IpProtocol": "tcp",
        "FromPort": 8,
        "ToPort": 9,
        "UserIdGroupPairs": [{"GroupId": own.group, "UserId": own.who.account}],
    }]);
    let authorize = json!({"GroupId": own.group, "IpPermissions": permissions});
    let revoke = |rule: &str| json!({"GroupId": own.group, "SecurityGroupRuleIds": [rule]});
    let describe = |rule: &str| {
        let described = json!([{"SecurityGroupRuleId": rule, "Description": "players"}]);
        json!({"GroupId": own.group, "SecurityGroupRuleDescriptions": described})
    };
    let rule = json!({
        "IpProtocol": "tcp",
        "FromPort": 8,
        "ToPort": 9,
        "ReferencedGroupId": own.group,
    });
    let modify = json!([{"SecurityGroupRuleId": own.ingress_rule, "SecurityGroupRule": rule}]);
    let tags = json!({"Resources": [own.vpc], "Tags": [{"Key": "team", "Value": "lagoon"}]});
    vec![
        ("CreateVpc", json!({"CidrBlock": "10.99.0.0/16"})),
        ("DescribeVpcs", json!({"VpcIds": [own.vpc]})),
        ("DeleteVpc", json!({"VpcId": own.empty_vpc})),
        (
            "AssociateVpcCidrBlock",
            with(vpc(), "CidrBlock", json!("10.98.0.0/16")),
        ),
        (
            "DisassociateVpcCidrBlock",
            json!({"AssociationId": own.block_association}),
        ),
        (
            "ModifyVpcAttribute",
            with(vpc(), "EnableDnsHostnames", json!({"Value": true})),
        ),
        (
            "DescribeVpcAttribute",
            with(vpc(), "Attribute", json!("enableDnsSupport")),
        ),
        (
            "CreateSubnet",
            with(vpc(), "CidrBlock", json!(own.free_block)),
        ),
        ("DescribeSubnets", json!({"SubnetIds": [own.subnet]})),
        ("DeleteSubnet", json!({"SubnetId": own.empty_subnet})),
        (
            "ModifySubnetAttribute",
            json!({"SubnetId": own.subnet, "MapPublicIpOnLaunch": {"Value": false}}),
        ),
        ("DescribeNetworkAcls", json!({"NetworkAclIds": [own.acl]})),
        (
            "CreateNetworkInterface",
            json!({"SubnetId": own.subnet, "Groups": [own.group]}),
        ),
        (
            "DescribeNetworkInterfaces",
            json!({"NetworkInterfaceIds": [own.interface]}),
        ),
        ("DeleteNetworkInterface", interface()),
        (
            "ModifyNetworkInterfaceAttribute",
            with(interface(), "Groups", json!([own.unused_group])),
        ),
        (
            "DescribeNetworkInterfaceAttribute",
            with(interface(), "Attribute", json!("groupSet")),
        ),
        ("CreateRouteTable", vpc()),
        (
            "DescribeRouteTables",
            json!({"RouteTableIds": [own.route_table]}),
        ),
        (
            "DeleteRouteTable",
            json!({"RouteTableId": own.unused_table}),
        ),
        (
            "AssociateRouteTable",
            json!({"RouteTableId": own.unused_table, "SubnetId": own.empty_subnet}),
        ),
        (
            "DisassociateRouteTable",
            json!({"AssociationId": own.association}),
        ),
        (
            "ReplaceRouteTableAssociation",
            json!({"AssociationId": own.association, "RouteTableId": own.unused_table}),
        ),
        ("CreateRoute", route("10.97.0.0/16")),
        ("ReplaceRoute", route(&own.routed_block)),
        (
            "DeleteRoute",
            json!({"RouteTableId": own.route_table, "DestinationCidrBlock": own.routed_block}),
        ),
        (
            "CreateSecurityGroup",
            json!({"GroupName": "lagoon", "Description": "lagoon", "VpcId": own.vpc}),
        ),
        ("DescribeSecurityGroups", json!({"GroupIds": [own.group]})),
        ("DeleteSecurityGroup", json!({"GroupId": own.unused_group})),
        ("AuthorizeSecurityGroupIngress", authorize.clone()),
        ("AuthorizeSecurityGroupEgress", authorize),
        ("RevokeSecurityGroupIngress", revoke(&own.ingress_rule)),
        ("RevokeSecurityGroupEgress", revoke(&own.egress_rule)),
        (
            "DescribeSecurityGroupRules",
            json!({"SecurityGroupRuleIds": [own.ingress_rule]}),
        ),
        (
            "ModifySecurityGroupRules",
            json!({"GroupId": own.group, "SecurityGroupRules": modify}),
        ),
        (
            "UpdateSecurityGroupRuleDescriptionsIngress",
            describe(&own.ingress_rule),
        ),
        (
            "UpdateSecurityGroupRuleDescriptionsEgress",
            describe(&own.egress_rule),
        ),
        (
            "DescribeSecurityGroupReferences",
            json!({"GroupId": [own.group]}),
        ),
        ("DescribeStaleSecurityGroups", vpc()),
        (
            "CreateVpcPeeringConnection",
            json!({
                "VpcId": own.vpc,
                "PeerVpcId": own.empty_vpc,
                "PeerOwnerId": own.who.account,
            }),
        ),
        ("AcceptVpcPeeringConnection", connection(&own.request)),
        ("RejectVpcPeeringConnection", connection(&own.request)),
        ("DeleteVpcPeeringConnection", connection(&own.peering)),
        (
            "DescribeVpcPeeringConnections",
            json!({"VpcPeeringConnectionIds": [own.peering]}),
        ),
        (
            "ModifyVpcPeeringConnectionOptions",
            with(
                connection(&own.peering),
                "RequesterPeeringConnectionOptions",
                json!({"AllowDnsResolutionFromRemoteVpc": false}),
            ),
        ),
        ("DescribeRegions", json!({})),
        ("DescribeAvailabilityZones", json!({})),
        ("DescribeAccountAttributes", json!({})),
        ("CreateTags", tags.clone()),
        ("DeleteTags", tags),
        ("DescribeTags", json!({})),
    ]
}
