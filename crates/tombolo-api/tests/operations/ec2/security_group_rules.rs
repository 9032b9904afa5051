//! Rules of security groups: added, shown, changed and taken away.

use proptest::prelude::*;
use serde_json::{Value, json};
use tombolo_domain::quota::Quotas;

use super::groups::{from_group, tcp};
use super::resources::filter;
use crate::document::{list, text, with};
use crate::server::{BACKEND, Server};

const INGRESS: &str = "AuthorizeSecurityGroupIngress";
const EGRESS: &str = "AuthorizeSecurityGroupEgress";
const REVOKE: &str = "RevokeSecurityGroupIngress";
const MODIFY: &str = "ModifySecurityGroupRules";
const DESCRIBE: &str = "UpdateSecurityGroupRuleDescriptionsIngress";

/// A server with a group `web` of the backend's.
async fn with_group() -> (Server, String) {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let group = backend.group(&vpc, "web").await;
    (server, group)
}

#[tokio::test]
async fn added_rules_are_shown_in_full() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    let input = json!({
        "GroupId": group,
        "IpPermissions": [
            {
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 444,
                "IpRanges": [{"CidrIp": "192.0.2.77/24", "Description": "office"}],
            },
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group, "UserId": BACKEND}]},
        ],
        "TagSpecifications": [
            {"ResourceType": "security-group-rule", "Tags": [{"Key": "stage", "Value": "test"}]},
        ],
    });
    let output = backend.call(INGRESS, input).await;
    let tags = json!([{"Key": "stage", "Value": "test"}]);
    let expected = |rule: &Value, own: Value| {
        let id = text(&rule["SecurityGroupRuleId"]);
        let mut expected = json!({
            "SecurityGroupRuleId": id,
            "SecurityGroupRuleArn":
                format!("arn:aws:ec2:us-west-2:{BACKEND}:security-group-rule/{id}"),
            "GroupId": group,
            "GroupOwnerId": BACKEND,
            "IsEgress": false,
            "CidrIpv4": null,
            "ReferencedGroupInfo": null,
            "Description": null,
            "Tags": tags,
        });
        let own = own.as_object().unwrap().clone();
        expected.as_object_mut().unwrap().extend(own);
        expected
    };
    let rules = list(&output["SecurityGroupRules"]);
    let addresses = json!({
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 444,
        // EC2 clears the host bits.
        "CidrIpv4": "192.0.2.0/24",
        "Description": "office",
    });
    let referenced = json!({
        "IpProtocol": "-1",
        "FromPort": -1,
        "ToPort": -1,
        "ReferencedGroupInfo": {
            "GroupId": group,
            "UserId": BACKEND,
            "VpcId": null,
            "VpcPeeringConnectionId": null,
            "PeeringStatus": null,
        },
    });
    assert_eq!(rules.len(), 2);
    assert_eq!(rules[0], expected(&rules[0], addresses));
    assert_eq!(rules[1], expected(&rules[1], referenced));

    for rule in &rules {
        let input = json!({"SecurityGroupRuleIds": [rule["SecurityGroupRuleId"]]});
        let shown = backend.call("DescribeSecurityGroupRules", input).await;
        assert_eq!(shown["SecurityGroupRules"], json!([rule]));
    }
    // Also tagged, and the one that every group has on its way out.
    let filters = filter("tag:stage", "test");
    let found = backend.filtered("DescribeSecurityGroupRules", "SecurityGroupRules", filters);
    assert_eq!(found.await.len(), 2);
    assert_eq!(backend.rules(&group).await.len(), 3);
}

