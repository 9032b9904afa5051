//! The specification of an instance.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{FleetId, InstanceId};

use super::format::InstanceFile;
use crate::api::argument_splitting::{UnclosedQuote, split_parameters};

/// Where a build's files are in an instance, as on GameLift's Linux instances. Read-only.
pub const GAME_DIRECTORY: &str = "/local/game";

/// What of a root file system server processes see, where it is there. Without `/etc`, which they
/// have one of their own of.
pub(crate) const PROGRAMS: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// The home directory of the server processes: an empty file system in memory, writable, shared by
/// the processes of one instance, gone with it.
pub const HOME_DIRECTORY: &str = "/local/home";

/// The most server processes of one instance.
pub const MAX_PROCESSES: u64 = tombolo_domain::fleet::MAX_PROCESSES as u64;

/// How many slots for server processes an instance has, each with a user of its own: more than
/// processes, since those of a new configuration start while those of the old one end.
pub const PROCESS_SLOTS: u32 = 64;

/// An instance: where it is, what it runs. The control plane writes it to `spec.json` in
/// [`InstanceSpec::directory`], and the supervisor reads it once. Only the owner may read the file,
/// since parameters carry secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// The instance; also its host name.
    pub instance: InstanceId,
    /// The fleet that it belongs to.
    pub fleet: FleetId,
    /// The network namespace to run in, a path for `setns(2)` such as `/run/netns/NAME`. `None`:
    /// a new one that has a loopback interface and nothing else.
    pub network_namespace: Option<PathBuf>,
    /// The imported build, seen as [`GAME_DIRECTORY`] in the instance.
    pub build: PathBuf,
    /// The instance's own directory: its spec, control socket, lock and supervisor's state. Made
    /// with mode 0700 when it is not there. No other instance may use it.
    pub directory: PathBuf,
    /// Where each server process has its `NAME.log`. Made when it is not there.
    pub logs: PathBuf,
    /// Folders of the host that no server process may see: the server's own data. They must lie
    /// outside of what is seen of the root file system.
    #[serde(default)]
    pub hidden: Vec<PathBuf>,
    /// What the build's `install.sh` changed, a folder that is laid over the build. `None`: the
    /// build has none, or this is its run.
    #[serde(default)]
    pub installed: Option<PathBuf>,
    /// What to run.
    pub work: Work,
    /// When to start a process again.
    pub restart: RestartPolicy,
    /// What server processes may do and use.
    #[serde(default)]
    pub sandbox: Sandbox,
    /// Paths in the instance whose files are kept when a server process ends, as GameLift's
    /// LogPaths.
    #[serde(default)]
    pub log_paths: Vec<String>,
}

/// What an instance is there for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// To keep server processes running.
    Serve(Vec<ServerProcess>),
    /// To run the build's `install.sh` once, and keep what it changed in the build's folder.
    Install {
        /// Where that is kept: a folder that is there whole or not at all.
        into: PathBuf,
    },
}

/// What the processes of an instance may do and use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sandbox {
    /// The user and group of the first server process; those of the next ones follow. `None`: this
    /// process's own, for want of the right to become another.
    pub first_user: Option<u32>,
    /// The bounds of the whole instance.
    pub limits: Limits,
    /// A root file system to take the place of the host's `/usr`, `/bin`, `/lib` and the like.
    pub root: Option<PathBuf>,
    /// What one server process may keep in all its own folders together, in bytes: they are in
    /// memory.
    pub tmp_bytes: u64,
    /// What `install.sh` may change in the build's folder, in bytes: it is in memory until it is
    /// kept.
    pub install_bytes: u64,
}

impl Default for Sandbox {
    fn default() -> Self {
        Sandbox {
            first_user: None,
            limits: Limits::default(),
            root: None,
            tmp_bytes: 256 << 20,
            install_bytes: 1 << 30,
        }
    }
}

/// The bounds of an instance. `None` is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Memory of all its processes together with what they write to file systems in memory, in
    /// bytes.
    pub memory_bytes: Option<u64>,
    /// Processes and threads together.
    pub processes: Option<u64>,
    /// CPU time, in thousandths of one CPU.
    pub cpu_millis: Option<u64>,
}

/// One entry of GameLift's
///
/// [`RuntimeConfiguration.ServerProcesses`](https://docs.aws.amazon.com/gamelift/latest/apireference/API_ServerProcess.html).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerProcess {
    /// The program, a path under [`GAME_DIRECTORY`].
    pub launch_path: String,
    /// Its arguments in one string, taken apart by [`split_parameters`].
    pub parameters: String,
    /// How many of it run at the same time.
    pub concurrent_executions: u32,
}

