//! The engine whose packets flow: veth pairs, and one BPF program that decides about each packet.
//!
//! Every interface is a veth pair. Its far end is `eth0` in the workload's namespace; its near
//! end is in the one *core* namespace, with `bpf/tombolo.c` at its ingress. The program looks the
//! packet up in maps and hands it straight to the destination's `eth0` (`bpf_redirect_peer`), so
//! neither the core namespace's network stack nor the host's ever sees it.
//!
//! Nothing of it needs this process to go on: namespaces are kept by name in `/run/netns`, the
//! program, its maps and its attachments by pins in `DIRECTORY/bpf`. A new engine on the same
//! directory finds all of it and changes only what is not as wanted.
//!
//! The workload's own end belongs to the workload: once set up, what it does to its `eth0` is not
//! looked at again, and can harm only itself.

mod bpffs;
mod config;
mod engine;
mod error;
mod flows;
#[cfg(test)]
mod kernel_tests;
mod links;
mod maps;
mod names;
mod namespace;
mod sampler;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use async_trait::async_trait;
use tokio::sync::oneshot;
use tombolo_domain::id::NetworkInterfaceId;

pub use self::config::EbpfConfig;
pub use self::engine::preflight::{MINIMUM_KERNEL, preflight};
use self::engine::worker::{self, Command};
use self::error::Doing;
pub use self::links::attachment::AttachmentKind;
pub use self::links::baseline::BaselinePair;
pub use self::maps::object::FlowTable;
use self::sampler::{CurrentSampler, Sampler};
use crate::counters::{TableUsage, TrafficCounters};
use crate::engine::{Applied, EngineError, EngineKind, NetworkEngine};
use crate::flow::FlowPublisher;
use crate::flow::FlowRecords;
use crate::network::Network;
use crate::network_change::NetworkChange;
use crate::verdict::{Packet, Verdict};

/// The [`NetworkEngine`] of Linux with root. Dropping it changes nothing on the machine;
/// [`NetworkEngine::teardown`] does.
#[derive(Debug)]
pub struct EbpfEngine {
    names: names::Names,
    commands: mpsc::Sender<Command>,
    flows: FlowPublisher,
    sampler: CurrentSampler,
    /// The interfaces that the last `apply` left in place. `None` before the first one, when those
    /// of an earlier engine of the same directory are in place.
    interfaces: Mutex<Option<BTreeSet<NetworkInterfaceId>>>,
}

impl EbpfEngine {
    /// Starts the engine on what an earlier one of the same directory left, or on nothing. What
    /// is there goes on as it is until the first `apply`. At most one engine a directory may run.
    ///
    /// The network namespace of the calling thread is what is outside.
    pub async fn start(config: EbpfConfig) -> Result<Self, EngineError> {
        let names = names::Names::new(&config.name);
        let flows = FlowPublisher::new();
        let sampler = CurrentSampler::default();
        let commands = worker::spawn(config, flows.clone(), sampler.clone())
            .doing(|| "starting the network engine's thread".to_owned())?;
        let engine = EbpfEngine {
            names,
            commands,
            flows,
            sampler,
            interfaces: Mutex::default(),
        };
        engine.ask(Command::Open).await?;
        Ok(engine)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, EngineError>>) -> Command,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .map_err(|_| EngineError::Stopped)?;
        answer.await.map_err(|_| EngineError::Stopped)?
    }

    /// What counts. After a teardown there is nothing to count until the machine has something again.
    async fn sampler(&self) -> Result<Arc<Sampler>, EngineError> {
        if let Some(sampler) = self.sampler.get() {
            return Ok(sampler);
        }
        self.ask(Command::Open).await?;
        self.sampler.get().ok_or(EngineError::Stopped)
    }

    fn interfaces(&self) -> MutexGuard<'_, Option<BTreeSet<NetworkInterfaceId>>> {
        // Each change is whole, so a panic elsewhere leaves no half-made state.
        self.interfaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl NetworkEngine for EbpfEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Ebpf
    }

    async fn apply(&self, wanted: &Network) -> Result<Applied, EngineError> {
        let network = wanted.clone();
        let applied = self.ask(|reply| Command::Apply(network, reply)).await?;
        let in_place = wanted
            .interfaces
            .keys()
            .filter(|id| !applied.failed.contains_key(id))
            .cloned()
            .collect();
        *self.interfaces() = Some(in_place);
        Ok(applied)
    }

    async fn change(&self, change: NetworkChange) -> Result<Applied, EngineError> {
        let named = change.interfaces.iter();
        let named: Vec<_> = named.map(|(id, one)| (id.clone(), one.is_some())).collect();
        let applied = self.ask(|reply| Command::Change(change, reply)).await?;
        let mut interfaces = self.interfaces();
        let interfaces = interfaces.get_or_insert_default();
        for (id, is_wanted) in named {
            if is_wanted && !applied.failed.contains_key(&id) {
                interfaces.insert(id);
            } else {
                interfaces.remove(&id);
            }
        }
        Ok(applied)
    }

    fn namespace(&self, interface: &NetworkInterfaceId) -> Option<PathBuf> {
        let name = self.names.workload(interface);
        let in_place = match &*self.interfaces() {
            Some(interfaces) => interfaces.contains(interface),
            None => namespace::exists(&name),
        };
        in_place.then(|| namespace::path(&name))
    }

    async fn traffic(&self) -> Result<TrafficCounters, EngineError> {
        self.sampler().await?.traffic().await
    }

    async fn tables(&self) -> Result<BTreeMap<String, TableUsage>, EngineError> {
        self.sampler().await?.tables().await
    }

    async fn active_ports(&self) -> Result<BTreeMap<NetworkInterfaceId, u32>, EngineError> {
        self.sampler().await?.active_ports().await
    }

    fn flows(&self) -> FlowRecords {
        self.flows.follow()
    }

    async fn decide(
        &self,
        from: &NetworkInterfaceId,
        packet: &Packet,
    ) -> Result<Verdict, EngineError> {
        let (from, packet) = (from.clone(), *packet);
        self.ask(|reply| Command::Decide(from, packet, reply)).await
    }

    async fn teardown(&self) -> Result<(), EngineError> {
        *self.interfaces() = Some(BTreeSet::new());
        self.ask(Command::Teardown).await
    }
}
