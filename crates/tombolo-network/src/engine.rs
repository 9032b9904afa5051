//! What every engine can do.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tombolo_domain::id::NetworkInterfaceId;

use crate::counters::Counters;
use crate::flow::FlowRecords;
use crate::network::Network;
use crate::repair::Repairs;
use crate::verdict::{Packet, Verdict};

/// Makes one machine's networks what they should be.
#[async_trait]
pub trait NetworkEngine: Send + Sync {
    /// Which engine this is.
    fn kind(&self) -> EngineKind;

    /// Makes the machine's state equal to `wanted` and repairs what drifted. What fails for one
    /// interface is told in [`Applied::failed`] and does not stop the rest; an error means that
    /// the engine itself could not work. When it returns, what it did is in force for the next
    /// packet: a peering that `wanted` lacks carries none any more.
    ///
    /// It is idempotent, and callers serialize it: the last call wins. Given the same value as
    /// the last time, it looks at all that is there, as it does the first time, and tells in
    /// [`Applied::repairs`] what somebody else had changed.
    ///
    /// [`EngineError::Full`] comes before any change.
    async fn apply(&self, wanted: &Network) -> Result<Applied, EngineError>;

    /// The network namespace of an interface's workload, once `apply` made it, or before the first
    /// `apply` if an earlier engine did: a path for `setns(2)` such as `/run/netns/NAME`. `None` in
    /// an engine whose packets do not flow.
    fn namespace(&self, interface: &NetworkInterfaceId) -> Option<PathBuf>;

    /// What the data path counted since it was made.
    async fn counters(&self) -> Result<Counters, EngineError>;

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
    /// The engine's thread is gone.
    #[error("the network engine has stopped")]
    Stopped,
}
