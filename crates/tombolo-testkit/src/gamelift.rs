//! What an account has at GameLift: making it, and looking at it.

use serde_json::{Value, json};
use tombolo_api::operation::build::{self, BuildFiles, NewBuild};
use tombolo_domain::fleet::{Instance, OperatingSystem};
use tombolo_domain::id::{BuildId, InstanceId, VpcId};
use tombolo_domain::vpc::Vpc;
use tombolo_store::keys;
use tombolo_store::typed::Committed;

use crate::account::Account;
use crate::document::{list, text};

impl Account<'_> {
    /// A READY build of this account, as `tombolo build import` makes it.
    pub async fn ready_build(&self) -> String {
        let mut tx = self.transaction();
        let new = NewBuild {
            id: BuildId::generate(self.server.ids()),
            name: Some("islands".to_owned()),
            version: Some("1.0".to_owned()),
            operating_system: OperatingSystem::default(),
            server_sdk_version: None,
            files: BuildFiles::Here { size: 4096 },
        };
        let made = build::create(&mut tx, new).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
        made.id.to_string()
    }

    /// A fleet of a new build of this account; its id.
    pub async fn fleet(&self) -> String {
        let build = self.ready_build().await;
        self.fleet_with(fleet_input(&build)).await
    }

    /// A fleet of this account; its id.
    pub async fn fleet_with(&self, input: Value) -> String {
        let created = self.gamelift().call("CreateFleet", input).await;
        text(&created["FleetAttributes"]["FleetId"])
    }

    /// A fleet as it is shown.
    pub async fn attributes(&self, fleet: &str) -> Value {
        let input = json!({"FleetIds": [fleet]});
        let output = self.call("DescribeFleetAttributes", input).await;
        output["FleetAttributes"][0].clone()
    }

    /// The VPC that a fleet hides.
    pub async fn hidden_vpc(&self, fleet: &str) -> Vpc {
        let record = self.server.fleet(fleet).await;
        let mut tx = self.server.transaction();
        let key = keys::vpc(&self.scope(), record.vpc().unwrap());
        tx.get(&key).await.unwrap().unwrap()
    }

    /// An instance of a fleet of this account, as the fleet reconciler makes it, with `change` made
    /// to it; its id.
    pub async fn instance(&self, fleet: &str, change: impl FnOnce(&mut Instance)) -> String {
        let record = self.server.fleet(fleet).await;
        let vpc = self.hidden_vpc(fleet).await;
        let mut tx = self.server.transaction();
        let subnets = tx.peek(&keys::subnets_of(&vpc.scope, &vpc.id)).await;
        let subnet = &subnets.unwrap()[0];
        let mut tx = self.transaction();
        let (ids, now) = (self.server.ids(), self.server.now());
        let interface = self.server.interface(&mut tx, &vpc, subnet, None).await;
        let mut instance = Instance {
            scope: record.scope,
            fleet: record.id,
            id: InstanceId::generate(ids),
            host: None,
            number: 1,
            interface: interface.id,
            ports: Vec::new(),
            running: false,
            active_processes: 0,
            ending: false,
            earlier_position: None,
            created: now,
        };
        change(&mut instance);
        tx.put(&instance).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
        instance.id.to_string()
    }

    /// An event of a fleet for each code and message, the newest first.
    pub async fn events(&self, fleet: &str) -> Vec<(String, String)> {
        let output = self.call("DescribeFleetEvents", json!({"FleetId": fleet}));
        let events = list(&output.await["Events"]).into_iter();
        events
            .map(|event| (text(&event["EventCode"]), text(&event["Message"])))
            .collect()
    }

    /// Lets `fleet_account` connect its fleets to a VPC of this account.
    pub async fn authorize(&self, fleet_account: &str, vpc: &str) -> Value {
        let input = json!({"GameLiftAwsAccountId": fleet_account, "PeerVpcId": vpc});
        let call = self.gamelift();
        call.call("CreateVpcPeeringAuthorization", input).await
    }

    /// Asks for a connection of a fleet of this account to a VPC that `owner` authorized it for.
    pub async fn connect(&self, fleet: &str, owner: &str, vpc: &str) {
        let input = json!({"FleetId": fleet, "PeerVpcAwsAccountId": owner, "PeerVpcId": vpc});
        let gamelift = self.gamelift();
        gamelift.call("CreateVpcPeeringConnection", input).await;
    }

    /// The connections of a fleet, as they are shown.
    pub async fn connections(&self, fleet: &str) -> Vec<Value> {
        let input = json!({"FleetId": fleet});
        let output = self.call("DescribeVpcPeeringConnections", input).await;
        list(&output["VpcPeeringConnections"])
    }

    /// Takes a VPC away, and leaves what else there is.
    pub async fn remove_vpc(&self, vpc: &str) {
        let vpc: VpcId = vpc.parse().unwrap();
        let mut tx = self.server.transaction();
        tx.delete(&keys::vpc(&self.scope(), &vpc));
        tx.delete(&keys::vpc_scope(&vpc));
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }
}

/// A fleet of compute type ANYWHERE.
pub fn anywhere() -> Value {
    json!({
        "Name": "desks",
        "ComputeType": "ANYWHERE",
        "Locations": [{"Location": "custom-office"}],
        "AnywhereConfiguration": {"Cost": "10"},
    })
}

/// The least that an EC2 fleet needs.
pub fn fleet_input(build: &str) -> Value {
    json!({
        "Name": "islands",
        "BuildId": build,
        "EC2InstanceType": "c5.large",
        "RuntimeConfiguration": {
            "ServerProcesses": [{"LaunchPath": "/local/game/server", "ConcurrentExecutions": 1}],
        },
    })
}
