//! A small world for reconcilers: a server in memory, whose operations make what is in its store, a
//! network without packets, a clock that stands where it is put.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use tombolo_domain::Scope;
use tombolo_domain::fleet::{Fleet, FleetEvent, FleetStatus, PublicAddress};
use tombolo_domain::host::HostBoot;
use tombolo_domain::id::{AccountId, BootId, HostId, IdSource, VpcPeeringConnectionId};
use tombolo_domain::peering::{Connection, Step};
use tombolo_domain::table_capacity::TableCapacity;
use tombolo_domain::time::Clock;
use tombolo_domain::vpc::{Attachment, NetworkInterface, Vpc};
use tombolo_network::{NetworkEngine, Packet, SimulatedEngine, Transport, Verdict};
use tombolo_node::Reconcilers;
use tombolo_store::keys::{self, Entity, Key, KeyParts};
use tombolo_store::typed::{Committed, Transaction};
use tombolo_store::{ModelledStore, Revision, Store};
use tombolo_tasks::{EndedTask, Tasks};
use tombolo_testkit::ManualClock;
use tombolo_testkit::account::Account;
use tombolo_testkit::gamelift::fleet_input;
use tombolo_testkit::server::{BACKEND, HOME, STUDIO, Server};

use crate::gate::Gate;

/// How long a condition may take to come true before the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) context: Context,
    pub(crate) server: Server,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) engine: Arc<SimulatedEngine>,
    /// The account that has the fleets.
    pub(crate) studio: Scope,
    /// The account that has the other VPCs.
    pub(crate) backend: Scope,
    gate: Arc<Gate>,
    _directory: TempDir,
}

/// What the controller and the node work with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) host: HostBoot,
    pub(crate) engine: Arc<dyn NetworkEngine>,
    pub(crate) table_capacity: tokio::sync::watch::Sender<TableCapacity>,
    pub(crate) directory: PathBuf,
    pub(crate) public: Option<PublicAddress>,
}

impl Context {
    pub(crate) fn node(&self) -> tombolo_node::Context {
        tombolo_node::Context {
            store: self.store.clone(),
            host: self.host.clone(),
            ids: self.ids.clone(),
            engine: self.engine.clone(),
            table_capacity: self.table_capacity.clone(),
            binary: env!("CARGO_BIN_EXE_node-test-support").into(),
            directory: self.directory.clone(),
            mtu: tombolo_network::MAX_MTU,
            sandbox: tombolo_node::SandboxSettings::default(),
            tasks: Tasks::default(),
        }
    }

    pub(crate) fn controller(&self) -> tombolo_controller::Context {
        tombolo_controller::Context {
            store: self.store.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            host: self.host.host.clone(),
            public: self.public,
            measurements: tombolo_node::measurements(self.engine.clone()),
            network_in_force: tokio::sync::watch::Sender::default(),
            tasks: Tasks::default(),
        }
    }
}

pub(crate) fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