#[tokio::test]
async fn protocols_are_known_by_name_and_number() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    let ports = Some((1000, 2000));
    for (given, ports, shown) in [
        ("tcp", ports, ("tcp", 1000, 2000)),
        ("6", Some((0, 65535)), ("tcp", 0, 65535)),
        ("UDP", ports, ("udp", 1000, 2000)),
        ("17", Some((7, 7)), ("udp", 7, 7)),
        ("icmp", Some((8, -1)), ("icmp", 8, -1)),
        ("1", Some((-1, -1)), ("icmp", -1, -1)),
        ("icmp", Some((3, 4)), ("icmp", 3, 4)),
        ("icmpv6", None, ("icmpv6", -1, -1)),
        ("50", None, ("50", -1, -1)),
        // Ports say nothing where there are none.
        ("51", ports, ("51", -1, -1)),
        ("-1", ports, ("-1", -1, -1)),
        ("0", None, ("0", -1, -1)),
        ("255", None, ("255", -1, -1)),
    ] {
        let permission = json!({
            "IpProtocol": given,
            "FromPort": ports.map(|(from, _)| from),
            "ToPort": ports.map(|(_, to)| to),
            "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
        });
        let rules = backend.let_in(&group, json!([permission])).await;
        let rule = &rules[0];
        let (protocol, from, to) = shown;
        assert_eq!(
            (&rule["IpProtocol"], &rule["FromPort"], &rule["ToPort"]),
            (&json!(protocol), &json!(from), &json!(to)),
            "{given}"
        );
    }
}

#[tokio::test]
async fn one_rule_may_come_with_its_members_side_by_side() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    let input = json!({
        "GroupId": group,
        "IpProtocol": "tcp",
        "FromPort": 22,
        "ToPort": 22,
        "CidrIp": "203.0.113.7/32",
    });
    let output = backend.call(INGRESS, input.clone()).await;
    let rule = &output["SecurityGroupRules"][0];
    assert_eq!(rule["CidrIpv4"], "203.0.113.7/32");
    assert_eq!(rule["FromPort"], 22);
    let revoked = backend.call(REVOKE, input).await;
    assert_eq!(
        revoked["RevokedSecurityGroupRules"][0]["SecurityGroupRuleId"],
        rule["SecurityGroupRuleId"]
    );
}

