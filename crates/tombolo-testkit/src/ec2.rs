//! What an account has at EC2: making it, and looking at it.

use serde_json::{Value, json};
use tombolo_api::ec2::new_interface::{self, NewInterface};
use tombolo_api::lookup::ScopedTransaction;
use tombolo_domain::Scope;
use tombolo_domain::id::VpcPeeringConnectionId;
use tombolo_domain::peering::{Connection, Step};
use tombolo_domain::principal::Action;
use tombolo_domain::vpc::{Attachment, NetworkInterface, SecurityGroup, Subnet, Vpc};
use tombolo_store::keys;
use tombolo_store::typed::Committed;

use crate::account::Account;
use crate::document::{list, text};
use crate::server::Server;

impl Account<'_> {
    /// A VPC of this account, by CreateVpc; its id.
    pub async fn vpc(&self, cidr: &str) -> String {
        let input = json!({"CidrBlock": cidr});
        let created = self.ec2().call("CreateVpc", input).await;
        text(&created["Vpc"]["VpcId"])
    }

    /// A subnet of a VPC, by CreateSubnet; its id.
    pub async fn subnet(&self, vpc: &str, cidr: &str) -> String {
        let input = json!({"VpcId": vpc, "CidrBlock": cidr});
        let created = self.call("CreateSubnet", input).await;
        text(&created["Subnet"]["SubnetId"])
    }

    /// A network interface as it is shown when it is made.
    pub async fn interface(&self, subnet: &str) -> Value {
        let input = json!({"SubnetId": subnet});
        let created = self.call("CreateNetworkInterface", input).await;
        created["NetworkInterface"].clone()
    }

    /// An interface in a subnet of this account, as whoever has workloads makes it. It is not
    /// there before `tx` is committed.
    pub async fn attached_interface(
        &self,
        tx: &mut ScopedTransaction<'_>,
        subnet: &str,
        attachment: Attachment,
    ) -> NetworkInterface {
        let action = Action::new("ec2", "CreateNetworkInterface");
        let found = tx.subnet(subnet).find(action).await.unwrap();
        let (vpc, subnet) = found.unwrap();
        let attachment = Some(attachment);
        let made = self.server.interface(tx, &vpc, &subnet, attachment);
        made.await
    }

    /// What a Describe operation shows in `list`, without filters.
    pub async fn all(&self, operation: &str, list: &str) -> Vec<Value> {
        self.filtered(operation, list, json!([])).await
    }

    /// What a Describe operation shows under `name`, with filters.
    pub async fn filtered(&self, operation: &str, name: &str, filters: Value) -> Vec<Value> {
        let output = self.call(operation, json!({"Filters": filters})).await;
        list(&output[name])
    }

    /// The only item that a Describe operation shows in `list`.
    pub async fn only(&self, operation: &str, list: &str) -> Value {
        let [only] = <[Value; 1]>::try_from(self.all(operation, list).await).expect("one");
        only
    }

    /// Adds a block to a VPC, and gives the association's id.
    pub async fn add_block(&self, vpc: &str, block: &str) -> String {
        let input = json!({"VpcId": vpc, "CidrBlock": block});
        let output = self.call("AssociateVpcCidrBlock", input).await;
        text(&output["CidrBlockAssociation"]["AssociationId"])
    }

    /// A VPC as it is shown.
    pub async fn shown_vpc(&self, vpc: &str) -> Value {
        let input = json!({"VpcIds": [vpc]});
        self.call("DescribeVpcs", input).await["Vpcs"][0].clone()
    }

    /// The destinations of the local routes in all tables of a VPC.
    pub async fn local_routes(&self, vpc: &str) -> Vec<Vec<String>> {
        let filters = filter("vpc-id", vpc);
        let tables = self.filtered("DescribeRouteTables", "RouteTables", filters);
        let tables = tables.await;
        let local = |table: &Value| {
            let routes = list(&table["Routes"]).into_iter();
            let local = routes.filter(|route| route["GatewayId"] == "local");
            local
                .map(|route| text(&route["DestinationCidrBlock"]))
                .collect()
        };
        tables.iter().map(local).collect()
    }

    /// A further route table of a VPC; its id.
    pub async fn route_table(&self, vpc: &str) -> String {
        let created = self.call("CreateRouteTable", json!({"VpcId": vpc})).await;
        text(&created["RouteTable"]["RouteTableId"])
    }

    /// A route table as it is shown.
    pub async fn shown_table(&self, table: &str) -> Value {
        let input = json!({"RouteTableIds": [table]});
        let shown = self.call("DescribeRouteTables", input).await;
        shown["RouteTables"][0].clone()
    }

    /// A VPC's main route table, and the association that makes it so.
    pub async fn main_table(&self, vpc: &str) -> (String, String) {
        let filters = json!([
            {"Name": "vpc-id", "Values": [vpc]},
            {"Name": "association.main", "Values": ["true"]},
        ]);
        let found = self.filtered("DescribeRouteTables", "RouteTables", filters);
        let [table] = <[Value; 1]>::try_from(found.await).expect("one main table");
        let associations = list(&table["Associations"]);
        let main = associations.iter().find(|one| one["Main"] == true).unwrap();
        (
            text(&table["RouteTableId"]),
            text(&main["RouteTableAssociationId"]),
        )
    }

    /// Has a subnet use a route table; the id of the association.
    pub async fn associate(&self, table: &str, subnet: &str) -> String {
        let input = json!({"RouteTableId": table, "SubnetId": subnet});
        let output = self.call("AssociateRouteTable", input).await;
        assert_eq!(output["AssociationState"], json!({"State": "associated"}));
        text(&output["AssociationId"])
    }

    /// Has what an association is of use another table; the id of the new association.
    pub async fn replace(&self, association: &str, table: &str) -> String {
        let input = json!({"AssociationId": association, "RouteTableId": table});
        let output = self.call("ReplaceRouteTableAssociation", input).await;
        assert_eq!(output["AssociationState"], json!({"State": "associated"}));
        text(&output["NewAssociationId"])
    }

    /// The tables that a subnet uses: one, or none if it uses the main one.
    pub async fn tables_of(&self, subnet: &str) -> Vec<String> {
        let filters = filter("association.subnet-id", subnet);
        let found = self.filtered("DescribeRouteTables", "RouteTables", filters);
        let tables = found.await;
        let ids = tables.iter().map(|table| text(&table["RouteTableId"]));
        ids.collect()
    }

    /// Adds a route that leads through a connection.
    pub async fn route(&self, table: &str, destination: &str, connection: &str) {
        let created = self
            .call("CreateRoute", route(table, destination, connection))
            .await;
        assert_eq!(created["Return"], true);
    }

    /// The destinations, targets and states of a table's routes, without the local ones.
    pub async fn routes(&self, table: &str) -> Vec<[String; 3]> {
        let table = self.shown_table(table).await;
        let routes = list(&table["Routes"]).into_iter();
        let beyond = routes.filter(|route| route["GatewayId"] == Value::Null);
        beyond
            .map(|route| {
                assert_eq!(route["Origin"], "CreateRoute");
                [
                    text(&route["DestinationCidrBlock"]),
                    text(&route["VpcPeeringConnectionId"]),
                    text(&route["State"]),
                ]
            })
            .collect()
    }

    /// A security group of a VPC; its id.
    pub async fn group(&self, vpc: &str, name: &str) -> String {
        let input = json!({"GroupName": name, "Description": "of a test", "VpcId": vpc});
        let created = self.call("CreateSecurityGroup", input).await;
        text(&created["GroupId"])
    }

    /// The default group of a VPC.
    pub async fn default_group(&self, vpc: &str) -> String {
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
    pub async fn let_in(&self, group: &str, permissions: Value) -> Vec<Value> {
        let input = json!({"GroupId": group, "IpPermissions": permissions});
        let output = self.call("AuthorizeSecurityGroupIngress", input).await;
        assert_eq!(output["Return"], true);
        output["SecurityGroupRules"].as_array().unwrap().clone()
    }

    /// The rules of a group, one by one.
    pub async fn rules(&self, group: &str) -> Vec<Value> {
        let filters = filter("group-id", group);
        self.filtered("DescribeSecurityGroupRules", "SecurityGroupRules", filters)
            .await
    }

    /// Asks for a connection and gives its id.
    pub async fn ask(&self, vpc: &str, owner: &str, peer: &str) -> String {
        let input = json!({"VpcId": vpc, "PeerVpcId": peer, "PeerOwnerId": owner});
        let asked = self.call("CreateVpcPeeringConnection", input).await;
        text(&asked["VpcPeeringConnection"]["VpcPeeringConnectionId"])
    }

    /// Accepts a request, and gives the connection as it is shown then.
    pub async fn accept(&self, id: &str) -> Value {
        let input = json!({"VpcPeeringConnectionId": id});
        let accepted = self.call("AcceptVpcPeeringConnection", input).await;
        accepted["VpcPeeringConnection"].clone()
    }

    /// The code of the state in which this account is shown a connection; `None` if it is not.
    pub async fn peering_state(&self, id: &str) -> Option<String> {
        let shown = self.peering(id).await?;
        Some(text(&shown["Status"]["Code"]))
    }

    /// A connection as this account is shown it.
    pub async fn peering(&self, id: &str) -> Option<Value> {
        let all = self
            .all("DescribeVpcPeeringConnections", "VpcPeeringConnections")
            .await;
        all.into_iter()
            .find(|one| one["VpcPeeringConnectionId"] == id)
    }
}

