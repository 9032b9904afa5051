//! CreateSecurityGroup, DeleteSecurityGroup and DescribeSecurityGroups.

use serde_json::{Value, json};
use tombolo_domain::quota::Quotas;
use tombolo_store::keys;
use tombolo_testkit::ec2::filter;

use super::groups::{from_group, tcp};
use crate::document::{text, with};
use crate::server::{BACKEND, Server};

#[tokio::test]
async fn a_new_group_lets_nothing_in_and_everything_out() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let input = json!({
        "GroupName": "web servers ",
        "Description": "in front (a-z): #1 & co!",
        "VpcId": vpc,
        "TagSpecifications": [
            {"ResourceType": "security-group", "Tags": [{"Key": "stage", "Value": "test"}]},
        ],
    });
    let created = backend.call("CreateSecurityGroup", input).await;
    let id = text(&created["GroupId"]);
    let arn = format!("arn:aws:ec2:us-west-2:{BACKEND}:security-group/{id}");
    let tags = json!([{"Key": "stage", "Value": "test"}]);
    assert_eq!(
        created,
        json!({"GroupId": id, "SecurityGroupArn": arn, "Tags": tags})
    );

    let input = json!({"GroupIds": [id]});
    let shown = backend.call("DescribeSecurityGroups", input).await;
    assert_eq!(
        shown["SecurityGroups"],
        json!([{
            "GroupId": id,
            "GroupName": "web servers",
            "Description": "in front (a-z): #1 & co!",
            "VpcId": vpc,
            "OwnerId": BACKEND,
            "SecurityGroupArn": arn,
            "IpPermissions": [],
            "IpPermissionsEgress": [{
                "IpProtocol": "-1",
                "FromPort": null,
                "ToPort": null,
                "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": null}],
                "UserIdGroupPairs": [],
                "Ipv6Ranges": [],
                "PrefixListIds": [],
            }],
            "Tags": tags,
        }])
    );
}

#[tokio::test]
async fn every_group_has_a_number_of_its_own_in_the_data_path() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    backend.group(&vpc, "one").await;
    backend.group(&vpc, "other").await;
    let mut tx = server.transaction();
    let scope = backend.scope();
    let vpcs = tx.peek(&keys::vpcs(&scope)).await.unwrap();
    let groups = tx.peek(&keys::security_groups(&scope)).await.unwrap();
    let mut numbers: Vec<u32> = groups
        .iter()
        .map(|group| group.number_in(vpcs[0].number).0)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test]
async fn create_security_group_refuses() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    backend.group(&vpc, "web").await;
    let good = || json!({"GroupName": "db", "Description": "database", "VpcId": vpc});
    let named = |name: &str| with(good(), "GroupName", name);
    let described = |text: &str| with(good(), "Description", text);
    let valid = "strings less than 256 characters from the following set: a-zA-Z0-9. \
                 _-:/()#,@[]+=&;{}!$*.";
    let long = "n".repeat(256);
    let start = "n".repeat(128);
    let table: Vec<(Value, &str, String)> =
        vec![
        (
            named(""),
            "MissingParameter",
            "The request must contain the parameter groupName".into(),
        ),
        (
            named("  "),
            "MissingParameter",
            "The request must contain the parameter groupName".into(),
        ),
        (
            described(""),
            "MissingParameter",
            "The request must contain the parameter GroupDescription".into(),
        ),
        (
            named("sg-web"),
            "InvalidParameterValue",
            "Value (sg-web) for parameter groupName is invalid. Group names may not be in the \
             format sg-*."
                .into(),
        ),
        (
            named("ö"),
            "InvalidParameterValue",
            format!("Value (ö) for parameter groupName is invalid. Valid names are {valid}"),
        ),
        (
            named(&long),
            "InvalidParameterValue",
            format!("Value ({start}…) for parameter groupName is invalid. Valid names are {valid}"),
        ),
        (
            described("a<b"),
            "InvalidParameterValue",
            format!(
                "Value (a<b) for parameter GroupDescription is invalid. Invalid security group \
                 description. Valid descriptions are {valid}"
            ),
        ),
        (
            named("Default"),
            "InvalidParameterValue",
            "Cannot use reserved security group name: Default".into(),
        ),
        (
            named("WEB"),
            "InvalidGroup.Duplicate",
            format!("The security group 'WEB' already exists for VPC '{vpc}'"),
        ),
        (
            with(good(), "VpcId", Value::Null),
            "VPCIdNotSpecified",
            "No default VPC for this user. Tombolo makes none: give VpcId.".into(),
        ),
        (
            with(good(), "VpcId", "vpc-1"),
            "InvalidVpcID.Malformed",
            "Invalid id: \"vpc-1\" (expecting \"vpc-...\")".into(),
        ),
        (
            with(good(), "VpcId", "vpc-00000000000000000"),
            "InvalidVpcID.NotFound",
            "The vpc ID 'vpc-00000000000000000' does not exist".into(),
        ),
        (
            with(good(), "TagSpecifications", json!([{"ResourceType": "vpc"}])),
            "InvalidParameterValue",
            "'vpc' is not a valid taggable resource type for this operation; use 'security-group'."
                .into(),
        ),
        (
            with(good(), "DryRun", true),
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.".into(),
        ),
    ];
    for (input, code, message) in table {
        backend
            .refused("CreateSecurityGroup", input, code, &message)
            .await;
    }
    // Of another VPC, the name is free.
    let other = backend.vpc("10.1.0.0/16").await;
    backend.group(&other, "web").await;
}