/// What one permission of an otherwise right request may not be, with the error.
fn bad_permissions() -> Vec<(Value, &'static str, String)> {
    let range = json!([{"CidrIp": "10.0.0.0/8"}]);
    let of = |protocol: &str, from: Value, to: Value| json!({"IpProtocol": protocol, "FromPort": from, "ToPort": to, "IpRanges": range});
    let ports = |from: i64, to: i64| of("tcp", json!(from), json!(to));
    let cidr = |cidr: &str| tcp(80, cidr);
    let pair = |pair: Value| from_group(pair);
    let invalid = "InvalidParameterValue";
    let unknown = |protocol: &str| {
        format!(
            "Invalid value '{protocol}' for IP protocol. Unknown protocol. Use tcp, udp, icmp, a \
             number from 0 to 255, or -1 for every protocol."
        )
    };
    let malformed = |cidr: &str| {
        format!(
            "CIDR block {cidr} is malformed. Write it as 10.0.0.0/16, or 10.0.0.7/32 for one \
             address."
        )
    };
    let both = "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.";
    vec![
        (
            json!({"IpRanges": range}),
            "MissingParameter",
            "The request must contain the parameter ipProtocol".into(),
        ),
        (of("gre", json!(1), json!(1)), invalid, unknown("gre")),
        (of("256", json!(1), json!(1)), invalid, unknown("256")),
        (of("-2", json!(1), json!(1)), invalid, unknown("-2")),
        (of("all", json!(1), json!(1)), invalid, unknown("all")),
        (of("", json!(1), json!(1)), invalid, unknown("")),
        (of("tcp", json!(80), Value::Null), invalid, both.into()),
        (of("udp", Value::Null, Value::Null), invalid, both.into()),
        (
            ports(-1, 80),
            invalid,
            "TCP/UDP (from) port (-1) out of range. A port is from 0 to 65535.".into(),
        ),
        (
            ports(80, 65536),
            invalid,
            "TCP/UDP (to) port (65536) out of range. A port is from 0 to 65535.".into(),
        ),
        (
            ports(90, 80),
            invalid,
            "Invalid TCP/UDP port range (90:80). FromPort must not be above ToPort.".into(),
        ),
        (
            of("icmp", json!(8), Value::Null),
            invalid,
            "Invalid value 'Must specify both type and code with ICMP.' for portRange.".into(),
        ),
        (
            of("icmp", json!(256), json!(-1)),
            invalid,
            "ICMP type (256) out of range. It is from 0 to 255, or -1 for every one.".into(),
        ),
        (
            of("icmp", json!(3), json!(-2)),
            invalid,
            "ICMP code (-2) out of range. It is from 0 to 255, or -1 for every one.".into(),
        ),
        (
            of("icmp", json!(-1), json!(4)),
            invalid,
            "ICMP code (4) needs a type. With every type (-1), the code must be -1.".into(),
        ),
        (
            of("icmpv6", json!(128), json!(0)),
            "UnsupportedOperation",
            "ICMPv6 types and codes are not supported: Tombolo's networks carry no IPv6. Leave \
             FromPort and ToPort out."
                .into(),
        ),
        (cidr("10.0.0.0/33"), invalid, malformed("10.0.0.0/33")),
        (cidr("10.0.0.1"), invalid, malformed("10.0.0.1")),
        (cidr(""), invalid, malformed("")),
        (cidr("::/0"), invalid, malformed("::/0")),
        (
            json!({"IpProtocol": "-1", "IpRanges": [{}]}),
            "MissingParameter",
            "The request must contain the parameter cidrIp".into(),
        ),
        (
            json!({"IpProtocol": "-1"}),
            "InvalidPermission.Malformed",
            "A permission names neither addresses nor a security group. Give it IpRanges or \
             UserIdGroupPairs."
                .into(),
        ),
        (
            json!({"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}),
            "UnsupportedOperation",
            "IPv6 ranges are not supported: Tombolo's networks carry no IPv6. Leave them out."
                .into(),
        ),
        (
            json!({"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-1"}]}),
            "UnsupportedOperation",
            "Prefix lists are not supported: Tombolo has none. Use IPv4 ranges.".into(),
        ),
        (
            pair(json!({"GroupName": "web"})),
            "UnsupportedOperation",
            "GroupName names a security group of a default VPC, and Tombolo makes none. Use \
             GroupId in UserIdGroupPairs."
                .into(),
        ),
        (
            pair(json!({"UserId": BACKEND})),
            "MissingParameter",
            "Source group ID missing. Give each of UserIdGroupPairs a GroupId.".into(),
        ),
        (
            pair(json!({"GroupId": "web"})),
            "InvalidGroupId.Malformed",
            "Invalid id: \"web\" (expecting \"sg-...\")".into(),
        ),
        (
            pair(json!({"GroupId": "sg-00000000000000000"})),
            "InvalidGroup.NotFound",
            "The security group 'sg-00000000000000000' does not exist".into(),
        ),
        (
            pair(json!({"GroupId": "sg-00000000000000000", "UserId": "me"})),
            invalid,
            "Value (me) for parameter userId is invalid. \"me\" is not an account id (12 digits)."
                .into(),
        ),
        (
            pair(json!({"GroupId": "111122223333/sg-00000000000000000", "UserId": BACKEND})),
            invalid,
            format!(
                "Value ({BACKEND}) for parameter userId is invalid. The security group is written \
                 with another account."
            ),
        ),
        (
            json!({
                "IpProtocol": "-1",
                "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "<b>"}],
            }),
            invalid,
            "Value (<b>) for parameter description is invalid. Invalid rule description. Valid \
             descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. \
             _-:/()#,@[]+=&;{}!$*."
                .into(),
        ),
    ]
}

#[tokio::test]
async fn one_bad_permission_and_nothing_is_added() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    for (bad, code, message) in bad_permissions() {
        let permissions = json!([tcp(443, "192.0.2.0/24"), bad]);
        let input = json!({"GroupId": group, "IpPermissions": permissions});
        for operation in [INGRESS, EGRESS] {
            backend
                .refused(operation, input.clone(), code, &message)
                .await;
        }
    }
}

