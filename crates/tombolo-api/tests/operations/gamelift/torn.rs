//! An operation whose reads straddle somebody else's change.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use tombolo_store::typed::{Committed, Transaction};
use tombolo_store::{MemoryStore, keys};

use crate::server::{BACKEND, STUDIO, Server};
use crate::store::{Meddle, Meddled};

/// Takes all fleets and their VPCs away as soon as one of the fleets has been read.
struct Torn {
    store: Arc<MemoryStore>,
    armed: Arc<Mutex<bool>>,
}

impl Torn {
    async fn take_fleets_away(&self) {
        let mut tx = Transaction::new(self.store.clone());
        for fleet in tx.peek(&keys::all_fleets()).await.unwrap() {
            tx.remove_vpc(&fleet.scope, fleet.vpc().unwrap())
                .await
                .unwrap();
            tx.remove(&fleet);
        }
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    }
}

#[async_trait]
impl Meddle for Torn {
    async fn after_get(&self, key: &[u8]) {
        let is_due = key.starts_with(b"fleet/") && std::mem::take(&mut *self.armed.lock().unwrap());
        if is_due {
            self.take_fleets_away().await;
        }
    }
}

#[tokio::test]
async fn a_fleet_that_ends_between_two_reads_was_not_found() {
    let armed = Arc::new(Mutex::new(false));
    let server = Server::over(|store| {
        let torn = Torn {
            store: store.clone(),
            armed: armed.clone(),
        };
        Meddled::new(store, torn)
    });
    let backend = server.gamelift(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    backend.authorize(STUDIO, &vpc).await;
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;

    *armed.lock().unwrap() = true;
    let input = json!({
        "FleetId": fleet, "PeerVpcAwsAccountId": BACKEND, "PeerVpcId": vpc,
    });
    let refused = studio.attempt("CreateVpcPeeringConnection", input).await;
    assert_eq!(refused, Some("NotFoundException"));
}
