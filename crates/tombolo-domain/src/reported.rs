//! What hosts have reported, apart from what is desired: one record for each host and subject.
//!
//! A host's reports are its own: no other host changes them, and they go when their subject goes. What
//! clients see is not here; the controller decides it from these and writes it where it belongs.

use crate::Scope;
use crate::fleet::{EventCode, FleetStatus};
use crate::id::{BootId, BuildId, FleetId, HostId, InstanceId};

/// A host, of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedHost {
    /// Its id, for as long as its data directory lives.
    pub id: HostId,
    /// The machine's name: a label for people, which may change and need not be unique.
    pub label: String,
    /// The boot that its node runs in.
    pub boot: BootId,
}

/// A host, of its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedNetwork {
    /// The host.
    pub host: HostId,
    /// The revision of the store up to which every change was in force when it last reported. It is
    /// reported with what followed from it, so more may be in force.
    pub revision: u64,
    /// What that revision asked for and the host has no room for, if anything.
    pub refused: Option<TableFull>,
}

/// A table of the data path that is too small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFull {
    /// The table.
    pub table: String,
    /// How many entries it has room for.
    pub capacity: u64,
}

/// A host, of a fleet that has something on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedFleet {
    /// The fleet's owner.
    pub scope: Scope,
    /// The fleet.
    pub fleet: FleetId,
    /// The host.
    pub host: HostId,
    /// How far it has come.
    pub progress: FleetProgress,
}

/// How far a host has come with a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FleetProgress {
    /// The build's files are there.
    Downloaded,
    /// The build has what the runtime configuration asks for.
    Validated,
    /// The build's `install.sh` runs.
    Installing,
    /// The build is as instances need it.
    Built {
        /// Whether an `install.sh` made it so.
        installed: bool,
    },
    /// The fleet's instances have their interfaces.
    Connected,
    /// It could not go on.
    Failed {
        /// With what.
        during: FleetStatus,
        /// The code of the fleet's event.
        code: EventCode,
        /// Its message.
        message: String,
    },
}

/// A host, of an instance that is placed on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedInstance {
    /// The fleet's owner.
    pub scope: Scope,
    /// The fleet.
    pub fleet: FleetId,
    /// The instance.
    pub instance: InstanceId,
    /// The host.
    pub host: HostId,
    /// The last event that was reported.
    pub last_event: EventPosition,
    /// Whether all server processes have been seen to run, in that run of the supervisor.
    pub running: bool,
    /// How many server processes run, as the supervisor last said.
    pub active_processes: u32,
}

/// A place in the events of an instance's supervisor. What comes up to it has become events of the
/// fleet, and does not a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPosition {
    /// Which run of the supervisor numbers are counted in.
    pub incarnation: String,
    /// The number of the last event in it; 0 before the first.
    pub number: u64,
}

/// A host, of a build whose archive it unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedBuild {
    /// The owner.
    pub scope: Scope,
    /// The build.
    pub build: BuildId,
    /// The host.
    pub host: HostId,
    /// What became of the archive.
    pub outcome: UnpackOutcome,
}

/// What became of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnpackOutcome {
    /// Its files are where instances find them.
    Unpacked {
        /// How long they are together, in bytes.
        size_bytes: u64,
    },
    /// It is bad, or gone: why, as a sentence.
    Failed {
        /// Why.
        reason: String,
    },
    /// The disk refused something; the archive stays and is tried again.
    Refused {
        /// Why.
        reason: String,
    },
}
