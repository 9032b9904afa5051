//! Rules of security groups: changed, described and taken away.

use serde_json::{Value, json};

use super::groups::{from_group, tcp, with_group};
use crate::document::{list, text, with};
use crate::server::{BACKEND, Server};

const REVOKE: &str = "RevokeSecurityGroupIngress";
const MODIFY: &str = "ModifySecurityGroupRules";
const DESCRIBE: &str = "UpdateSecurityGroupRuleDescriptionsIngress";

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
        // Terraform takes this away from every group that it makes, whether or not it is there.
        (
            give(json!([{"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}])),
            "InvalidPermission.NotFound",
            format!(
                "The specified rule does not exist in this security group: '{group}' has no rule \
                 \"peer: ::/0, ALL, ALLOW\"."
            ),
        ),
        (
            give(json!([{"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-1"}]}])),
            "InvalidPermission.NotFound",
            format!(
                "The specified rule does not exist in this security group: '{group}' has no rule \
                 \"peer: pl-1, ALL, ALLOW\"."
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
            "A rule names more than one source or destination. Give it CidrIpv4 or \
             ReferencedGroupId, not both."
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
