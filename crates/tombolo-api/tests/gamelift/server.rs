//! A server in memory, with a clock that the test moves and ids that come out the same each time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tombolo_api::error::{ApiError, ErrorKind};
use tombolo_api::http::{Caller, Dispatch, User};
use tombolo_api::model::{Models, Service, ServiceName, validate};
use tombolo_api::operation::build::{self, BuildFiles, NewBuild};
use tombolo_api::operation::{Operations, Settings};
use tombolo_domain::cidr::AddressPlan;
use tombolo_domain::fleet::{Fleet, FleetStatus, OperatingSystem};
use tombolo_domain::id::{BuildId, FleetId, IdSource, Region, VpcId};
use tombolo_domain::peering::{Connection, Step};
use tombolo_domain::time::Clock;
use tombolo_domain::vpc::{Vpc, VpcNumber};
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::typed::{Committed, Transaction};
use tombolo_store::{KeyRange, MemoryStore, Revision, Store, keys};

/// The account that has fleets.
pub(crate) const STUDIO: &str = "111122223333";
/// The account that has VPCs.
pub(crate) const BACKEND: &str = "444455556666";
/// An account that has nothing to do with either.
pub(crate) const STRANGER: &str = "777788889999";
/// Where everything happens, unless a test goes elsewhere.
pub(crate) const HOME: &str = "us-west-2";
/// The server's other Region.
pub(crate) const AWAY: &str = "eu-west-1";

/// 2026-11-22T12:00:00.489Z: the milliseconds of the sample in AWS's API reference.
const START: i64 = 1_795_348_800_489;

static MODELS: LazyLock<Models> = LazyLock::new(|| Models::load().unwrap());

/// GameLift's model.
pub(crate) fn gamelift() -> &'static Service {
    MODELS.service(ServiceName::GameLift)
}

pub(crate) struct Server {
    operations: Operations,
    store: Arc<MemoryStore>,
    clock: Arc<MovableClock>,
    ids: Arc<CountedIds>,
}

struct MovableClock(Mutex<Timestamp>);

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// SplitMix64 over a counter: every id differs, and every run has the same ones.
struct CountedIds(AtomicU64);

impl IdSource for CountedIds {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes()[..chunk.len()]);
        }
    }
}

/// A refused request, as the client sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with_plan(AddressPlan::default())
    }

    pub(crate) fn with_plan(address_plan: AddressPlan) -> Self {
        Self::build(address_plan, |store| store)
    }

    /// A server that uses its store by way of `seen`.
    pub(crate) fn over<S: Store + 'static>(seen: impl FnOnce(Arc<MemoryStore>) -> Arc<S>) -> Self {
        Self::build(AddressPlan::default(), seen)
    }

    fn build<S: Store + 'static>(
        address_plan: AddressPlan,
        seen: impl FnOnce(Arc<MemoryStore>) -> Arc<S>,
    ) -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(MovableClock(Mutex::new(
            Timestamp::from_millisecond(START).unwrap(),
        )));
        let ids = Arc::new(CountedIds(AtomicU64::new(1)));
        let settings = Settings {
            regions: vec![HOME.parse().unwrap(), AWAY.parse().unwrap()],
            address_plan,
        };
        let operations = Operations::new(seen(store.clone()), clock.clone(), ids.clone(), settings);
        Server {
            operations,
            store,
            clock,
            ids,
        }
    }

    /// The server as `account` uses it in the home Region.
    pub(crate) fn account(&self, account: &str) -> Account<'_> {
        self.account_in(account, HOME)
    }

    pub(crate) fn account_in(&self, account: &str, region: &str) -> Account<'_> {
        Account {
            server: self,
            caller: Caller {
                account: account.parse().unwrap(),
                user: User {
                    name: "tester".to_owned(),
                    id: "AIDAAAAAAAAAAAAAAAAA".to_owned(),
                },
                access_key_id: "AKIAAAAAAAAAAAAAAAAA".parse().unwrap(),
                region: region.parse().unwrap(),
            },
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut now = self.clock.0.lock().unwrap();
        *now += by;
    }

    /// Everything in the store, and the revision it has.
    async fn dump(&self) -> (Revision, BTreeMap<Bytes, Bytes>) {
        let everything = KeyRange {
            start: Bytes::new(),
            end: Bytes::from_static(&[0xff]),
        };
        let page = self.store.range(&everything, usize::MAX).await.unwrap();
        assert!(!page.more);
        let entries = page.entries.into_iter();
        let entries = entries.map(|entry| (entry.key, entry.value)).collect();
        (self.store.revision(), entries)
    }

    pub(crate) fn transaction(&self) -> Transaction {
        Transaction::new(self.store.clone())
    }

    /// Does as a reconciler does: takes `step` on the only connection of a fleet that is not over.
    pub(crate) async fn step(&self, fleet: &str, step: Step) {
        let mut tx = self.transaction();
        let mut connection = self.connection(fleet).await;
        connection.take(step, self.now()).unwrap();
        tx.put(&connection).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }

    /// The connection of a fleet as it is stored; the newest if it has several.
    pub(crate) async fn connection(&self, fleet: &str) -> Connection {
        let fleet: FleetId = fleet.parse().unwrap();
        let all = self.transaction().peek(&keys::all_connections()).await;
        let of_fleet = all.unwrap().into_iter().filter(|c| c.fleet == fleet);
        of_fleet.max_by_key(Connection::since).unwrap()
    }

    /// Takes a fleet's connection to `active`.
    pub(crate) async fn activate(&self, fleet: &str) {
        for step in [Step::Deliver, Step::Accept, Step::Provisioned] {
            self.step(fleet, step).await;
        }
    }

    /// Does as the fleet reconciler does: changes a fleet's record.
    pub(crate) async fn set_status(&self, fleet: &str, status: FleetStatus) {
        let mut tx = self.transaction();
        let mut record = self.fleet(fleet).await;
        record.status = status;
        tx.put(&record).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }

    /// A fleet as it is stored.
    pub(crate) async fn fleet(&self, fleet: &str) -> Fleet {
        let all = self.transaction().peek(&keys::all_fleets()).await.unwrap();
        let mut all = all.into_iter();
        all.find(|record| record.id.as_str() == fleet).unwrap()
    }
}

