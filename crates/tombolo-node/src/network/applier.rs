//! Giving the engine what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_domain::peering::Connection;
use tombolo_domain::vpc::SecurityGroupNumber;
use tombolo_network::{Applied, EngineError, Network, NetworkChange, NetworkEngine, Repairs};

use super::RESYNC;
use super::capacity::{self, Eviction};
use super::mirror::Taken;
use super::outbox::{Outbox, Report};
use super::retries::Retries;
use super::status::NetworkStatus;

/// So many times as long as a look at all that is there took, the next one waits at least.
const LOOK_PAUSE: u32 = 10;

/// A look at all that is there.
#[derive(Clone, Copy)]
struct Look {
    /// When it ended.
    at: Instant,
    took: Duration,
}

impl Look {
    /// One that ends now.
    fn since(began: Instant) -> Self {
        let at = Instant::now();
        Look {
            at,
            took: at.duration_since(began),
        }
    }
}

/// What the engine was last given.
enum Given {
    /// Nothing, or it failed: no change can be made to it.
    Unknown,
    /// The network of the mirror.
    Mirrored,
    /// The network of the mirror without the rules that do not fit.
    Other(Network),
    /// An earlier network than the mirror's, which was refused: nothing of it is in force before it
    /// is given again.
    Refused(Network),
}

/// Gives the engine the network of a mirror, and knows what it gave.
pub(super) struct Applier {
    engine: Arc<dyn NetworkEngine>,
    outbox: Arc<Outbox>,
    status: watch::Sender<NetworkStatus>,
    given: Given,
    /// When the engine last looked at all that is there.
    looked: Option<Look>,
    /// The interfaces that could not be made.
    retries: Retries,
    /// The security groups whose rules were evicted.
    evicted: BTreeSet<SecurityGroupNumber>,
}

impl Applier {
    /// One that has given nothing yet.
    pub(super) fn new(
        engine: Arc<dyn NetworkEngine>,
        outbox: Arc<Outbox>,
        status: watch::Sender<NetworkStatus>,
    ) -> Self {
        Applier {
            engine,
            outbox,
            status,
            given: Given::Unknown,
            looked: None,
            retries: Retries::default(),
            evicted: BTreeSet::new(),
        }
    }

    /// How long it is at most until there is something to do without a change.
    pub(super) fn pause(&self) -> Duration {
        match self.given {
            Given::Mirrored | Given::Other(_) => {
                let retry = self.retries.pause(Instant::now().into_std());
                retry.unwrap_or(RESYNC).min(self.until_due()).min(RESYNC)
            }
            // A change is waited for that makes room: until then nothing can be tried again.
            Given::Unknown | Given::Refused(_) => RESYNC,
        }
    }

    /// Whether it is time to look for drift.
    pub(super) fn is_due(&self) -> bool {
        self.until_due().is_zero()
    }

    fn until_due(&self) -> Duration {
        let Some(Look { at, took }) = self.looked else {
            return Duration::ZERO;
        };
        let due = at + RESYNC.max(took * LOOK_PAUSE);
        due.saturating_duration_since(Instant::now())
    }

    /// The next network is given whole.
    pub(super) fn forget(&mut self) {
        self.given = Given::Unknown;
    }

    /// The security groups whose rules are not in force, since they do not fit.
    pub(super) fn evicted(&self) -> &BTreeSet<SecurityGroupNumber> {
        &self.evicted
    }

    /// Gives the engine what is wanted; says which table is too small for a connection that is being
    /// made.
    pub(super) async fn give(
        &mut self,
        wanted: &Network,
        taken: Taken,
        provisioning: &[Connection],
    ) -> Result<Option<FullTable>, EngineError> {
        let Taken { mut change, undo } = taken;
        let known = match &self.given {
            Given::Mirrored => Some(wanted),
            // Without a change the rules do not fit either, but its interfaces are those wanted.
            Given::Other(network) if change.is_empty() => Some(network),
            Given::Other(_) | Given::Refused(_) | Given::Unknown => None,
        };
        if let Some(network) = known {
            self.name_due(network, &mut change);
            if change.is_empty() {
                return Ok(None);
            }
            match self.change(change).await {
                Err(EngineError::Full { .. }) => {}
                changed => return changed.map(|()| None),
            }
        }
        let before = self.take_given(wanted, undo);
        self.give_whole(wanted.clone(), before, provisioning).await
    }

