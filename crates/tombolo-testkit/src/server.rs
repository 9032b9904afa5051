//! A server in memory, with a clock that the test moves and ids that come out the same each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::SignedDuration;
use tombolo_api::model::ServiceName;
use tombolo_api::operation::{Operations, Settings};
use tombolo_domain::cidr::AddressPlan;
use tombolo_domain::fleet::{BuildStatus, Fleet, FleetStatus, PublicAddress};
use tombolo_domain::id::{BlobId, FleetId};
use tombolo_domain::object::{Blob, Object, ObjectHeaders};
use tombolo_domain::peering::{Connection, Step};
use tombolo_domain::quota::{Quota, Quotas};
use tombolo_domain::table_capacity::TableCapacity;
use tombolo_domain::testing::{ManualClock, SeededIds};
use tombolo_domain::time::Clock;
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::typed::{Committed, Transaction};
use tombolo_store::{KeyRange, MemoryStore, ModelledStore, Revision, Store, Txn, TxnOutcome, keys};

use crate::account::Account;

/// The account that has fleets.
pub const STUDIO: &str = "111122223333";
/// The account that has VPCs.
pub const BACKEND: &str = "444455556666";
/// An account that has nothing to do with either.
pub const STRANGER: &str = "777788889999";
/// Where everything happens, unless a test goes elsewhere.
pub const HOME: &str = "us-west-2";
/// The server's other Region.
pub const AWAY: &str = "eu-west-1";

/// 2026-11-22T12:00:00.489Z: the milliseconds of the sample in AWS's API reference.
const START: i64 = 1_795_348_800_489;

/// The operations over a store in memory.
pub struct Server {
    operations: Operations,
    settings: Settings,
    store: Arc<MemoryStore>,
    /// What the operations use, over the store.
    served: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    ids: Arc<SeededIds>,
}

/// What a server is without configuration, in two Regions.
pub fn settings() -> Settings {
    Settings {
        regions: vec![HOME.parse().unwrap(), AWAY.parse().unwrap()],
        address_plan: AddressPlan::default(),
        quotas: Quotas::default(),
        public: None,
    }
}

impl Default for Server {
    fn default() -> Self {
        Server::new()
    }
}

impl Server {
    /// A server without configuration.
    pub fn new() -> Self {
        Self::with_settings(settings())
    }

    /// A server with other quotas.
    pub fn with_quotas(quotas: Quotas) -> Self {
        Self::with_settings(Settings {
            quotas,
            ..settings()
        })
    }

    /// A server with another pool of addresses for fleets.
    pub fn with_plan(address_plan: AddressPlan) -> Self {
        Self::with_settings(Settings {
            address_plan,
            ..settings()
        })
    }

    /// A server whose instances players reach at `public`.
    pub fn with_public(public: PublicAddress) -> Self {
        Self::with_settings(Settings {
            public: Some(public),
            ..settings()
        })
    }

    /// A server that is configured so.
    pub fn with_settings(settings: Settings) -> Self {
        Self::build(settings, |store| store)
    }

