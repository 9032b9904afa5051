//! Which supervisor an instance has: the lock that it holds, and the state file that tells its process
//! from every other one, also when its process id is used again.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::format::InstanceFile;
use crate::pidfd::{PidFd, start_ticks};

/// One run of a supervisor: event numbers count within it. Its text is kept in the store, to be
/// compared with that of a supervisor that is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    /// The supervisor's process id on the host.
    pub pid: i32,
    /// When it started, in clock ticks since the machine's start (`proc_pid_stat(5)`, field 22).
    pub start_ticks: u64,
    /// The machine's start that the ticks count from (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.pid, self.start_ticks, self.boot_id)
    }
}

impl Incarnation {
    /// This process, as the `/proc` that it sees numbers it: the host's, until the supervisor has
    /// left for its own mount view.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        let pid = fs::read_link("/proc/self")?;
        let pid = pid.to_str().and_then(|pid| pid.parse().ok());
        let pid = pid.ok_or_else(|| io::Error::other("/proc/self does not name a process"))?;
        Ok(Incarnation {
            pid,
            start_ticks: start_ticks(pid)?,
            boot_id: boot_id()?,
        })
    }

    /// A handle on the process, or `None` when it has ended.
    pub(crate) fn open(&self) -> io::Result<Option<PidFd>> {
        if boot_id()? != self.boot_id {
            return Ok(None);
        }
        PidFd::open_started(self.pid, self.start_ticks)
    }
}

/// What a supervisor says of itself, in `supervisor.json` in the instance's directory, for as long
/// as it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SupervisorState {
    /// Which process it is.
    #[serde(flatten)]
    pub(crate) incarnation: Incarnation,
    /// The version of the [control protocol](super::control) that it speaks.
    pub(crate) protocol: u32,
}

/// Version 1 adds `protocol`, which was version 0 of it before.
impl InstanceFile for SupervisorState {
    const NAME: &'static str = "supervisor.json";
    const VERSION: u32 = 1;
    const REMEDY: &'static str =
        "end the instance's supervisor if it runs, by its process id, then remove the file";

    fn migrate(_from: u32, mut file: Value) -> Value {
        if let Value::Object(members) = &mut file {
            members.insert("protocol".to_owned(), 0.into());
        }
        file
    }
}

impl SupervisorState {
    /// The supervisor that last said it runs the instance in `directory`.
    pub(crate) fn find(directory: &Path) -> io::Result<Option<Self>> {
        match Self::read(directory) {
            Ok(state) => Ok(Some(state)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim_end()
        .to_owned())
}

/// Takes the lock of the instance in `directory` (`flock(2)` on its file `lock`), or returns `None`
/// when another process holds it. It lasts until it is unlocked, or until the file is closed in every
/// process that inherited it, among them, for a moment, each that another thread is just starting.
pub(crate) fn try_lock(directory: &Path) -> io::Result<Option<File>> {
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(directory.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a process holds the lock of the instance in `directory`: its supervisor, or one that is
/// on its way up.
pub(crate) fn is_locked(directory: &Path) -> io::Result<bool> {
    let lock = match File::open(directory.join("lock")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        Ok(()) => lock.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::sys::signal::Signal;

    use super::*;
    use crate::pidfd::process_runs;

    #[test]
    fn this_process_is_found_and_a_process_of_another_time_is_not() {
        let this = Incarnation::of_this_process().unwrap();
        assert_eq!(this.pid as u32, std::process::id());
        assert!(this.open().unwrap().is_some());
        assert!(process_runs(this.pid, this.start_ticks));
        assert!(!process_runs(this.pid, this.start_ticks - 1));
        let earlier = Incarnation {
            start_ticks: this.start_ticks - 1,
            ..this.clone()
        };
        assert!(earlier.open().unwrap().is_none());
        let other_boot = Incarnation {
            boot_id: "another".into(),
            ..this
        };
        assert!(other_boot.open().unwrap().is_none());
    }

    #[test]
    fn a_process_that_ended_is_not_found_even_before_it_is_reaped() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        let incarnation = Incarnation {
            pid,
            start_ticks: start_ticks(pid).unwrap(),
            boot_id: boot_id().unwrap(),
        };
        let handle = incarnation.open().unwrap().expect("it runs");
        handle.signal(Signal::SIGKILL).unwrap();
        assert!(handle.ends_within(Duration::from_secs(10)).unwrap());
        assert!(incarnation.open().unwrap().is_none());
        assert!(!process_runs(pid, incarnation.start_ticks));
        child.wait().unwrap();
    }

    #[test]
    fn one_holds_it_until_it_is_unlocked() {
        let directory = tempfile::tempdir().unwrap();
        let lock = try_lock(directory.path()).unwrap().unwrap();
        assert!(try_lock(directory.path()).unwrap().is_none());
        assert!(is_locked(directory.path()).unwrap());
        lock.unlock().unwrap();
        assert!(!is_locked(directory.path()).unwrap());
        assert!(try_lock(directory.path()).unwrap().is_some());
    }
}
