//! A small world for reconcilers: a store in memory, a network without packets, a clock that
//! stands where it is put.

use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use tempfile::TempDir;
use tokio::time::timeout;
use tombolo_domain::fleet::{
    Capacity, Compute, Fleet, FleetEvent, FleetStatus, ManagedCompute, RuntimeConfiguration,
    ServerProcess, ShownAttributes,
};
use tombolo_domain::id::{
    AccountId, BuildId, FleetId, NetworkInterfaceId, RouteTableAssociationId, RouteTableId,
    SecurityGroupRuleId, SubnetId, VpcId, VpcPeeringConnectionId,
};
use tombolo_domain::peering::{Authorization, Connection, End, Step};
use tombolo_domain::testing::{ManualClock, SeededIds};
use tombolo_domain::vpc::{
    Attachment, MacAddress, NetworkInterface, Peer, Protocol, Route, RouteTable, RouteTarget,
    RuleDirection, SecurityGroup, SecurityGroupRule, Subnet, Vpc, VpcAttributes, VpcNumber,
};
use tombolo_domain::{Scope, Timestamp};
use tombolo_network::{Packet, SimulatedEngine, Transport, Verdict};
use tombolo_node::{Context, Reconcilers};
use tombolo_store::keys::{self, Key, KeyParts, Stored};
use tombolo_store::typed::{Committed, Transaction};
use tombolo_store::{MemoryStore, Revision};

/// How long a condition may take to come true before the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) context: Context,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) engine: Arc<SimulatedEngine>,
    /// The account that has the fleets.
    pub(crate) studio: Scope,
    /// The account that has the other VPCs.
    pub(crate) backend: Scope,
    _directory: TempDir,
}

pub(crate) fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

