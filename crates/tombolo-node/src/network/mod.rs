//! The network of this machine: the engine has what the store wants.
//!
//! One round:
//! 1. What has changed of the [records](mirror) is given to the engine, as the change of the network
//!    that it means. At the start, after a failure, every 15 s that pass without a change, and while
//!    something does not fit, it is given the whole network, and looks at all that is there. If it does
//!    not fit, [something is evicted](capacity). An interface that could not be made is
//!    [tried again](retries) by itself.
//! 2. What the engine has put in force is reported: connections whose packets it now lets through,
//!    connections of which it lets none through any more, what it found changed behind its back.
//!
//! The first round reports the host too: a host that is known has its network.
//!
//! A connection is reported only after the engine has it so, and is reported again until the store
//! says that it was heard.

mod capacity;
mod mirror;
mod repair;
mod retries;
mod status;
mod wanted;
#[cfg(debug_assertions)]
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tombolo_controller::{NetworkApplied, NetworkRefused, Reports};
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_domain::peering::Connection;
use tombolo_domain::table_capacity::TableCapacity;
use tombolo_domain::vpc::SecurityGroupNumber;
use tombolo_network::{Applied, EngineError, Network, NetworkChange, TableUsage};
use tombolo_store::keys::Kind;
use tombolo_store::{StoreError, Wakes, WatchError};
use tombolo_tasks::{Reason, reason_to_run};

use capacity::Eviction;
use mirror::{Following, HearError, Mirror, Taken};
use retries::Retries;

pub(crate) use status::NetworkStatus;

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
        following: None,
        given: Given::Unknown,
        verified: None,
        retries: Retries::default(),
        counted: None,
        evicted: BTreeSet::new(),
        is_known: false,
    };
    loop {
        let mut reason = reconciler.wait(&mut wakes).await;
        while let Err(error) = task.run(reason, reconciler.round()).await {
            if error.engine().is_some() {
                reconciler.given = Given::Unknown;
            }
            sleep(RETRY).await;
            reason = Reason::Again;
        }
    }
}

/// What the engine was last given.
enum Given {
    /// Nothing, or it failed: no change can be made to it.
    Unknown,
    /// The network of the mirror.
    Mirrored,
    /// Another one, in which something is missing that does not fit.
    Other(Network),
}

struct Reconciler {
    context: Context,
    reports: Arc<dyn Reports>,
    status: watch::Sender<NetworkStatus>,
    /// What is wanted; `None` before it was read, or when changes of it were missed.
    following: Option<Following>,
    given: Given,
    /// When the engine last looked at all that is there.
    verified: Option<Instant>,
    /// The interfaces that could not be made.
    retries: Retries,
    /// When it was last counted how full the tables are.
    counted: Option<Instant>,
    /// The security groups whose rules were evicted.
    evicted: BTreeSet<SecurityGroupNumber>,
    /// Whether this host has reported itself.
    is_known: bool,
}

impl Reconciler {
    /// Waits until there is something to do, and meanwhile hears what becomes of the records, so that
    /// no change is forgotten by the store before it was heard.
    async fn wait(&mut self, wakes: &mut Wakes) -> Reason {
        let pause = self.retries.pause(Instant::now().into_std());
        let pause = pause.unwrap_or(RESYNC).min(RESYNC);
        let mut reason = pin!(reason_to_run(wakes, pause));
        loop {
            let Some(following) = &mut self.following else {
                return reason.await;
            };
            select! {
                reason = &mut reason => return reason,
                heard = following.next() => if heard.is_err() {
                    // They are read anew.
                    self.following = None;
                }
            }
        }
    }

