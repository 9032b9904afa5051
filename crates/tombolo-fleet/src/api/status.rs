//! What an instance runs and uses, at one moment.

use serde::{Deserialize, Serialize};

use crate::api::event::Exit;

/// What the supervisor tells of its instance when it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// The server processes, in the order of the runtime configuration; then those that it no
    /// longer names and that have not ended yet.
    pub processes: Vec<ProcessStatus>,
    /// What the instance as a whole uses, by its cgroup; `None` where it has none.
    pub usage: Option<Usage>,
}

/// What an instance uses of what it may use, supervisor and file systems in memory included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// CPU time since the instance started, in microseconds.
    pub cpu_usec: Option<u64>,
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// The most memory that it may use, in bytes; `None` is no limit.
    pub memory_limit: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// The most processes and threads that it may have; `None` is no limit.
    pub processes_limit: Option<u64>,
}

/// One server process: one concurrent execution of a program of the runtime configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// `PROGRAM-N`, as in events and as its log is named.
    pub name: String,
    /// The program, a path under `/local/game`.
    pub launch_path: String,
    /// Its process id inside the instance's PID namespace, if it runs.
    pub pid: Option<i32>,
    /// What it is doing.
    pub state: ProcessState,
    /// Since when it runs, or since when it does not, by the machine's clock, in milliseconds since
    /// the Unix epoch.
    pub since_unix_ms: u64,
    /// How often it was started again since the supervisor started.
    pub restarts: u64,
    /// How its last run ended.
    pub last_exit: Option<Exit>,
    /// CPU time of this run, helpers included, in microseconds. A helper that has ended counts if
    /// the process waited for it.
    pub cpu_usec: u64,
    /// Resident memory, helpers included, in bytes. A page that several processes share counts for
    /// each of them.
    pub memory_bytes: u64,
}

/// What a server process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// It runs, not yet for long enough to count as healthy.
    Starting,
    /// It runs, and has for long enough.
    Healthy,
    /// It ended, and is started again after a wait.
    Waiting,
    /// It was sent SIGTERM for a new runtime configuration, and has not ended yet.
    Ending,
    /// It cannot be started, and is not tried again.
    GivenUp,
}