impl Drop for World {
    /// Ends the instances that a test left running, also when it failed.
    fn drop(&mut self) {
        let context = self.context.clone();
        let ending = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(tombolo_node::teardown(&context))
        });
        let ended = ending.join().unwrap();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let engine = Arc::new(SimulatedEngine::new());
        let scope = |account: &str| Scope {
            account: account.parse().unwrap(),
            region: "us-west-2".parse().unwrap(),
        };
        World {
            context: Context {
                store: Arc::new(MemoryStore::new()),
                clock: clock.clone(),
                ids: Arc::new(SeededIds::new(1)),
                engine: engine.clone(),
                room: tokio::sync::watch::Sender::default(),
                binary: env!("CARGO_BIN_EXE_node-test-support").into(),
                directory: directory.path().to_owned(),
                mtu: tombolo_network::MAX_MTU,
                public: None,
                sandbox: tombolo_node::SandboxSettings::default(),
            },
            clock,
            engine,
            studio: scope("111122223333"),
            backend: scope("444455556666"),
            _directory: directory,
        }
    }

    pub(crate) fn start(&self) -> Reconcilers {
        Reconcilers::start(self.context.clone()).unwrap()
    }

    pub(crate) async fn write(&self, work: impl AsyncFn(&mut Transaction)) {
        let mut tx = Transaction::new(self.context.store.clone());
        work(&mut tx).await;
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }

    pub(crate) async fn get<K: KeyParts>(&self, key: &Key<K>) -> Option<K::Value> {
        let mut tx = Transaction::new(self.context.store.clone());
        tx.get(key).await.unwrap()
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
                let before = self.context.store.revision();
                let mut tx = Transaction::new(self.context.store.clone());
                if let Some(found) = condition(&mut tx).await {
                    return found;
                }
                seen = seen.max(before);
                let mut changes = self.context.store.watch(b"", seen);
                changes.next().await.unwrap();
            }
        };
        match timeout(DEADLINE, look).await {
            Ok(found) => found,
            Err(_) => panic!("after {DEADLINE:?}: {what}"),
        }
    }

    /// A VPC with its main route table, its default security group, and a subnet of all of it.
    pub(crate) async fn vpc(&self, scope: &Scope, cidr: &str, fleet: Option<FleetId>) -> Vpc {
        let ids = &*self.context.ids;
        let number = self.get(&keys::vpc_number()).await.unwrap_or(0) + 1;
        let vpc = Vpc {
            scope: scope.clone(),
            id: VpcId::generate(ids),
            number: VpcNumber(number),
            cidr: net(cidr),
            secondary_cidrs: Vec::new(),
            attributes: VpcAttributes::default(),
            fleet,
            created: self.context.clock.now(),
        };
        let table = RouteTable {
            scope: scope.clone(),
            id: RouteTableId::generate(ids),
            vpc: vpc.id.clone(),
            number: None,
            main: Some(RouteTableAssociationId::generate(ids)),
            associations: Vec::new(),
            routes: vec![Route::local(vpc.cidr)],
            client_token: None,
        };
        let group = SecurityGroup::default_of(scope.clone(), vpc.id.clone(), ids);
        let subnet = Subnet {
            scope: scope.clone(),
            id: SubnetId::generate(ids),
            vpc: vpc.id.clone(),
            cidr: vpc.cidr,
            availability_zone: "us-west-2a".to_owned(),
        };
        self.write(async |tx| {
            tx.put_at(&keys::vpc_number(), &number).unwrap();
            tx.put(&vpc).unwrap();
            tx.put_at(&keys::vpc_scope(&vpc.id), scope).unwrap();
            tx.put(&table).unwrap();
            tx.put(&group).unwrap();
            tx.put(&subnet).unwrap();
        })
        .await;
        vpc
    }

    /// An interface with a workload, at the first address of the VPC, in its default group.
    pub(crate) async fn interface(&self, vpc: &Vpc) -> NetworkInterface {
        let mut tx = Transaction::new(self.context.store.clone());
        let subnets = tx.peek(&keys::subnets(&vpc.scope)).await.unwrap();
        let subnet = subnets
            .into_iter()
            .find(|subnet| subnet.vpc == vpc.id)
            .unwrap();
        let groups = tx
            .peek(&keys::security_groups_of(&vpc.scope, &vpc.id))
            .await
            .unwrap();
        let address = tombolo_domain::cidr::usable_addresses(vpc.cidr)
            .next()
            .unwrap();
        let pid = std::process::id() as i32;
        let interface = NetworkInterface {
            scope: vpc.scope.clone(),
            id: NetworkInterfaceId::generate(&*self.context.ids),
            vpc: vpc.id.clone(),
            subnet: subnet.id,
            address,
            mac: MacAddress::for_address(address),
            description: String::new(),
            mtu: None,
            groups: groups.into_iter().map(|group| group.id).collect(),
            attachment: Some(Attachment::Program {
                pid,
                start_time: tombolo_fleet::start_ticks(pid).unwrap(),
            }),
            client_token: None,
            created: self.context.clock.now(),
        };
        self.write(async |tx| tx.put(&interface).unwrap()).await;
        interface
    }

    /// A fleet of the studio's in `status`, with its hidden VPC, that is to have no instances.
    pub(crate) async fn fleet(&self, cidr: &str, status: FleetStatus) -> (Fleet, Vpc) {
        let ids = &*self.context.ids;
        let id = FleetId::generate(ids);
        let vpc = self.vpc(&self.studio, cidr, Some(id.clone())).await;
        let process = ServerProcess {
            launch_path: "/local/game/server".to_owned(),
            parameters: None,
            concurrent_executions: 1,
        };
        let fleet = Fleet {
            scope: self.studio.clone(),
            id,
            name: "fleet".to_owned(),
            description: None,
            compute: Compute::Managed(Box::new(ManagedCompute {
                build: BuildId::generate(ids),
                runtime: RuntimeConfiguration::new(vec![process]).unwrap(),
                vpc: vpc.id.clone(),
                instance_type: "c5.large".to_owned(),
                peering: None,
                capacity: Capacity {
                    desired: 0,
                    ..Capacity::default()
                },
                inbound_permissions: Vec::new(),
                internet: false,
                scaling_is_stopped: false,
            })),
            status,
            created: self.context.clock.now(),
            terminated: None,
            shown: ShownAttributes::default(),
        };
        self.write(async |tx| tx.put(&fleet).unwrap()).await;
        (fleet, vpc)
    }

    pub(crate) async fn authorize(&self, vpc: &Vpc) -> Authorization {
        let authorization = Authorization::issue(
            vpc.scope.region.clone(),
            self.studio.account,
            vpc.scope.account,
            vpc.id.clone(),
            self.context.clock.now(),
        );
        self.write(async |tx| tx.put(&authorization).unwrap()).await;
        authorization
    }

    /// What CreateVpcPeeringConnection writes.
    pub(crate) async fn request(&self, fleet: &Fleet, fleet_vpc: &Vpc, peer: &Vpc) -> Connection {
        let authorization = self.authorize(peer).await;
        let connection = self.requested(&authorization, fleet, fleet_vpc, peer);
        self.put_connection(&connection).await;
        connection
    }

    pub(crate) fn requested(
        &self,
        authorization: &Authorization,
        fleet: &Fleet,
        fleet_vpc: &Vpc,
        peer: &Vpc,
    ) -> Connection {
        let now = self.context.clock.now();
        Connection::request(
            authorization.consent(now).unwrap(),
            self.studio.region.clone(),
            fleet.id.clone(),
            End::of(fleet_vpc),
            peer,
            now,
            &*self.context.ids,
        )
    }

    pub(crate) async fn put_connection(&self, connection: &Connection) {
        self.write(async |tx| tx.put_delivered(connection).unwrap())
            .await;
    }

    /// What EC2's CreateVpcPeeringConnection writes.
    pub(crate) async fn ask(&self, own: &Vpc, peer: &Vpc) -> Connection {
        let named = (peer.scope.account, peer.id.clone());
        let now = self.context.clock.now();
        let connection = Connection::request_between(own, named, now, &*self.context.ids);
        self.write(async |tx| tx.put(&connection).unwrap()).await;
        connection
    }

    /// Takes a step that an operation takes.
    pub(crate) async fn take(&self, connection: &Connection, step: Step) {
        let now = self.context.clock.now();
        self.write(async |tx| {
            let mut connection = tx.get(&connection.key()).await.unwrap().unwrap();
            connection.take(step.clone(), now).unwrap();
            tx.put(&connection).unwrap();
        })
        .await;
    }

    /// What an owner writes to reach `there` through a connection: a route in every table of its
    /// VPC, and a rule in every group.
    pub(crate) async fn join_by_hand(&self, here: &Vpc, there: Ipv4Net, connection: &Connection) {
        let Vpc { scope, id, .. } = here;
        self.write(async |tx| {
            for mut table in tx.list(&keys::route_tables_of(scope, id)).await.unwrap() {
                table.routes.push(Route {
                    destination: there,
                    target: RouteTarget::Peering(connection.id.clone()),
                    made_by: None,
                });
                tx.put(&table).unwrap();
            }
            for mut group in tx.list(&keys::security_groups_of(scope, id)).await.unwrap() {
                group.rules.push(SecurityGroupRule {
                    id: SecurityGroupRuleId::generate(&*self.context.ids),
                    direction: RuleDirection::Ingress,
                    protocol: Protocol::All,
                    peer: Peer::Cidr(there),
                    description: None,
                    made_by: None,
                });
                tx.put(&group).unwrap();
            }
        })
        .await;
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
