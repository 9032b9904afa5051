//! The network reconciler: moves peering connections through their states and keeps the network
//! engine at what the store wants.
//!
//! One round:
//! 1. Connections that need nothing of the data path take their steps: a request is delivered,
//!    expires or fails; a fleet's is accepted, with its routes and rules.
//! 2. What the store wants is read and given to the engine, whole.
//! 3. What the engine has now put in force is written: `provisioning` becomes `active`,
//!    `deleting` becomes `deleted`, each with its event. What it found changed behind its back and
//!    put right is written, too. If all of it does not fit, [something gives way](room).
//!
//! A connection is told `active` only after the engine lets packets through, and `deleted` only
//! after it lets none through. A server killed between two rounds finds the connection in a state
//! from which the next round goes on: none stays half-made.

mod peering;
mod repair;
mod room;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_domain::peering::Connection;
use tombolo_domain::room::Room;
use tombolo_domain::vpc::SecurityGroupNumber;
use tombolo_network::{EngineError, Network, Use};
use tombolo_store::StoreError;
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use room::GivesWay;
use wanted::Wanted;

use crate::Context;
use crate::wake::Wakes;

/// How long to wait at most before looking for drift.
const RESYNC: Duration = Duration::from_secs(15);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How often the entries of the tables are counted at most.
const COUNT_EVERY: Duration = Duration::from_secs(1);
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

impl RoundError {
    /// The engine's error, if it is one.
    fn engine(&self) -> Option<&EngineError> {
        match self {
            RoundError::Engine(error) => Some(error),
            RoundError::Store(_) => None,
        }
    }
}

pub(crate) async fn run(context: Context, mut wakes: Wakes, status: watch::Sender<NetworkStatus>) {
    let mut reconciler = Reconciler {
        context,
        status,
        applied: None,
        counted: None,
        withheld: BTreeSet::new(),
    };
    let mut pause = RESYNC;
    loop {
        // A closed channel or a timeout are reasons to look, too.
        let _ = timeout(pause, wakes.changed()).await;
        pause = match reconciler.round().await {
            Ok(()) if reconciler.status.borrow().failed.is_empty() => RESYNC,
            Ok(()) => RETRY,
            Err(error) => {
                tracing::error!(
                    error = &error as &(dyn std::error::Error + 'static),
                    "the network could not be reconciled; trying again in {RETRY:?}"
                );
                reconciler.applied = None;
                sleep(RETRY).await;
                Duration::ZERO
            }
        };
    }
}

struct Reconciler {
    context: Context,
    status: watch::Sender<NetworkStatus>,
    /// What the engine was last given, and when.
    applied: Option<(Network, Instant)>,
    /// When it was last counted how full the tables are.
    counted: Option<Instant>,
    /// The security groups whose rules had no room.
    withheld: BTreeSet<SecurityGroupNumber>,
}

impl Reconciler {
    async fn round(&mut self) -> Result<(), RoundError> {
        let context = &self.context;
        let connections = Transaction::new(context.store.clone())
            .peek(&keys::all_connections())
            .await?;
        let now = context.clock.now();
        let due = connections
            .into_iter()
            .filter(|found| peering::is_due(found, now));
        for_each(due, async |connection| {
            peering::advance(context, connection).await
        })
        .await?;

        let Wanted {
            mut network,
            group_ids,
            provisioning,
            deleting,
        } = wanted::read(context).await?;
        let mut withheld = BTreeSet::new();
        while let Err(error) = self.apply(network.clone()).await {
            let full = error.engine();
            match full.and_then(|full| room::gives_way(full, &network, &provisioning)) {
                None => return Err(error),
                Some(GivesWay::Connection(connection, reason)) => {
                    // Its change wakes this reconciler, which then sees whether the rest fits.
                    peering::give_up(&self.context, connection, reason).await?;
                    return Ok(());
                }
                Some(GivesWay::Rules(groups)) => {
                    // An engine adds before it takes away, so room is made before it is used.
                    if let Some((mut before, _)) = self.applied.clone() {
                        room::withhold(&mut before, &groups);
                        self.apply(before).await?;
                    }
                    room::withhold(&mut network, &groups);
                    withheld.extend(groups);
                }
            }
        }
        for number in withheld.difference(&self.withheld) {
            tracing::error!(
                group = group_ids.get(number).map(tracing::field::display),
                "the data path has no room for the rules of a security group, and its interfaces \
                 are closed but for their other groups; delete rules that are no longer needed"
            );
        }
        self.withheld = withheld;

        let context = &self.context;
        for_each(provisioning, async |connection| {
            peering::activate(context, connection).await
        })
        .await?;
        for_each(deleting, async |connection| {
            peering::finish(context, connection).await
        })
        .await?;
        Ok(())
    }

    /// Gives `network` to the engine, unless it is what the engine was given a moment ago: given
    /// again, it would be held against the whole kernel's state to find drift.
    async fn apply(&mut self, network: Network) -> Result<(), RoundError> {
        let is_in_force = self.applied.as_ref().is_some_and(|(applied, at)| {
            *applied == network && at.elapsed() < RESYNC && self.status.borrow().failed.is_empty()
        });
        if is_in_force {
            return Ok(());
        }
        let outcome = self.context.engine.apply(&network).await?;
        if outcome.changes > 0 {
            tracing::debug!(changes = outcome.changes, "the network was changed");
        }
        for (interface, reason) in &outcome.failed {
            tracing::error!(%interface, reason, "a network interface could not be made");
        }
        let made = network.interfaces.keys();
        let ready = made
            .filter(|interface| !outcome.failed.contains_key(interface))
            .cloned();
        self.status.send_replace(NetworkStatus {
            ready: ready.collect(),
            failed: outcome.failed,
        });
        self.applied = Some((network, Instant::now()));
        repair::record(&self.context, &outcome.repairs).await?;
        self.look_for_room().await?;
        Ok(())
    }

    /// Tells how full the tables are, unless it was told a moment ago: a change has its entries
    /// there at once, and counting them takes longer than making them.
    async fn look_for_room(&mut self) -> Result<(), EngineError> {
        if self.counted.is_some_and(|at| at.elapsed() < COUNT_EVERY) {
            return Ok(());
        }
        let tables = self.context.engine.counters().await?.tables;
        let tables = tables.into_iter();
        self.context.room.send_replace(Room::new(
            tables.map(|(name, Use { used, capacity })| (name, used, capacity)),
        ));
        self.counted = Some(Instant::now());
        Ok(())
    }
}

/// Does `step` for each connection, several at a time; the first error stops it.
async fn for_each(
    connections: impl IntoIterator<Item = Connection>,
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
