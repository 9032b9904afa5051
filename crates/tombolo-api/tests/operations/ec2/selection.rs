//! What all Describe operations have in common: ids, filters and pages.

use serde_json::{Value, json};
use tombolo_testkit::ec2::filter;

use crate::document::text;
use crate::server::{AWAY, BACKEND, STUDIO, Server};

/// Operation, list in its output, ids in its input, the id in an item.
const DESCRIBES: [(&str, &str, &str, &str); 6] = [
    ("DescribeVpcs", "Vpcs", "VpcIds", "VpcId"),
    ("DescribeSubnets", "Subnets", "SubnetIds", "SubnetId"),
    (
        "DescribeNetworkInterfaces",
        "NetworkInterfaces",
        "NetworkInterfaceIds",
        "NetworkInterfaceId",
    ),
    (
        "DescribeRouteTables",
        "RouteTables",
        "RouteTableIds",
        "RouteTableId",
    ),
    (
        "DescribeSecurityGroups",
        "SecurityGroups",
        "GroupIds",
        "GroupId",
    ),
    (
        "DescribeVpcPeeringConnections",
        "VpcPeeringConnections",
        "VpcPeeringConnectionIds",
        "VpcPeeringConnectionId",
    ),
];

/// Seven VPCs of the backend's, each with a subnet, an interface and a peering connection.
async fn seven_of_each(server: &Server) {
    let backend = server.ec2(BACKEND);
    let studio = server.ec2(STUDIO);
    for n in 0..7 {
        let vpc = backend.vpc(&format!("10.{n}.0.0/16")).await;
        let subnet = backend.subnet(&vpc, &format!("10.{n}.0.0/24")).await;
        backend.interface(&subnet).await;
        let fleet = studio.fleet().await;
        backend.authorize(STUDIO, &vpc).await;
        studio.connect(&fleet, BACKEND, &vpc).await;
    }
}

#[tokio::test]
async fn ids_select() {
    let server = Server::new();
    seven_of_each(&server).await;
    let backend = server.ec2(BACKEND);
    for (operation, list, ids, id) in DESCRIBES {
        let all = each(&backend.all(operation, list).await, id);
        assert_eq!(all.len(), 7, "{operation}");
        let some = [&all[1], &all[4], &all[1]];
        let found = backend.call(operation, json!({ids: some})).await;
        let found = each(found[list].as_array().unwrap(), id);
        assert_eq!(found, [all[1].clone(), all[4].clone()], "{operation}");
    }
}

#[tokio::test]
async fn ids_are_refused_when_malformed_unknown_or_paged() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let texts = [
        (
            "vpc",
            "InvalidVpcID.Malformed",
            "InvalidVpcID.NotFound",
            "The vpc ID",
        ),
        (
            "subnet",
            "InvalidSubnetID.Malformed",
            "InvalidSubnetID.NotFound",
            "The subnet ID",
        ),
        (
            "eni",
            "InvalidNetworkInterfaceId.Malformed",
            "InvalidNetworkInterfaceID.NotFound",
            "The networkInterface ID",
        ),
        (
            "rtb",
            "InvalidRouteTableId.Malformed",
            "InvalidRouteTableID.NotFound",
            "The routeTable ID",
        ),
        (
            "sg",
            "InvalidGroupId.Malformed",
            "InvalidGroup.NotFound",
            "The security group",
        ),
        (
            "pcx",
            "InvalidVpcPeeringConnectionId.Malformed",
            "InvalidVpcPeeringConnectionID.NotFound",
            "The vpcPeeringConnection ID",
        ),
    ];
    for ((operation, _, ids, _), (prefix, malformed, not_found, words)) in
        DESCRIBES.into_iter().zip(texts)
    {
        let unknown = format!("{prefix}-00000000000000000");
        let message = format!("{words} '{unknown}' does not exist");
        let mut wanted = vec![unknown.as_str()];
        if prefix == "vpc" {
            wanted.push(&vpc);
        }
        let input = json!({ids: wanted});
        backend.refused(operation, input, not_found, &message).await;

        let message = format!("Invalid id: \"x-1\" (expecting \"{prefix}-...\")");
        let input = json!({ids: ["x-1"]});
        backend.refused(operation, input, malformed, &message).await;

        let parameter = format!("{}{}", ids[..1].to_lowercase(), &ids[1..]);
        let message =
            format!("The parameter {parameter} cannot be used with the parameter maxResults");
        let input = json!({ids: [unknown], "MaxResults": 5});
        backend
            .refused(operation, input, "InvalidParameterCombination", &message)
            .await;
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap() {
    let server = Server::new();
    seven_of_each(&server).await;
    let backend = server.ec2(BACKEND);
    for vpc in backend.all("DescribeVpcs", "Vpcs").await {
        let input = json!({"Resources": [vpc["VpcId"]], "Tags": [{"Key": "Name"}]});
        backend.call("CreateTags", input).await;
    }
    let tags = ("DescribeTags", "Tags", "", "ResourceId");
    for (operation, list, _, id) in DESCRIBES.into_iter().chain([tags]) {
        let all = each(&backend.all(operation, list).await, id);
        let first = backend.call(operation, json!({"MaxResults": 5})).await;
        let token = text(&first["NextToken"]);
        let rest = json!({"MaxResults": 5, "NextToken": token});
        let rest = backend.call(operation, rest).await;
        assert_eq!(rest["NextToken"], Value::Null, "{operation}");
        let shown = [&first, &rest].map(|page| each(page[list].as_array().unwrap(), id));
        assert_eq!((shown[0].len(), shown[1].len()), (5, 2), "{operation}");
        assert_eq!(shown.concat(), all, "{operation}");
        let exact = backend.call(operation, json!({"MaxResults": 7})).await;
        assert_eq!(exact["NextToken"], Value::Null, "{operation}");

        // A token is good for the operation, the account and the Region that it was given for.
        let message = format!(
            "The token is invalid: use the NextToken of the page before, with the same operation \
             ({operation}), account and Region."
        );
        for caller in [server.ec2(STUDIO), server.ec2_in(BACKEND, AWAY)] {
            let stolen = json!({"NextToken": token});
            caller
                .refused(operation, stolen, "InvalidNextToken", &message)
                .await;
        }
        let other = if operation == "DescribeVpcs" {
            "DescribeSubnets"
        } else {
            "DescribeVpcs"
        };
        let foreign = backend.call(other, json!({"MaxResults": 5})).await;
        for token in [foreign["NextToken"].clone(), json!("n🏝nsense"), json!("")] {
            let input = json!({"NextToken": token});
            backend
                .refused(operation, input, "InvalidNextToken", &message)
                .await;
        }
    }
}

#[tokio::test]
async fn max_results_has_bounds_where_the_model_has_none() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    for (max, why) in [
        (4, "Expecting a value of at least 5."),
        (-1, "Expecting a value of at least 5."),
        (1001, "Expecting a value no greater than 1000."),
    ] {
        let message = format!("Value ({max}) for parameter maxResults is invalid. {why}");
        let input = json!({"MaxResults": max});
        backend
            .refused("DescribeTags", input, "InvalidParameterValue", &message)
            .await;
    }
}

