//! What every engine can do.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tombolo_domain::id::NetworkInterfaceId;

use crate::counters::{Counters, TableUsage, TrafficCounters};
use crate::flow::FlowRecords;
use crate::network::Network;
use crate::network_change::NetworkChange;
use crate::repair::Repairs;
use crate::verdict::{Packet, Verdict};

/// Makes one machine's networks what they should be.
#[async_trait]
pub trait NetworkEngine: Send + Sync {
    /// Which engine this is.
    fn kind(&self) -> EngineKind;

    /// Makes the machine's state equal to `wanted` and repairs what drifted. What fails for one
    /// interface is in [`Applied::failed`] and does not stop the rest; an error means that
    /// the engine itself could not work. When it returns, what it did is in force for the next
    /// packet: a peering that `wanted` lacks carries none any more.
    ///
    /// It is idempotent, and callers serialize it: the last call wins. Given the same value as
    /// the last time, it looks at all that is there, as it does the first time, and lists in
    /// [`Applied::repairs`] what somebody else had changed.
    ///
    /// [`EngineError::Full`] comes before any change.
    async fn apply(&self, wanted: &Network) -> Result<Applied, EngineError>;

    /// Makes the machine's state equal to what was given last with `change` made to it, in time
    /// proportional to the change: what the change does not touch is not looked at. [`Applied::failed`]
    /// lists those of the interfaces that it names.
    ///
    /// After an error but [`EngineError::Full`], which is as if the call had never been, the machine is
    /// in no known state, and the next call, of this or of `apply`, looks at all that is there.
    ///
    /// [`EngineError::NothingApplied`] before the first `apply`.
    async fn change(&self, change: NetworkChange) -> Result<Applied, EngineError>;

    /// The network namespace of an interface's workload, once `apply` made it, or before the first
    /// `apply` if an earlier engine did: a path for `setns(2)` such as `/run/netns/NAME`. `None` in
    /// an engine whose packets do not flow.
    fn namespace(&self, interface: &NetworkInterfaceId) -> Option<PathBuf>;

    /// What the data path counted of packets since it was made.
    ///
    /// Like all that counts, it never waits for an `apply` that is under way, nor makes one wait,
    /// and callers that ask at the same time share the answer.
    async fn traffic(&self) -> Result<TrafficCounters, EngineError>;

    /// How full the tables of the data path are, by their names.
    async fn tables(&self) -> Result<BTreeMap<String, TableUsage>, EngineError>;

    /// How many of each interface's ports have players, see [`Counters::busy_ports`]. This reads
    /// every flow, so an answer is given again for ten times as long as it took.
    async fn active_ports(&self) -> Result<BTreeMap<NetworkInterfaceId, u32>, EngineError>;

    /// All that the data path counts. Who needs a part asks for that.
    async fn counters(&self) -> Result<Counters, EngineError> {
        Ok(Counters::new(
            self.traffic().await?,
            self.active_ports().await?,
            self.tables().await?,
        ))
    }

    /// Follows the records of flows from now on; there are none in an engine whose packets do not
    /// flow.
    fn flows(&self) -> FlowRecords;

    /// What would become of `packet` if `from`'s workload sent it now and it belonged to no flow,
    /// by what the data path really looks packets up in: not by what it was given. Nothing is
    /// sent, changed or counted.
    async fn decide(
        &self,
        from: &NetworkInterfaceId,
        packet: &Packet,
    ) -> Result<Verdict, EngineError>;

    /// Takes everything of this engine off the machine: namespaces, interfaces, programs, maps.
    /// It continues after a failure and returns the first one.
    async fn teardown(&self) -> Result<(), EngineError>;
}

/// The engines there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// veth pairs and a tc-bpf program: packets flow.
    Ebpf,
    /// In memory: no packet flows.
    Simulated,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineKind::Ebpf => "ebpf",
            EngineKind::Simulated => "simulated",
        })
    }
}

/// What an [`NetworkEngine::apply`] came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many things (interfaces, map entries, attachments) had to be made, changed or removed;
    /// 0 says that everything was as wanted.
    pub changes: usize,
    /// Interfaces that could not be made, and why.
    pub failed: BTreeMap<NetworkInterfaceId, String>,
    /// What was found changed since the earlier `apply`, and was repaired.
    pub repairs: Repairs,
    /// Why there is no way outside, where there should be one.
    pub outside: Option<String>,
    /// How many VPCs, route tables, security groups, interfaces and peerings were looked at for it, as
    /// they were and as they are.
    pub compiled: usize,
}

/// An engine that cannot work, or a step that failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// This machine lacks what the engine needs.
    #[error("the {engine} network engine cannot run here: {reason}")]
    Unsupported {
        /// The engine.
        engine: EngineKind,
        /// What is missing, and the command that mends it where there is one.
        reason: String,
    },
    /// A system call, a netlink request or a BPF operation failed.
    #[error("{doing}")]
    Kernel {
        /// What was being done, with the names involved: `creating veth tmb3f… in namespace …`.
        doing: String,
        /// What the kernel said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is wanted does not fit a table of the data path; nothing was changed.
    #[error(
        "the table {table} of the data path has room for {capacity} entries, and {needed} are needed"
    )]
    Full {
        /// The table.
        table: String,
        /// How many entries what is wanted takes.
        needed: u64,
        /// How many it can hold.
        capacity: u64,
    },
    /// There is nothing yet that could be changed.
    #[error("the network engine was asked for a change before it was told what there should be")]
    NothingApplied,
    /// The engine's thread is gone.
    #[error("the network engine has stopped")]
    Stopped,
}
