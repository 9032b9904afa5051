//! Rules of security groups: added and shown.

use proptest::prelude::*;
use serde_json::{Value, json};
use tombolo_domain::quota::Quotas;
use tombolo_testkit::ec2::filter;

use super::groups::{tcp, with_group};
use crate::document::{list, text};
use crate::server::{BACKEND, Server};

const INGRESS: &str = "AuthorizeSecurityGroupIngress";
const EGRESS: &str = "AuthorizeSecurityGroupEgress";
const REVOKE: &str = "RevokeSecurityGroupIngress";

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