#[tokio::test]
async fn filters_are_refused_when_unknown_empty_or_too_many() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    for (operation, ..) in DESCRIBES {
        let table = [
            (
                filter("colour", "blue"),
                "InvalidParameterValue",
                "The filter 'colour' is invalid",
            ),
            (
                json!([{"Values": ["blue"]}]),
                "InvalidParameterValue",
                "The filter '' is invalid",
            ),
            (
                json!([{"Name": "vpc-id"}, {"Name": "tag-key", "Values": []}]),
                "InvalidParameterValue",
                "The filter 'vpc-id' has no values; give it at least one.",
            ),
            (
                json!([{"Name": "tag-key", "Values": many}]),
                "FilterLimitExceeded",
                "The request has 201 filter values. The maximum number of filter values specified \
                 on a single call is 200.",
            ),
        ];
        for (filters, code, message) in table {
            if operation == "DescribeVpcPeeringConnections" && message.contains("vpc-id") {
                continue;
            }
            let input = json!({"Filters": filters});
            backend.refused(operation, input, code, message).await;
        }
    }
}

#[tokio::test]
async fn tags_filter_every_resource() {
    let server = Server::new();
    seven_of_each(&server).await;
    let backend = server.ec2(BACKEND);
    for (operation, list, _, id) in DESCRIBES {
        let all = each(&backend.all(operation, list).await, id);
        for (resource, stage) in [(&all[0], "beta"), (&all[1], "live"), (&all[2], "live")] {
            let tags = json!([{"Key": "stage", "Value": stage}]);
            let input = json!({"Resources": [resource], "Tags": tags});
            backend.call("CreateTags", input).await;
        }
        let table = [
            (filter("tag:stage", "live"), 1..3),
            (filter("tag:stage", "b??a"), 0..1),
            (
                json!([{"Name": "tag:stage", "Values": ["beta", "l*"]}]),
                0..3,
            ),
            (filter("tag-key", "stage"), 0..3),
            (filter("tag:Stage", "live"), 0..0),
            (
                json!([
                    {"Name": "tag-key", "Values": ["st*"]},
                    {"Name": "tag:stage", "Values": ["live"]},
                ]),
                1..3,
            ),
        ];
        for (filters, expected) in table {
            let found = backend.filtered(operation, list, filters.clone()).await;
            assert_eq!(each(&found, id), all[expected], "{operation} {filters}");
        }
    }
}

