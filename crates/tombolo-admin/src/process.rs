//! Processes of this machine, named so that a pid used again is not mistaken.

use std::io;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tombolo_fleet::{PidFd, start_ticks};

/// A process: its pid, and when it started in clock ticks since boot (field 22 of
/// `/proc/PID/stat`, proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The pid.
    pub pid: i32,
    /// When it started.
    pub start_time: u64,
}

impl ProcessIdentity {
    /// This process.
    pub fn this() -> io::Result<Self> {
        let pid = Pid::this().as_raw();
        let start_time = start_ticks(pid).map_err(|error| {
            let reason = format!("/proc has no entry for this process ({error}); is it mounted?");
            io::Error::new(error.kind(), reason)
        })?;
        Ok(ProcessIdentity { pid, start_time })
    }

    /// Whether it still runs; one that has ended and was not waited for does not.
    pub fn is_alive(self) -> io::Result<bool> {
        Ok(self.open()?.is_some())
    }

    /// Sends it a signal; no error if it is gone. Never hits a later process of the same pid.
    pub fn signal(self, signal: Signal) -> io::Result<()> {
        match self.open()? {
            Some(process) => process.signal(signal),
            None => Ok(()),
        }
    }

    fn open(self) -> io::Result<Option<PidFd>> {
        PidFd::open_started(self.pid, self.start_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_one_that_started_at_another_time_is_not() {
        let this = ProcessIdentity::this().unwrap();
        assert!(this.is_alive().unwrap());
        let other = ProcessIdentity {
            start_time: this.start_time + 1,
            ..this
        };
        assert!(!other.is_alive().unwrap());
    }

    #[test]
    fn a_process_that_ended_and_was_not_waited_for_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id().try_into().unwrap();
        let start_time = start_ticks(pid).unwrap();
        let process = ProcessIdentity { pid, start_time };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while process.is_alive().unwrap() {
            assert!(std::time::Instant::now() < deadline, "`true` did not end");
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
