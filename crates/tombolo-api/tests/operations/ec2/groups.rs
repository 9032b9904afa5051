//! Security groups, and VPCs of people that are peered: making them, and looking at them.

use serde_json::{Value, json};
use tombolo_domain::Scope;
use tombolo_domain::id::VpcPeeringConnectionId;
use tombolo_domain::peering::{Connection, Step};
use tombolo_domain::vpc::SecurityGroup;
use tombolo_store::keys;
use tombolo_store::typed::Committed;

use super::resources::filter;
use crate::account::Account;
use crate::document::text;
use crate::server::{BACKEND, HOME, Server};

impl Account<'_> {
    pub(crate) async fn group(&self, vpc: &str, name: &str) -> String {
        let input = json!({"GroupName": name, "Description": "of a test", "VpcId": vpc});
        let created = self.call("CreateSecurityGroup", input).await;
        text(&created["GroupId"])
    }

    /// The default group of a VPC.
    pub(crate) async fn default_group(&self, vpc: &str) -> String {
        let groups = self.filtered(
            "DescribeSecurityGroups",
            "SecurityGroups",
            filter("vpc-id", vpc),
        );
        let groups = groups.await;
        let default = groups.iter().find(|group| group["GroupName"] == "default");
        text(&default.expect("a default group")["GroupId"])
    }

    /// Adds inbound rules, and gives them as they are shown.
    pub(crate) async fn let_in(&self, group: &str, permissions: Value) -> Vec<Value> {
        let input = json!({"GroupId": group, "IpPermissions": permissions});
        let output = self.call("AuthorizeSecurityGroupIngress", input).await;
        assert_eq!(output["Return"], true);
        output["SecurityGroupRules"].as_array().unwrap().clone()
    }

    /// The rules of a group, one by one.
    pub(crate) async fn rules(&self, group: &str) -> Vec<Value> {
        let filters = filter("group-id", group);
        self.filtered("DescribeSecurityGroupRules", "SecurityGroupRules", filters)
            .await
    }
}

/// A server with a group `web` of the backend's.
pub(crate) async fn with_group() -> (Server, String) {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let group = backend.group(&vpc, "web").await;
    (server, group)
}

/// A permission for TCP to one port from a block.
pub(crate) fn tcp(port: i64, cidr: &str) -> Value {
    json!({
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "IpRanges": [{"CidrIp": cidr}],
    })
}

/// A permission for everything from a group.
pub(crate) fn from_group(pair: Value) -> Value {
    json!({"IpProtocol": "-1", "UserIdGroupPairs": [pair]})
}

impl Server {
    /// Peers two VPCs, each named with its account, and takes the connection to `active`, as both
    /// owners and the network reconciler do.
    pub(crate) async fn peer(&self, from: (&str, &str), to: (&str, &str)) -> Connection {
        let mut tx = self.transaction();
        let mut ends = Vec::new();
        for (account, vpc) in [from, to] {
            let scope = Scope {
                account: account.parse().unwrap(),
                region: HOME.parse().unwrap(),
            };
            let key = keys::vpc(&scope, &vpc.parse().unwrap());
            ends.push(tx.get(&key).await.unwrap().expect("a VPC"));
        }
        let accepter = (ends[1].scope.account, ends[1].id.clone());
        let now = self.now();
        let mut connection = Connection::request_between(&ends[0], accepter, now, self.ids());
        let delivery = connection.delivery(Some(&ends[1]));
        for step in [delivery, Step::Accept, Step::Provisioned] {
            connection.take(step, now).unwrap();
        }
        tx.put_delivered(&connection).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
        connection
    }

    /// Ends a connection, as an owner and the network reconciler do.
    pub(crate) async fn unpeer(&self, mut connection: Connection) {
        let by = connection.accepter.account;
        for step in [Step::Delete(by), Step::Removed] {
            connection.take(step, self.now()).unwrap();
        }
        let mut tx = self.transaction();
        tx.put(&connection).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }

    /// Does as the network reconciler does for a connection with the fleet that has `cidr`: lets it
    /// in through the VPC's default group. Gives the connection's id.
    pub(crate) async fn admit(
        &self,
        owner: &Account<'_>,
        vpc: &str,
        cidr: &str,
    ) -> VpcPeeringConnectionId {
        let id = VpcPeeringConnectionId::generate(self.ids());
        let change = |group: &mut SecurityGroup| {
            group.admit(cidr.parse().unwrap(), &id, self.ids());
        };
        self.change_groups(owner, vpc, change).await;
        id
    }

    /// Does as the network reconciler does when a connection ends.
    pub(crate) async fn take_back(
        &self,
        owner: &Account<'_>,
        vpc: &str,
        id: &VpcPeeringConnectionId,
    ) {
        let change = |group: &mut SecurityGroup| {
            group.remove_rules_of(id);
        };
        self.change_groups(owner, vpc, change).await;
    }

    async fn change_groups(
        &self,
        owner: &Account<'_>,
        vpc: &str,
        change: impl Fn(&mut SecurityGroup),
    ) {
        let mut tx = self.transaction();
        let groups = keys::security_groups_of(&owner.scope(), &vpc.parse().unwrap());
        for mut group in tx.list(&groups).await.unwrap() {
            change(&mut group);
            tx.put(&group).unwrap();
        }
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }

    /// The default group of a fleet's hidden VPC, of which nobody is told.
    pub(crate) async fn hidden_group(&self, owner: &Account<'_>) -> String {
        let mut tx = self.transaction();
        let scope = owner.scope();
        let vpcs = tx.peek(&keys::vpcs(&scope)).await.unwrap();
        let hidden = vpcs.iter().find(|vpc| vpc.fleet.is_some());
        let groups = keys::security_groups_of(&scope, &hidden.expect("a fleet's VPC").id);
        let groups = tx.peek(&groups).await.unwrap();
        groups[0].id.to_string()
    }
}
