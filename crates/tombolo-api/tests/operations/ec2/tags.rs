//! CreateTags, DeleteTags and DescribeTags.

use serde_json::{Value, json};
use tombolo_testkit::ec2::filter;

use crate::account::Account;
use crate::document::text;
use crate::server::{BACKEND, Server};

fn tag(key: &str, value: &str) -> Value {
    json!({"Key": key, "Value": value})
}

async fn create(account: &Account<'_>, resources: &[&str], tags: &[Value]) {
    let input = json!({"Resources": resources, "Tags": tags});
    account.call("CreateTags", input).await;
}

/// A tag as DescribeTags shows it: the resource's type, the key and the value.
type Shown = (String, String, String);

async fn shown(account: &Account<'_>, filters: Value) -> Vec<Shown> {
    let tags = account.filtered("DescribeTags", "Tags", filters).await;
    tags.iter()
        .map(|tag| {
            (
                text(&tag["ResourceType"]),
                text(&tag["Key"]),
                text(&tag["Value"]),
            )
        })
        .collect()
}

#[tokio::test]
async fn every_kind_of_resource_carries_tags() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let interface = text(&backend.interface(&subnet).await["NetworkInterfaceId"]);
    let table = backend.only("DescribeRouteTables", "RouteTables").await;
    let group = backend
        .only("DescribeSecurityGroups", "SecurityGroups")
        .await;
    let (table, group) = (text(&table["RouteTableId"]), text(&group["GroupId"]));
    let rules = backend.rules(&group).await;
    let rule = text(&rules[0]["SecurityGroupRuleId"]);
    let resources = [&vpc, &subnet, &interface, &table, &group, &rule].map(String::as_str);
    create(&backend, &resources, &[tag("team", "backend")]).await;

    let mut kinds: Vec<String> = shown(&backend, json!([]))
        .await
        .into_iter()
        .map(|(kind, key, value)| {
            assert_eq!((key.as_str(), value.as_str()), ("team", "backend"));
            kind
        })
        .collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "network-interface",
            "route-table",
            "security-group",
            "security-group-rule",
            "subnet",
            "vpc"
        ]
    );
    for (operation, list, member) in [
        ("DescribeVpcs", "Vpcs", "Tags"),
        ("DescribeSubnets", "Subnets", "Tags"),
        ("DescribeNetworkInterfaces", "NetworkInterfaces", "TagSet"),
        ("DescribeRouteTables", "RouteTables", "Tags"),
        ("DescribeSecurityGroups", "SecurityGroups", "Tags"),
    ] {
        let only = backend.only(operation, list).await;
        assert_eq!(only[member], json!([tag("team", "backend")]), "{operation}");
    }
}

#[tokio::test]
async fn describe_tags_filters() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    create(
        &backend,
        &[&vpc],
        &[tag("Name", "main"), tag("stage", "beta")],
    )
    .await;
    create(&backend, &[&subnet], &[tag("Name", "data")]).await;

    let main = ("vpc".into(), "Name".into(), "main".into());
    let stage = ("vpc".into(), "stage".into(), "beta".into());
    let data = ("subnet".into(), "Name".into(), "data".into());
    let table: [(Value, Vec<&Shown>); 7] = [
        (json!([]), vec![&data, &main, &stage]),
        (filter("key", "Name"), vec![&data, &main]),
        (filter("value", "b*"), vec![&stage]),
        (filter("resource-id", &vpc), vec![&main, &stage]),
        (filter("resource-type", "subnet"), vec![&data]),
        (filter("tag:Name", "ma?n"), vec![&main]),
        (filter("key", "name"), vec![]),
    ];
    for (filters, expected) in table {
        let found = shown(&backend, filters.clone()).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filters}");
    }
}

