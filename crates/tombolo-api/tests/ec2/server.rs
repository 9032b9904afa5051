//! A server in memory, with a clock that stands still and ids that come out the same each time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tombolo_api::error::{ApiError, ErrorKind};
use tombolo_api::http::{Caller, Dispatch, User};
use tombolo_api::model::{Kind, Models, Service, ServiceName, ShapeId, validate};
use tombolo_api::operation::build::{self, BuildFiles, NewBuild};
use tombolo_api::operation::interface::{self, NewInterface};
use tombolo_api::operation::{Operations, Settings};
use tombolo_domain::cidr::AddressPlan;
use tombolo_domain::fleet::OperatingSystem;
use tombolo_domain::id::{BuildId, IdSource};
use tombolo_domain::peering::{Connection, Step};
use tombolo_domain::time::Clock;
use tombolo_domain::vpc::{Attachment, NetworkInterface};
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::typed::{Committed, Transaction};
use tombolo_store::{KeyRange, MemoryStore, Revision, Store, keys};

/// The account that has VPCs.
pub(crate) const BACKEND: &str = "444455556666";
/// The account that has fleets.
pub(crate) const STUDIO: &str = "111122223333";
/// Where everything happens, unless a test goes elsewhere.
pub(crate) const HOME: &str = "us-west-2";
/// The server's other Region.
pub(crate) const AWAY: &str = "eu-west-1";

static MODELS: LazyLock<Models> = LazyLock::new(|| Models::load().unwrap());

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

impl Server {
    pub(crate) fn new() -> Self {
        Self::over(|store| store)
    }

