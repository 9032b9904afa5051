//! Rules that name groups of peered VPCs.

use serde_json::{Value, json};
use tombolo_domain::peering::Connection;

use super::groups::from_group;
use crate::account::Account;
use crate::document::{list, text};
use crate::server::{BACKEND, STRANGER, STUDIO, Server};

const INGRESS: &str = "AuthorizeSecurityGroupIngress";

/// A VPC of the backend's and one of the studio's, each with a group.
struct Setup {
    server: Server,
    here: String,
    there: String,
    group: String,
    foreign: String,
}

impl Setup {
    async fn new() -> Self {
        let server = Server::new();
        let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
        let here = backend.vpc("10.0.0.0/16").await;
        let there = studio.vpc("10.1.0.0/16").await;
        let group = backend.group(&here, "db").await;
        let foreign = studio.group(&there, "match").await;
        Setup {
            server,
            here,
            there,
            group,
            foreign,
        }
    }

    fn backend(&self) -> Account<'_> {
        self.server.ec2(BACKEND)
    }

    fn studio(&self) -> Account<'_> {
        self.server.ec2(STUDIO)
    }

    /// Peers the two VPCs, as the backend asks for it.
    async fn peer(&self) -> Connection {
        let (here, there) = ((BACKEND, &*self.here), (STUDIO, &*self.there));
        self.server.peer(here, there).await
    }

    /// Lets the studio's group into the backend's, and gives the permission and how the rule is
    /// shown.
    async fn let_foreign_in(&self) -> (Value, Value) {
        let permission = from_group(json!({"GroupId": self.foreign, "UserId": STUDIO}));
        let backend = self.backend();
        let added = backend.let_in(&self.group, json!([permission])).await;
        (permission, added[0].clone())
    }

    /// The pair of the only inbound rule of the backend's group.
    async fn pair(&self) -> Value {
        let input = json!({"GroupIds": [self.group]});
        let shown = self.backend().call("DescribeSecurityGroups", input).await;
        shown["SecurityGroups"][0]["IpPermissions"][0]["UserIdGroupPairs"][0].clone()
    }

    /// The stale groups of the backend's VPC.
    async fn stale(&self) -> Vec<Value> {
        let input = json!({"VpcId": self.here});
        let backend = self.backend();
        let shown = backend.call("DescribeStaleSecurityGroups", input).await;
        list(&shown["StaleSecurityGroupSet"])
    }
}

#[tokio::test]
async fn a_rule_is_stale_while_the_vpcs_are_not_peered() {
    let setup = Setup::new().await;
    let (backend, studio) = (setup.backend(), setup.studio());
    let first = setup
        .server
        .peer((STUDIO, &setup.there), (BACKEND, &setup.here))
        .await;
    let (permission, added) = setup.let_foreign_in().await;
    let expected = |connection: &str, status: &str| {
        json!({
            "GroupId": setup.foreign,
            "UserId": STUDIO,
            "VpcId": setup.there,
            "VpcPeeringConnectionId": connection,
            "PeeringStatus": status,
        })
    };
    let first_id = first.id.to_string();
    assert_eq!(added["ReferencedGroupInfo"], expected(&first_id, "active"));
    let described = |pair: Value| {
        let mut pair = pair;
        pair["Description"] = Value::Null;
        pair
    };
    let active = described(expected(&first_id, "active"));
    assert_eq!(setup.pair().await, active);
    assert!(setup.stale().await.is_empty());

    let references = |id: &str| json!({"GroupId": [id]});
    let output = studio
        .call(
            "DescribeSecurityGroupReferences",
            references(&setup.foreign),
        )
        .await;
    let named_by = json!([{
        "GroupId": setup.foreign,
        "ReferencingVpcId": setup.here,
        "VpcPeeringConnectionId": first_id,
    }]);
    assert_eq!(output["SecurityGroupReferenceSet"], named_by);
    let output = backend
        .call("DescribeSecurityGroupReferences", references(&setup.group))
        .await;
    assert_eq!(output["SecurityGroupReferenceSet"], json!([]));

    setup.server.unpeer(first).await;
    let deleted = described(expected(&first_id, "deleted"));
    assert_eq!(setup.pair().await, deleted);
    let expected_stale = json!({
        "GroupId": setup.group,
        "GroupName": "db",
        "Description": "of a test",
        "VpcId": setup.here,
        "StaleIpPermissions": [{
            "IpProtocol": "-1",
            "FromPort": null,
            "ToPort": null,
            "UserIdGroupPairs": [deleted],
        }],
        "StaleIpPermissionsEgress": [],
    });
    assert_eq!(setup.stale().await, [expected_stale]);
    let output = studio
        .call(
            "DescribeSecurityGroupReferences",
            references(&setup.foreign),
        )
        .await;
    assert_eq!(output["SecurityGroupReferenceSet"], json!([]));

    // Peered anew, and from the other side.
    let second = setup.peer().await;
    let active = described(expected(second.id.as_str(), "active"));
    assert_eq!(setup.pair().await, active);
    assert!(setup.stale().await.is_empty());

    // The same rule is the same rule by whichever connection.
    let message = format!(
        "the specified rule \"peer: {}, ALL, ALLOW\" already exists",
        setup.foreign
    );
    let input = json!({"GroupId": setup.group, "IpPermissions": [permission]});
    let code = "InvalidPermission.Duplicate";
    backend.refused(INGRESS, input, code, &message).await;
}

