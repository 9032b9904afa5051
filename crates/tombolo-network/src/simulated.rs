//! The engine for machines without root: it keeps what it was asked for and moves no packet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tombolo_domain::id::NetworkInterfaceId;

use crate::counters::Counters;
use crate::difference::only_in;
use crate::engine::{Applied, EngineError, EngineKind, NetworkEngine};
use crate::flow::FlowPublisher;
use crate::flow::FlowRecords;
use crate::network::Network;
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
    network: Network,
    tables: Tables,
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
            &state.network,
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
        let tables = Tables::compile(wanted);
        let mut state = self.state();
        let changes = differences(&state.network.interfaces, &wanted.interfaces)
            + differences(&state.tables.routes, &tables.routes)
            + state
                .tables
                .peering_acl
                .symmetric_difference(&tables.peering_acl)
                .count()
            + state
                .tables
                .rules
                .ports
                .symmetric_difference(&tables.rules.ports)
                .count();
        *state = State {
            network: wanted.clone(),
            tables,
        };
        Ok(Applied {
            changes,
            ..Applied::default()
        })
    }

    fn namespace(&self, _interface: &NetworkInterfaceId) -> Option<PathBuf> {
        None
    }

    async fn counters(&self) -> Result<Counters, EngineError> {
        Ok(Counters::none())
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

/// How many keys of the two maps are in one only or have another value.
fn differences<K: Ord, V: PartialEq>(before: &BTreeMap<K, V>, after: &BTreeMap<K, V>) -> usize {
    let removed = before.keys().filter(|key| !after.contains_key(key)).count();
    removed + only_in(after, before).count()
}
