//! The network reconciler: moves peering connections through their states and keeps the network
//! engine at what the store wants.
//!
//! One round:
//! 1. Connections that need nothing of the data path take their steps: a request is delivered,
//!    accepted (with its routes and rules), or fails.
//! 2. What the store wants is read and given to the engine, whole.
//! 3. What the engine has now put in force is written: `provisioning` becomes `active`,
//!    `deleting` becomes `deleted`, each with its event.
//!
//! A connection is told `active` only after the engine lets packets through, and `deleted` only
//! after it lets none through. A server killed between two rounds finds the connection in a state
//! from which the next round goes on: none stays half-made.

mod peering;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::sync::watch;
use tokio::time::timeout;
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_domain::peering::{Connection, State};
use tombolo_network::EngineError;
use tombolo_store::StoreError;
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use crate::Context;
use crate::wake::Wakes;

/// How long to wait at most before looking for drift.
const RESYNC: Duration = Duration::from_secs(15);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How many connections take a step at a time: enough to fill the store's group commit.
const AT_A_TIME: usize = 64;

/// Which interfaces the engine has.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkStatus {
    /// Made.
    pub(crate) ready: BTreeSet<NetworkInterfaceId>,
    /// Could not be made, and why.
    pub(crate) failed: BTreeMap<NetworkInterfaceId, String>,
}

impl NetworkStatus {
    /// Whether the engine has dealt with `interface`.
    pub(crate) fn knows(&self, interface: &NetworkInterfaceId) -> bool {
        self.ready.contains(interface) || self.failed.contains_key(interface)
    }
}

#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("using the store")]
    Store(#[from] StoreError),
    #[error("applying the wanted network")]
    Engine(#[from] EngineError),
}

pub(crate) async fn run(context: Context, mut wakes: Wakes, status: watch::Sender<NetworkStatus>) {
    let mut pause = RESYNC;
    loop {
        // A closed channel or a timeout are reasons to look, too.
        let _ = timeout(pause, wakes.changed()).await;
        pause = match round(&context, &status).await {
            Ok(()) => RESYNC,
            Err(error) => {
                tracing::error!(
                    error = &error as &(dyn std::error::Error + 'static),
                    "the network could not be reconciled; trying again in {RETRY:?}"
                );
                tokio::time::sleep(RETRY).await;
                Duration::ZERO
            }
        };
    }
}

async fn round(context: &Context, status: &watch::Sender<NetworkStatus>) -> Result<(), RoundError> {
    for_each(
        waiting(context, |state| state.is_pending()).await?,
        async |connection| peering::advance(context, connection).await,
    )
    .await?;

    let wanted = wanted::read(context).await?;
    let applied = context.engine.apply(&wanted.network).await?;
    if applied.changes > 0 {
        tracing::debug!(changes = applied.changes, "the network was changed");
    }
    for (interface, reason) in &applied.failed {
        tracing::error!(%interface, reason, "a network interface could not be made");
    }
    let made = wanted.network.interfaces.into_keys();
    status.send_replace(NetworkStatus {
        ready: made
            .filter(|interface| !applied.failed.contains_key(interface))
            .collect(),
        failed: applied.failed,
    });

    for_each(wanted.provisioning, async |connection| {
        peering::activate(context, connection).await
    })
    .await?;
    for_each(wanted.deleting, async |connection| {
        peering::finish(context, connection).await
    })
    .await?;
    Ok(())
}

/// The connections in the states that `wanted` says.
async fn waiting(
    context: &Context,
    wanted: fn(&State) -> bool,
) -> Result<Vec<Connection>, StoreError> {
    let mut tx = Transaction::new(context.store.clone());
    let mut found = tx.peek(&keys::all_connections()).await?;
    found.retain(|connection| wanted(&connection.state));
    Ok(found)
}

/// Does `step` for each connection, several at a time; the first error stops it.
async fn for_each(
    connections: Vec<Connection>,
    step: impl AsyncFn(&Connection) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let step = &step;
    let mut steps = stream::iter(connections)
        .map(|connection| async move { step(&connection).await })
        .buffer_unordered(AT_A_TIME);
    while let Some(done) = steps.next().await {
        done?;
    }
    Ok(())
}