    async fn round(&mut self) -> Result<(), RoundError> {
        // What is written from here on may be heard, or not.
        let revision = self.context.store.revision().await?;
        let (taken, provisioning, deleting) = {
            let mirror = self.mirror().await?;
            (mirror.take(), mirror.provisioning(), mirror.deleting())
        };
        if let Some(full) = self.give(taken, &provisioning).await? {
            // Its change wakes this loop, which then sees whether the rest fits.
            let refused = NetworkRefused {
                revision,
                table: full.table,
                capacity: full.capacity,
                provisioning,
            };
            self.reports.network_refused(refused).await?;
            return Ok(());
        }
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

    /// The records as the store has acknowledged them by now.
    async fn mirror(&mut self) -> Result<&mut Mirror, StoreError> {
        loop {
            let following = match self.following.take() {
                Some(following) => following,
                None => {
                    self.given = Given::Unknown;
                    Following::start(&self.context).await?
                }
            };
            let following = self.following.insert(following);
            match following.catch_up() {
                Ok(()) => break,
                Err(HearError::Watch(WatchError::Compacted(_) | WatchError::Lost)) => {
                    self.following = None
                }
                Err(HearError::Watch(WatchError::Closed)) => return Err(StoreError::Closed),
                Err(HearError::Store(error)) => {
                    self.following = None;
                    return Err(error);
                }
            }
        }
        match &mut self.following {
            Some(following) => Ok(&mut following.mirror),
            None => Err(StoreError::Closed),
        }
    }

    /// Gives the engine what is wanted; says which table is too small for a connection that is being
    /// made.
    async fn give(
        &mut self,
        taken: Taken,
        provisioning: &[Connection],
    ) -> Result<Option<FullTable>, RoundError> {
        let Taken { mut change, undo } = taken;
        let is_due = self.verified.is_none_or(|at| at.elapsed() >= RESYNC);
        let is_other = !change.is_empty();
        match &self.given {
            Given::Mirrored => {
                self.name_due(&mut change);
                if !change.is_empty() {
                    match self.change(change).await {
                        Err(RoundError::Engine(EngineError::Full { .. })) => {}
                        changed => return changed.map(|()| None),
                    }
                } else if !is_due {
                    return Ok(None);
                }
            }
            Given::Other(_) if !is_other && !is_due => return Ok(None),
            Given::Other(_) | Given::Unknown => {}
        }
        let Some(following) = &self.following else {
            return Ok(None);
        };
        let network = following.mirror.network().clone();
        let before = match mem::replace(&mut self.given, Given::Unknown) {
            Given::Unknown => None,
            Given::Other(network) => Some(network),
            Given::Mirrored => {
                let mut before = network.clone();
                before.change(undo);
                Some(before)
            }
        };
        self.give_whole(network, before, provisioning).await
    }

    /// The same, where no change can be made to what the engine was given, which was `before` if that
    /// is known.
    async fn give_whole(
        &mut self,
        mut network: Network,
        mut before: Option<Network>,
        provisioning: &[Connection],
    ) -> Result<Option<FullTable>, RoundError> {
        let mut evicted = BTreeSet::new();
        while let Err(error) = self.apply(&network).await {
            let full = error.engine();
            match full.and_then(|full| capacity::eviction(full, &network, provisioning)) {
                None => return Err(error),
                Some(Eviction::Connection { table, capacity }) => {
                    self.given = before.map_or(Given::Unknown, Given::Other);
                    return Ok(Some(FullTable { table, capacity }));
                }
                Some(Eviction::Rules(groups)) => {
                    // An engine adds before it takes away, so room is made before it is used.
                    if let Some(before) = &mut before {
                        capacity::evict_rules(before, &groups);
                        self.apply(before).await?;
                    }
                    capacity::evict_rules(&mut network, &groups);
                    evicted.extend(groups);
                }
            }
        }
        for number in evicted.difference(&self.evicted) {
            let following = self.following.as_ref();
            let group = following.and_then(|following| following.mirror.group_id(*number));
            tracing::error!(
                group = group.map(tracing::field::display),
                "the data path has no room for the rules of a security group, and its interfaces \
                 are closed but for their other groups; delete rules that are no longer needed"
            );
        }
        self.given = match evicted.is_empty() {
            true => Given::Mirrored,
            false => Given::Other(network),
        };
        self.evicted = evicted;
        Ok(None)
    }

    /// Names the interfaces that are to be tried again, as they are.
    fn name_due(&mut self, change: &mut NetworkChange) {
        let Some(following) = &self.following else {
            return;
        };
        let interfaces = &following.mirror.network().interfaces;
        for id in self.retries.due(Instant::now().into_std()) {
            if let Some(interface) = interfaces.get(&id) {
                let named = change.interfaces.entry(id);
                named.or_insert_with(|| Some(interface.clone()));
            }
        }
    }

    /// Has the engine make a change.
    async fn change(&mut self, change: NetworkChange) -> Result<(), RoundError> {
        let named = change.interfaces.iter();
        let named: Vec<_> = named.map(|(id, one)| (id.clone(), one.is_some())).collect();
        let outcome = self.context.engine.change(change).await?;
        self.tell_failed(&outcome.failed);
        let now = Instant::now().into_std();
        for (id, _) in &named {
            match outcome.failed.contains_key(id) {
                true => self.retries.failed(id, now),
                false => self.retries.forget(id),
            }
        }
        NetworkStatus::update(&self.status, &named, &outcome.failed);
        self.applied(&outcome).await
    }

    /// Gives `network` to the engine, which looks at all that is there if it has it already.
    async fn apply(&mut self, network: &Network) -> Result<(), RoundError> {
        let outcome = self.context.engine.apply(network).await?;
        self.verified = Some(Instant::now());
        self.tell_failed(&outcome.failed);
        self.retries
            .keep(&outcome.failed, Instant::now().into_std());
        let ready = network.interfaces.keys();
        let ready = ready.filter(|id| !outcome.failed.contains_key(id));
        let is = NetworkStatus {
            ready: ready.cloned().collect(),
            failed: outcome.failed.clone(),
        };
        is.set(&self.status);
        self.applied(&outcome).await
    }

    /// Tells of interfaces that could not be made, each once.
    fn tell_failed(&self, failed: &BTreeMap<NetworkInterfaceId, String>) {
        let status = self.status.borrow();
        for (interface, reason) in failed {
            if status.failed.get(interface) != Some(reason) {
                tracing::error!(%interface, reason, "a network interface could not be made");
            }
        }
    }

    async fn applied(&mut self, outcome: &Applied) -> Result<(), RoundError> {
        if outcome.changes > 0 {
            tracing::debug!(changes = outcome.changes, "the network was changed");
        }
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

/// A table that has no room for a connection that is being made.
struct FullTable {
    table: String,
    capacity: u64,
}