    /// A server that uses its store by way of `seen`.
    pub(crate) fn over<S: Store + 'static>(seen: impl FnOnce(Arc<MemoryStore>) -> Arc<S>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let start = "2026-11-22T12:00:00Z".parse().unwrap();
        let clock = Arc::new(MovableClock(Mutex::new(start)));
        let ids = Arc::new(CountedIds(AtomicU64::new(1)));
        let settings = Settings {
            regions: vec![HOME.parse().unwrap(), AWAY.parse().unwrap()],
            address_plan: AddressPlan::default(),
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

    pub(crate) fn ids(&self) -> &dyn IdSource {
        &*self.ids
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        *self.clock.0.lock().unwrap() += by;
    }

    pub(crate) fn transaction(&self) -> Transaction {
        Transaction::new(self.store.clone())
    }

    /// The only connection, as it is stored.
    pub(crate) async fn connection(&self) -> Connection {
        let all = self.transaction().peek(&keys::all_connections()).await;
        let [only] = <[Connection; 1]>::try_from(all.unwrap()).expect("one connection");
        only
    }

    /// Does as the peering reconciler does: takes a step on the only connection.
    pub(crate) async fn step(&self, step: Step) {
        let mut connection = self.connection().await;
        connection.take(step, self.now()).unwrap();
        let mut tx = self.transaction();
        tx.put(&connection).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }

    /// The keys that start with `start`.
    pub(crate) async fn keys(&self, start: &str) -> Vec<String> {
        let (_, entries) = self.dump().await;
        let keys = entries.keys().map(|key| key.escape_ascii().to_string());
        keys.filter(|key| key.starts_with(start)).collect()
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

    /// Calls an operation of EC2's, which must succeed.
    pub(crate) async fn call(&self, operation: &str, input: Value) -> Value {
        self.succeed(ServiceName::Ec2, operation, input).await
    }

    /// Calls an operation of GameLift's, which must succeed.
    pub(crate) async fn gamelift(&self, operation: &str, input: Value) -> Value {
        self.succeed(ServiceName::GameLift, operation, input).await
    }

    async fn succeed(&self, service: ServiceName, operation: &str, input: Value) -> Value {
        match self.dispatch(service, operation, input).await {
            Ok(output) => output,
            Err(error) => panic!("{operation}: {error}"),
        }
    }

    /// Calls an operation of EC2's, which must refuse with this code and text, and change nothing.
    pub(crate) async fn refused(&self, operation: &str, input: Value, code: &str, message: &str) {
        let before = self.server.dump().await;
        let error = match self.dispatch(ServiceName::Ec2, operation, input).await {
            Ok(output) => panic!("{operation} was not refused: {output}"),
            Err(error) => error,
        };
        assert!(
            before == self.server.dump().await,
            "{operation} was refused and changed the store all the same: {error}"
        );
        assert_eq!(
            (
                error.kind().wire(ServiceName::Ec2).code,
                error.client_message("request-id").as_str(),
            ),
            (code, message),
            "{operation}"
        );
    }

    /// Calls an operation of EC2's; what was wrong if it was refused.
    pub(crate) async fn attempt(&self, operation: &str, input: Value) -> Option<ErrorKind> {
        let refused = self
            .dispatch(ServiceName::Ec2, operation, input)
            .await
            .err()?;
        Some(refused.kind())
    }

    async fn dispatch(
        &self,
        service: ServiceName,
        operation: &str,
        input: Value,
    ) -> Result<Value, ApiError> {
        let model = MODELS.service(service);
        let operation = model.operation(operation).expect("a served operation");
        if let Some(shape) = operation.input {
            require_members(model, shape, &input);
            validate(model, shape, &input)?;
        }
        let called = self
            .server
            .operations
            .call(service, operation.name, &self.caller, input);
        let output = called.await?;
        match operation.output {
            Some(shape) => {
                require_members(model, shape, &output);
                validate(model, shape, &output).expect("a reply that fits the model");
            }
            None => assert_eq!(output, json!({}), "{} has no output", operation.name),
        }
        Ok(output)
    }

    pub(crate) async fn vpc(&self, cidr: &str) -> String {
        let created = self.call("CreateVpc", json!({"CidrBlock": cidr})).await;
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
            description: String::new(),
            attachment: Some(attachment),
        };
        let made = interface::create(tx, self.server.ids(), self.server.now(), new).await;
        made.unwrap()
    }

    /// What a Describe operation shows in `list`, without filters.
    pub(crate) async fn all(&self, operation: &str, list: &str) -> Vec<Value> {
        self.filtered(operation, list, json!([])).await
    }

    pub(crate) async fn filtered(&self, operation: &str, list: &str, filters: Value) -> Vec<Value> {
        let output = self.call(operation, json!({"Filters": filters})).await;
        output[list].as_array().expect("a list").clone()
    }

    /// The only item that a Describe operation shows in `list`.
    pub(crate) async fn only(&self, operation: &str, list: &str) -> Value {
        let [only] = <[Value; 1]>::try_from(self.all(operation, list).await).expect("one");
        only
    }

    /// A fleet of this account; its id.
    pub(crate) async fn fleet(&self) -> String {
        let mut tx = self.server.transaction();
        let new = NewBuild {
            id: BuildId::generate(self.server.ids()),
            name: None,
            version: None,
            operating_system: OperatingSystem::default(),
            server_sdk_version: None,
            files: BuildFiles::Here { size: 1 },
        };
        let build = build::create(&mut tx, &self.scope(), self.server.now(), new).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
        let input = json!({
            "Name": "islands",
            "BuildId": build.id,
            "EC2InstanceType": "c5.large",
            "RuntimeConfiguration": {
                "ServerProcesses": [{"LaunchPath": "/local/game/server", "ConcurrentExecutions": 1}],
            },
        });
        let created = self.gamelift("CreateFleet", input).await;
        text(&created["FleetAttributes"]["FleetId"])
    }
}

/// Requires that the model has every member of `value`, whatever its value.
fn require_members(service: &Service, shape: ShapeId, value: &Value) {
    let shape = service.shape(shape);
    match (&shape.kind, value) {
        (Kind::Structure(structure), Value::Object(members)) => {
            for (name, value) in members {
                let member = structure.members.iter().find(|member| member.name == name);
                let member = member.unwrap_or_else(|| panic!("{} has no {name}", shape.name));
                require_members(service, member.shape, value);
            }
        }
        (Kind::List(list), Value::Array(values)) => {
            for value in values {
                require_members(service, list.member, value);
            }
        }
        _ => {}
    }
}

/// `input` with `member` set.
pub(crate) fn with(mut input: Value, member: &str, value: impl Into<Value>) -> Value {
    input[member] = value.into();
    input
}

pub(crate) fn filter(name: &str, value: &str) -> Value {
    json!([{"Name": name, "Values": [value]}])
}

/// EC2's model.
pub(crate) fn ec2() -> &'static Service {
    MODELS.service(ServiceName::Ec2)
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// The member `name` of each, sorted.
pub(crate) fn each(values: &[Value], name: &str) -> Vec<String> {
    let mut each: Vec<String> = values.iter().map(|value| text(&value[name])).collect();
    each.sort();
    each
}
