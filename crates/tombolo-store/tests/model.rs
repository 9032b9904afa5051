//! The read model: never older than what was acknowledged, always what a look at all records gives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::join_all;
use tokio::sync::watch;
use tombolo_domain::Scope;
use tombolo_domain::id::IdSource;
use tombolo_domain::tag::Tags;
use tombolo_domain::testing::SeededIds;
use tombolo_store::keys::{self, TagsKey};
use tombolo_store::model::Term;
use tombolo_store::typed::{Committed, Transaction, decodes};
use tombolo_store::{
    Entry, Event, KeyRange, MemoryStore, ModelledStore, Page, ReadModel, Revision, Store,
    StoreError, Txn, TxnOutcome, Watch, WatchError,
};

fn scope() -> Scope {
    Scope {
        account: "111122223333".parse().unwrap(),
        region: "us-west-2".parse().unwrap(),
    }
}

fn tags(resource: &str, value: &str) -> Tags {
    Tags {
        scope: scope(),
        resource: resource.to_owned(),
        tags: BTreeMap::from([("Name".to_owned(), value.to_owned())]),
    }
}

/// Puts the tags of a resource.
async fn put(store: &Arc<dyn Store>, resource: &str, value: &str) {
    let mut tx = Transaction::new(store.clone());
    tx.put(&tags(resource, value)).unwrap();
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
}

/// The resources whose tag `Name` is `value`, by the index.
async fn named(store: &Arc<dyn Store>, value: &str) -> Result<Vec<String>, StoreError> {
    let scope = scope();
    let mut tx = Transaction::new(store.clone());
    let term = Term::Tag {
        scope: &scope,
        key: "Name",
        value,
    };
    let found = tx.find::<TagsKey>(term).await?;
    Ok(found.iter().map(|one| one.resource.clone()).collect())
}

fn modelled(store: impl Store + 'static) -> Arc<dyn Store> {
    Arc::new(ModelledStore::over(Arc::new(store)))
}

#[tokio::test]
async fn a_read_shows_every_write_that_was_acknowledged_before() {
    let store = modelled(MemoryStore::new());
    for number in 0..300 {
        let resource = format!("vpc-{number}");
        put(&store, &resource, "a").await;
        assert_eq!(named(&store, "a").await.unwrap().len(), number + 1);
    }
    let mut tx = Transaction::new(store.clone());
    tx.remove(&tags("vpc-7", "a"));
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    put(&store, "vpc-8", "b").await;
    assert_eq!(named(&store, "a").await.unwrap().len(), 298);
    assert_eq!(named(&store, "b").await.unwrap(), ["vpc-8"]);
}

#[tokio::test]
async fn a_record_is_decoded_once_for_each_change_however_often_it_is_read() {
    let store = modelled(MemoryStore::new());
    for number in 0..100 {
        put(&store, &format!("vpc-{number}"), "a").await;
    }
    assert_eq!(named(&store, "a").await.unwrap().len(), 100);
    let before = decodes();
    for _ in 0..10 {
        let mut tx = Transaction::new(store.clone());
        assert_eq!(tx.peek(&keys::all_tags(&scope())).await.unwrap().len(), 100);
        assert_eq!(tx.list(&keys::all_tags(&scope())).await.unwrap().len(), 100);
        let key = keys::tags(&scope(), "vpc-1");
        assert!(tx.get(&key).await.unwrap().is_some());
    }
    assert_eq!(decodes() - before, 0);
    put(&store, "vpc-1", "b").await;
    assert_eq!(named(&store, "b").await.unwrap(), ["vpc-1"]);
    assert_eq!(decodes() - before, 1);
}

#[tokio::test]
async fn what_a_transaction_lists_binds_its_commit_though_it_is_read_from_the_model() {
    let store = modelled(MemoryStore::new());
    put(&store, "vpc-1", "a").await;
    let scope = scope();
    let term = Term::Tag {
        scope: &scope,
        key: "Name",
        value: "a",
    };
    let all = keys::all_tags(&scope);

    // Another one is added, with the term or without.
    for (resource, value) in [("vpc-2", "a"), ("vpc-3", "b")] {
        let (mut list, mut found) = (
            Transaction::new(store.clone()),
            Transaction::new(store.clone()),
        );
        list.list(&all).await.unwrap();
        found.list_found::<TagsKey>(term, &all).await.unwrap();
        put(&store, resource, value).await;
        for mut tx in [list, found] {
            tx.put(&tags("vpc-9", "x")).unwrap();
            assert_eq!(tx.commit().await.unwrap(), Committed::Conflict);
        }
    }

    // One is gone: only who puts it again is in conflict.
    let mut tx = Transaction::new(store.clone());
    assert_eq!(tx.list_found::<TagsKey>(term, &all).await.unwrap().len(), 2);
    let mut other = Transaction::new(store.clone());
    other.remove(&tags("vpc-1", "a"));
    assert_eq!(other.commit().await.unwrap(), Committed::Yes);
    tx.put(&tags("vpc-1", "again")).unwrap();
    assert_eq!(tx.commit().await.unwrap(), Committed::Conflict);

    // Nothing happened.
    let mut tx = Transaction::new(store.clone());
    assert_eq!(tx.list_found::<TagsKey>(term, &all).await.unwrap().len(), 1);
    tx.put(&tags("vpc-9", "x")).unwrap();
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
}

