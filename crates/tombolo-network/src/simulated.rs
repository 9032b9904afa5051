//! The engine for machines without root: it keeps what it was asked for and moves no packet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tombolo_domain::id::NetworkInterfaceId;

use crate::counters::{TableUsage, TrafficCounters};
use crate::difference::only_in;
use crate::engine::{Applied, EngineError, EngineKind, NetworkEngine};
use crate::flow::FlowPublisher;
use crate::flow::FlowRecords;
use crate::indexed_network::{Changed, IndexedNetwork};
use crate::live::live;
use crate::network::Network;
use crate::network_change::NetworkChange;
use crate::outside::OutsideConfig;
use crate::tables::Tables;
use crate::verdict::Packet;
use crate::verdict::{self, Verdict};

/// A [`NetworkEngine`] in memory. It can say what the data path would do with a packet, and has
/// no namespaces: whoever uses it must not claim that packets flow.
#[derive(Debug)]
pub struct SimulatedEngine {
    state: Mutex<State>,
    outside: Option<OutsideConfig>,
    /// Nothing is ever published: no packet flows.
    flows: FlowPublisher,
}

#[derive(Debug, Default)]
struct State {
    network: IndexedNetwork,
    tables: Tables,
    was_applied: bool,
}

impl SimulatedEngine {
    /// An engine with an empty network.
    pub fn new() -> Self {
        SimulatedEngine {
            state: Mutex::default(),
            outside: None,
            flows: FlowPublisher::new(),
        }
    }

    /// The same, joined to what is outside of it.
    pub fn joined(self, outside: OutsideConfig) -> Self {
        SimulatedEngine {
            outside: Some(outside),
            ..self
        }
    }

    /// What the data path would do with a packet that `from`'s workload sends and that belongs to
    /// no flow: the same decision as the `ebpf` engine's program makes.
    pub fn verdict(&self, from: &NetworkInterfaceId, packet: &Packet) -> Verdict {
        let state = self.state();
        verdict::decide(
            state.network.whole(),
            &state.tables,
            self.outside.as_ref(),
            from,
            packet,
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a whole replacement, so a panic elsewhere leaves no half-made state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SimulatedEngine {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl NetworkEngine for SimulatedEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Simulated
    }

    async fn apply(&self, wanted: &Network) -> Result<Applied, EngineError> {
        let tables = Tables::compile(&live(wanted));
        let mut state = self.state();
        let before = &state.network.whole().interfaces;
        let changes = differences(before, &wanted.interfaces) + changes(&state.tables, &tables);
        *state = State {
            network: IndexedNetwork::new(wanted.clone()),
            tables,
            was_applied: true,
        };
        Ok(Applied {
            changes,
            compiled: wanted.size(),
            ..Applied::default()
        })
    }

    async fn change(&self, change: NetworkChange) -> Result<Applied, EngineError> {
        let mut state = self.state();
        if !state.was_applied {
            return Err(EngineError::NothingApplied);
        }
        let Changed { before, after, .. } = state.network.change(change);
        let (old, new) = (
            Tables::compile(&before.network),
            Tables::compile(&after.network),
        );
        let changes = differences(&before.network.interfaces, &after.network.interfaces)
            + changes(&old, &new);
        state.tables.patch(old, new);
        Ok(Applied {
            changes,
            compiled: before.network.size() + after.network.size(),
            ..Applied::default()
        })
    }

    fn namespace(&self, _interface: &NetworkInterfaceId) -> Option<PathBuf> {
        None
    }

    async fn traffic(&self) -> Result<TrafficCounters, EngineError> {
        Ok(TrafficCounters::none())
    }

    async fn tables(&self) -> Result<BTreeMap<String, TableUsage>, EngineError> {
        Ok(BTreeMap::new())
    }

    async fn active_ports(&self) -> Result<BTreeMap<NetworkInterfaceId, u32>, EngineError> {
        Ok(BTreeMap::new())
    }

    fn flows(&self) -> FlowRecords {
        self.flows.follow()
    }

    async fn decide(
        &self,
        from: &NetworkInterfaceId,
        packet: &Packet,
    ) -> Result<Verdict, EngineError> {
        Ok(self.verdict(from, packet))
    }

    async fn teardown(&self) -> Result<(), EngineError> {
        *self.state() = State::default();
        Ok(())
    }
}

/// How many entries of the two are others.
fn changes(before: &Tables, after: &Tables) -> usize {
    differences(&before.routes, &after.routes)
        + before
            .peering_acl
            .symmetric_difference(&after.peering_acl)
            .count()
        + before
            .rules
            .ports
            .symmetric_difference(&after.rules.ports)
            .count()
}

/// How many keys of the two maps are in one only or have another value.
fn differences<K: Ord, V: PartialEq>(before: &BTreeMap<K, V>, after: &BTreeMap<K, V>) -> usize {
    let removed = before.keys().filter(|key| !after.contains_key(key)).count();
    removed + only_in(after, before).count()
}
