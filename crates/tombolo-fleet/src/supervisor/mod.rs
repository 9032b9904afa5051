//! The first process of an instance's PID namespace.
//!
//! `tombolo instance-supervisor SPEC` becomes it, in three processes:
//!
//! 1. the **starter**, a child of the control plane, checks the spec, takes the instance's lock,
//!    and waits for the third process to say that it is up, or why not: its own exit code;
//! 2. the **intermediate** leaves the session, enters the namespaces and forks, so that what
//!    follows has no parent that could wait for it;
//! 3. the **supervisor** binds the control socket, builds the mount view, tells the starter, and
//!    from then on does nothing but `poll(2)`: one thread, no runtime, since a machine may have a
//!    hundred of it.
//!
//! In that loop ([`run`]) it reaps and starts processes ([`processes`], [`process`]), moves their
//! output into logs ([`stream`], [`output`]) and answers the control plane ([`clients`],
//! [`event_log`]). An instance whose work is to install a build runs one script instead
//! ([`install`], [`overlay_export`]).
//!
//! The supervisor holds the lock (`flock(2)` on `lock` in the instance's directory) for as long as
//! it lives, which is what keeps an instance from being started twice.

mod children;
mod clients;
mod clock;
mod detach;
mod event_log;
mod install;
mod launch;
mod log_collection;
mod output;
mod overlay_export;
mod process;
mod processes;
mod restart_backoff;
mod run;
mod stream;
mod usage;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tombolo_domain::error_chain;

use crate::api::control::{PROTOCOL, path_of};
use crate::api::format::InstanceFile;
use crate::api::incarnation::{Incarnation, SupervisorState, try_lock};
use crate::api::spec::{InstanceSpec, SpecError, Work};
use crate::cgroup::Cgroup;
use crate::sandbox::Sandbox;
use crate::step::{Doing, StepError};
use detach::{Side, Starter};
use overlay_export::Destination;
use run::Supervisor;

/// The subcommand that [`main`] is behind: `tombolo instance-supervisor SPEC`.
pub const SUBCOMMAND: &str = "instance-supervisor";

/// The starter's exit code when the instance has a supervisor already.
pub(crate) const ALREADY_RUNNING: u8 = 3;

/// How long the processes of an earlier supervisor, killed just now, may take to be gone.
const EARLIER_SUPERVISOR_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the instance that the file at `spec_path` describes, and returns when its supervisor is
/// up. Call it first in `main`: it forks, and a user namespace can only be entered by a process
/// that has one thread.
///
/// It returns in each of the processes that it becomes; return its result from `main` in all of
/// them. Exit codes of the starter: 0 up, 3 the instance runs already, 1 anything else, with the
/// reason on stderr.
pub fn main(spec_path: &Path) -> ExitCode {
    match start(spec_path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(match error {
                BeginError::AlreadyRunning { .. } => ALREADY_RUNNING,
                _ => 1,
            })
        }
    }
}

/// Why no supervisor came up.
#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error("the instance in {directory:?} runs already; attach to it, or stop it first")]
    AlreadyRunning { directory: PathBuf },
    #[error("{}", error_chain(.0))]
    Spec(#[from] SpecError),
    #[error("{}", .0.report())]
    Step(#[from] StepError),
    /// The supervisor's own words, sent through the starter's pipe.
    #[error("{0}")]
    Supervisor(String),
}

fn start(spec_path: &Path) -> Result<(), BeginError> {
    detach::keep_inherited_descriptors_from_programs();
    let spec = InstanceSpec::read_at(spec_path)
        .doing(|| format!("reading the instance's spec {}", spec_path.display()))?;
    spec.check()?;
    let lock = claim(&spec.directory)?;
    Cgroup::enable(&spec.sandbox.limits)?;
    match detach::detach(&spec)? {
        Side::Starter(Ok(())) => Ok(()),
        Side::Starter(Err(reason)) => Err(BeginError::Supervisor(reason)),
        Side::Supervisor(starter) => {
            supervise(&spec, lock, starter);
            Ok(())
        }
    }
}

/// Takes the instance's lock, and waits until nothing of an earlier supervisor is left.
fn claim(directory: &Path) -> Result<File, BeginError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .doing(|| format!("making the instance's directory {}", directory.display()))?;
    let lock = try_lock(directory).doing(|| format!("locking {}", directory.display()))?;
    let Some(lock) = lock else {
        return Err(BeginError::AlreadyRunning {
            directory: directory.to_owned(),
        });
    };
    // A supervisor that is being killed loses its lock a moment before its children are gone.
    wait_for_earlier(directory).doing(|| {
        format!(
            "waiting for the earlier supervisor of {} to end",
            directory.display()
        )
    })?;
    Ok(lock)
}

fn wait_for_earlier(directory: &Path) -> io::Result<()> {
    let Some(earlier) = SupervisorState::find(directory)? else {
        return Ok(());
    };
    let earlier = earlier.incarnation;
    let Some(process) = earlier.open()? else {
        return Ok(());
    };
    if process.ends_within(EARLIER_SUPERVISOR_TIMEOUT)? {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("process {} lives on", earlier.pid),
        ))
    }
}

/// The supervisor's whole life. It keeps the `lock` to its end.
fn supervise(spec: &InstanceSpec, lock: File, starter: Starter) {
    match prepare(spec) {
        Ok(supervisor) => {
            starter.up();
            supervisor.run();
        }
        Err(error) => {
            // Before the starter is answered, so that the control plane can start another at once.
            // Should that fail, the lock ends with this process, an instant later.
            let _ = lock.unlock();
            starter.failed(&error.report());
        }
    }
}

/// Everything between the fork and the first server process.
fn prepare(spec: &InstanceSpec) -> Result<Supervisor, StepError> {
    let logs = &spec.logs;
    fs::create_dir_all(logs).doing(|| format!("making the log directory {}", logs.display()))?;
    // What follows is looked up while the host's paths still mean something, and used by
    // descriptor after the mount view has replaced them.
    let outputs = output::Outputs::open(logs)?;
    let directory = File::open(&spec.directory).doing(|| {
        format!(
            "opening the instance's directory {}",
            spec.directory.display()
        )
    })?;
    let incarnation =
        Incarnation::of_this_process().doing(|| "reading this process's /proc/self".into())?;
    let clients = clients::Clients::listen(&directory)?;
    detach::leave_standard_streams(&spec.directory)?;
    let destination = match &spec.work {
        Work::Serve(_) => None,
        Work::Install { into } => Some(Destination::open(into, &directory)?),
    };
    let sandbox = Sandbox::enter(spec, incarnation.pid)?;
    // Last, so that a client never connects to an instance that fails to start.
    let state = SupervisorState {
        incarnation,
        protocol: PROTOCOL,
    };
    state.write(&path_of(&directory)).doing(|| {
        format!(
            "writing the supervisor's state to {}",
            spec.directory.display()
        )
    })?;
    Supervisor::new(spec, directory, clients, outputs, sandbox, destination)
}
