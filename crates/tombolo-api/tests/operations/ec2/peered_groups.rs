//! Rules that name groups of peered VPCs.

use serde_json::{Value, json};

use super::groups::from_group;
use crate::document::{list, text};
use crate::server::{BACKEND, STRANGER, STUDIO, Server};

const INGRESS: &str = "AuthorizeSecurityGroupIngress";

/// A VPC of the backend's and one of the studio's, each with a group.
struct Two {
    here: String,
    there: String,
    group: String,
    foreign: String,
}

async fn two(server: &Server) -> Two {
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let here = backend.vpc("10.0.0.0/16").await;
    let there = studio.vpc("10.1.0.0/16").await;
    let group = backend.group(&here, "db").await;
    let foreign = studio.group(&there, "match").await;
    Two {
        here,
        there,
        group,
        foreign,
    }
}

/// The pair of the only inbound rule of a group.
async fn pair(server: &Server, group: &str) -> Value {
    let input = json!({"GroupIds": [group]});
    let shown = server
        .ec2(BACKEND)
        .call("DescribeSecurityGroups", input)
        .await;
    shown["SecurityGroups"][0]["IpPermissions"][0]["UserIdGroupPairs"][0].clone()
}

/// The stale groups of the backend's VPC.
async fn stale(server: &Server, vpc: &str) -> Vec<Value> {
    let input = json!({"VpcId": vpc});
    let shown = server
        .ec2(BACKEND)
        .call("DescribeStaleSecurityGroups", input)
        .await;
    list(&shown["StaleSecurityGroupSet"])
}

#[tokio::test]
async fn a_rule_is_stale_while_the_vpcs_are_not_peered() {
    let server = Server::new();
    let Two {
        here,
        there,
        group,
        foreign,
    } = two(&server).await;
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let first = server.peer((STUDIO, &there), (BACKEND, &here)).await;
    let permission = from_group(json!({"GroupId": foreign, "UserId": STUDIO}));
    let added = backend.let_in(&group, json!([permission])).await;
    let expected = |connection: &str, status: &str| {
        json!({
            "GroupId": foreign,
            "UserId": STUDIO,
            "VpcId": there,
            "VpcPeeringConnectionId": connection,
            "PeeringStatus": status,
        })
    };
    let first_id = first.id.to_string();
    assert_eq!(
        added[0]["ReferencedGroupInfo"],
        expected(&first_id, "active")
    );
    let described = |pair: Value| {
        let mut pair = pair;
        pair["Description"] = Value::Null;
        pair
    };
    let active = described(expected(&first_id, "active"));
    assert_eq!(pair(&server, &group).await, active);
    assert!(stale(&server, &here).await.is_empty());

    let references = |id: &str| json!({"GroupId": [id]});
    let output = studio
        .call("DescribeSecurityGroupReferences", references(&foreign))
        .await;
    let named_by = json!([{
        "GroupId": foreign,
        "ReferencingVpcId": here,
        "VpcPeeringConnectionId": first_id,
    }]);
    assert_eq!(output["SecurityGroupReferenceSet"], named_by);
    let output = backend
        .call("DescribeSecurityGroupReferences", references(&group))
        .await;
    assert_eq!(output["SecurityGroupReferenceSet"], json!([]));

    server.unpeer(first).await;
    let deleted = described(expected(&first_id, "deleted"));
    assert_eq!(pair(&server, &group).await, deleted);
    let expected_stale = json!({
        "GroupId": group,
        "GroupName": "db",
        "Description": "of a test",
        "VpcId": here,
        "StaleIpPermissions": [{
            "IpProtocol": "-1",
            "FromPort": null,
            "ToPort": null,
            "UserIdGroupPairs": [deleted],
        }],
        "StaleIpPermissionsEgress": [],
    });
    assert_eq!(stale(&server, &here).await, [expected_stale]);
    let output = studio
        .call("DescribeSecurityGroupReferences", references(&foreign))
        .await;
    assert_eq!(output["SecurityGroupReferenceSet"], json!([]));

    // Peered anew, and from the other side.
    let second = server.peer((BACKEND, &here), (STUDIO, &there)).await;
    let active = described(expected(second.id.as_str(), "active"));
    assert_eq!(pair(&server, &group).await, active);
    assert!(stale(&server, &here).await.is_empty());

    // The same rule is the same rule by whichever connection.
    let message = format!("the specified rule \"peer: {foreign}, ALL, ALLOW\" already exists");
    let input = json!({"GroupId": group, "IpPermissions": [permission]});
    let code = "InvalidPermission.Duplicate";
    backend.refused(INGRESS, input, code, &message).await;
}

