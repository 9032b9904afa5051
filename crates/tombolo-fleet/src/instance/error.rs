//! What can go wrong with an instance.

use std::io;
use std::path::PathBuf;

use super::{KILL_TIMEOUT, START_TIMEOUT};
use crate::api::spec::SpecError;
use crate::supervisor::SUBCOMMAND;

/// Why an instance did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It has a supervisor, or one is starting just now: attach to it.
    #[error("the instance in {directory:?} runs already; attach to it, or stop it first")]
    AlreadyRunning {
        /// The instance's directory.
        directory: PathBuf,
    },
    /// The spec can never start.
    #[error("the instance's spec is refused")]
    Spec(#[from] SpecError),
    /// The spec could not be written.
    #[error("writing the instance's spec to {directory:?}")]
    WriteSpec {
        /// The instance's directory.
        directory: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program that becomes the supervisor could not be run.
    #[error("running {binary:?} {SUBCOMMAND}")]
    Run {
        /// The program.
        binary: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Nothing was heard of the supervisor: it hangs in a system call, on a file system perhaps.
    #[error(
        "the instance's supervisor was not up after {START_TIMEOUT:?}; look for a process `instance-supervisor` in state D"
    )]
    TimedOut,
    /// The supervisor said why it could not come up, with what to do about it.
    #[error("the instance's supervisor did not come up: {reason}")]
    Supervisor {
        /// Its words.
        reason: String,
    },
    /// It came up, and was gone when this process turned to it.
    #[error(
        "the instance's supervisor came up and ended at once; see supervisor.log in {directory:?}"
    )]
    Gone {
        /// The instance's directory.
        directory: PathBuf,
    },
    /// It came up and cannot be reached.
    #[error(transparent)]
    Attach(#[from] AttachError),
}

/// Why it is unknown whether an instance runs.
#[derive(Debug, thiserror::Error)]
#[error("looking for the supervisor of the instance in {directory:?}")]
pub struct AttachError {
    pub(super) directory: PathBuf,
    pub(super) source: io::Error,
}

/// A supervisor that could not be talked to. When the instance has ended meanwhile,
/// [`Instance::is_alive`](super::Instance::is_alive) is false.
#[derive(Debug, thiserror::Error)]
#[error("talking to the supervisor of the instance in {directory:?}")]
pub struct ControlError {
    pub(super) directory: PathBuf,
    pub(super) source: io::Error,
}

/// An instance that could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The kernel refused the kill, or the wait for it.
    #[error("killing the supervisor (process {pid}) of the instance in {directory:?}")]
    Kill {
        /// The supervisor's process id.
        pid: i32,
        /// The instance's directory.
        directory: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Every process was killed, and one is still there: it hangs in a system call.
    #[error(
        "the processes of the instance in {directory:?} were killed and are not gone after {KILL_TIMEOUT:?}; one hangs in the kernel: look for state D under process {pid}"
    )]
    Hangs {
        /// The supervisor's process id.
        pid: i32,
        /// The instance's directory.
        directory: PathBuf,
    },
    /// It is ended, and its control socket or state file could not be removed.
    #[error("removing what the ended instance left in {directory:?}")]
    Remove {
        /// The instance's directory.
        directory: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Why the server processes of an instance are what they were.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// They could never run.
    #[error("the runtime configuration is refused")]
    Spec(#[from] SpecError),
    /// It could not be kept for the next start.
    #[error("writing the runtime configuration to the spec in {directory:?}")]
    WriteSpec {
        /// The instance's directory.
        directory: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The running supervisor cannot be reached. The next one reads the configuration when it
    /// starts.
    #[error(transparent)]
    Control(#[from] ControlError),
}