#[tokio::test]
async fn a_peers_group_is_named_in_every_form() {
    let setup = Setup::new().await;
    let backend = setup.backend();
    let connection = setup.peer().await;
    for pair in [
        json!({"GroupId": setup.foreign}),
        json!({"GroupId": format!("{STUDIO}/{}", setup.foreign)}),
        json!({"GroupId": format!("{STUDIO}/{}", setup.foreign), "UserId": STUDIO}),
        json!({"GroupId": setup.foreign, "UserId": STUDIO}),
        json!({"GroupId": setup.foreign, "VpcId": setup.there}),
        json!({"GroupId": setup.foreign, "VpcPeeringConnectionId": connection.id}),
    ] {
        let permissions = json!([from_group(pair)]);
        let added = backend.let_in(&setup.group, permissions.clone()).await;
        let info = &added[0]["ReferencedGroupInfo"];
        assert_eq!(info["VpcId"], setup.there.as_str());
        let input = json!({"GroupId": setup.group, "IpPermissions": permissions});
        backend.call("RevokeSecurityGroupIngress", input).await;
    }
    let update = json!({
        "SecurityGroupRuleId": backend.rules(&setup.group).await[0]["SecurityGroupRuleId"],
        "SecurityGroupRule": {"IpProtocol": "-1", "ReferencedGroupId": setup.foreign},
    });
    let input = json!({"GroupId": setup.group, "SecurityGroupRules": [update]});
    backend.call("ModifySecurityGroupRules", input).await;
    let rules = backend.rules(&setup.group).await;
    assert_eq!(rules[0]["ReferencedGroupInfo"]["UserId"], STUDIO);
}

#[tokio::test]
async fn a_stale_rule_is_revoked_as_it_is_shown() {
    let setup = Setup::new().await;
    let backend = setup.backend();
    let connection = setup.peer().await;
    setup.let_foreign_in().await;
    setup.server.unpeer(connection).await;
    let shown = setup.stale().await;
    let permissions = &shown[0]["StaleIpPermissions"];
    let input = json!({"GroupId": setup.group, "IpPermissions": permissions});
    backend.call("RevokeSecurityGroupIngress", input).await;
    assert!(setup.stale().await.is_empty());
}

#[tokio::test]
async fn a_group_that_a_peer_names_may_be_deleted_and_leaves_a_stale_rule() {
    let setup = Setup::new().await;
    let studio = setup.studio();
    setup.peer().await;
    setup.let_foreign_in().await;
    let input = json!({"GroupId": setup.foreign});
    studio.call("DeleteSecurityGroup", input).await;
    assert_eq!(setup.pair().await["PeeringStatus"], "active");
    assert_eq!(setup.stale().await.len(), 1);
}

