//! A connection between two VPCs that people own, in the state that a test needs.

use serde_json::{Value, json};
use tombolo_domain::peering::{Connection, Step};
use tombolo_store::keys;
use tombolo_store::typed::Committed;

use crate::account::Account;
use crate::document::text;
use crate::server::{BACKEND, STUDIO, Server};

/// The studio's VPC, the backend's, and what the first asks the second for.
pub(crate) struct Story {
    pub(crate) server: Server,
    pub(crate) own: String,
    pub(crate) peer: String,
    pub(crate) id: String,
}

impl Story {
    /// A request that is not delivered yet.
    pub(crate) async fn requested() -> Self {
        Self::on(Server::new()).await
    }

    pub(crate) async fn on(server: Server) -> Self {
        let own = server.ec2(STUDIO).vpc("10.1.0.0/16").await;
        let peer = server.ec2(BACKEND).vpc("10.2.0.0/16").await;
        let id = server.ec2(STUDIO).ask(&own, BACKEND, &peer).await;
        Story {
            server,
            own,
            peer,
            id,
        }
    }

    /// A request that waits for the backend's answer.
    pub(crate) async fn delivered() -> Self {
        let story = Self::requested().await;
        story.server.deliver(&story.id).await;
        story
    }

    pub(crate) async fn active() -> Self {
        let story = Self::delivered().await;
        story.accept().await;
        story.take(Step::Provisioned).await;
        story
    }

    /// One in the state with this code.
    pub(crate) async fn at(code: &str) -> Self {
        let story = Self::requested().await;
        let backend = BACKEND.parse().unwrap();
        match code {
            "initiating-request" => return story,
            "failed" => {
                let delete = json!({"VpcId": story.peer});
                story.backend().call("DeleteVpc", delete).await;
                story.server.deliver(&story.id).await;
                return story;
            }
            _ => story.server.deliver(&story.id).await,
        }
        let steps = match code {
            "pending-acceptance" => vec![],
            "expired" => vec![Step::Expire],
            "rejected" => vec![Step::Reject(backend)],
            "provisioning" => vec![Step::Accept],
            "active" => vec![Step::Accept, Step::Provisioned],
            "deleting" => vec![Step::Delete(backend)],
            "deleted" => vec![Step::Delete(backend), Step::Removed],
            _ => panic!("{code} is no state"),
        };
        for step in steps {
            story.take(step).await;
        }
        story
    }

    pub(crate) fn studio(&self) -> Account<'_> {
        self.server.ec2(STUDIO)
    }

    pub(crate) fn backend(&self) -> Account<'_> {
        self.server.ec2(BACKEND)
    }

    /// The input of the operations that take the id alone.
    pub(crate) fn named(&self) -> Value {
        json!({"VpcPeeringConnectionId": self.id})
    }

    pub(crate) async fn accept(&self) -> Value {
        let (backend, named) = (self.backend(), self.named());
        let accepted = backend.call("AcceptVpcPeeringConnection", named).await;
        accepted["VpcPeeringConnection"].clone()
    }

    pub(crate) async fn take(&self, step: Step) {
        let mut connection = self.record().await;
        connection.take(step, self.server.now()).unwrap();
        self.server.put_connection(&connection).await;
    }

    pub(crate) async fn record(&self) -> Connection {
        self.server.connection_by_id(&self.id).await
    }
}

impl Account<'_> {
    /// Asks for a connection and gives its id.
    pub(crate) async fn ask(&self, vpc: &str, owner: &str, peer: &str) -> String {
        let input = json!({"VpcId": vpc, "PeerVpcId": peer, "PeerOwnerId": owner});
        let asked = self.call("CreateVpcPeeringConnection", input).await;
        text(&asked["VpcPeeringConnection"]["VpcPeeringConnectionId"])
    }

    /// The code of the state in which this account is shown a connection; `None` if it is not.
    pub(crate) async fn peering_state(&self, id: &str) -> Option<String> {
        let shown = self.peering(id).await?;
        Some(text(&shown["Status"]["Code"]))
    }

    /// A connection as this account is shown it.
    pub(crate) async fn peering(&self, id: &str) -> Option<Value> {
        let all = self
            .all("DescribeVpcPeeringConnections", "VpcPeeringConnections")
            .await;
        all.into_iter()
            .find(|one| one["VpcPeeringConnectionId"] == id)
    }
}

impl Server {
    pub(crate) async fn connection_by_id(&self, id: &str) -> Connection {
        let all = self.transaction().peek(&keys::all_connections()).await;
        let mut all = all.unwrap().into_iter();
        all.find(|one| one.id.as_str() == id).unwrap()
    }

    /// Does as the network reconciler does with a new request.
    pub(crate) async fn deliver(&self, id: &str) {
        let mut connection = self.connection_by_id(id).await;
        let scope = tombolo_domain::Scope {
            account: connection.accepter.account,
            region: connection.region.clone(),
        };
        let mut tx = self.transaction();
        let key = keys::vpc(&scope, &connection.accepter.vpc);
        let found = tx.get(&key).await.unwrap();
        let step = connection.delivery(found.filter(|vpc| vpc.fleet.is_none()).as_ref());
        let is_delivered = step == Step::Deliver;
        connection.take(step, self.now()).unwrap();
        tx.put(&connection).unwrap();
        if is_delivered {
            tx.put_delivered(&connection).unwrap();
        }
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }

    pub(crate) async fn put_connection(&self, connection: &Connection) {
        let mut tx = self.transaction();
        tx.put(connection).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }
}
