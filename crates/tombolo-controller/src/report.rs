//! What a report says.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tombolo_domain::Scope;
use tombolo_domain::fleet::{EventCode, FleetStatus, Instance};
use tombolo_domain::id::{FleetId, InstanceId};
use tombolo_domain::peering::Connection;
use tombolo_store::keys::Entity;
use tombolo_store::typed::Transaction;
use tombolo_store::{Revision, StoreError};

/// Where a fleet is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetAt {
    /// Its owner.
    pub scope: Scope,
    /// The fleet.
    pub id: FleetId,
}

/// Where an instance is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceAt {
    /// Its fleet.
    pub fleet: FleetAt,
    /// The instance.
    pub id: InstanceId,
}

impl InstanceAt {
    /// Where `instance` is kept.
    pub fn of(instance: &Instance) -> Self {
        InstanceAt {
            fleet: FleetAt {
                scope: instance.scope.clone(),
                id: instance.fleet.clone(),
            },
            id: instance.id.clone(),
        }
    }
}

/// A network that is in force.
#[derive(Debug)]
pub struct NetworkApplied {
    /// The store's revision before it was read: every change up to it is in force.
    pub revision: Revision,
    /// The connections in it that were `provisioning`: it lets their packets through.
    pub provisioned: Vec<Connection>,
    /// Those that were `deleting`, and are not in it: no packet of theirs passes any more.
    pub removed: Vec<Connection>,
}

/// A network that does not fit.
#[derive(Debug)]
pub struct NetworkRefused {
    /// The store's revision before it was read.
    pub revision: Revision,
    /// The table of the data path that is too small; only peerings fill it.
    pub table: String,
    /// How many entries it has room for.
    pub capacity: u64,
    /// The connections in it that are `provisioning`.
    pub provisioning: Vec<Connection>,
}

/// Something that was put right.
#[derive(Debug)]
pub struct Repaired {
    /// The word for what it was.
    pub kind: &'static str,
    /// How it was found.
    pub found: String,
    /// How many there were.
    pub count: u64,
}

/// What became of an archive.
#[derive(Debug)]
pub enum Unpacked {
    /// Its files are where instances find them.
    Files {
        /// How long they are together, in bytes.
        size_bytes: u64,
    },
    /// It is bad, or gone.
    Failed(String),
    /// The disk refused something; the archive stays.
    NotYet(String),
}

/// How far a node has come with a fleet.
#[derive(Debug)]
pub enum FleetReport {
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
    /// These instances have their interfaces.
    Connected(BTreeSet<InstanceId>),
    /// It could not go on.
    Failed {
        /// With what.
        during: FleetStatus,
        /// Why.
        failure: Failure,
    },
    /// Nothing of it is left.
    Released,
}

/// Why a fleet cannot become active: the code and the message of its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code.
    pub code: EventCode,
    /// The message.
    pub message: String,
}

/// An event of an instance's supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceEvent {
    /// Its number in that run of the supervisor, from 1.
    pub seq: u64,
    /// When it happened, by the machine's clock.
    pub at: Timestamp,
    /// How many before it were dropped, since nobody read any.
    pub lost: u64,
    /// How many server processes run after it.
    pub running: u32,
    /// What happened.
    pub what: Happening,
}

/// What happened in an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// All its server processes run.
    Running,
    /// The launch path is no file of the build.
    LaunchPathNotFound {
        /// The server process.
        process: String,
        /// What was asked for.
        launch_path: String,
    },
    /// The program is there and could not be started.
    LaunchFailed {
        /// The server process.
        process: String,
        /// What the kernel said.
        error: String,
        /// Whether trying again cannot help.
        is_final: bool,
    },
    /// A server process ended before it was healthy.
    ExitedAtOnce(Ended),
    /// A server process had been healthy, and ended.
    Crashed(Ended),
    /// A server process was killed, since it did not end when it was told to.
    ForceTerminated {
        /// The server process.
        process: String,
    },
    /// The build's `install.sh` failed.
    InstallFailed(Ended),
    /// The build's `install.sh` succeeded, and what it changed cannot be kept.
    InstallNotKept {
        /// Which file, and why.
        error: String,
    },
    /// Something that nobody is told of.
    Other,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The process.
    pub process: String,
    /// Its exit code or signal, in words.
    pub exit: String,
    /// How long it ran, in milliseconds.
    pub ran_ms: u64,
    /// The last lines that it wrote, oldest first.
    pub last_lines: Vec<String>,
    /// When it is started again, in milliseconds.
    pub restart_in_ms: u64,
    /// Whether the kernel killed it, since the instance had used up its memory.
    pub out_of_memory: bool,
    /// Whether it was killed, since it took too long.
    pub out_of_time: bool,
}

/// Puts a report, unless it says what the host's last one said.
pub(crate) async fn put_report<R>(tx: &mut Transaction, report: &R) -> Result<(), StoreError>
where
    R: Entity + PartialEq,
{
    match tx.get(&report.key()).await? {
        Some(last) if last == *report => Ok(()),
        _ => tx.put(report),
    }
}
