//! A connection between two VPCs that people own, in the state that a test needs.

use serde_json::{Value, json};
use tombolo_domain::peering::{Connection, Step};

use crate::account::Account;
use crate::server::{BACKEND, STUDIO, Server};

/// The studio's VPC, the backend's, and what the first asks the second for.
pub(crate) struct Scenario {
    pub(crate) server: Server,
    pub(crate) own: String,
    pub(crate) peer: String,
    pub(crate) id: String,
}

impl Scenario {
    /// A request that is not delivered yet.
    pub(crate) async fn requested() -> Self {
        Self::on(Server::new()).await
    }

    pub(crate) async fn on(server: Server) -> Self {
        let own = server.ec2(STUDIO).vpc("10.1.0.0/16").await;
        let peer = server.ec2(BACKEND).vpc("10.2.0.0/16").await;
        let id = server.ec2(STUDIO).ask(&own, BACKEND, &peer).await;
        Scenario {
            server,
            own,
            peer,
            id,
        }
    }

    /// A request that waits for the backend's answer.
    pub(crate) async fn delivered() -> Self {
        let scenario = Self::requested().await;
        scenario.server.deliver(&scenario.id).await;
        scenario
    }

    pub(crate) async fn active() -> Self {
        let scenario = Self::delivered().await;
        scenario.accept().await;
        scenario.take(Step::Provisioned).await;
        scenario
    }

    /// One in the state with this code.
    pub(crate) async fn at(code: &str) -> Self {
        let scenario = Self::requested().await;
        let backend = BACKEND.parse().unwrap();
        match code {
            "initiating-request" => return scenario,
            "failed" => {
                let delete = json!({"VpcId": scenario.peer});
                scenario.backend().call("DeleteVpc", delete).await;
                scenario.server.deliver(&scenario.id).await;
                return scenario;
            }
            _ => scenario.server.deliver(&scenario.id).await,
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
            scenario.take(step).await;
        }
        scenario
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
        self.backend().accept(&self.id).await
    }

    pub(crate) async fn take(&self, step: Step) {
        let mut connection = self.record().await;
        connection.apply(step, self.server.now()).unwrap();
        self.server.put_connection(&connection).await;
    }

    pub(crate) async fn record(&self) -> Connection {
        self.server.connection_by_id(&self.id).await
    }
}