#[tokio::test]
async fn a_peers_group_is_named_in_every_form() {
    let server = Server::new();
    let Two {
        here,
        there,
        group,
        foreign,
    } = two(&server).await;
    let backend = server.ec2(BACKEND);
    let connection = server.peer((BACKEND, &here), (STUDIO, &there)).await;
    for pair in [
        json!({"GroupId": foreign}),
        json!({"GroupId": format!("{STUDIO}/{foreign}")}),
        json!({"GroupId": format!("{STUDIO}/{foreign}"), "UserId": STUDIO}),
        json!({"GroupId": foreign, "UserId": STUDIO}),
        json!({"GroupId": foreign, "VpcId": there}),
        json!({"GroupId": foreign, "VpcPeeringConnectionId": connection.id}),
    ] {
        let permissions = json!([from_group(pair)]);
        let added = backend.let_in(&group, permissions.clone()).await;
        let info = &added[0]["ReferencedGroupInfo"];
        assert_eq!(info["VpcId"], there.as_str());
        let input = json!({"GroupId": group, "IpPermissions": permissions});
        backend.call("RevokeSecurityGroupIngress", input).await;
    }
    let update = json!({
        "SecurityGroupRuleId": backend.rules(&group).await[0]["SecurityGroupRuleId"],
        "SecurityGroupRule": {"IpProtocol": "-1", "ReferencedGroupId": foreign},
    });
    let input = json!({"GroupId": group, "SecurityGroupRules": [update]});
    backend.call("ModifySecurityGroupRules", input).await;
    let rules = backend.rules(&group).await;
    assert_eq!(rules[0]["ReferencedGroupInfo"]["UserId"], STUDIO);
}

#[tokio::test]
async fn a_stale_rule_is_revoked_as_it_is_shown() {
    let server = Server::new();
    let Two {
        here,
        there,
        group,
        foreign,
    } = two(&server).await;
    let backend = server.ec2(BACKEND);
    let connection = server.peer((BACKEND, &here), (STUDIO, &there)).await;
    let permission = from_group(json!({"GroupId": foreign, "UserId": STUDIO}));
    backend.let_in(&group, json!([permission])).await;
    server.unpeer(connection).await;
    let shown = stale(&server, &here).await;
    let permissions = &shown[0]["StaleIpPermissions"];
    let input = json!({"GroupId": group, "IpPermissions": permissions});
    backend.call("RevokeSecurityGroupIngress", input).await;
    assert!(stale(&server, &here).await.is_empty());
}

#[tokio::test]
async fn a_group_that_a_peer_names_may_be_deleted_and_leaves_a_stale_rule() {
    let server = Server::new();
    let Two {
        here,
        there,
        group,
        foreign,
    } = two(&server).await;
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    server.peer((BACKEND, &here), (STUDIO, &there)).await;
    let permission = from_group(json!({"GroupId": foreign, "UserId": STUDIO}));
    backend.let_in(&group, json!([permission])).await;
    let input = json!({"GroupId": foreign});
    studio.call("DeleteSecurityGroup", input).await;
    assert_eq!(pair(&server, &group).await["PeeringStatus"], "active");
    assert_eq!(stale(&server, &here).await.len(), 1);
}

#[tokio::test]
async fn a_group_that_is_not_peered_is_like_one_that_never_was() {
    let server = Server::new();
    let Two {
        here,
        there,
        group,
        foreign,
    } = two(&server).await;
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let elsewhere = backend.vpc("10.2.0.0/16").await;
    let elsewhere = backend.group(&elsewhere, "elsewhere").await;
    // The hidden network of a fleet that is connected with the VPC.
    let fleet = studio.fleet().await;
    backend.authorize(STUDIO, &here).await;
    studio.connect(&fleet, BACKEND, &here).await;
    server.activate(&fleet).await;
    let hidden = server.hidden_group(&studio).await;

    let refused = async |group: &str, pair: Value, id: &str| {
        let input = json!({"GroupId": group, "IpPermissions": [from_group(pair)]});
        let message = format!("The security group '{id}' does not exist");
        let code = "InvalidGroup.NotFound";
        backend.refused(INGRESS, input, code, &message).await;
    };
    let of = |id: &str, account: &str| json!({"GroupId": id, "UserId": account});
    let never = "sg-00000000000000000";
    for id in [never, &foreign, &elsewhere, &hidden] {
        refused(&group, json!({"GroupId": id}), id).await;
        for account in [BACKEND, STUDIO, STRANGER] {
            refused(&group, of(id, account), id).await;
        }
    }
    server.peer((BACKEND, &here), (STUDIO, &there)).await;
    for (id, account) in [
        (foreign.as_str(), BACKEND),
        (&foreign, STRANGER),
        (&group, STUDIO),
        (&hidden, STUDIO),
        (&elsewhere, BACKEND),
        (never, STUDIO),
    ] {
        refused(&group, of(id, account), id).await;
    }
    // Peering is no way through to a third VPC.
    refused(&elsewhere, of(&foreign, STUDIO), &foreign).await;
}

#[tokio::test]
async fn pages_of_stale_groups_follow_each_other() {
    let server = Server::new();
    let Two {
        here,
        there,
        foreign,
        ..
    } = two(&server).await;
    let backend = server.ec2(BACKEND);
    let connection = server.peer((BACKEND, &here), (STUDIO, &there)).await;
    for n in 0..6 {
        let group = backend.group(&here, &format!("number {n}")).await;
        let permission = from_group(json!({"GroupId": foreign}));
        backend.let_in(&group, json!([permission])).await;
    }
    server.unpeer(connection).await;
    let operation = "DescribeStaleSecurityGroups";
    let first = backend
        .call(operation, json!({"VpcId": here, "MaxResults": 5}))
        .await;
    assert_eq!(list(&first["StaleSecurityGroupSet"]).len(), 5);
    let token = text(&first["NextToken"]);
    let last = backend
        .call(operation, json!({"VpcId": here, "NextToken": token}))
        .await;
    assert_eq!(list(&last["StaleSecurityGroupSet"]).len(), 1);
    assert_eq!(last["NextToken"], Value::Null);
}