#[tokio::test]
async fn authorize_refuses() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    backend
        .let_in(
            &group,
            json!([tcp(80, "10.0.0.0/8"), from_group(json!({"GroupId": group}))]),
        )
        .await;
    let give = |permissions: Value| json!({"GroupId": group, "IpPermissions": permissions});
    let flat = json!({"GroupId": group, "IpProtocol": "-1", "CidrIp": "10.0.0.0/8"});
    let ping = json!({
        "IpProtocol": "icmp",
        "FromPort": 8,
        "ToPort": -1,
        "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
    });
    backend.let_in(&group, json!([ping])).await;
    let none = "The request must contain the parameter ipPermissions";
    let no_default = "SourceSecurityGroupName names a security group of a default VPC, and Tombolo \
                      makes none. Use IpPermissions with UserIdGroupPairs.";
    for (input, code, message) in [
        (give(json!([])), "MissingParameter", none.to_owned()),
        (
            json!({"IpPermissions": [tcp(1, "10.0.0.0/8")]}),
            "MissingParameter",
            "The request must contain the parameter groupId".to_owned(),
        ),
        (
            json!({"GroupName": "web", "IpPermissions": [tcp(1, "10.0.0.0/8")]}),
            "UnsupportedOperation",
            "GroupName names a security group of a default VPC, and Tombolo makes none. Use \
             GroupId."
                .to_owned(),
        ),
        (
            with(give(json!([tcp(1, "10.0.0.0/8")])), "CidrIp", "10.0.0.0/8"),
            "InvalidParameterCombination",
            "The parameter 'ipPermissions' may not be used in combination with 'cidrIp'".to_owned(),
        ),
        (
            json!({"GroupId": group, "SourceSecurityGroupName": "web"}),
            "UnsupportedOperation",
            no_default.to_owned(),
        ),
        (
            json!({"GroupId": group, "SourceSecurityGroupOwnerId": BACKEND, "IpProtocol": "tcp"}),
            "UnsupportedOperation",
            no_default.to_owned(),
        ),
        (
            json!({"GroupId": group, "IpProtocol": "-1"}),
            "MissingParameter",
            "The request must contain the parameter cidrIp".to_owned(),
        ),
        (
            give(json!([tcp(1, "10.0.0.0/8"), tcp(1, "10.1.0.0/8")])),
            "InvalidParameterValue",
            "The same permission must not appear multiple times".to_owned(),
        ),
        (
            give(json!([tcp(1, "10.0.0.0/8"), tcp(80, "10.2.0.0/8")])),
            "InvalidPermission.Duplicate",
            "the specified rule \"peer: 10.0.0.0/8, TCP, from port: 80, to port: 80, ALLOW\" \
             already exists"
                .to_owned(),
        ),
        (
            give(json!([from_group(
                json!({"GroupId": group, "UserId": BACKEND})
            )])),
            "InvalidPermission.Duplicate",
            format!("the specified rule \"peer: {group}, ALL, ALLOW\" already exists"),
        ),
        (
            give(json!([ping])),
            "InvalidPermission.Duplicate",
            "the specified rule \"peer: 10.0.0.0/8, ICMP, type: 8, code: ALL, ALLOW\" already \
             exists"
                .to_owned(),
        ),
        (
            with(flat.clone(), "DryRun", true),
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.".to_owned(),
        ),
    ] {
        backend.refused(INGRESS, input, code, &message).await;
    }
    let message = "The parameter cidrIp is not supported for outbound rules. Use IpPermissions.";
    backend
        .refused(EGRESS, flat, "UnsupportedOperation", message)
        .await;
    // Rules that overlap are two rules, and the same rule may be there for each direction.
    backend
        .let_in(&group, json!([tcp(80, "10.0.0.0/9"), tcp(80, "0.0.0.0/0")]))
        .await;
    backend
        .call(EGRESS, give(json!([tcp(80, "10.0.0.0/8")])))
        .await;
}

#[tokio::test]
async fn a_group_has_no_more_rules_each_way_than_its_quota() {
    let server = Server::with_quotas(Quotas {
        rules_per_security_group: 3,
        ..Quotas::default()
    });
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let group = backend.group(&vpc, "web").await;
    let rules = |ports: [i64; 2]| json!(ports.map(|port| tcp(port, "10.0.0.0/8")));
    backend.let_in(&group, rules([1, 2])).await;
    let input = json!({"GroupId": group, "IpPermissions": rules([3, 4])});
    let message = format!(
        "The maximum number of rules per security group has been reached: '{group}' would have 4 \
         inbound rules, and the quota is 3."
    );
    let code = "RulesPerSecurityGroupLimitExceeded";
    backend
        .refused(INGRESS, input.clone(), code, &message)
        .await;
    backend.let_in(&group, json!([tcp(3, "10.0.0.0/8")])).await;
    // One is there on the way out.
    backend.call(EGRESS, input).await;
    let input = json!({"GroupId": group, "IpPermissions": [tcp(5, "10.0.0.0/8")]});
    let message = message.replace("inbound", "outbound");
    backend.refused(EGRESS, input, code, &message).await;
}