#[tokio::test]
async fn a_region_has_no_more_groups_than_its_quota() {
    let server = Server::with_quotas(Quotas {
        security_groups_per_region: 3,
        ..Quotas::default()
    });
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let first = backend.group(&vpc, "first").await;
    backend.group(&vpc, "second").await;
    let input = json!({"GroupName": "third", "Description": "one too many", "VpcId": vpc});
    let message = "The maximum number of security groups for Region us-west-2 has been reached: \
                   the quota is 3. Delete one that is not used.";
    let code = "SecurityGroupLimitExceeded";
    backend
        .refused("CreateSecurityGroup", input, code, message)
        .await;
    let input = json!({"GroupId": first});
    backend.call("DeleteSecurityGroup", input).await;
    backend.group(&vpc, "third").await;
}

#[tokio::test]
async fn a_deleted_group_leaves_nothing() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let (_, before) = server.dump().await;
    let group = backend.group(&vpc, "web").await;
    let rules = backend.let_in(&group, json!([tcp(80, "0.0.0.0/0")])).await;
    let rule = text(&rules[0]["SecurityGroupRuleId"]);
    let tags = json!({"Resources": [group, rule], "Tags": [{"Key": "stage"}]});
    backend.call("CreateTags", tags).await;
    let deleted = backend
        .call("DeleteSecurityGroup", json!({"GroupId": group}))
        .await;
    assert_eq!(deleted, json!({"Return": true, "GroupId": group}));
    let (_, after) = server.dump().await;
    assert_eq!(before, after);
}

#[tokio::test]
async fn delete_security_group_refuses() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let default = backend.default_group(&vpc).await;
    let carried = backend.group(&vpc, "carried").await;
    let named = backend.group(&vpc, "named").await;
    let input = json!({"SubnetId": subnet, "Groups": [carried]});
    let interface = backend.call("CreateNetworkInterface", input).await;
    let interface = text(&interface["NetworkInterface"]["NetworkInterfaceId"]);
    let pair = json!({"GroupId": named});
    backend.let_in(&carried, json!([from_group(pair)])).await;

    let id = |id: &str| json!({"GroupId": id});
    for (input, code, message) in [
        (
            json!({}),
            "MissingParameter",
            "The request must contain the parameter groupId".to_owned(),
        ),
        (
            json!({"GroupName": "named"}),
            "UnsupportedOperation",
            "GroupName names a security group of a default VPC, and Tombolo makes none. Use \
             GroupId."
                .to_owned(),
        ),
        (
            id("sg-xyz"),
            "InvalidGroupId.Malformed",
            "Invalid id: \"sg-xyz\" (expecting \"sg-...\")".to_owned(),
        ),
        (
            id("sg-00000000000000000"),
            "InvalidGroup.NotFound",
            "The security group 'sg-00000000000000000' does not exist".to_owned(),
        ),
        (
            id(&default),
            "CannotDelete",
            format!(
                "the specified group: \"{default}\" name: \"default\" cannot be deleted by a user; \
                 it goes with its VPC"
            ),
        ),
        (
            id(&carried),
            "DependencyViolation",
            format!(
                "resource {carried} has a dependent object: network interface {interface} carries \
                 it; give that another group first"
            ),
        ),
        (
            id(&named),
            "DependencyViolation",
            format!(
                "resource {named} has a dependent object: a rule of security group {carried} names \
                 it; revoke that first"
            ),
        ),
    ] {
        backend
            .refused("DeleteSecurityGroup", input, code, &message)
            .await;
    }

    let input = json!({"NetworkInterfaceId": interface, "Groups": [default]});
    backend.call("ModifyNetworkInterfaceAttribute", input).await;
    backend.call("DeleteSecurityGroup", id(&carried)).await;
    backend.call("DeleteSecurityGroup", id(&named)).await;
}