    /// A server that uses its store by way of `seen`.
    pub fn over<S: Store + 'static>(seen: impl FnOnce(Arc<MemoryStore>) -> Arc<S>) -> Self {
        Self::build(settings(), seen)
    }

    /// A server that is configured so, and uses its store by way of `seen`.
    pub fn with<S: Store + 'static>(
        settings: Settings,
        seen: impl FnOnce(Arc<MemoryStore>) -> Arc<S>,
    ) -> Self {
        Self::build(settings, seen)
    }

    /// The same store, served with another value of a quota.
    pub fn with_fewer(&self, quota: Quota, most: usize) -> Self {
        let mut settings = self.settings.clone();
        settings.quotas.set(quota, most);
        let (store, clock, ids) = (self.store.clone(), self.clock.clone(), self.ids.clone());
        Server {
            operations: Operations::new(
                store.clone(),
                clock.clone(),
                ids.clone(),
                settings.clone(),
            ),
            settings,
            served: store.clone(),
            store,
            clock,
            ids,
        }
    }

    fn build<S: Store + 'static>(
        settings: Settings,
        seen: impl FnOnce(Arc<MemoryStore>) -> Arc<S>,
    ) -> Self {
        let store = Arc::new(MemoryStore::new());
        let start = Timestamp::from_millisecond(START).unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let ids = Arc::new(SeededIds::new(1));
        let served: Arc<dyn Store> = Arc::new(ModelledStore::over(seen(store.clone())));
        let of = settings.clone();
        let operations = Operations::new(served.clone(), clock.clone(), ids.clone(), of);
        Server {
            operations,
            settings,
            store,
            served,
            clock,
            ids,
        }
    }

    /// A second server that has what this one has now, at the same time, and gives the ids that
    /// begin with `seed` from here on: copies with one seed answer the same call alike.
    pub async fn copy(&self, seed: u64) -> Self {
        let store = Arc::new(MemoryStore::new());
        let (_, entries) = self.dump().await;
        let all = Txn {
            puts: entries.into_iter().collect(),
            ..Txn::default()
        };
        let written = store.txn(all).await.unwrap();
        assert!(matches!(written, TxnOutcome::Committed(_)));
        let clock = Arc::new(ManualClock::new(self.now()));
        let ids = Arc::new(SeededIds::new(seed));
        let settings = self.settings.clone();
        let served: Arc<dyn Store> = Arc::new(ModelledStore::over(store.clone()));
        Server {
            operations: Operations::new(served.clone(), clock.clone(), ids.clone(), settings),
            settings: self.settings.clone(),
            store,
            served,
            clock,
            ids,
        }
    }

    /// The same server in a network whose tables are so full.
    pub fn with_table_capacity(self, capacity: TableCapacity) -> Self {
        let capacity = tokio::sync::watch::Sender::new(capacity).subscribe();
        Server {
            operations: self.operations.with_table_capacity(capacity),
            ..self
        }
    }

    /// The same server with hosts, which have the network in force up to `in_force`.
    pub fn with_hosts(self, in_force: tokio::sync::watch::Receiver<Revision>) -> Self {
        Server {
            operations: self.operations.reusing_numbers_after(in_force),
            ..self
        }
    }

    /// EC2, as `account` uses it in the home Region.
    pub fn ec2(&self, account: &str) -> Account<'_> {
        self.ec2_in(account, HOME)
    }

    /// EC2, as `account` uses it in a Region.
    pub fn ec2_in(&self, account: &str, region: &str) -> Account<'_> {
        Account::new(self, ServiceName::Ec2, account, region)
    }

    /// GameLift, as `account` uses it in the home Region.
    pub fn gamelift(&self, account: &str) -> Account<'_> {
        self.gamelift_in(account, HOME)
    }

    /// GameLift, as `account` uses it in a Region.
    pub fn gamelift_in(&self, account: &str, region: &str) -> Account<'_> {
        Account::new(self, ServiceName::GameLift, account, region)
    }

    /// What answers the calls.
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the clock.
    pub fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    /// Where the ids come from.
    pub fn ids(&self) -> &SeededIds {
        &self.ids
    }

    /// The same, for whoever keeps it.
    pub fn shared_ids(&self) -> Arc<SeededIds> {
        self.ids.clone()
    }

    /// A transaction on the store.
    pub fn transaction(&self) -> Transaction {
        Transaction::new(self.store.clone())
    }

    /// Writes to the store past the operations, for what nobody asks for by a call.
    pub async fn write(&self, work: impl AsyncFnOnce(&mut Transaction)) {
        let mut tx = self.transaction();
        work(&mut tx).await;
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }

    /// The store as the operations use it: with a read model.
    pub fn served(&self) -> Arc<dyn Store> {
        self.served.clone()
    }

    /// The store.
    pub fn store(&self) -> Arc<MemoryStore> {
        self.store.clone()
    }

    /// The clock.
    pub fn clock(&self) -> Arc<ManualClock> {
        self.clock.clone()
    }

    /// Everything in the store, and the revision it has.
    pub async fn dump(&self) -> (Revision, BTreeMap<Bytes, Bytes>) {
        let everything = KeyRange {
            start: Bytes::new(),
            end: Bytes::from_static(&[0xff]),
        };
        let page = self.store.range(&everything, usize::MAX).await.unwrap();
        assert!(!page.more);
        let entries = page.entries.into_iter();
        let entries = entries.map(|entry| (entry.key, entry.value)).collect();
        (self.store.revision().await.unwrap(), entries)
    }

    /// The keys that start with `start`.
    pub async fn keys(&self, start: &str) -> Vec<String> {
        let (_, entries) = self.dump().await;
        let keys = entries.keys().map(|key| key.escape_ascii().to_string());
        keys.filter(|key| key.starts_with(start)).collect()
    }

    /// A fleet as it is stored.
    pub async fn fleet(&self, fleet: &str) -> Fleet {
        let all = self.transaction().peek(&keys::all_fleets()).await.unwrap();
        let mut all = all.into_iter();
        all.find(|record| record.id.as_str() == fleet).unwrap()
    }

    /// Does as the fleet reconciler does: changes a fleet's record.
    pub async fn set_status(&self, fleet: &str, status: FleetStatus) {
        let mut record = self.fleet(fleet).await;
        record.status = status;
        self.write(async |tx| tx.put(&record).unwrap()).await;
    }

    /// Does as the fleet reconciler does when nothing is left of a fleet.
    pub async fn terminate(&self, fleet: &str) {
        let mut record = self.fleet(fleet).await;
        (record.status, record.terminated) = (FleetStatus::Terminated, Some(self.now()));
        self.write(async |tx| tx.put(&record).unwrap()).await;
    }

    /// Does as an upload does: puts an object of one blob.
    pub async fn put_object(&self, account: &str, bucket: &str, key: &str) {
        let object = Object {
            scope: Scope {
                account: account.parse().unwrap(),
                region: HOME.parse().unwrap(),
            },
            bucket: bucket.parse().unwrap(),
            key: key.to_owned(),
            blobs: vec![Blob {
                id: BlobId::generate(&*self.ids),
                size: 1,
            }],
            size: 1,
            etag: String::new(),
            modified: self.now(),
            headers: ObjectHeaders::default(),
            upload: None,
        };
        self.write(async |tx| tx.put(&object).unwrap()).await;
    }

    /// Does as the build reconciler does: tells that a build failed.
    pub async fn fail_build(&self, build: &str, reason: &str) {
        self.write(async |tx| {
            let all = tx.list(&keys::all_builds()).await.unwrap();
            let mut all = all.into_iter();
            let mut record = all.find(|record| record.id.as_str() == build).unwrap();
            record.status = BuildStatus::Failed;
            record.failure = Some(reason.to_owned());
            tx.put(&record).unwrap();
        })
        .await;
    }

    /// The only connection, as it is stored.
    pub async fn only_connection(&self) -> Connection {
        let all = self.transaction().peek(&keys::all_connections()).await;
        let [only] = <[Connection; 1]>::try_from(all.unwrap()).expect("one connection");
        only
    }

    /// The connection of a fleet as it is stored; the newest if it has several.
    pub async fn connection(&self, fleet: &str) -> Connection {
        let fleet: FleetId = fleet.parse().unwrap();
        let all = self.transaction().peek(&keys::all_connections()).await;
        let of_fleet = all
            .unwrap()
            .into_iter()
            .filter(|c| c.fleet.as_ref() == Some(&fleet));
        of_fleet.max_by_key(Connection::since).unwrap()
    }

    /// Does as the network reconciler does: takes `step` on a fleet's newest connection.
    pub async fn step(&self, fleet: &str, step: Step) {
        let mut connection = self.connection(fleet).await;
        connection.apply(step, self.now()).unwrap();
        self.write(async |tx| tx.put(&connection).unwrap()).await;
    }

    /// Takes a fleet's connection to `active`.
    pub async fn activate(&self, fleet: &str) {
        for step in [Step::Deliver, Step::Accept, Step::Provisioned] {
            self.step(fleet, step).await;
        }
    }
}