#[tokio::test]
async fn rules_are_revoked_by_what_they_say_and_by_id() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    let described = json!({
        "IpProtocol": "udp",
        "FromPort": 53,
        "ToPort": 53,
        "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "names"}],
    });
    let added = backend
        .let_in(
            &group,
            json!([
                described,
                tcp(80, "10.0.0.0/8"),
                from_group(json!({"GroupId": group}))
            ]),
        )
        .await;
    let undescribed = json!({
        "IpProtocol": "17",
        "FromPort": 53,
        "ToPort": 53,
        "IpRanges": [{"CidrIp": "10.1.2.3/8"}],
    });
    let input = json!({"GroupId": group, "IpPermissions": [undescribed]});
    let revoked = backend.call(REVOKE, input).await;
    assert_eq!(
        revoked,
        json!({
            "Return": true,
            "RevokedSecurityGroupRules": [{
                "SecurityGroupRuleId": added[0]["SecurityGroupRuleId"],
                "GroupId": group,
                "IsEgress": false,
                "IpProtocol": "udp",
                "FromPort": 53,
                "ToPort": 53,
                "CidrIpv4": "10.0.0.0/8",
                "ReferencedGroupId": null,
                "Description": "names",
            }],
        })
    );
    let ids = [
        &added[1]["SecurityGroupRuleId"],
        &added[2]["SecurityGroupRuleId"],
    ];
    let input = json!({"GroupId": group, "SecurityGroupRuleIds": ids});
    let revoked = backend.call(REVOKE, input).await;
    let revoked = list(&revoked["RevokedSecurityGroupRules"]);
    assert_eq!(revoked.len(), 2);
    assert_eq!(revoked[1]["ReferencedGroupId"], group.as_str());

    let out = backend.rules(&group).await;
    let id = text(&out[0]["SecurityGroupRuleId"]);
    let tags = json!({"Resources": [id], "Tags": [{"Key": "stage"}]});
    backend.call("CreateTags", tags).await;
    let input = json!({"GroupId": group, "SecurityGroupRuleIds": [id]});
    backend.call("RevokeSecurityGroupEgress", input).await;
    assert!(backend.rules(&group).await.is_empty());
    assert!(server.keys("tags/").await.is_empty());
}

#[tokio::test]
async fn revoke_refuses_and_takes_nothing_away() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    let added = backend.let_in(&group, json!([tcp(80, "10.0.0.0/8")])).await;
    let id = text(&added[0]["SecurityGroupRuleId"]);
    let give = |permissions: Value| json!({"GroupId": group, "IpPermissions": permissions});
    let ids = |ids: Value| json!({"GroupId": group, "SecurityGroupRuleIds": ids});
    let never = "sgr-00000000000000000";
    let not_there = format!("The security group rule ID '{never}' does not exist");
    for (input, code, message) in [
        (
            give(json!([tcp(80, "10.0.0.0/8"), tcp(81, "10.0.0.0/8")])),
            "InvalidPermission.NotFound",
            format!(
                "The specified rule does not exist in this security group: '{group}' has no rule \
                 \"peer: 10.0.0.0/8, TCP, from port: 81, to port: 81, ALLOW\"."
            ),
        ),
        (
            give(json!([from_group(json!({"GroupId": group}))])),
            "InvalidPermission.NotFound",
            format!(
                "The specified rule does not exist in this security group: '{group}' has no rule \
                 \"peer: {group}, ALL, ALLOW\"."
            ),
        ),
        (
            ids(json!([id, never])),
            "InvalidSecurityGroupRuleId.NotFound",
            not_there.clone(),
        ),
        (
            ids(json!(["sg-1"])),
            "InvalidSecurityGroupRuleId.Malformed",
            "Invalid id: \"sg-1\" (expecting \"sgr-...\")".to_owned(),
        ),
        (
            with(ids(json!([id])), "CidrIp", "10.0.0.0/8"),
            "InvalidParameterCombination",
            "The parameter securityGroupRuleIds cannot be used together with rules' properties. \
             Name each rule in one way."
                .to_owned(),
        ),
        (
            give(json!([])),
            "MissingParameter",
            "The request must contain the parameter ipPermissions".to_owned(),
        ),
        (
            with(ids(json!([id])), "DryRun", true),
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.".to_owned(),
        ),
    ] {
        backend.refused(REVOKE, input, code, &message).await;
    }
    // The rule is one for packets in.
    let message = format!("The security group rule ID '{id}' does not exist");
    let code = "InvalidSecurityGroupRuleId.NotFound";
    backend
        .refused(
            "RevokeSecurityGroupEgress",
            ids(json!([id])),
            code,
            &message,
        )
        .await;
}

