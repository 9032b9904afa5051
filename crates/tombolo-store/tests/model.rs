//! The read model: never older than what was acknowledged, always what a look at all records gives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

use std::fmt::Debug;
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use tokio::sync::watch;
use tombolo_domain::id::{AccountId, IdSource, VpcId};
use tombolo_domain::peering::{Connection, End, State, Step};
use tombolo_domain::testing::SeededIds;
use tombolo_domain::vpc::{
    CidrAssociation, Peer, Protocol, RouteTable, RouteTableAssociation, RuleDirection,
    SecurityGroup, SecurityGroupRule, Vpc, VpcAttributes, VpcNumber,
};
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::keys::{self, Entity, Prefix, SecurityGroupKey};
use tombolo_store::model::{Indexed, Term, reads};
use tombolo_store::typed::{Committed, Transaction, decodes};
use tombolo_store::{
    Entry, Event, KeyRange, MemoryStore, ModelledStore, Page, ReadModel, Revision, Store,
    StoreError, Txn, TxnOutcome, Watch, WatchError,
};

/// The fleet that hides VPCs.
const FLEET: &str = "fleet-2222bbbb-33cc-44dd-85ee-6666ffff77aa";

fn scope() -> Scope {
    Scope {
        account: "111122223333".parse().unwrap(),
        region: "us-west-2".parse().unwrap(),
    }
}

/// An id of the kind, other ones for other texts of up to eight bytes, and in their order.
fn id<I: FromStr<Err: Debug>>(kind: &str, text: &str) -> I {
    let digits = text
        .bytes()
        .fold(0_u128, |id, byte| id << 8 | u128::from(byte));
    format!("{kind}-{digits:017x}").parse().unwrap()
}

/// A security group with one rule.
fn group(name: &str, rule: &str) -> SecurityGroup {
    let rule = SecurityGroupRule {
        id: id("sgr", rule),
        direction: RuleDirection::Ingress,
        protocol: Protocol::All,
        peer: Peer::Cidr("0.0.0.0/0".parse().unwrap()),
        description: None,
        made_by: None,
    };
    SecurityGroup {
        scope: scope(),
        id: id("sg", name),
        vpc: id("vpc", "vpc"),
        number: None,
        name: name.to_owned(),
        description: String::new(),
        rules: vec![rule],
    }
}

/// Where all of them are.
fn groups() -> Prefix<SecurityGroupKey> {
    keys::security_groups(&scope())
}

/// Puts a group with one rule.
async fn put(store: &Arc<dyn Store>, name: &str, rule: &str) {
    let mut tx = Transaction::new(store.clone());
    tx.put(&group(name, rule)).unwrap();
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
}

/// The groups that have a rule, by the index.
async fn with_rule(store: &Arc<dyn Store>, rule: &str) -> Result<Vec<String>, StoreError> {
    let rule = id("sgr", rule);
    let mut tx = Transaction::new(store.clone());
    let found = tx.find(Term::SecurityGroupRule(&rule), &groups()).await?;
    Ok(found.iter().map(|one| one.name.clone()).collect())
}

fn modelled(store: impl Store + 'static) -> Arc<dyn Store> {
    Arc::new(ModelledStore::over(Arc::new(store)))
}

#[tokio::test]
async fn a_read_shows_every_write_that_was_acknowledged_before() {
    let store = modelled(MemoryStore::new());
    for number in 0..300 {
        let resource = format!("web-{number}");
        put(&store, &resource, "a").await;
        assert_eq!(with_rule(&store, "a").await.unwrap().len(), number + 1);
    }
    let mut tx = Transaction::new(store.clone());
    tx.remove(&group("web-7", "a"));
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    put(&store, "web-8", "b").await;
    assert_eq!(with_rule(&store, "a").await.unwrap().len(), 298);
    assert_eq!(with_rule(&store, "b").await.unwrap(), ["web-8"]);
}