/// The server, as one account sees it in one Region.
pub(crate) struct Account<'s> {
    pub(crate) server: &'s Server,
    caller: Caller,
}

impl Account<'_> {
    pub(crate) fn scope(&self) -> Scope {
        Scope {
            account: self.caller.account,
            region: self.caller.region.clone(),
        }
    }

    /// Calls an operation, which must succeed.
    pub(crate) async fn call(&self, operation: &str, input: Value) -> Value {
        match self.dispatch(operation, input).await {
            Ok(output) => output,
            Err(error) => panic!("{operation}: {error}"),
        }
    }

    /// Calls an operation, which must refuse and change nothing.
    pub(crate) async fn refused(&self, operation: &str, input: Value) -> Refusal {
        let before = self.server.dump().await;
        let Err(error) = self.dispatch(operation, input).await else {
            panic!("{operation} was not refused");
        };
        assert!(
            before == self.server.dump().await,
            "{operation} was refused and changed the store all the same: {error}"
        );
        Refusal {
            code: error.kind().wire(ServiceName::GameLift).code,
            message: error.client_message("request-id"),
        }
    }

    /// Calls an operation; the code of the error if it was refused.
    pub(crate) async fn attempt(&self, operation: &str, input: Value) -> Option<&'static str> {
        let kind = self.attempt_kind(operation, input).await?;
        Some(kind.wire(ServiceName::GameLift).code)
    }

    /// Calls an operation; what was wrong if it was refused.
    pub(crate) async fn attempt_kind(&self, operation: &str, input: Value) -> Option<ErrorKind> {
        let error = self.dispatch(operation, input).await.err()?;
        Some(error.kind())
    }

    async fn dispatch(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let service = gamelift();
        let model = service.operation(operation).expect("a served operation");
        if let Some(shape) = model.input {
            validate(service, shape, &input)?;
        }
        let dispatched =
            self.server
                .operations
                .call(ServiceName::GameLift, model.name, &self.caller, input);
        let output = dispatched.await.inspect_err(|error| {
            let code = error.kind().wire(ServiceName::GameLift).code;
            assert!(
                model.errors.contains(&code),
                "{operation} does not declare {code}: {error}"
            );
        })?;
        if let Some(shape) = model.output {
            let mut reply = output.clone();
            // The model wants at least one here. Clients read the list without asking whether it
            // is there, so an account without fleets gets an empty one.
            if reply["FleetIds"] == json!([]) {
                reply["FleetIds"] = Value::Null;
            }
            validate(service, shape, &reply).expect("a reply that fits the model");
        }
        Ok(output)
    }

    /// A VPC of this account, as CreateVpc leaves it.
    pub(crate) async fn vpc(&self, cidr: &str) -> String {
        let mut tx = self.server.transaction();
        let id = VpcId::generate(&*self.server.ids);
        let number = tx.get(&keys::vpc_number()).await.unwrap().unwrap_or(0) + 1;
        tx.put_at(&keys::vpc_number(), &number).unwrap();
        let vpc = json!({
            "scope": self.scope(), "id": id, "number": VpcNumber(number), "cidr": cidr,
            "fleet": null, "created": self.server.now(),
        });
        let vpc: Vpc = serde_json::from_value(vpc).unwrap();
        tx.put(&vpc).unwrap();
        tx.put_at(&keys::vpc_scope(&vpc.id), &vpc.scope).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
        vpc.id.to_string()
    }

    /// Takes a VPC away, and leaves what else there is.
    pub(crate) async fn remove_vpc(&self, vpc: &str) {
        let vpc: VpcId = vpc.parse().unwrap();
        let mut tx = self.server.transaction();
        tx.delete(&keys::vpc(&self.scope(), &vpc));
        tx.delete(&keys::vpc_scope(&vpc));
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }

    /// A READY build of this account, as `tombolo build import` makes it.
    pub(crate) async fn ready_build(&self) -> String {
        let mut tx = self.server.transaction();
        let new = NewBuild {
            id: BuildId::generate(&*self.server.ids),
            name: Some("islands".to_owned()),
            version: Some("1.0".to_owned()),
            operating_system: OperatingSystem::default(),
            server_sdk_version: None,
            files: BuildFiles::Here { size: 4096 },
        };
        let made = build::create(&mut tx, &self.scope(), self.server.now(), new).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
        made.id.to_string()
    }

    /// A fleet of a new build of this account; its id.
    pub(crate) async fn fleet(&self) -> String {
        let build = self.ready_build().await;
        self.fleet_with(fleet_input(&build)).await
    }

    pub(crate) async fn fleet_with(&self, input: Value) -> String {
        let created = self.call("CreateFleet", input).await;
        text(&created["FleetAttributes"]["FleetId"])
    }

    /// Lets `fleet_account` connect its fleets to a VPC of this account.
    pub(crate) async fn authorize(&self, fleet_account: &str, vpc: &str) -> Value {
        let input = json!({"GameLiftAwsAccountId": fleet_account, "PeerVpcId": vpc});
        self.call("CreateVpcPeeringAuthorization", input).await
    }

    /// The connections of a fleet, as they are shown.
    pub(crate) async fn connections(&self, fleet: &str) -> Vec<Value> {
        let input = json!({"FleetId": fleet});
        let output = self.call("DescribeVpcPeeringConnections", input).await;
        list(&output["VpcPeeringConnections"])
    }

    /// A fleet as it is shown.
    pub(crate) async fn attributes(&self, fleet: &str) -> Value {
        let input = json!({"FleetIds": [fleet]});
        let output = self.call("DescribeFleetAttributes", input).await;
        output["FleetAttributes"][0].clone()
    }

    /// The VPC that a fleet hides.
    pub(crate) async fn hidden_vpc(&self, fleet: &str) -> Vpc {
        let record = self.server.fleet(fleet).await;
        let mut tx = self.server.transaction();
        let key = keys::vpc(&self.scope(), record.vpc().unwrap());
        tx.get(&key).await.unwrap().unwrap()
    }

    pub(crate) fn region(&self) -> &Region {
        &self.caller.region
    }
}

/// The least that an EC2 fleet needs.
pub(crate) fn fleet_input(build: &str) -> Value {
    json!({
        "Name": "islands",
        "BuildId": build,
        "EC2InstanceType": "c5.large",
        "RuntimeConfiguration": {
            "ServerProcesses": [{"LaunchPath": "/local/game/server", "ConcurrentExecutions": 1}],
        },
    })
}

/// `input` with `member` set, or left out if null.
pub(crate) fn with(mut input: Value, member: &str, value: Value) -> Value {
    input[member] = value;
    input
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

pub(crate) fn list(value: &Value) -> Vec<Value> {
    value.as_array().expect("a list").clone()
}

#[track_caller]
pub(crate) fn assert_refused(refusal: &Refusal, code: &str, message: &str) {
    assert_eq!((refusal.code, refusal.message.as_str()), (code, message));
}
