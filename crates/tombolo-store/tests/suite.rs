//! What every engine promises: one suite over all of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

#[path = "suite/model.rs"]
mod model;
#[path = "suite/reads.rs"]
mod reads;
#[path = "suite/transactions.rs"]
mod transactions;
#[path = "suite/watches.rs"]
mod watches;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tombolo_store::{
    Compare, Entry, KeyRange, MemoryStore, Page, Revision, SqliteStore, Store, StoreError, Txn,
    TxnOutcome,
};

/// Every engine, by the function that makes an empty one.
const ENGINES: [(&str, Make); 2] = [("memory", memory), ("sqlite", sqlite)];

type Make = fn() -> Engine;

/// A store, and the directory that goes with it.
struct Engine {
    // Dropped in this order: the store finishes before its directory is removed.
    store: Arc<dyn Store>,
    _directory: Option<tempfile::TempDir>,
}

impl Deref for Engine {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

fn memory() -> Engine {
    Engine {
        store: Arc::new(MemoryStore::new()),
        _directory: None,
    }
}

fn sqlite() -> Engine {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("store.db")).unwrap();
    Engine {
        store: Arc::new(store),
        _directory: Some(directory),
    }
}

/// Runs `test` on an empty store of every engine. A test that hangs fails after a minute.
fn check(test: impl AsyncFn(&Engine)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()
        .unwrap();
    for (name, make) in ENGINES {
        println!("engine: {name}");
        let engine = make();
        let tested = runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(60), test(&engine)).await });
        tested.unwrap_or_else(|_| panic!("{name}: not done after 60 s"));
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn span(start: &str, end: &str) -> KeyRange {
    KeyRange {
        start: bytes(start),
        end: bytes(end),
    }
}

/// A transaction from short pieces: `puts([("a", "1")]).deleting("b").if_unchanged("c", 3)`.
fn puts<const N: usize>(entries: [(&str, &str); N]) -> Txn {
    let puts = entries
        .map(|(key, value)| (bytes(key), bytes(value)))
        .to_vec();
    Txn {
        puts,
        ..Txn::default()
    }
}

trait Build {
    fn deleting(self, key: &str) -> Txn;
    fn if_unchanged(self, key: &str, modified: u64) -> Txn;
    fn if_nothing_newer(self, range: KeyRange, revision: u64) -> Txn;
}

impl Build for Txn {
    fn deleting(mut self, key: &str) -> Txn {
        self.deletes.push(bytes(key));
        self
    }

    fn if_unchanged(mut self, key: &str, modified: u64) -> Txn {
        self.compares.push(Compare::Unchanged {
            key: bytes(key),
            modified: Revision(modified),
        });
        self
    }

    fn if_nothing_newer(mut self, range: KeyRange, revision: u64) -> Txn {
        self.compares.push(Compare::NothingNewer {
            range,
            revision: Revision(revision),
        });
        self
    }
}

fn committed(revision: u64) -> TxnOutcome {
    TxnOutcome::Committed(Revision(revision))
}

fn entry(key: &str, value: &str, modified: u64) -> Entry {
    Entry {
        key: bytes(key),
        value: bytes(value),
        modified: Revision(modified),
    }
}

/// The whole text of an error: what it says, then its cause.
fn text(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

async fn all(store: &dyn Store) -> Page {
    store
        .range(&span("", "\u{10ffff}"), usize::MAX)
        .await
        .unwrap()
}