impl Server {
    /// An interface at the first free address of a subnet, as whoever has workloads makes it. It is
    /// not there before `tx` is committed.
    pub async fn interface(
        &self,
        tx: &mut ScopedTransaction<'_>,
        vpc: &Vpc,
        subnet: &Subnet,
        attachment: Option<Attachment>,
    ) -> NetworkInterface {
        let new = NewInterface {
            vpc,
            subnet,
            address: None,
            groups: Vec::new(),
            mtu: None,
            description: String::new(),
            attachment,
        };
        let made = new_interface::create(tx, self.ids(), new).await;
        made.unwrap()
    }

    /// Peers two VPCs, each named with its account, and takes the connection to `active`, as both
    /// owners and the network reconciler do.
    pub async fn peer(&self, from: (&str, &str), to: (&str, &str)) -> Connection {
        let ((asker, own), (accepter, peer)) = (from, to);
        let id = self.ec2(asker).ask(own, accepter, peer).await;
        self.deliver(&id).await;
        self.ec2(accepter).accept(&id).await;
        let mut connection = self.connection_by_id(&id).await;
        connection.apply(Step::Provisioned, self.now()).unwrap();
        self.put_connection(&connection).await;
        connection
    }

    /// Ends a connection, as an owner and the network reconciler do.
    pub async fn unpeer(&self, mut connection: Connection) {
        let by = connection.accepter.account;
        for step in [Step::Delete(by), Step::Removed] {
            connection.apply(step, self.now()).unwrap();
        }
        self.put_connection(&connection).await;
    }

