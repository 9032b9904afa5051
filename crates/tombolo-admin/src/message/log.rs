//! What server processes wrote.

use serde::{Deserialize, Serialize};
use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::id::{FleetId, InstanceId};

/// Shows what a fleet's server processes wrote, also those of instances that are gone.
#[derive(Debug, Serialize, Deserialize)]
pub struct FollowLogs {
    /// The fleet.
    pub fleet: FleetId,
    /// Only if it is this account's, by name or id.
    pub account: Option<String>,
    /// Only what this instance wrote.
    pub instance: Option<InstanceId>,
    /// Only what the process of this name wrote.
    pub process: Option<String>,
    /// What the build's installer wrote, too.
    pub install: bool,
    /// So many of the last lines of each process; all if not given.
    pub lines: Option<u64>,
    /// Go on with what is written from now on.
    pub follow: bool,
}

/// A part of what was asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogPart {
    /// First of all, where the fleet stands, and how many logs there are at the moment.
    Fleet {
        /// The fleet's status.
        status: FleetStatus,
        /// How many processes have written something.
        logs: usize,
    },
    /// Lines of one process, oldest first.
    Lines(LogLines),
    /// Lines of a process were lost: it wrote faster than the client read.
    Skipped(LogSource),
}

/// Lines that one process wrote.
#[derive(Debug, Serialize, Deserialize)]
pub struct LogLines {
    /// Who wrote them.
    pub source: LogSource,
    /// Without their ends. What is no UTF-8 is replaced.
    pub lines: Vec<String>,
}

/// Who wrote a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogSource {
    /// The instance's id; `install` for what the build's installer wrote.
    pub instance: String,
    /// The process's name.
    pub process: String,
}

impl LogSource {
    /// The instance of the installer.
    pub const INSTALL: &str = "install";
}