#[tokio::test]
async fn fields_filter_vpcs_subnets_tables_and_groups() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.1.0.0/16").await;
    backend.vpc("10.2.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.1.0.0/24").await;
    let zone_c =
        json!({"VpcId": vpc, "CidrBlock": "10.1.1.0/28", "AvailabilityZone": "us-west-2c"});
    backend.call("CreateSubnet", zone_c).await;
    let interface = backend.interface(&subnet).await;
    let group = text(&interface["Groups"][0]["GroupId"]);
    let interface = text(&interface["NetworkInterfaceId"]);

    let vpcs = ("DescribeVpcs", "Vpcs");
    let subnets = ("DescribeSubnets", "Subnets");
    let interfaces = ("DescribeNetworkInterfaces", "NetworkInterfaces");
    let tables = ("DescribeRouteTables", "RouteTables");
    let groups = ("DescribeSecurityGroups", "SecurityGroups");
    for ((operation, list), name, value, count) in [
        (vpcs, "vpc-id", vpc.as_str(), 1),
        (vpcs, "cidr", "10.1.0.0/16", 1),
        (vpcs, "cidr", "10.?.0.0/16", 2),
        (vpcs, "cidr-block-association.cidr-block", "10.2.0.0/16", 1),
        (vpcs, "cidr-block-association.state", "associated", 2),
        (
            vpcs,
            "cidr-block-association.association-id",
            "vpc-cidr-assoc-*",
            2,
        ),
        (vpcs, "dhcp-options-id", "default", 2),
        (vpcs, "is-default", "true", 0),
        (vpcs, "isDefault", "false", 2),
        (vpcs, "owner-id", BACKEND, 2),
        (vpcs, "owner-id", STUDIO, 0),
        (vpcs, "state", "available", 2),
        (subnets, "vpc-id", &vpc, 2),
        (subnets, "subnet-id", &subnet, 1),
        (subnets, "subnet-arn", "arn:aws:ec2:us-west-2:*", 2),
        (subnets, "availability-zone", "us-west-2a", 1),
        (subnets, "availabilityZoneId", "usw2-az3", 1),
        (subnets, "available-ip-address-count", "250", 1),
        (subnets, "available-ip-address-count", "11", 1),
        (subnets, "cidr-block", "10.1.1.0/28", 1),
        (subnets, "cidrBlock", "10.1.*", 2),
        (subnets, "defaultForAz", "true", 0),
        (subnets, "map-public-ip-on-launch", "false", 2),
        (interfaces, "network-interface-id", &interface, 1),
        (interfaces, "vpc-id", &vpc, 1),
        (interfaces, "subnet-id", &subnet, 1),
        (interfaces, "private-ip-address", "10.1.0.4", 1),
        (interfaces, "addresses.private-ip-address", "10.1.0.5", 0),
        (interfaces, "addresses.primary", "true", 1),
        (interfaces, "group-id", &group, 1),
        (interfaces, "group-name", "default", 1),
        (interfaces, "mac-address", "06:54:0a:01:00:04", 1),
        (interfaces, "status", "in-use", 0),
        (interfaces, "status", "available", 1),
        (interfaces, "attachment.status", "*", 0),
        (interfaces, "availability-zone", "us-west-2a", 1),
        (interfaces, "description", "", 1),
        (tables, "vpc-id", &vpc, 1),
        (tables, "association.main", "true", 2),
        (tables, "association.subnet-id", &subnet, 0),
        (tables, "route.destination-cidr-block", "10.2.0.0/16", 1),
        (tables, "route.gateway-id", "local", 2),
        (tables, "route.origin", "CreateRoute", 0),
        (tables, "route.state", "active", 2),
        (groups, "vpc-id", &vpc, 1),
        (groups, "group-id", &group, 1),
        (groups, "group-name", "default", 2),
        (groups, "description", "default VPC*", 2),
        (groups, "ip-permission.group-id", &group, 1),
        (groups, "ip-permission.protocol", "-1", 2),
        (groups, "ip-permission.user-id", BACKEND, 2),
        (groups, "ip-permission.cidr", "*", 0),
        (groups, "egress.ip-permission.cidr", "0.0.0.0/0", 2),
    ] {
        let found = backend.filtered(operation, list, filter(name, value)).await;
        assert_eq!(found.len(), count, "{operation} {name}={value}");
    }
}

#[tokio::test]
async fn group_names_need_a_default_vpc() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    backend.vpc("10.0.0.0/16").await;
    let message = "GroupNames names security groups of a default VPC, and Tombolo makes none. Use \
                   GroupIds, or the filters group-name and vpc-id.";
    let input = json!({"GroupNames": ["default"]});
    backend
        .refused(
            "DescribeSecurityGroups",
            input,
            "UnsupportedOperation",
            message,
        )
        .await;
}

/// The member `name` of each, sorted.
fn each(values: &[Value], name: &str) -> Vec<String> {
    let mut each: Vec<String> = values.iter().map(|value| text(&value[name])).collect();
    each.sort();
    each
}