#[tokio::test]
async fn all_lists_of_a_transaction_are_of_one_revision() {
    let store = modelled(MemoryStore::new());
    put(&store, "vpc-1", "a").await;
    let mut tx = Transaction::new(store.clone());
    assert_eq!(tx.peek(&keys::all_tags(&scope())).await.unwrap().len(), 1);
    put(&store, "vpc-2", "a").await;
    assert_eq!(tx.peek(&keys::all_tags(&scope())).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes_in_lists_and_by_terms() {
    let store = modelled(MemoryStore::new());
    put(&store, "vpc-1", "a").await;
    let scope = scope();
    let mut tx = Transaction::new(store.clone());
    tx.put(&tags("vpc-2", "a")).unwrap();
    assert_eq!(tx.peek(&keys::all_tags(&scope)).await.unwrap().len(), 2);
    let term = Term::Tag {
        scope: &scope,
        key: "Name",
        value: "a",
    };
    assert_eq!(tx.find::<TagsKey>(term).await.unwrap().len(), 2);
    tx.remove(&tags("vpc-1", "a"));
    assert_eq!(tx.find::<TagsKey>(term).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_model_whose_changes_are_no_longer_kept_is_made_anew() {
    let store = modelled(MemoryStore::new());
    put(&store, "vpc-1", "a").await;
    assert_eq!(named(&store, "a").await.unwrap(), ["vpc-1"]);
    let model = store.read_model().unwrap();
    let old = model.newest();
    // More than the store's history keeps.
    for number in 0..9_000 {
        put(&store, "vpc-2", &number.to_string()).await;
    }
    let mut tx = Transaction::new(store.clone());
    tx.remove(&tags("vpc-1", "a"));
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    assert_eq!(old.revision(), model.newest().revision(), "nobody has read");

    assert_eq!(named(&store, "8999").await.unwrap(), ["vpc-2"]);
    assert!(named(&store, "a").await.unwrap().is_empty());
    assert_eq!(model.newest().revision(), store.revision().await.unwrap());
    // Whoever reads the old one goes on with it.
    let kept = old.list(&keys::all_tags(&scope())).count();
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
        put(&store, "vpc-1", "a").await;
        assert_eq!(named(&store, "a").await.unwrap(), ["vpc-1"]);
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
    assert_eq!(named(store, "a").await.unwrap(), ["vpc-1"]);
    put(store, "vpc-2", "a").await;
    let refused = named(store, "a").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the read model is at revision 1, and the store is at 2"
    );
    setup.fault.send_replace(Fault::None);
    assert_eq!(named(store, "a").await.unwrap(), ["vpc-1", "vpc-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_read_of_a_store_that_does_not_answer_fails_at_its_deadline() {
    let setup = Setup::new().await;
    setup.fault.send_replace(Fault::Deaf);
    let refused = named(&setup.store, "a").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the read model is at revision 1, and the store has not said at which it is"
    );
    setup.fault.send_replace(Fault::None);
    assert_eq!(named(&setup.store, "a").await.unwrap(), ["vpc-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_is_begun_again_where_it_was() {
    let setup = Setup::new().await;
    for number in 2..12 {
        setup.fault.send_replace(Fault::Lost);
        put(&setup.store, &format!("vpc-{number}"), "a").await;
        let (found, ()) = tokio::join!(named(&setup.store, "a"), async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            setup.fault.send_replace(Fault::None);
        });
        assert_eq!(found.unwrap().len(), number);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_always_lost_is_begun_again_with_pauses_and_readers_are_told() {
    let setup = Setup::new().await;
    put(&setup.store, "vpc-2", "a").await;
    setup.fault.send_replace(Fault::Lost);
    let begun = setup.begun.load(Ordering::Relaxed);
    let readers = (0..50).map(|_| named(&setup.store, "a"));
    for refused in join_all(readers).await {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StoreError::Behind { .. }), "{refused}");
    }
    // 10, 20, 40 ms and so on, and then each second, of five; not once a reader.
    let begun = setup.begun.load(Ordering::Relaxed) - begun;
    assert!((5..=15).contains(&begun), "{begun}");
    setup.fault.send_replace(Fault::None);
    assert_eq!(named(&setup.store, "a").await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reader_does_not_wait_for_others_to_be_polled() {
    let setup = Setup::new().await;
    setup.fault.send_replace(Fault::Silent);
    put(&setup.store, "vpc-2", "a").await;
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
        put(&setup.store, "vpc-2", "a").await;
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
                put(&store, &format!("vpc-{writer}"), &number.to_string()).await;
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

#[tokio::test]
async fn an_index_gives_what_a_look_at_all_records_gives() {
    let store = modelled(MemoryStore::new());
    let ids = SeededIds::new(7);
    let values = ["a", "b", "c", "d"];
    for _ in 0..600 {
        let random = ids.bits();
        let resource = format!("vpc-{}", random % 40);
        let value = values[(random >> 32) as usize % values.len()];
        let mut tx = Transaction::new(store.clone());
        match (random >> 64) % 4 {
            0 => tx.remove(&tags(&resource, value)),
            _ => tx.put(&tags(&resource, value)).unwrap(),
        }
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);

        let mut tx = Transaction::new(store.clone());
        let all = tx.peek(&keys::all_tags(&scope())).await.unwrap();
        for value in values {
            let found = named(&store, value).await.unwrap();
            let expected = all.iter().filter(|one| one.tags["Name"] == value);
            let expected: Vec<_> = expected.map(|one| one.resource.clone()).collect();
            assert_eq!(found, expected);
        }
    }
}
