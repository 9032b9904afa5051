//! What nodes report, and where.
//!
//! A report says what is so on a host; what follows from it for a status that clients see is decided
//! here. [`Reports`] is given to the nodes, one a host. What was reported is kept in records of its own
//! ([`tombolo_domain::reported`]), each of one host and subject, and what follows from a report commits
//! in the same transaction as its record: where both are one process, nobody waits for a second commit.
//! A report from which nothing follows is not written, so that a host with nothing to do writes nothing.
//!
//! Each report may come twice, late or not at all: a node tells again what still holds.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use tombolo_domain::Scope;
use tombolo_domain::fleet::{Build, EventCode, FleetStatus, Instance};
use tombolo_domain::id::{BlobId, BootId, FleetId, HostId, InstanceId};
use tombolo_domain::peering::Connection;
use tombolo_domain::reported::ReportedHost;
use tombolo_domain::vpc::NetworkInterface;
use tombolo_store::keys::Entity;
use tombolo_store::typed::{Transaction, transact};
use tombolo_store::{Revision, StoreError};

use crate::{Context, build, expiry, fleet, peering, repair};

/// Takes the reports of one host's node, which tells from one thread each.
#[async_trait(?Send)]
pub trait Reports: Send + Sync {
    /// Which boot the host runs in, and the name that it has.
    async fn host(&self, label: &str, boot: &BootId) -> Result<(), StoreError>;

    /// The network that a node was to have is in force on it.
    async fn network_applied(&self, applied: NetworkApplied) -> Result<(), StoreError>;

    /// A node's data path has no room for what it was to have; nothing was changed on it.
    async fn network_refused(&self, refused: NetworkRefused) -> Result<(), StoreError>;

    /// A node found these things of its network changed by somebody else, and has put them right.
    async fn network_repaired(&self, repairs: Vec<Repaired>) -> Result<(), StoreError>;

    /// The program that has this interface has ended, and nothing runs on it any more.
    async fn program_ended(&self, interface: &NetworkInterface) -> Result<(), StoreError>;

    /// What became of a build's archive. `false`: the build is gone, and its files can go.
    async fn build_unpacked(&self, build: &Build, outcome: Unpacked) -> Result<bool, StoreError>;

    /// The files of these blobs, which nothing names any more, are gone.
    async fn blobs_removed(&self, blobs: &[BlobId]) -> Result<(), StoreError>;

    /// How far a node has come with a fleet.
    async fn fleet(&self, fleet: &FleetAt, report: FleetReport) -> Result<(), StoreError>;

    /// A number for a build's installer, which no instance has: users are counted from it.
    async fn installer_number(&self) -> Result<u32, StoreError>;

    /// Events of one run of an instance's supervisor, in order. `incarnation` is which run; those
    /// that were reported before count once.
    async fn instance_events(
        &self,
        instance: &InstanceAt,
        incarnation: &str,
        events: Vec<InstanceEvent>,
    ) -> Result<(), StoreError>;

    /// What keeps an instance from running, as a sentence.
    async fn instance_hindered(&self, fleet: &FleetAt, message: String) -> Result<(), StoreError>;

    /// No process of an instance that was to end is left.
    async fn instance_ended(&self, instance: &InstanceAt) -> Result<(), StoreError>;

    /// An instance that has ended has no interface any more either: nothing of it is left.
    async fn instance_released(&self, instance: &InstanceAt) -> Result<(), StoreError>;
}

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

/// Decides what follows from each report of a host.
pub(crate) struct Decided {
    pub(crate) context: Context,
    pub(crate) host: HostId,
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

#[async_trait(?Send)]
impl Reports for Decided {
    async fn host(&self, label: &str, boot: &BootId) -> Result<(), StoreError> {
        let report = ReportedHost {
            id: self.host.clone(),
            label: label.to_owned(),
            boot: boot.clone(),
        };
        transact(&self.context.store, async |tx| {
            put_report(tx, &report).await
        })
        .await
    }

    async fn network_applied(&self, applied: NetworkApplied) -> Result<(), StoreError> {
        peering::applied(&self.context, &self.host, applied).await
    }

    async fn network_refused(&self, refused: NetworkRefused) -> Result<(), StoreError> {
        peering::refused(&self.context, &self.host, refused).await
    }

    async fn network_repaired(&self, repairs: Vec<Repaired>) -> Result<(), StoreError> {
        repair::record(&self.context, repairs).await
    }

    async fn program_ended(&self, interface: &NetworkInterface) -> Result<(), StoreError> {
        expiry::program_ended(&self.context, interface).await
    }

    async fn build_unpacked(&self, build: &Build, outcome: Unpacked) -> Result<bool, StoreError> {
        build::unpacked(&self.context, &self.host, build, outcome).await
    }

    async fn blobs_removed(&self, blobs: &[BlobId]) -> Result<(), StoreError> {
        build::forget_blobs(&self.context, blobs).await
    }

    async fn fleet(&self, fleet: &FleetAt, report: FleetReport) -> Result<(), StoreError> {
        fleet::reported(&self.context, &self.host, fleet, report).await
    }

    async fn installer_number(&self) -> Result<u32, StoreError> {
        fleet::installer_number(&self.context).await
    }

    async fn instance_events(
        &self,
        instance: &InstanceAt,
        incarnation: &str,
        events: Vec<InstanceEvent>,
    ) -> Result<(), StoreError> {
        fleet::instance::events(&self.context, &self.host, instance, incarnation, &events).await
    }

    async fn instance_hindered(&self, fleet: &FleetAt, message: String) -> Result<(), StoreError> {
        fleet::instance::hindered(&self.context, fleet, message).await
    }

    async fn instance_ended(&self, instance: &InstanceAt) -> Result<(), StoreError> {
        fleet::instance::ended(&self.context, &self.host, instance).await
    }

    async fn instance_released(&self, instance: &InstanceAt) -> Result<(), StoreError> {
        fleet::instance::released(&self.context, &self.host, instance).await
    }
}