/// When a server process that ended is started again, what counts as running well, and how long one
/// that is to end may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// The longest wait before the first restart, in milliseconds. The wait is at least half of it.
    pub first_delay_ms: u64,
    /// What the wait, doubling from one restart to the next, does not grow beyond, in milliseconds.
    pub longest_delay_ms: u64,
    /// A process that ran this long, in milliseconds, starts again from `first_delay_ms`.
    pub reset_after_ms: u64,
    /// A process that ends before it ran this long, in milliseconds, exited at once; one that runs
    /// longer is healthy.
    pub healthy_after_ms: u64,
    /// How long a process that a new runtime configuration no longer names may take to end after
    /// SIGTERM, in milliseconds.
    pub grace_ms: u64,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        RestartPolicy {
            first_delay_ms: 50,
            longest_delay_ms: 30_000,
            reset_after_ms: 60_000,
            healthy_after_ms: 1_000,
            grace_ms: 30_000,
        }
    }
}

impl RestartPolicy {
    pub(crate) fn reset_after(&self) -> Duration {
        Duration::from_millis(self.reset_after_ms)
    }

    pub(crate) fn healthy_after(&self) -> Duration {
        Duration::from_millis(self.healthy_after_ms)
    }

    pub(crate) fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }
}

/// A spec that no instance can be made from.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The parameters of a server process cannot be taken apart.
    #[error("the parameters of {launch_path:?} cannot be split")]
    Parameters {
        /// The server process.
        launch_path: String,
        /// Where the quote is.
        source: UnclosedQuote,
    },
    /// More than [`MAX_PROCESSES`].
    #[error(
        "{wanted} server processes are too many for one instance; the most are {MAX_PROCESSES}"
    )]
    TooManyProcesses {
        /// All concurrent executions together.
        wanted: u64,
    },
    /// A path that the supervisor, which changes its directory, could not find again.
    #[error("{what} of an instance must be an absolute path, not {path:?}")]
    RelativePath {
        /// Which path.
        what: &'static str,
        /// What was given.
        path: PathBuf,
    },
    /// What is to be hidden lies in what server processes see.
    #[error(
        "{hidden:?} lies in {seen:?}, which server processes see; keep the server's data elsewhere, such as in /var/lib/tombolo"
    )]
    Seen {
        /// The folder to be hidden.
        hidden: PathBuf,
        /// What is seen.
        seen: PathBuf,
    },
    /// The instance's directory is where the mount view is put together, which hides a build in it.
    #[error(
        "the build {build:?} lies in the instance's own directory {directory:?}; keep builds elsewhere"
    )]
    BuildInDirectory {
        /// The build.
        build: PathBuf,
        /// The instance's directory.
        directory: PathBuf,
    },
}

impl InstanceSpec {
    /// Refuses what could never start, before anything was started.
    pub fn check(&self) -> Result<(), SpecError> {
        for (what, path) in [
            ("the build", &self.build),
            ("the directory", &self.directory),
            ("the log directory", &self.logs),
        ] {
            if !path.is_absolute() {
                return Err(SpecError::RelativePath {
                    what,
                    path: path.clone(),
                });
            }
        }
        if self.build.starts_with(&self.directory) {
            return Err(SpecError::BuildInDirectory {
                build: self.build.clone(),
                directory: self.directory.clone(),
            });
        }
        self.check_hidden()?;
        check_processes(self.processes())
    }

    /// Refuses to show the server's own data, which lies in a folder of the root file system.
    fn check_hidden(&self) -> Result<(), SpecError> {
        // Where links lead, as far as there is something.
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let root = self.sandbox.root.as_deref().unwrap_or(Path::new("/"));
        for seen in PROGRAMS.map(|name| root.join(name)) {
            let mut hidden = self.hidden.iter().chain([&self.directory]);
            if let Some(hidden) = hidden.find(|hidden| real(hidden).starts_with(real(&seen))) {
                return Err(SpecError::Seen {
                    hidden: hidden.clone(),
                    seen,
                });
            }
        }
        Ok(())
    }

    /// The server processes, which an instance that installs has none of.
    pub(crate) fn processes(&self) -> &[ServerProcess] {
        match &self.work {
            Work::Serve(processes) => processes,
            Work::Install { .. } => &[],
        }
    }
}

/// Version 1 is version 0 with its version in it.
impl InstanceFile for InstanceSpec {
    const NAME: &'static str = "spec.json";
    const VERSION: u32 = 1;
    const REMEDY: &'static str = "end the instance, and its next start writes the file anew";
}

/// Refuses server processes that could never run.
pub(crate) fn check_processes(processes: &[ServerProcess]) -> Result<(), SpecError> {
    let executions = processes.iter().map(|p| u64::from(p.concurrent_executions));
    let wanted = executions.sum();
    if wanted > MAX_PROCESSES {
        return Err(SpecError::TooManyProcesses { wanted });
    }
    for process in processes {
        process.arguments()?;
    }
    Ok(())
}

impl ServerProcess {
    /// Its parameters, taken apart.
    pub(crate) fn arguments(&self) -> Result<Vec<String>, SpecError> {
        split_parameters(&self.parameters).map_err(|source| SpecError::Parameters {
            launch_path: self.launch_path.clone(),
            source,
        })
    }
}
