//! Telling one supervisor's process from every other, also when its process id is used again.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::format::InstanceFile;

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
        handle(self.pid, self.start_ticks)
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

/// A process that went away while `/proc` was read.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim_end()
        .to_owned())
}

/// When a process started, in clock ticks since the machine's start (`proc_pid_stat(5)`, field
/// 22): with its number, this tells it from a later process that has the same number.
pub fn start_ticks(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses, which may hold anything, so that the
    // fields are counted from its end: field 22 is the 20th after it.
    let ticks = stat
        .rsplit_once(')')
        .and_then(|(_, fields)| fields.split_whitespace().nth(19));
    ticks
        .and_then(|ticks| ticks.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat has no start time: {stat:?}")))
}

/// Whether the process that had number `pid` and started at `started` still runs. One that has
/// ended and was not reaped yet does not; one that cannot be asked for counts as running.
pub fn process_runs(pid: i32, started: u64) -> bool {
    handle(pid, started).map_or(true, |process| process.is_some())
}

/// A handle on the process that has number `pid` and started at `started`, or `None` when it has
/// ended.
fn handle(pid: i32, started: u64) -> io::Result<Option<PidFd>> {
    let Some(process) = PidFd::open(pid)? else {
        return Ok(None);
    };
    // Read after the handle is held: equal ticks prove that the handle is on this process and not
    // on one that took its number.
    match start_ticks(pid) {
        Ok(ticks) if ticks == started && !process.has_ended()? => Ok(Some(process)),
        Ok(_) => Ok(None),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A process, by a descriptor that stays with it when its number is used again (`pidfd_open(2)`).
#[derive(Debug)]
pub(crate) struct PidFd(OwnedFd);

impl PidFd {
    /// A handle on process `pid`, or `None` when there is none.
    pub(crate) fn open(pid: i32) -> io::Result<Option<Self>> {
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        match Errno::result(fd) {
            // SAFETY: the kernel just gave us this descriptor, and nothing else owns it.
            Ok(fd) => Ok(Some(PidFd(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))),
            Err(Errno::ESRCH) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Sends `signal`; a process that has ended already is no error.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        // SAFETY: a null siginfo is what the call documents for "as kill(2) would"; the rest are
        // integers.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal as libc::c_int,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        match Errno::result(sent) {
            Ok(_) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether the process has ended. For the first process of a PID namespace the kernel says so
    /// only after every other process of the namespace is gone.
    pub(crate) fn has_ended(&self) -> io::Result<bool> {
        self.ends_within(Duration::ZERO)
    }

    /// Waits for the process to end, at most `limit`, and tells whether it did.
    pub(crate) fn ends_within(&self, limit: Duration) -> io::Result<bool> {
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut fds, timeout)? > 0)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for PidFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