#[tokio::test]
async fn rules_are_changed_under_their_ids() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    let added = backend.let_in(
        &group,
        json!([tcp(80, "10.0.0.0/8"), tcp(81, "10.0.0.0/8")]),
    );
    let added = added.await;
    let ids = [0, 1].map(|at| text(&added[at]["SecurityGroupRuleId"]));
    // Each gets what the other had, which is a duplicate halfway only.
    let wanted = |port: i64| json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIpv4": "10.0.0.0/8"});
    let update =
        |id: &str, wanted: Value| json!({"SecurityGroupRuleId": id, "SecurityGroupRule": wanted});
    let give = |updates: Value| json!({"GroupId": group, "SecurityGroupRules": updates});
    let input = give(json!([
        update(&ids[0], wanted(81)),
        update(&ids[1], wanted(80))
    ]));
    assert_eq!(backend.call(MODIFY, input).await, json!({"Return": true}));
    let shown = async |id: &str| {
        let input = json!({"SecurityGroupRuleIds": [id]});
        let output = backend.call("DescribeSecurityGroupRules", input).await;
        output["SecurityGroupRules"][0].clone()
    };
    assert_eq!(shown(&ids[0]).await["FromPort"], 81);
    assert_eq!(shown(&ids[1]).await["FromPort"], 80);

    let from_group = json!({
        "IpProtocol": "-1",
        "ReferencedGroupId": group,
        "Description": "the group itself",
    });
    let input = give(json!([update(&ids[0], from_group)]));
    backend.call(MODIFY, input).await;
    let rule = shown(&ids[0]).await;
    assert_eq!(rule["ReferencedGroupInfo"]["GroupId"], group.as_str());
    assert_eq!(rule["Description"], "the group itself");
    assert_eq!(rule["CidrIpv4"], Value::Null);

    let none = with(wanted(7), "CidrIpv4", Value::Null);
    for (input, code, message) in [
        (
            give(json!([])),
            "MissingParameter",
            "The request must contain the parameter securityGroupRule".to_owned(),
        ),
        (
            give(json!([{"SecurityGroupRuleId": ids[0]}])),
            "MissingParameter",
            "The request must contain the parameter securityGroupRule".to_owned(),
        ),
        (
            give(json!([update("sgr-00000000000000000", wanted(7))])),
            "InvalidSecurityGroupRuleId.NotFound",
            "The security group rule ID 'sgr-00000000000000000' does not exist".to_owned(),
        ),
        (
            give(json!([update(&ids[0], wanted(7)), update(&ids[0], wanted(8))])),
            "InvalidParameterValue",
            format!(
                "The security group rule ID '{}' is there twice. Name each rule once.",
                ids[0]
            ),
        ),
        (
            give(json!([update(&ids[0], wanted(80))])),
            "InvalidPermission.Duplicate",
            "the specified rule \"peer: 10.0.0.0/8, TCP, from port: 80, to port: 80, ALLOW\" \
             already exists"
                .to_owned(),
        ),
        (
            give(json!([update(&ids[0], wanted(7)), update(&ids[1], wanted(7))])),
            "InvalidPermission.Duplicate",
            "the specified rule \"peer: 10.0.0.0/8, TCP, from port: 7, to port: 7, ALLOW\" already \
             exists"
                .to_owned(),
        ),
        (
            give(json!([update(&ids[0], wanted(70_000))])),
            "InvalidParameterValue",
            "TCP/UDP (from) port (70000) out of range. A port is from 0 to 65535.".to_owned(),
        ),
        (
            give(json!([update(&ids[0], none.clone())])),
            "MissingParameter",
            "A rule names neither addresses nor a security group. Give it CidrIpv4 or \
             ReferencedGroupId."
                .to_owned(),
        ),
        (
            give(json!([update(&ids[0], with(wanted(7), "ReferencedGroupId", group.as_str()))])),
            "InvalidParameterCombination",
            "A rule names addresses and a security group. Give it CidrIpv4 or ReferencedGroupId, \
             not both."
                .to_owned(),
        ),
        (
            give(json!([update(&ids[0], with(none.clone(), "CidrIpv6", "::/0"))])),
            "UnsupportedOperation",
            "IPv6 ranges are not supported: Tombolo's networks carry no IPv6. Leave them out."
                .to_owned(),
        ),
        (
            give(json!([update(&ids[0], with(none, "PrefixListId", "pl-1"))])),
            "UnsupportedOperation",
            "Prefix lists are not supported: Tombolo has none. Use IPv4 ranges.".to_owned(),
        ),
    ] {
        backend.refused(MODIFY, input, code, &message).await;
    }
}

