//! What an account has at EC2: making it, and looking at it.

use serde_json::{Value, json};
use tombolo_api::ec2::new_interface::{self, NewInterface};
use tombolo_domain::vpc::{Attachment, NetworkInterface};
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use crate::account::Account;
use crate::document::{list, text};

impl Account<'_> {
    pub(crate) async fn vpc(&self, cidr: &str) -> String {
        let input = json!({"CidrBlock": cidr});
        let created = self.ec2().call("CreateVpc", input).await;
        text(&created["Vpc"]["VpcId"])
    }

    pub(crate) async fn subnet(&self, vpc: &str, cidr: &str) -> String {
        let input = json!({"VpcId": vpc, "CidrBlock": cidr});
        let created = self.call("CreateSubnet", input).await;
        text(&created["Subnet"]["SubnetId"])
    }

    /// A network interface as it is shown when it is made.
    pub(crate) async fn interface(&self, subnet: &str) -> Value {
        let input = json!({"SubnetId": subnet});
        let created = self.call("CreateNetworkInterface", input).await;
        created["NetworkInterface"].clone()
    }

    /// An interface in a subnet of this account, as whoever has workloads makes it. It is not
    /// there before `tx` is committed.
    pub(crate) async fn attached_interface(
        &self,
        tx: &mut Transaction,
        subnet: &str,
        attachment: Attachment,
    ) -> NetworkInterface {
        let scope = self.scope();
        let vpc = tx.get(&keys::located(&scope, subnet)).await.unwrap();
        let vpc = tx.get(&keys::vpc(&scope, &vpc.unwrap())).await.unwrap();
        let vpc = vpc.unwrap();
        let key = keys::subnet(&scope, &vpc.id, &subnet.parse().unwrap());
        let subnet = tx.get(&key).await.unwrap().unwrap();
        let new = NewInterface {
            vpc: &vpc,
            subnet: &subnet,
            address: None,
            groups: vec![],
            mtu: None,
            description: String::new(),
            attachment: Some(attachment),
        };
        let made = new_interface::create(tx, self.server.ids(), self.server.now(), new).await;
        made.unwrap()
    }

    /// What a Describe operation shows in `list`, without filters.
    pub(crate) async fn all(&self, operation: &str, list: &str) -> Vec<Value> {
        self.filtered(operation, list, json!([])).await
    }

    pub(crate) async fn filtered(&self, operation: &str, name: &str, filters: Value) -> Vec<Value> {
        let output = self.call(operation, json!({"Filters": filters})).await;
        list(&output[name])
    }

    /// The only item that a Describe operation shows in `list`.
    pub(crate) async fn only(&self, operation: &str, list: &str) -> Value {
        let [only] = <[Value; 1]>::try_from(self.all(operation, list).await).expect("one");
        only
    }
}

pub(crate) fn filter(name: &str, value: &str) -> Value {
    json!([{"Name": name, "Values": [value]}])
}