#[tokio::test]
async fn a_record_is_decoded_once_for_each_change_however_often_it_is_read() {
    let store = modelled(MemoryStore::new());
    for number in 0..100 {
        put(&store, &format!("web-{number}"), "a").await;
    }
    assert_eq!(with_rule(&store, "a").await.unwrap().len(), 100);
    let before = decodes();
    for _ in 0..10 {
        let mut tx = Transaction::new(store.clone());
        assert_eq!(tx.peek(&groups()).await.unwrap().len(), 100);
        assert_eq!(tx.list(&groups()).await.unwrap().len(), 100);
        let key = group("web-1", "a").key();
        assert!(tx.get(&key).await.unwrap().is_some());
    }
    assert_eq!(decodes() - before, 0);
    put(&store, "web-1", "b").await;
    assert_eq!(with_rule(&store, "b").await.unwrap(), ["web-1"]);
    assert_eq!(decodes() - before, 1);
}

#[tokio::test]
async fn what_a_transaction_lists_binds_its_commit_though_it_is_read_from_the_model() {
    let store = modelled(MemoryStore::new());
    put(&store, "web-1", "a").await;

    // Another one is added.
    let mut tx = Transaction::new(store.clone());
    tx.list(&groups()).await.unwrap();
    put(&store, "web-2", "a").await;
    tx.put(&group("web-9", "x")).unwrap();
    assert_eq!(tx.commit().await.unwrap(), Committed::Conflict);

    // One is gone: only who puts it again is in conflict.
    for (put_again, outcome) in [("web-1", Committed::Conflict), ("web-9", Committed::Yes)] {
        let mut tx = Transaction::new(store.clone());
        assert_eq!(tx.list(&groups()).await.unwrap().len(), 2);
        let mut other = Transaction::new(store.clone());
        other.remove(&group("web-1", "a"));
        assert_eq!(other.commit().await.unwrap(), Committed::Yes);
        tx.put(&group(put_again, "again")).unwrap();
        assert_eq!(tx.commit().await.unwrap(), outcome);
        put(&store, "web-1", "a").await;
        let mut tx = Transaction::new(store.clone());
        tx.remove(&group("web-9", "again"));
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }
}

#[tokio::test]
async fn what_is_found_binds_the_commit_to_where_others_would_show() {
    let rule = id("sgr", "a");
    let term = Term::SecurityGroupRule(&rule);
    let elsewhere = id::<VpcId>("vpc", "other");
    for (vpc, outcome) in [
        (group("", "").vpc, Committed::Conflict),
        (elsewhere, Committed::Yes),
    ] {
        for is_read_before in [true, false] {
            let store = modelled(MemoryStore::new());
            put(&store, "web-1", "a").await;
            let mut tx = Transaction::new(store.clone());
            if is_read_before {
                // The snapshot is older than what comes now.
                tx.peek(&groups()).await.unwrap();
            } else {
                let bound = keys::security_groups_of(&scope(), &group("", "").vpc);
                tx.bind(&bound).await.unwrap();
            }
            let mut other = Transaction::new(store.clone());
            let vpc = vpc.clone();
            other
                .put(&SecurityGroup {
                    vpc,
                    ..group("web-2", "a")
                })
                .unwrap();
            assert_eq!(other.commit().await.unwrap(), Committed::Yes);
            if is_read_before {
                let bound = keys::security_groups_of(&scope(), &group("", "").vpc);
                tx.bind(&bound).await.unwrap();
            }
            assert_eq!(tx.find(term, &groups()).await.unwrap().len(), 1);
            tx.put(&group("web-9", "x")).unwrap();
            assert_eq!(tx.commit().await.unwrap(), outcome, "{is_read_before}");
        }
    }
}

