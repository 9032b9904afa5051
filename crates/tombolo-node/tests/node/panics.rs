//! A task that panics: nobody takes over what it was for, so all ends, and says which it was.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::timeout;
use tombolo_domain::fleet::FleetStatus;
use tombolo_store::keys::Entity;
use tombolo_store::{Entry, KeyRange, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch};

use crate::world::{DEADLINE, World};

/// A store in which one record makes whoever reads it panic.
struct Mined {
    store: Arc<dyn Store>,
    key: Vec<u8>,
}

#[async_trait]
impl Store for Mined {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        assert!(key != self.key, "a mine");
        self.store.get(key).await
    }

    async fn range(&self, range: &KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.store.range(range, limit).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        self.store.txn(txn).await
    }

    async fn list(&self, range: &KeyRange) -> Result<Page, StoreError> {
        self.store.list(range).await
    }

    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        self.store.watch(prefix, after).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision().await
    }
}

#[tokio::test]
async fn a_panic_over_one_fleet_ends_controller_and_node_with_the_workers_name() {
    let mut world = World::new();
    let (fleet, _) = world.fleet("100.64.0.0/24", FleetStatus::Active).await;
    let store = world.context.store.clone();
    let key = fleet.key().as_bytes().to_vec();
    world.context.store = Arc::new(Mined { store, key });
    let reconcilers = world.start();
    let ended = timeout(DEADLINE, reconcilers.ended()).await;
    let ended = ended.expect("they end").expect("a task ended");
    // Both look at each fleet.
    let names = ["controller/fleet", "node/fleet"];
    assert!(names.contains(&ended.name), "{ended}");
    assert_eq!(ended.panic.as_deref(), Some("a mine"));
}
