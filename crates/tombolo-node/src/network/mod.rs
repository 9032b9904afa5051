//! The network of this machine: the engine has what the store wants.
//!
//! One round:
//! 1. What the store wants is read and given to the engine, whole. If it does not fit,
//!    [something is evicted](capacity).
//! 2. What the engine has put in force is reported: connections whose packets it now lets through,
//!    connections of which it lets none through any more, what it found changed behind its back.
//!
//! The first round reports the host too: a host that is known has its network.
//!
//! A connection is reported only after the engine has it so, and is reported again until the store
//! says that it was heard.

mod capacity;
mod repair;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tombolo_controller::{NetworkApplied, NetworkRefused, Reports};
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_domain::table_capacity::TableCapacity;
use tombolo_domain::vpc::SecurityGroupNumber;
use tombolo_network::{EngineError, Network, TableUsage};
use tombolo_store::keys::Kind;
use tombolo_store::{StoreError, Wakes};
use tombolo_tasks::{Reason, reason_to_run};

use capacity::Eviction;
use wanted::DesiredNetwork;

use crate::{Context, host};

/// What the network is made from. Of instances it reads how players reach them, which the public
/// ports tell of; that a supervisor reported something does not concern it. When numbers are reserved
/// it is asked which network is in force, though nothing of that changed.
pub(crate) const READS: [Kind; 9] = [
    Kind::VpcNumber,
    Kind::Vpc,
    Kind::Subnet,
    Kind::NetworkInterface,
    Kind::RouteTable,
    Kind::SecurityGroup,
    Kind::Connection,
    Kind::Fleet,
    Kind::PublicPort,
];

/// How long to wait at most before looking for drift.
const RESYNC: Duration = Duration::from_secs(15);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How often the entries of the tables are counted at most.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Which interfaces the engine has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

/// The loop's name.
pub(crate) const TASK: &str = "node/network";

pub(crate) async fn run(
    context: Context,
    reports: Arc<dyn Reports>,
    mut wakes: Wakes,
    status: watch::Sender<NetworkStatus>,
) {
    let purpose = "gives the network engine what the store wants";
    let task = context.tasks.task(TASK, purpose, RESYNC);
    let mut reconciler = Reconciler {
        context,
        reports,
        status,
        applied: None,
        counted: None,
        evicted: BTreeSet::new(),
        is_known: false,
    };
    let mut pause = RESYNC;
    loop {
        let mut reason = reason_to_run(&mut wakes, pause).await;
        pause = loop {
            match task.run(reason, reconciler.round()).await {
                Ok(()) if reconciler.status.borrow().failed.is_empty() => break RESYNC,
                Ok(()) => break RETRY,
                Err(_) => {
                    reconciler.applied = None;
                    sleep(RETRY).await;
                    reason = Reason::Again;
                }
            }
        };
    }
}

struct Reconciler {
    context: Context,
    reports: Arc<dyn Reports>,
    status: watch::Sender<NetworkStatus>,
    /// What the engine was last given, and when.
    applied: Option<(Network, Instant)>,
    /// When it was last counted how full the tables are.
    counted: Option<Instant>,
    /// The security groups whose rules were evicted.
    evicted: BTreeSet<SecurityGroupNumber>,
    /// Whether this host has reported itself.
    is_known: bool,
}

impl Reconciler {
    async fn round(&mut self) -> Result<(), RoundError> {
        // What is written from here on may be read, or not.
        let revision = self.context.store.revision();
        let DesiredNetwork {
            mut network,
            group_ids,
            provisioning,
            deleting,
        } = wanted::read(&self.context).await?;
        let mut evicted = BTreeSet::new();
        while let Err(error) = self.apply(network.clone()).await {
            let full = error.engine();
            match full.and_then(|full| capacity::eviction(full, &network, &provisioning)) {
                None => return Err(error),
                Some(Eviction::Connection { table, capacity }) => {
                    // Its change wakes this loop, which then sees whether the rest fits.
                    let refused = NetworkRefused {
                        revision,
                        table,
                        capacity,
                        provisioning,
                    };
                    self.reports.network_refused(refused).await?;
                    return Ok(());
                }
                Some(Eviction::Rules(groups)) => {
                    // An engine adds before it takes away, so room is made before it is used.
                    if let Some((mut before, _)) = self.applied.clone() {
                        capacity::evict_rules(&mut before, &groups);
                        self.apply(before).await?;
                    }
                    capacity::evict_rules(&mut network, &groups);
                    evicted.extend(groups);
                }
            }
        }
        for number in evicted.difference(&self.evicted) {
            tracing::error!(
                group = group_ids.get(number).map(tracing::field::display),
                "the data path has no room for the rules of a security group, and its interfaces \
                 are closed but for their other groups; delete rules that are no longer needed"
            );
        }
        self.evicted = evicted;

        if !self.is_known {
            let boot = &self.context.host.boot;
            self.reports.host(&host::label().await, boot).await?;
            self.is_known = true;
        }
        let applied = NetworkApplied {
            revision,
            provisioned: provisioning,
            removed: deleting,
        };
        self.reports.network_applied(applied).await?;
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
        let status = NetworkStatus {
            ready: ready.collect(),
            failed: outcome.failed,
        };
        // Every worker of a fleet and every instance waits for this.
        self.status.send_if_modified(|told| {
            let differs = *told != status;
            *told = status;
            differs
        });
        self.applied = Some((network, Instant::now()));
        self.reports
            .network_repaired(repair::reported(&outcome.repairs))
            .await?;
        self.sample_capacity().await?;
        Ok(())
    }

    /// Tells how full the tables are, unless it was told a moment ago: a change has its entries
    /// there at once, and counting them takes longer than making them.
    async fn sample_capacity(&mut self) -> Result<(), EngineError> {
        if self.counted.is_some_and(|at| at.elapsed() < COUNT_EVERY) {
            return Ok(());
        }
        let tables = self.context.engine.tables().await?.into_iter();
        self.context.table_capacity.send_replace(TableCapacity::new(
            tables.map(|(name, TableUsage { used, capacity })| (name, used, capacity)),
        ));
        self.counted = Some(Instant::now());
        Ok(())
    }
}