#[tokio::test]
async fn rules_are_described_by_what_they_say_and_by_id() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    let added = backend.let_in(&group, json!([tcp(80, "10.0.0.0/8")])).await;
    let id = text(&added[0]["SecurityGroupRuleId"]);
    let description = async || {
        let input = json!({"SecurityGroupRuleIds": [id]});
        let output = backend.call("DescribeSecurityGroupRules", input).await;
        output["SecurityGroupRules"][0]["Description"].clone()
    };
    let said = |text: &str| {
        json!({
            "GroupId": group,
            "IpPermissions": [{
                "IpProtocol": "tcp",
                "FromPort": 80,
                "ToPort": 80,
                "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": text}],
            }],
        })
    };
    let by_id = |id: &str, text: Value| {
        let one = json!({"SecurityGroupRuleId": id, "Description": text});
        json!({"GroupId": group, "SecurityGroupRuleDescriptions": [one]})
    };
    let output = backend.call(DESCRIBE, said("the office")).await;
    assert_eq!(output, json!({"Return": true}));
    assert_eq!(description().await, "the office");
    backend.call(DESCRIBE, by_id(&id, json!("a branch"))).await;
    assert_eq!(description().await, "a branch");
    backend.call(DESCRIBE, by_id(&id, Value::Null)).await;
    assert_eq!(description().await, Value::Null);

    let both = with(
        said("x"),
        "SecurityGroupRuleDescriptions",
        json!([{"SecurityGroupRuleId": id}]),
    );
    for (input, code, message) in [
        (
            json!({"GroupId": group}),
            "MissingParameter",
            "The request must contain the parameter ipPermissions".to_owned(),
        ),
        (
            both,
            "InvalidParameterCombination",
            "The parameter ipPermissions cannot be used with the parameter \
             securityGroupRuleDescriptions"
                .to_owned(),
        ),
        (
            by_id("sgr-00000000000000000", json!("x")),
            "InvalidSecurityGroupRuleId.NotFound",
            "The security group rule ID 'sgr-00000000000000000' does not exist".to_owned(),
        ),
        (
            json!({"GroupId": group, "SecurityGroupRuleDescriptions": [{"Description": "x"}]}),
            "MissingParameter",
            "The request must contain the parameter securityGroupRuleId".to_owned(),
        ),
        (
            json!({"GroupId": group, "IpPermissions": [tcp(81, "10.0.0.0/8")]}),
            "InvalidPermission.NotFound",
            format!(
                "The specified rule does not exist in this security group: '{group}' has no rule \
                 \"peer: 10.0.0.0/8, TCP, from port: 81, to port: 81, ALLOW\"."
            ),
        ),
    ] {
        backend.refused(DESCRIBE, input, code, &message).await;
    }
    let out = "UpdateSecurityGroupRuleDescriptionsEgress";
    let message = format!("The security group rule ID '{id}' does not exist");
    let code = "InvalidSecurityGroupRuleId.NotFound";
    backend
        .refused(out, by_id(&id, json!("x")), code, &message)
        .await;
    let rules = backend.rules(&group).await;
    let egress = rules.iter().find(|rule| rule["IsEgress"] == true).unwrap();
    let egress = text(&egress["SecurityGroupRuleId"]);
    backend.call(out, by_id(&egress, json!("everywhere"))).await;
}