#[tokio::test]
async fn all_lists_of_a_transaction_are_of_one_revision() {
    let store = modelled(MemoryStore::new());
    put(&store, "web-1", "a").await;
    let mut tx = Transaction::new(store.clone());
    assert_eq!(tx.peek(&groups()).await.unwrap().len(), 1);
    put(&store, "web-2", "a").await;
    assert_eq!(tx.peek(&groups()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes_in_lists_and_by_terms() {
    let store = modelled(MemoryStore::new());
    for name in ["web-1", "web-3", "web-5"] {
        put(&store, name, "a").await;
    }
    let mut tx = Transaction::new(store.clone());
    tx.put(&group("web-2", "a")).unwrap();
    tx.put(&group("web-3", "b")).unwrap();
    tx.remove(&group("web-5", "a"));
    let names = |groups: &[SecurityGroup]| -> Vec<String> {
        groups.iter().map(|group| group.name.clone()).collect()
    };
    let all = ["web-1", "web-2", "web-3"];
    assert_eq!(names(&tx.peek(&groups()).await.unwrap()), all);
    for limit in 1..=4 {
        let page = tx.page(&groups(), None, limit).await.unwrap();
        let page_of: Vec<_> = page.records.into_iter().map(|(_, group)| group).collect();
        assert_eq!(names(&page_of), all[..limit.min(3)], "{limit}");
        assert_eq!(page.more, limit < 3, "{limit}");
    }
    for (rule, expected) in [("a", &["web-1", "web-2"][..]), ("b", &["web-3"])] {
        let rule = id("sgr", rule);
        let found = tx
            .find(Term::SecurityGroupRule(&rule), &groups())
            .await
            .unwrap();
        let found: Vec<_> = found.iter().map(|group| group.name.clone()).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_page_after_own_writes_reads_no_more_than_it_shows() {
    let store = modelled(MemoryStore::new());
    for number in 100..200 {
        put(&store, &format!("web-{number}"), "a").await;
    }
    let mut tx = Transaction::new(store.clone());
    tx.put(&group("web-150", "b")).unwrap();
    let before = reads();
    assert_eq!(
        tx.page(&groups(), None, 10).await.unwrap().records.len(),
        10
    );
    assert!(reads() - before <= 10);
}

#[tokio::test]
async fn a_model_whose_changes_are_no_longer_kept_is_made_anew() {
    let store = modelled(MemoryStore::new());
    put(&store, "web-1", "a").await;
    assert_eq!(with_rule(&store, "a").await.unwrap(), ["web-1"]);
    let model = store.read_model().unwrap();
    let old = model.newest();
    // More than the store's history keeps.
    for number in 0..9_000 {
        put(&store, "web-2", &number.to_string()).await;
    }
    let mut tx = Transaction::new(store.clone());
    tx.remove(&group("web-1", "a"));
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    assert_eq!(old.revision(), model.newest().revision(), "nobody has read");

    assert_eq!(with_rule(&store, "8999").await.unwrap(), ["web-2"]);
    assert!(with_rule(&store, "a").await.unwrap().is_empty());
    assert_eq!(model.newest().revision(), store.revision().await.unwrap());
    // Whoever reads the old one goes on with it.
    let kept = old.list(&groups()).count();
    assert_eq!(kept, 1);
}

/// What the watches of a [`Faulty`] store do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// They tell nothing.
    Silent,
    /// They are lost at once.
    Lost,
    /// The store does not even tell its revision.
    Deaf,
}

/// A store whose watches have a fault while they are told to.
struct Faulty {
    store: Arc<MemoryStore>,
    fault: watch::Receiver<Fault>,
    begun: Arc<AtomicUsize>,
}

struct FaultyWatch {
    watch: Box<dyn Watch>,
    fault: watch::Receiver<Fault>,
}

#[async_trait]
impl Watch for FaultyWatch {
    async fn next(&mut self) -> Result<Vec<Event>, WatchError> {
        // That what tells of faults is gone is no fault.
        _ = self.fault.wait_for(|fault| *fault != Fault::Silent).await;
        if *self.fault.borrow() == Fault::Lost {
            return Err(WatchError::Lost);
        }
        tokio::select! {
            events = self.watch.next() => events,
            Ok(_) = self.fault.wait_for(|fault| *fault == Fault::Lost) => Err(WatchError::Lost),
        }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.store.get(key).await
    }

    async fn range(&self, range: &KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.store.range(range, limit).await
    }

    async fn list(&self, range: &KeyRange) -> Result<Page, StoreError> {
        self.store.list(range).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        self.store.txn(txn).await
    }

    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(FaultyWatch {
            watch: self.store.watch(prefix, after).await?,
            fault: self.fault.clone(),
        }))
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        let mut fault = self.fault.clone();
        _ = fault.wait_for(|fault| *fault != Fault::Deaf).await;
        self.store.revision().await
    }
}

/// A store with a model of one record, its faults, and how often it was watched.
struct Setup {
    store: Arc<dyn Store>,
    fault: watch::Sender<Fault>,
    begun: Arc<AtomicUsize>,
}

impl Setup {
    async fn new() -> Self {
        let fault = watch::Sender::new(Fault::None);
        let begun = Arc::new(AtomicUsize::new(0));
        let store = modelled(Faulty {
            store: Arc::new(MemoryStore::new()),
            fault: fault.subscribe(),
            begun: begun.clone(),
        });
        put(&store, "web-1", "a").await;
        assert_eq!(with_rule(&store, "a").await.unwrap(), ["web-1"]);
        Setup {
            store,
            fault,
            begun,
        }
    }

    fn model(&self) -> &ReadModel {
        self.store.read_model().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_whose_changes_do_not_come_fails_at_its_deadline_and_is_never_stale() {
    let setup = Setup::new().await;
    let store = &setup.store;
    setup.fault.send_replace(Fault::Silent);
    // What was there is served for as long as nothing was written.
    assert_eq!(with_rule(store, "a").await.unwrap(), ["web-1"]);
    put(store, "web-2", "a").await;
    let refused = with_rule(store, "a").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the read model is at revision 1, and the store is at 2"
    );
    setup.fault.send_replace(Fault::None);
    assert_eq!(with_rule(store, "a").await.unwrap(), ["web-1", "web-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_read_of_a_store_that_does_not_answer_fails_at_its_deadline() {
    let setup = Setup::new().await;
    setup.fault.send_replace(Fault::Deaf);
    let refused = with_rule(&setup.store, "a").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the read model is at revision 1, and the store has not said at which it is"
    );
    setup.fault.send_replace(Fault::None);
    assert_eq!(with_rule(&setup.store, "a").await.unwrap(), ["web-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_is_begun_again_where_it_was() {
    let setup = Setup::new().await;
    for number in 2..12 {
        setup.fault.send_replace(Fault::Lost);
        put(&setup.store, &format!("web-{number}"), "a").await;
        let (found, ()) = tokio::join!(with_rule(&setup.store, "a"), async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            setup.fault.send_replace(Fault::None);
        });
        assert_eq!(found.unwrap().len(), number);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_always_lost_is_begun_again_with_pauses_and_readers_are_told() {
    let setup = Setup::new().await;
    put(&setup.store, "web-2", "a").await;
    setup.fault.send_replace(Fault::Lost);
    let begun = setup.begun.load(Ordering::Relaxed);
    let readers = (0..50).map(|_| with_rule(&setup.store, "a"));
    for refused in join_all(readers).await {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StoreError::Behind { .. }), "{refused}");
    }
    // 10, 20, 40 ms and so on, and then each second, of five; not once a reader.
    let begun = setup.begun.load(Ordering::Relaxed) - begun;
    assert!((5..=15).contains(&begun), "{begun}");
    setup.fault.send_replace(Fault::None);
    assert_eq!(with_rule(&setup.store, "a").await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reader_does_not_wait_for_others_to_be_polled() {
    let setup = Setup::new().await;
    setup.fault.send_replace(Fault::Silent);
    put(&setup.store, "web-2", "a").await;
    let model = setup.model();
    let (mut first, mut second, mut third) = (
        pin!(model.current()),
        pin!(model.current()),
        pin!(model.current()),
    );
    for reader in [first.as_mut(), second.as_mut(), third.as_mut()] {
        assert!(reader.now_or_never().is_none());
    }
    setup.fault.send_replace(Fault::None);
    // As if the others were on threads that are busy.
    let reached = third.await.unwrap();
    assert_eq!(reached.revision(), Revision(2));
    for reader in [first, second] {
        assert_eq!(reader.await.unwrap().revision(), Revision(2));
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_reader_gives_up_the_others_are_woken() {
    for gives_up in 0..3 {
        let setup = Setup::new().await;
        setup.fault.send_replace(Fault::Silent);
        put(&setup.store, "web-2", "a").await;
        let readers = (0..3).map(|_| {
            let store = setup.store.clone();
            tokio::spawn(async move { store.read_model().unwrap().current().await.unwrap() })
        });
        let mut readers: Vec<_> = readers.collect();
        // Each of them has come to wait.
        tokio::task::yield_now().await;
        let given_up = readers.remove(gives_up);
        given_up.abort();
        assert!(given_up.await.is_err_and(|ended| ended.is_cancelled()));
        setup.fault.send_replace(Fault::None);
        for reached in join_all(readers).await {
            assert_eq!(reached.unwrap().revision(), Revision(2));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_and_writers_on_many_threads_see_what_was_acknowledged_though_some_give_up() {
    const WRITES: usize = 300;
    let setup = Setup::new().await;
    let (store, fault) = (setup.store.clone(), setup.fault.clone());
    let following = {
        let store = store.clone();
        tokio::spawn(async move { store.read_model().unwrap().follow(|_| {}).await })
    };
    let flapping = tokio::spawn(async move {
        loop {
            fault.send_replace(Fault::Silent);
            tokio::task::yield_now().await;
            fault.send_replace(Fault::None);
            tokio::task::yield_now().await;
        }
    });
    let writers = (0..4).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0..WRITES {
                put(&store, &format!("web-{writer}"), &number.to_string()).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let readers = (0..8).map(|reader| {
        let store = store.clone();
        tokio::spawn(async move {
            let ids = SeededIds::new(reader);
            let model = store.read_model().unwrap();
            let mut seen = Revision(0);
            for _ in 0..WRITES {
                let acknowledged = store.revision().await.unwrap();
                let mut read = pin!(model.current());
                let reached = match (read.as_mut().now_or_never(), ids.bits() % 2) {
                    (Some(reached), _) => reached,
                    // Given up half-way.
                    (None, 0) => continue,
                    (None, _) => read.await,
                };
                let reached = reached.unwrap().revision();
                assert!(reached >= acknowledged && reached >= seen);
                seen = reached;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for task in writers.into_iter().chain(readers) {
        task.await.unwrap();
    }
    flapping.abort();
    following.abort();
    setup.fault.send_replace(Fault::None);
    let all = setup.model().current().await.unwrap();
    assert_eq!(all.revision(), Revision(1 + 4 * WRITES as u64));
}

/// Random records of all kinds that have terms, few enough to meet.
struct Random(SeededIds);

impl Random {
    fn below(&self, most: u128) -> u128 {
        self.0.bits() % most
    }

    fn some<I: FromStr<Err: Debug>>(&self, kind: &str) -> I {
        id(kind, &self.below(6).to_string())
    }

    fn account(&self) -> Scope {
        let accounts = ["111122223333", "444455556666"];
        Scope {
            account: accounts[self.below(2) as usize].parse().unwrap(),
            ..scope()
        }
    }

    fn vpc(&self) -> Vpc {
        let blocks = (0..self.below(3)).map(|number| CidrAssociation {
            id: id(
                "vpc-cidr-assoc",
                &(2 * self.below(3) + number % 2).to_string(),
            ),
            cidr: "10.1.0.0/16".parse().unwrap(),
        });
        Vpc {
            scope: self.account(),
            id: self.some("vpc"),
            number: VpcNumber(1),
            cidr: "10.0.0.0/16".parse().unwrap(),
            secondary_cidrs: blocks.collect(),
            attributes: VpcAttributes::default(),
            fleet: (self.below(2) == 0).then(|| FLEET.parse().unwrap()),
            created: Timestamp::UNIX_EPOCH,
        }
    }

    fn table(&self) -> RouteTable {
        let associations = (0..self.below(3)).map(|_| RouteTableAssociation {
            id: self.some("rtbassoc"),
            subnet: self.some("subnet"),
        });
        RouteTable {
            scope: self.account(),
            id: self.some("rtb"),
            vpc: id("vpc", "0"),
            number: None,
            main: (self.below(2) == 0).then(|| self.some("rtbassoc")),
            associations: associations.collect(),
            routes: Vec::new(),
            client_token: None,
        }
    }

    fn group(&self) -> SecurityGroup {
        let rules = (0..self.below(4)).map(|_| self.below(6).to_string());
        SecurityGroup {
            scope: self.account(),
            rules: rules.flat_map(|rule| group("", &rule).rules).collect(),
            ..group(&self.below(6).to_string(), "")
        }
    }

    fn connection(&self) -> Connection {
        let (requester, accepter) = (self.vpc(), self.vpc());
        let named = (accepter.scope.account, accepter.id);
        let now = Timestamp::UNIX_EPOCH;
        let mut connection = Connection::request_between(&requester, named, now, &self.0);
        connection.id = self.some("pcx");
        let steps = [
            Step::Deliver,
            Step::Accept,
            Step::Provisioned,
            Step::Delete(connection.requester.account),
            Step::Removed,
        ];
        for step in steps.into_iter().take(self.below(6) as usize) {
            connection.apply(step, now).unwrap();
        }
        connection
    }

    fn write(&self, tx: &mut Transaction) -> Result<(), StoreError> {
        let is_deletion = self.below(2) == 0;
        match self.below(4) {
            0 if is_deletion => tx.delete(&self.vpc().key()),
            1 if is_deletion => tx.delete(&self.table().key()),
            2 if is_deletion => tx.delete(&self.group().key()),
            3 if is_deletion => tx.delete(&self.connection().key()),
            0 => tx.put(&self.vpc())?,
            1 => tx.put(&self.table())?,
            2 => tx.put(&self.group())?,
            _ => tx.put(&self.connection())?,
        }
        Ok(())
    }
}

/// What the index finds for a term, and what a look at all that `inner` has finds by hand.
async fn compare<K: Indexed<Value: PartialEq + Debug>>(
    (store, inner): (&Arc<dyn Store>, &Arc<dyn Store>),
    term: Term<'_>,
    all: Prefix<K>,
    is_one: impl Fn(&K::Value) -> bool,
) -> usize {
    let found = Transaction::new(store.clone())
        .find(term, &all)
        .await
        .unwrap();
    let mut expected = Transaction::new(inner.clone()).peek(&all).await.unwrap();
    expected.retain(is_one);
    let found: Vec<_> = found.iter().map(|one| &**one).collect();
    assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{term:?}");
    found.len()
}

#[tokio::test]
async fn an_index_gives_what_a_look_at_all_records_gives() {
    let memory = Arc::new(MemoryStore::new());
    let inner: Arc<dyn Store> = memory.clone();
    let store: Arc<dyn Store> = Arc::new(ModelledStore::over(memory));
    let (random, mut found) = (Random(SeededIds::new(7)), [0; 9]);
    for _ in 0..600 {
        let mut tx = Transaction::new(store.clone());
        random.write(&mut tx).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);

        let stores = (&store, &inner);
        let vpc: VpcId = random.some("vpc");
        let Scope { account, region } = random.account();
        let connections = keys::all_connections;
        let has_end = |one: &Connection, is_it: &dyn Fn(&End) -> bool| {
            is_it(&one.requester) || is_it(&one.accepter)
        };
        let term = Term::OpenConnectionOf(&vpc);
        found[0] += compare(stores, term, connections(), |one| {
            !one.state.is_over() && has_end(one, &|end| end.vpc == vpc)
        })
        .await;
        let term = Term::OpenConnectionIn(account, &region);
        found[1] += compare(stores, term, connections(), |one| {
            !one.state.is_over() && has_end(one, &|end| end.account == account)
        })
        .await;
        let is_request = |one: &Connection| one.state.is_request();
        found[2] += compare(stores, Term::Request, connections(), is_request).await;
        let term = Term::RequestBy(account, &region);
        found[3] += compare(stores, term, connections(), |one| {
            is_request(one) && one.requester.account == account
        })
        .await;
        let connection = random.some("pcx");
        let term = Term::Connection(&connection);
        found[4] += compare(stores, term, connections(), |one| one.id == connection).await;
        let rule = random.some("sgr");
        let term = Term::SecurityGroupRule(&rule);
        let of_account = keys::security_groups(&random.account());
        found[5] += compare(stores, term, of_account, |one| {
            one.rules.iter().any(|one| one.id == rule)
        })
        .await;
        let association = random.some("rtbassoc");
        let term = Term::RouteTableAssociation(&association);
        found[6] += compare(stores, term, keys::all_route_tables(), |one| {
            let mut further = one.associations.iter();
            one.main.as_ref() == Some(&association) || further.any(|one| one.id == association)
        })
        .await;
        let block = random.some("vpc-cidr-assoc");
        let term = Term::CidrAssociation(&block);
        found[7] += compare(stores, term, keys::all_vpcs(), |one| {
            one.secondary_cidrs.iter().any(|one| one.id == block)
        })
        .await;
        found[8] += compare(stores, Term::HiddenVpc, keys::all_vpcs(), |one| {
            one.fleet.is_some()
        })
        .await;
    }
    assert!(found.iter().all(|found| *found > 20), "{found:?}");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_missed_by_those_only_whose_it_may_be() {
    let store = modelled(MemoryStore::new());
    let random = Random(SeededIds::new(1));
    let (mut damaged, mut whole) = (random.connection(), random.connection());
    (damaged.id, whole.id) = (id("pcx", "damaged"), id("pcx", "whole"));
    for (connection, ends) in [(&mut damaged, ["a", "b"]), (&mut whole, ["c", "d"])] {
        connection.requester.vpc = id("vpc", ends[0]);
        connection.accepter.vpc = id("vpc", ends[1]);
        connection.requester.account = "111122223333".parse().unwrap();
        connection.accepter.account = "444455556666".parse().unwrap();
        connection.state = State::Active;
    }
    let mut tx = Transaction::new(store.clone());
    for connection in [&damaged, &whole] {
        tx.put_delivered(connection).unwrap();
    }
    tx.put(&group("web", "rule")).unwrap();
    let others = SecurityGroup {
        scope: damaged.accepter_scope(),
        ..group("db", "rule")
    };
    tx.put(&others).unwrap();
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    let mut puts = Vec::new();
    let web = group("web", "rule").key();
    for key in [damaged.key().as_bytes(), web.as_bytes()] {
        puts.push((Bytes::copy_from_slice(key), Bytes::from_static(b"damaged")));
    }
    let damage = Txn {
        puts,
        ..Txn::default()
    };
    assert!(matches!(
        store.txn(damage).await.unwrap(),
        TxnOutcome::Committed(_)
    ));

    let third: AccountId = "777788889999".parse().unwrap();
    let region = scope().region;
    for (term, is_answered) in [
        (Term::Connection(&damaged.id), false),
        (Term::Connection(&whole.id), true),
        (Term::OpenConnectionOf(&damaged.requester.vpc), false),
        (Term::OpenConnectionOf(&damaged.accepter.vpc), false),
        (Term::OpenConnectionOf(&whole.requester.vpc), true),
        (Term::OpenConnectionOf(&whole.accepter.vpc), true),
        (
            Term::OpenConnectionIn(damaged.accepter.account, &region),
            false,
        ),
        (Term::OpenConnectionIn(third, &region), true),
        (Term::RequestBy(damaged.requester.account, &region), false),
        (Term::RequestBy(damaged.accepter.account, &region), true),
        (Term::Request, false),
    ] {
        let mut tx = Transaction::new(store.clone());
        let found = tx.find(term, &keys::all_connections()).await;
        assert_eq!(found.is_ok(), is_answered, "{term:?}");
        let refused = found.err();
        assert!(refused.is_none_or(|error| matches!(error, StoreError::Corrupt { .. })));
    }
    let rule = id("sgr", "rule");
    for (scope, is_answered) in [(scope(), false), (others.scope, true)] {
        let mut tx = Transaction::new(store.clone());
        let within = keys::security_groups(&scope);
        let found = tx.find(Term::SecurityGroupRule(&rule), &within).await;
        assert_eq!(found.is_ok(), is_answered);
        let listed = Transaction::new(store.clone()).peek(&within).await;
        assert_eq!(listed.is_ok(), is_answered);
    }

    // It is whole again.
    let mut tx = Transaction::new(store.clone());
    tx.put(&damaged).unwrap();
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    let mut tx = Transaction::new(store.clone());
    let (term, all) = (Term::Connection(&damaged.id), keys::all_connections());
    assert_eq!(tx.find(term, &all).await.unwrap().len(), 1);
}