#[tokio::test]
async fn tags_are_changed_and_deleted_by_key_and_value() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    create(
        &backend,
        &[&vpc],
        &[tag("a", "1"), tag("b", ""), tag("c", "3")],
    )
    .await;
    create(&backend, &[&vpc], &[tag("a", "2")]).await;
    let left = async || backend.only("DescribeVpcs", "Vpcs").await["Tags"].clone();
    let delete = async |tags: Value| {
        let input = json!({"Resources": [vpc], "Tags": tags});
        backend.call("DeleteTags", input).await;
    };
    assert_eq!(
        left().await,
        json!([tag("a", "2"), tag("b", ""), tag("c", "3")])
    );
    // Another value, or an empty one, is not that tag.
    delete(json!([tag("a", "1"), tag("c", ""), tag("never", "there")])).await;
    assert_eq!(
        left().await,
        json!([tag("a", "2"), tag("b", ""), tag("c", "3")])
    );
    delete(json!([tag("b", ""), {"Key": "c"}])).await;
    assert_eq!(left().await, json!([tag("a", "2")]));
    assert_eq!(server.keys("tags/").await.len(), 1);
    delete(json!([])).await;
    assert_eq!(left().await, json!([]));
    assert_eq!(server.keys("tags/").await.len(), 0);
}

#[tokio::test]
async fn one_bad_resource_or_tag_leaves_all_untouched() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let full: Vec<Value> = (0..50).map(|n| tag(&format!("key{n}"), "")).collect();
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    create(&backend, &[&subnet], &full).await;

    let unknown = "00000000000000000";
    let table: Vec<(String, &str, String)> = vec![
        (
            format!("vpc-{unknown}"),
            "InvalidVpcID.NotFound",
            format!("The vpc ID 'vpc-{unknown}' does not exist"),
        ),
        (
            format!("subnet-{unknown}"),
            "InvalidSubnetID.NotFound",
            format!("The subnet ID 'subnet-{unknown}' does not exist"),
        ),
        (
            format!("eni-{unknown}"),
            "InvalidNetworkInterfaceID.NotFound",
            format!("The networkInterface ID 'eni-{unknown}' does not exist"),
        ),
        (
            format!("rtb-{unknown}"),
            "InvalidRouteTableID.NotFound",
            format!("The routeTable ID 'rtb-{unknown}' does not exist"),
        ),
        (
            format!("sg-{unknown}"),
            "InvalidGroup.NotFound",
            format!("The security group 'sg-{unknown}' does not exist"),
        ),
        (
            format!("pcx-{unknown}"),
            "InvalidVpcPeeringConnectionID.NotFound",
            format!("The vpcPeeringConnection ID 'pcx-{unknown}' does not exist"),
        ),
        (
            "rtb-1".to_owned(),
            "InvalidRouteTableId.Malformed",
            "Invalid id: \"rtb-1\" (expecting \"rtb-...\")".to_owned(),
        ),
        (
            "vol-1".to_owned(),
            "InvalidID",
            "The ID 'vol-1' is not valid".to_owned(),
        ),
    ];
    for (resource, code, message) in &table {
        let resources = json!([vpc, resource]);
        for operation in ["CreateTags", "DeleteTags"] {
            let input = json!({"Resources": resources, "Tags": [tag("Name", "main")]});
            backend.refused(operation, input, code, message).await;
        }
    }

    let one_more = json!({"Resources": [vpc, subnet], "Tags": [tag("Name", "main")]});
    let message = format!("Resource {subnet}: the resource would have 51 tags; the most is 50.");
    backend
        .refused("CreateTags", one_more, "TagLimitExceeded", &message)
        .await;
    let reserved = json!({"Resources": [vpc], "Tags": [tag("ok", ""), tag("AWS:x", "")]});
    let message = "tag key \"AWS:x\": keys that start with aws: are reserved for system use.";
    backend
        .refused("CreateTags", reserved, "InvalidParameterValue", message)
        .await;
}

#[tokio::test]
async fn a_request_names_a_thousand_resources_at_most() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    for operation in ["CreateTags", "DeleteTags"] {
        let tags = [tag("team", "backend")];
        let input = json!({"Resources": vec![&vpc; 1000], "Tags": tags});
        backend.call(operation, input).await;
        let input = json!({"Resources": vec![&vpc; 1001], "Tags": tags});
        let refusal = backend.refusal(operation, input).await;
        assert_eq!(refusal.code, "InvalidParameterValue");
        assert_eq!(
            refusal.message,
            "The request names 1001 resources; name at most 1000 at a time."
        );
    }
}