#[tokio::test]
async fn pages_of_rules_follow_each_other_without_gap() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    let permissions: Vec<Value> = (1..=10).map(|port| tcp(port, "10.0.0.0/8")).collect();
    backend.let_in(&group, json!(permissions)).await;
    let (mut ids, mut token) = (Vec::new(), Value::Null);
    let filters = filter("group-id", &group);
    for size in [5, 5, 1] {
        let input = json!({"MaxResults": 5, "NextToken": token, "Filters": filters});
        let page = backend.call("DescribeSecurityGroupRules", input).await;
        let rules = list(&page["SecurityGroupRules"]);
        assert_eq!(rules.len(), size);
        ids.extend(rules.iter().map(|rule| text(&rule["SecurityGroupRuleId"])));
        token = page["NextToken"].clone();
    }
    assert_eq!(token, Value::Null);
    ids.dedup();
    assert_eq!(ids.len(), 11);
}

#[tokio::test]
async fn a_connections_own_rule_may_be_revoked_and_becomes_the_persons_who_changes_it() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let group = backend.default_group(&vpc).await;
    let mut ids = Vec::new();
    for cidr in ["100.64.0.0/24", "100.64.1.0/24"] {
        ids.push(server.admit(&backend, &vpc, cidr).await);
    }
    let shown = async || {
        let rules = backend.rules(&group).await;
        let rules = rules
            .into_iter()
            .filter(|rule| rule["CidrIpv4"] != "0.0.0.0/0");
        let cidrs = rules.filter(|rule| rule["CidrIpv4"] != Value::Null);
        cidrs.collect::<Vec<Value>>()
    };
    let rules = shown().await;
    assert_eq!(rules.len(), 2);
    for (rule, made_by) in rules.iter().zip(&ids) {
        let marked = format!("Added for VPC peering connection {made_by} and removed with it.");
        let all = rules
            .iter()
            .any(|rule| rule["Description"] == marked.as_str());
        assert!(all, "{rule}");
    }
    let input = json!({"GroupId": group, "IpPermissions": [
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "100.64.0.0/24"}]},
    ]});
    backend.call(REVOKE, input).await;
    let [rule] = &shown().await[..] else {
        panic!("one rule is left")
    };
    let wanted = json!({"IpProtocol": "-1", "CidrIpv4": "100.64.1.0/25"});
    let update = json!({
        "SecurityGroupRuleId": rule["SecurityGroupRuleId"],
        "SecurityGroupRule": wanted,
    });
    let input = json!({"GroupId": group, "SecurityGroupRules": [update]});
    backend.call(MODIFY, input).await;
    for id in ids {
        server.take_back(&backend, &vpc, &id).await;
    }
    let [rule] = &shown().await[..] else {
        panic!("the changed rule stays")
    };
    assert_eq!(rule["CidrIpv4"], "100.64.1.0/25");
    assert_eq!(rule["Description"], Value::Null);
}

/// Permissions of which about half are right: protocols with and without ports, ports at and beyond
/// their bounds, blocks in several spellings.
fn permission() -> impl Strategy<Value = Value> {
    let protocol = prop::sample::select(vec!["tcp", "udp", "icmp", "6", "-1", "47", "gre"]);
    let ports = vec![-2, -1, 0, 1, 8, 255, 256, 65_535, 65_536];
    let port = || prop::option::weighted(0.9, prop::sample::select(ports.clone()));
    let cidrs = vec!["10.0.0.0/8", "10.9.9.9/8", "192.0.2.1/32", "0.0.0.0/0", "x"];
    let ranges = prop::collection::vec(prop::sample::select(cidrs), 0..3);
    (protocol, port(), port(), ranges).prop_map(|(protocol, from, to, ranges)| {
        let ranges: Vec<Value> = ranges.iter().map(|cidr| json!({"CidrIp": cidr})).collect();
        json!({"IpProtocol": protocol, "FromPort": from, "ToPort": to, "IpRanges": ranges})
    })
}

proptest! {
    /// Whatever can be added is taken away by the same words, and nothing else is.
    #[test]
    fn what_was_added_is_revoked_by_the_same_words(
        permissions in prop::collection::vec(permission(), 1..3),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (server, group) = with_group().await;
            let backend = server.ec2(BACKEND);
            let other = json!({"IpProtocol": "132", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]});
            backend.let_in(&group, json!([other])).await;
            let before = server.dump().await.1;
            let input = json!({"GroupId": group, "IpPermissions": permissions});
            let refused = backend.attempt(INGRESS, input.clone()).await;
            if refused.is_none() {
                assert!(server.dump().await.1 != before);
                backend.call(REVOKE, input).await;
            }
            assert_eq!(server.dump().await.1, before);
        });
    }
}