impl Drop for World {
    /// Ends the instances that a test left running, also when it failed.
    fn drop(&mut self) {
        let ended = wait_for(tombolo_node::teardown(&self.context.node()));
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

/// Reconcilers that run until they are stopped or dropped, and have ended then: they may be starting an
/// instance, which nobody would find who took the world away meanwhile.
pub(crate) struct Running(Option<Reconcilers>);

impl Running {
    /// Has them look again.
    pub(crate) fn wake(&self) {
        if let Some(reconcilers) = &self.0 {
            reconcilers.wake();
        }
    }

    /// Completes when they have ended, with the task that ended by itself.
    pub(crate) async fn ended(&self) -> Option<EndedTask> {
        match &self.0 {
            Some(reconcilers) => reconcilers.ended().await,
            None => None,
        }
    }

    pub(crate) async fn stop(mut self) {
        if let Some(reconcilers) = self.0.take() {
            reconcilers.stop().await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(reconcilers) = self.0.take() {
            wait_for(reconcilers.stop());
        }
    }
}

/// Waits for the end of `work` on a thread of its own, since the test's is one of its runtime.
fn wait_for<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(work)
        });
        thread.join().unwrap()
    })
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::new();
        let gate = Arc::new(Gate::before(server.store()));
        let engine = Arc::new(SimulatedEngine::new());
        let scope = |account: &str| Scope {
            account: account.parse().unwrap(),
            region: HOME.parse().unwrap(),
        };
        let ids = server.shared_ids();
        let host = HostBoot {
            host: HostId::generate(&*ids),
            boot: BootId::generate(&*ids),
        };
        World {
            context: Context {
                store: Arc::new(ModelledStore::over(gate.clone())),
                clock: server.clock(),
                ids: server.shared_ids(),
                host,
                engine: engine.clone(),
                table_capacity: tokio::sync::watch::Sender::default(),
                directory: directory.path().to_owned(),
                public: None,
            },
            clock: server.clock(),
            server,
            engine,
            studio: scope(STUDIO),
            backend: scope(BACKEND),
            gate,
            _directory: directory,
        }
    }

    pub(crate) fn start(&self) -> Running {
        let (controller, node) = (self.context.controller(), self.context.node());
        Running(Some(Reconcilers::start(controller, node).unwrap()))
    }

    /// Writes past the operations, for what a person cannot ask for.
    pub(crate) async fn write(&self, work: impl AsyncFnOnce(&mut Transaction)) {
        self.server.write(work).await;
    }

    pub(crate) async fn get<K: KeyParts>(&self, key: &Key<K>) -> Option<K::Value> {
        self.server.transaction().get(key).await.unwrap()
    }

    /// Waits until `condition` gives something, looking again at each change of the store.
    pub(crate) async fn eventually<T>(
        &self,
        what: &str,
        condition: impl AsyncFn(&mut Transaction) -> Option<T>,
    ) -> T {
        let mut seen = Revision(0);
        let look = async {
            loop {
                let before = self.context.store.revision().await.unwrap();
                let mut tx = Transaction::new(self.context.store.clone());
                if let Some(found) = condition(&mut tx).await {
                    return found;
                }
                seen = seen.max(before);
                let mut changes = self.context.store.watch(b"", seen).await.unwrap();
                changes.next().await.unwrap();
            }
        };
        match timeout(DEADLINE, look).await {
            Ok(found) => found,
            Err(_) => panic!("after {DEADLINE:?}: {what}"),
        }
    }

    fn ec2(&self, scope: &Scope) -> Account<'_> {
        let account = scope.account.to_string();
        self.server.ec2_in(&account, scope.region.as_str())
    }

    pub(crate) fn gamelift(&self, scope: &Scope) -> Account<'_> {
        self.ec2(scope).gamelift()
    }

    /// A VPC with a subnet of all of it.
    pub(crate) async fn vpc(&self, scope: &Scope, cidr: &str) -> Vpc {
        let owner = self.ec2(scope);
        let id = owner.vpc(cidr).await;
        owner.subnet(&id, cidr).await;
        let key = keys::vpc(scope, &id.parse().unwrap());
        self.get(&key).await.unwrap()
    }

    /// An interface with a workload, at the first address of the VPC, in its default group.
    pub(crate) async fn interface(&self, vpc: &Vpc) -> NetworkInterface {
        let pid = std::process::id() as i32;
        let attachment = Attachment::Program {
            pid,
            start_time: tombolo_fleet::start_ticks(pid).unwrap(),
            boot: Some(self.context.host.clone()),
        };
        self.interface_of(vpc, attachment).await
    }

    /// An interface with this workload, at the first free address of the VPC, in its default group.
    pub(crate) async fn interface_of(&self, vpc: &Vpc, attachment: Attachment) -> NetworkInterface {
        let owner = self.ec2(&vpc.scope);
        let mut tx = owner.transaction();
        let subnet = &tx.subnets_of(vpc).peek().await.unwrap()[0];
        let made = self
            .server
            .interface(&mut tx, vpc, subnet, Some(attachment));
        let made = made.await;
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
        made
    }

    /// A fleet of the studio's with its hidden VPC, that is to have no instances; it is in `status`
    /// before any reconciler sees it.
    pub(crate) async fn fleet(&self, cidr: &str, status: FleetStatus) -> (Fleet, Vpc) {
        self.fleet_with(cidr, status, json!({})).await
    }

    /// The same, with more members of CreateFleet's input.
    pub(crate) async fn fleet_with(
        &self,
        cidr: &str,
        status: FleetStatus,
        members: Value,
    ) -> (Fleet, Vpc) {
        let _closed = self.gate.close().await;
        let studio = self.gamelift(&self.studio);
        let mut input = fleet_input(&studio.ready_build().await);
        input["Tags"] = json!([{"Key": "tombolo:fleet-cidr", "Value": cidr}]);
        for (name, value) in members.as_object().unwrap() {
            input[name] = value.clone();
        }
        let id = studio.fleet_with(input).await;
        let none = json!({"FleetId": id, "DesiredInstances": 0});
        studio.call("UpdateFleetCapacity", none).await;
        self.server.set_status(&id, status).await;
        // Whatever happens to it is newer than its creation.
        self.clock.advance(Duration::from_secs(1));
        (self.server.fleet(&id).await, studio.hidden_vpc(&id).await)
    }

    /// Lets the studio connect its fleets to a VPC.
    pub(crate) async fn authorize(&self, vpc: &Vpc) {
        let studio = self.studio.account.to_string();
        let owner = self.gamelift(&vpc.scope);
        owner.authorize(&studio, vpc.id.as_str()).await;
    }

    /// Asks for a connection of a fleet with a VPC, whose owner has authorized it.
    pub(crate) async fn request(&self, fleet: &Fleet, peer: &Vpc) -> Connection {
        self.authorize(peer).await;
        let owner = peer.scope.account.to_string();
        let studio = self.gamelift(&fleet.scope);
        let requested = studio.connect(fleet.id.as_str(), &owner, peer.id.as_str());
        requested.await;
        let mut tx = self.server.transaction();
        let all = tx.peek(&keys::all_connections()).await.unwrap();
        let with_peer = all.into_iter().filter(|connection| {
            connection.fleet.as_ref() == Some(&fleet.id) && connection.accepter.vpc == peer.id
        });
        with_peer.max_by_key(Connection::since).unwrap()
    }

    pub(crate) async fn put_connection(&self, connection: &Connection) {
        self.write(async |tx| tx.put_delivered(connection).unwrap())
            .await;
    }

    /// Asks for a connection between two VPCs.
    pub(crate) async fn ask(&self, own: &Vpc, peer: &Vpc) -> Connection {
        let owner = peer.scope.account.to_string();
        let requester = self.ec2(&own.scope);
        let asked = requester.ask(own.id.as_str(), &owner, peer.id.as_str());
        self.server.connection_by_id(&asked.await).await
    }

    /// Has an owner answer a request between two VPCs, or delete their connection.
    pub(crate) async fn take(&self, connection: &Connection, step: Step) {
        let (account, operation) = match step {
            Step::Accept => (connection.accepter.account, "AcceptVpcPeeringConnection"),
            Step::Reject(by) => (by, "RejectVpcPeeringConnection"),
            Step::Delete(by) => (by, "DeleteVpcPeeringConnection"),
            step => panic!("{step:?} is no owner's"),
        };
        let owner = self.ec2(&Scope {
            account,
            region: connection.region.clone(),
        });
        let input = json!({"VpcPeeringConnectionId": connection.id.as_str()});
        owner.call(operation, input).await;
    }

    /// What an owner does to reach `there` through a connection: a route in the VPC's table, and a
    /// rule in its default group.
    pub(crate) async fn join_by_hand(&self, here: &Vpc, there: Ipv4Net, connection: &Connection) {
        let owner = self.ec2(&here.scope);
        let (table, _) = owner.main_table(here.id.as_str()).await;
        let there = there.to_string();
        owner.route(&table, &there, connection.id.as_str()).await;
        let group = owner.default_group(here.id.as_str()).await;
        let everything = json!([{"IpProtocol": "-1", "IpRanges": [{"CidrIp": there}]}]);
        owner.let_in(&group, everything).await;
    }

    /// What the data path does with a datagram between two workloads.
    pub(crate) fn verdict(&self, from: &NetworkInterface, to: &NetworkInterface) -> Verdict {
        let packet = Packet {
            source: from.address,
            destination: to.address,
            transport: Transport::Udp {
                source_port: 4000,
                destination_port: 4000,
            },
        };
        self.engine.verdict(&from.id, &packet)
    }

    /// Waits until the data path is as it should be. The engine tells nobody when it is.
    pub(crate) async fn eventually_in_force(&self, is_so: impl Fn() -> bool) {
        let look = async {
            while !is_so() {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, look).await.expect("the data path is so");
    }

    /// Waits until the connection is in the state with this code.
    pub(crate) async fn reaches(&self, connection: &Connection, code: &str) -> Connection {
        let what = format!("connection {} did not become {code}", connection.id);
        self.eventually(&what, async |tx| {
            let found = tx.get(&connection.key()).await.unwrap();
            found.filter(|found| found.state.code() == code)
        })
        .await
    }

    /// The events of a fleet, newest first, as code and message.
    pub(crate) async fn events(&self, fleet: &Fleet) -> Vec<(&'static str, String)> {
        let mut tx = Transaction::new(self.context.store.clone());
        let events = tx
            .peek(&keys::fleet_events(&fleet.scope, &fleet.id))
            .await
            .unwrap();
        events
            .into_iter()
            .map(|FleetEvent { code, message, .. }| (code.as_str(), message))
            .collect()
    }

    /// The routes and rules that `connection` made in `vpc`.
    pub(crate) async fn made_in(
        &self,
        vpc: &Vpc,
        connection: &VpcPeeringConnectionId,
    ) -> (usize, usize) {
        let mut tx = Transaction::new(self.context.store.clone());
        let tables = tx
            .peek(&keys::route_tables_of(&vpc.scope, &vpc.id))
            .await
            .unwrap();
        let groups = tx
            .peek(&keys::security_groups_of(&vpc.scope, &vpc.id))
            .await
            .unwrap();
        let routes = tables.iter().flat_map(|table| &table.routes);
        let rules = groups.iter().flat_map(|group| &group.rules);
        (
            routes
                .filter(|route| route.made_by.as_ref() == Some(connection))
                .count(),
            rules
                .filter(|rule| rule.made_by.as_ref() == Some(connection))
                .count(),
        )
    }

    pub(crate) fn backend_account(&self) -> AccountId {
        self.backend.account
    }
}