#[tokio::test]
async fn a_group_that_is_not_peered_is_like_one_that_never_was() {
    let setup = Setup::new().await;
    let (backend, studio) = (setup.backend(), setup.studio());
    let elsewhere = backend.vpc("10.2.0.0/16").await;
    let elsewhere = backend.group(&elsewhere, "elsewhere").await;
    // The hidden network of a fleet that is connected with the VPC.
    let fleet = studio.fleet().await;
    backend.authorize(STUDIO, &setup.here).await;
    studio.connect(&fleet, BACKEND, &setup.here).await;
    setup.server.activate(&fleet).await;
    let hidden = setup.server.hidden_group(&studio).await;

    let refused = async |group: &str, pair: Value, id: &str| {
        let input = json!({"GroupId": group, "IpPermissions": [from_group(pair)]});
        let message = format!("The security group '{id}' does not exist");
        let code = "InvalidGroup.NotFound";
        backend.refused(INGRESS, input, code, &message).await;
    };
    let of = |id: &str, account: &str| json!({"GroupId": id, "UserId": account});
    let never = "sg-00000000000000000";
    for id in [never, &setup.foreign, &elsewhere, &hidden] {
        refused(&setup.group, json!({"GroupId": id}), id).await;
        for account in [BACKEND, STUDIO, STRANGER] {
            refused(&setup.group, of(id, account), id).await;
        }
    }
    setup.peer().await;
    for (id, account) in [
        (setup.foreign.as_str(), BACKEND),
        (&setup.foreign, STRANGER),
        (&setup.group, STUDIO),
        (&hidden, STUDIO),
        (&elsewhere, BACKEND),
        (never, STUDIO),
    ] {
        refused(&setup.group, of(id, account), id).await;
    }
    // Peering is no way through to a third VPC.
    refused(&elsewhere, of(&setup.foreign, STUDIO), &setup.foreign).await;
}

#[tokio::test]
async fn pages_of_stale_groups_follow_each_other() {
    let setup = Setup::new().await;
    let backend = setup.backend();
    let connection = setup.peer().await;
    for n in 0..6 {
        let group = backend.group(&setup.here, &format!("number {n}")).await;
        let permission = from_group(json!({"GroupId": setup.foreign}));
        backend.let_in(&group, json!([permission])).await;
    }
    setup.server.unpeer(connection).await;
    let operation = "DescribeStaleSecurityGroups";
    let first = backend
        .call(operation, json!({"VpcId": setup.here, "MaxResults": 5}))
        .await;
    assert_eq!(list(&first["StaleSecurityGroupSet"]).len(), 5);
    let token = text(&first["NextToken"]);
    let last = backend
        .call(operation, json!({"VpcId": setup.here, "NextToken": token}))
        .await;
    assert_eq!(list(&last["StaleSecurityGroupSet"]).len(), 1);
    assert_eq!(last["NextToken"], Value::Null);
}

#[tokio::test]
async fn a_filter_by_a_peered_groups_name_finds_whichever_way_the_naming_group_is_asked_for() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let (here, there) = (
        backend.vpc("10.0.0.0/16").await,
        backend.vpc("10.1.0.0/16").await,
    );
    let (db, web) = (
        backend.group(&here, "db").await,
        backend.group(&there, "web").await,
    );
    server.peer((BACKEND, &here), (BACKEND, &there)).await;
    let permissions = json!([from_group(json!({"GroupId": web}))]);
    backend.let_in(&db, permissions.clone()).await;
    let out = json!({"GroupId": db, "IpPermissions": permissions});
    backend.call("AuthorizeSecurityGroupEgress", out).await;

    for name in [
        "ip-permission.group-name",
        "egress.ip-permission.group-name",
    ] {
        let by_name = json!({"Name": name, "Values": ["web"]});
        let in_vpc = json!({"Name": "vpc-id", "Values": [here]});
        for input in [
            json!({"Filters": [by_name]}),
            json!({"Filters": [by_name, in_vpc]}),
            json!({"Filters": [by_name], "GroupIds": [db]}),
        ] {
            let found = backend.call("DescribeSecurityGroups", input.clone()).await;
            let found = list(&found["SecurityGroups"]);
            let found: Vec<_> = found.iter().map(|group| text(&group["GroupId"])).collect();
            assert_eq!(found, [&*db], "{input}");
        }
    }
}