    /// Does as the network reconciler does for a connection with the fleet that has `cidr`: lets it
    /// in through the VPC's default group. Gives the connection's id.
    pub async fn admit(
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
    pub async fn take_back(&self, owner: &Account<'_>, vpc: &str, id: &VpcPeeringConnectionId) {
        let change = |group: &mut SecurityGroup| {
            group.remove_rules_of(id);
        };
        self.change_groups(owner, vpc, change).await;
    }

    /// Changes all groups of a VPC, as a reconciler does.
    pub async fn change_groups(
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
    pub async fn hidden_group(&self, owner: &Account<'_>) -> String {
        let mut tx = self.transaction();
        let scope = owner.scope();
        let vpcs = tx.peek(&keys::vpcs(&scope)).await.unwrap();
        let hidden = vpcs.iter().find(|vpc| vpc.fleet.is_some());
        let groups = keys::security_groups_of(&scope, &hidden.expect("a fleet's VPC").id);
        let groups = tx.peek(&groups).await.unwrap();
        groups[0].id.to_string()
    }

    /// A connection as it is stored.
    pub async fn connection_by_id(&self, id: &str) -> Connection {
        let all = self.transaction().peek(&keys::all_connections()).await;
        let mut all = all.unwrap().into_iter();
        all.find(|one| one.id.as_str() == id).unwrap()
    }

    /// Does as the network reconciler does with a new request.
    pub async fn deliver(&self, id: &str) {
        let mut connection = self.connection_by_id(id).await;
        let scope = Scope {
            account: connection.accepter.account,
            region: connection.region.clone(),
        };
        let mut tx = self.transaction();
        let key = keys::vpc(&scope, &connection.accepter.vpc);
        let found = tx.get(&key).await.unwrap();
        let step = connection.delivery(found.filter(|vpc| vpc.fleet.is_none()).as_ref());
        let is_delivered = step == Step::Deliver;
        connection.apply(step, self.now()).unwrap();
        tx.put(&connection).unwrap();
        if is_delivered {
            tx.put_delivered(&connection).unwrap();
        }
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }

    /// Writes a connection.
    pub async fn put_connection(&self, connection: &Connection) {
        self.write(async |tx| tx.put(connection).unwrap()).await;
    }
}

/// The filters of a Describe operation that name one value.
pub fn filter(name: &str, value: &str) -> Value {
    json!([{"Name": name, "Values": [value]}])
}

/// CreateRoute's input.
pub fn route(table: &str, destination: &str, connection: &str) -> Value {
    json!({
        "RouteTableId": table,
        "DestinationCidrBlock": destination,
        "VpcPeeringConnectionId": connection,
    })
}