    /// Has the engine look at all that is there, which is as it was given.
    pub(super) async fn look(
        &mut self,
        wanted: &Network,
        provisioning: &[Connection],
    ) -> Result<Option<FullTable>, EngineError> {
        let before = self.take_given(wanted, NetworkChange::default());
        let began = Instant::now();
        let full = self.give_whole(wanted.clone(), before, provisioning).await;
        self.looked = Some(Look::since(began));
        full
    }

    /// The network that the engine was given, if that is known: the one wanted is it with `undo` made
    /// to it, where it was the mirror's. It is not known any more.
    fn take_given(&mut self, wanted: &Network, undo: NetworkChange) -> Option<Network> {
        match mem::replace(&mut self.given, Given::Unknown) {
            Given::Unknown => None,
            Given::Other(network) | Given::Refused(network) => Some(network),
            Given::Mirrored => {
                let mut before = wanted.clone();
                before.change(undo);
                Some(before)
            }
        }
    }

    /// Gives all that is wanted, where no change can be made to what the engine was given, which was `before` if that
    /// is known.
    async fn give_whole(
        &mut self,
        mut network: Network,
        mut before: Option<Network>,
        provisioning: &[Connection],
    ) -> Result<Option<FullTable>, EngineError> {
        let began = Instant::now();
        let is_look = before.is_none();
        let mut evicted = BTreeSet::new();
        while let Err(error) = self.apply(&network).await {
            match capacity::eviction(&error, &network, provisioning) {
                None => return Err(error),
                Some(Eviction::Connection { table, capacity }) => {
                    self.given = before.map_or(Given::Unknown, Given::Refused);
                    return Ok(Some(FullTable { table, capacity }));
                }
                Some(Eviction::Rules(groups)) => {
                    // An engine adds before it takes away, so room is made before it is used.
                    if let Some(before) = &mut before
                        && capacity::evict_rules(before, &groups)
                    {
                        self.apply(before).await?;
                    }
                    capacity::evict_rules(&mut network, &groups);
                    evicted.extend(groups);
                }
            }
        }
        self.given = match evicted.is_empty() {
            true => Given::Mirrored,
            false => Given::Other(network),
        };
        self.evicted = evicted;
        if is_look {
            self.looked = Some(Look::since(began));
        }
        Ok(None)
    }

    /// Names the interfaces that are to be tried again, as they are.
    fn name_due(&self, network: &Network, change: &mut NetworkChange) {
        let interfaces = &network.interfaces;
        for id in self.retries.due(Instant::now().into_std()) {
            if let Some(interface) = interfaces.get(&id) {
                let named = change.interfaces.entry(id);
                named.or_insert_with(|| Some(interface.clone()));
            }
        }
    }

    /// Has the engine make a change.
    async fn change(&mut self, change: NetworkChange) -> Result<(), EngineError> {
        let named = change.interfaces.iter();
        let named: Vec<_> = named.map(|(id, one)| (id.clone(), one.is_some())).collect();
        let outcome = self.engine.change(change).await?;
        self.tell_failed(&outcome.failed);
        let now = Instant::now().into_std();
        for (id, _) in &named {
            match outcome.failed.contains_key(id) {
                true => self.retries.failed(id, now),
                false => self.retries.forget(id),
            }
        }
        NetworkStatus::update(&self.status, &named, &outcome.failed);
        self.applied(outcome);
        Ok(())
    }

    /// Gives `network` to the engine, which looks at all that is there if it has it already.
    async fn apply(&mut self, network: &Network) -> Result<(), EngineError> {
        let outcome = self.engine.apply(network).await?;
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
        self.applied(outcome);
        Ok(())
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

    fn applied(&self, outcome: Applied) {
        if outcome.changes > 0 {
            tracing::debug!(changes = outcome.changes, "the network was changed");
        }
        if outcome.repairs != Repairs::default() {
            self.outbox.push(Report::Repaired(outcome.repairs));
        }
        self.outbox.count_tables();
    }
}

/// A table that has no room for a connection that is being made.
#[derive(Debug)]
pub(super) struct FullTable {
    pub(super) table: String,
    /// How many entries it holds.
    pub(super) capacity: u64,
}

#[cfg(test)]
mod tests;
