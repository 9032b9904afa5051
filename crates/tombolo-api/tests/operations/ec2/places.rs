//! DescribeAvailabilityZones, DescribeRegions and DescribeAccountAttributes: what a tool asks
//! before it makes anything.

use serde_json::{Value, json};
use tombolo_domain::quota::Quotas;
use tombolo_testkit::ec2::filter;

use crate::document::{list, text};
use crate::server::{AWAY, BACKEND, HOME, Server};

const ZONES: (&str, &str) = ("DescribeAvailabilityZones", "AvailabilityZones");

#[tokio::test]
async fn a_region_has_three_zones() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let zones = backend.all(ZONES.0, ZONES.1).await;
    assert_eq!(
        zones[0],
        json!({
            "ZoneName": "us-west-2a",
            "ZoneId": "usw2-az1",
            "RegionName": "us-west-2",
            "GroupName": "us-west-2-zg-1",
            "NetworkBorderGroup": "us-west-2",
            "ZoneType": "availability-zone",
            "OptInStatus": "opt-in-not-required",
            "State": "available",
            "Messages": [],
        })
    );
    let names: Vec<String> = zones.iter().map(|zone| text(&zone["ZoneName"])).collect();
    assert_eq!(names, ["us-west-2a", "us-west-2b", "us-west-2c"]);

    // A subnet can be made in each of them.
    let vpc = backend.vpc("10.0.0.0/16").await;
    for (n, zone) in names.iter().enumerate() {
        let block = format!("10.0.{n}.0/24");
        let input = json!({"VpcId": vpc, "CidrBlock": block, "AvailabilityZone": zone});
        backend.call("CreateSubnet", input).await;
    }
}

#[tokio::test]
async fn zones_are_selected_by_name_id_and_filter() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    for (input, expected) in [
        (json!({"ZoneNames": ["us-west-2b"]}), &["us-west-2b"][..]),
        (json!({"ZoneIds": ["usw2-az3"]}), &["us-west-2c"]),
        (
            json!({"ZoneIds": ["usw2-az3"], "ZoneNames": ["us-west-2b"]}),
            &[],
        ),
        (
            json!({"AllAvailabilityZones": true, "Filters": filter("zone-name", "*a")}),
            &["us-west-2a"],
        ),
        (json!({"Filters": filter("zone-type", "local-zone")}), &[]),
    ] {
        let found = backend.call(ZONES.0, input.clone()).await;
        let found = list(&found[ZONES.1]);
        let found: Vec<String> = found.iter().map(|zone| text(&zone["ZoneName"])).collect();
        assert_eq!(found, expected, "{input}");
    }
    for (name, value) in [
        ("group-name", "us-west-2-zg-1"),
        ("opt-in-status", "opt-in-not-required"),
        ("region-name", HOME),
        ("state", "available"),
        ("zone-id", "usw2-az?"),
        ("zone-type", "availability-zone"),
    ] {
        let found = backend.filtered(ZONES.0, ZONES.1, filter(name, value));
        assert_eq!(found.await.len(), 3, "{name}={value}");
    }
    let names = "Invalid availability zone: [us-west-2x]; there are us-west-2a, us-west-2b, \
                 us-west-2c";
    let ids = "Invalid availability zone-id: [x]; there are usw2-az1, usw2-az2, usw2-az3";
    for (input, message) in [
        (json!({"ZoneNames": ["us-west-2a", "us-west-2x"]}), names),
        (json!({"ZoneIds": ["x"]}), ids),
        (
            json!({"Filters": filter("colour", "blue")}),
            "The filter 'colour' is invalid",
        ),
    ] {
        let code = "InvalidParameterValue";
        backend.refused(ZONES.0, input, code, message).await;
    }
}

#[tokio::test]
async fn the_regions_are_the_servers() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let region = |name: &str| json!({"RegionName": name, "OptInStatus": "opt-in-not-required"});
    for (input, expected) in [
        (json!({}), vec![region(AWAY), region(HOME)]),
        (
            json!({"AllRegions": true}),
            vec![region(AWAY), region(HOME)],
        ),
        (json!({"RegionNames": [HOME]}), vec![region(HOME)]),
        (
            json!({"Filters": filter("region-name", "eu-*")}),
            vec![region(AWAY)],
        ),
        (
            json!({"Filters": filter("opt-in-status", "not-opted-in")}),
            vec![],
        ),
    ] {
        let found = backend.call("DescribeRegions", input.clone()).await;
        assert_eq!(list(&found["Regions"]), expected, "{input}");
    }
    let message = "Invalid region: [us-east-1]; this server has us-west-2, eu-west-1";
    let input = json!({"RegionNames": [HOME, "us-east-1"]});
    let code = "InvalidParameterValue";
    backend
        .refused("DescribeRegions", input, code, message)
        .await;
}

#[tokio::test]
async fn an_account_is_told_what_it_can_have() {
    let server = Server::with_quotas(Quotas {
        security_groups_per_interface: 7,
        ..Quotas::default()
    });
    let backend = server.ec2(BACKEND);
    let attributes = async |input: Value| {
        let shown = backend.call("DescribeAccountAttributes", input).await;
        let all = list(&shown["AccountAttributes"]).into_iter();
        all.map(|one| {
            let values = list(&one["AttributeValues"]);
            (
                text(&one["AttributeName"]),
                text(&values[0]["AttributeValue"]),
            )
        })
        .collect::<Vec<_>>()
    };
    let all = [
        ("supported-platforms", "VPC"),
        ("default-vpc", "none"),
        ("max-instances", "0"),
        ("max-elastic-ips", "0"),
        ("vpc-max-elastic-ips", "0"),
        ("vpc-max-security-groups-per-interface", "7"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(attributes(json!({})).await, all);
    let asked = json!({"AttributeNames": ["default-vpc"]});
    assert_eq!(attributes(asked).await, all[1..2]);
}