#[tokio::test]
async fn a_group_may_name_itself_and_be_deleted() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let group = backend.group(&vpc, "cluster").await;
    let pair = json!({"GroupId": group});
    backend.let_in(&group, json!([from_group(pair)])).await;
    let input = json!({"GroupId": group});
    backend.call("DeleteSecurityGroup", input).await;
}

#[tokio::test]
async fn a_vpc_goes_after_its_groups() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let group = backend.group(&vpc, "web").await;
    let default = backend.default_group(&vpc).await;
    let rules = backend
        .let_in(&default, json!([tcp(80, "0.0.0.0/0")]))
        .await;
    let rule = text(&rules[0]["SecurityGroupRuleId"]);
    let tags = json!({"Resources": [rule], "Tags": [{"Key": "stage"}]});
    backend.call("CreateTags", tags).await;
    let message =
        format!("The vpc '{vpc}' has dependencies and cannot be deleted; delete {group} first.");
    let delete = json!({"VpcId": vpc});
    backend
        .refused("DeleteVpc", delete.clone(), "DependencyViolation", &message)
        .await;
    let input = json!({"GroupId": group});
    backend.call("DeleteSecurityGroup", input).await;
    backend.call("DeleteVpc", delete).await;
    assert!(server.keys("tags/").await.is_empty());
    assert!(server.keys("security-group/").await.is_empty());
}

#[tokio::test]
async fn fields_of_rules_filter_groups() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let web = backend.group(&vpc, "web").await;
    let db = backend.group(&vpc, "db").await;
    backend
        .let_in(&web, json!([tcp(443, "192.0.2.0/24")]))
        .await;
    let postgres = json!({
        "IpProtocol": "tcp",
        "FromPort": 5432,
        "ToPort": 5433,
        "UserIdGroupPairs": [{"GroupId": web}],
    });
    backend.let_in(&db, json!([postgres])).await;
    let input = json!({"GroupId": web, "IpPermissions": [
        {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "UserIdGroupPairs": [{"GroupId": db}]},
    ]});
    backend.call("AuthorizeSecurityGroupEgress", input).await;

    for (name, value, expected) in [
        ("ip-permission.cidr", "192.0.2.0/24", vec![&web]),
        ("ip-permission.from-port", "5432", vec![&db]),
        ("ip-permission.to-port", "5433", vec![&db]),
        ("ip-permission.to-port", "443", vec![&web]),
        ("ip-permission.protocol", "tcp", vec![&web, &db]),
        ("ip-permission.group-id", &web, vec![&db]),
        ("ip-permission.group-name", "web", vec![&db]),
        ("ip-permission.ipv6-cidr", "*", vec![]),
        ("ip-permission.prefix-list-id", "*", vec![]),
        ("egress.ip-permission.protocol", "udp", vec![&web]),
        ("egress.ip-permission.from-port", "53", vec![&web]),
        ("egress.ip-permission.to-port", "53", vec![&web]),
        ("egress.ip-permission.group-id", &db, vec![&web]),
        ("egress.ip-permission.group-name", "db", vec![&web]),
        ("egress.ip-permission.user-id", BACKEND, vec![&web]),
        ("egress.ip-permission.ipv6-cidr", "*", vec![]),
        ("egress.ip-permission.prefix-list-id", "*", vec![]),
        ("group-name", "?b", vec![&db]),
    ] {
        let found = backend.filtered(
            "DescribeSecurityGroups",
            "SecurityGroups",
            filter(name, value),
        );
        let found = found.await;
        let mut found: Vec<String> = found.iter().map(|group| text(&group["GroupId"])).collect();
        let mut expected: Vec<String> = expected.into_iter().cloned().collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{name}={value}");
    }
}
