//! The read model: never older than what was acknowledged, always what a look at all records gives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tombolo_domain::Scope;
use tombolo_domain::id::IdSource;
use tombolo_domain::tag::Tags;
use tombolo_domain::testing::SeededIds;
use tombolo_store::keys::{self, TagsKey};
use tombolo_store::model::Term;
use tombolo_store::typed::{Committed, Transaction, decodes};
use tombolo_store::{
    Entry, Event, KeyRange, MemoryStore, ModelledStore, Page, Revision, Store, StoreError, Txn,
    TxnOutcome, Watch, WatchError,
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

/// A store whose watches say nothing, or break, while they are told to.
struct Silent {
    store: MemoryStore,
    is_silent: Arc<AtomicBool>,
    watches: AtomicUsize,
}

struct SilentWatch {
    watch: Box<dyn Watch>,
    is_silent: Arc<AtomicBool>,
    has_broken: bool,
}

#[async_trait]
impl Watch for SilentWatch {
    async fn next(&mut self) -> Result<Vec<Event>, WatchError> {
        if self.is_silent.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if !std::mem::replace(&mut self.has_broken, true) {
            return Err(WatchError::Lost);
        }
        self.watch.next().await
    }
}

#[async_trait]
impl Store for Silent {
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
        let is_silent = self.is_silent.clone();
        Ok(Box::new(SilentWatch {
            watch: self.store.watch(prefix, after).await?,
            // Every second watch works.
            has_broken: self.watches.fetch_add(1, Ordering::Relaxed) % 2 == 1,
            is_silent,
        }))
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_whose_changes_do_not_come_fails_at_its_deadline_and_is_never_stale() {
    let is_silent = Arc::new(AtomicBool::new(false));
    let store = modelled(Silent {
        store: MemoryStore::new(),
        is_silent: is_silent.clone(),
        watches: AtomicUsize::new(0),
    });
    put(&store, "vpc-1", "a").await;
    assert_eq!(named(&store, "a").await.unwrap(), ["vpc-1"]);
    is_silent.store(true, Ordering::Relaxed);
    // What was there is served for as long as nothing was written.
    assert_eq!(named(&store, "a").await.unwrap(), ["vpc-1"]);
    put(&store, "vpc-2", "a").await;
    let refused = named(&store, "a").await.unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::Behind {
                reached: Revision(1),
                acknowledged: Revision(2)
            }
        ),
        "{refused}"
    );
    is_silent.store(false, Ordering::Relaxed);
    assert_eq!(named(&store, "a").await.unwrap(), ["vpc-1", "vpc-2"]);
}

#[tokio::test]
async fn a_watch_that_breaks_is_begun_again_where_it_was() {
    let store = modelled(Silent {
        store: MemoryStore::new(),
        is_silent: Arc::default(),
        watches: AtomicUsize::new(0),
    });
    for number in 0..10 {
        put(&store, &format!("vpc-{number}"), "a").await;
        assert_eq!(named(&store, "a").await.unwrap().len(), number + 1);
    }
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
