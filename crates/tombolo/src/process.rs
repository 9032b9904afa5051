//! Processes of this machine, named so that a pid used again is not mistaken.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// A process: its pid, and when it started in clock ticks since boot (field 22 of
/// `/proc/PID/stat`, proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The pid.
    pub pid: i32,
    /// When it started.
    pub start_time: u64,
}

impl Process {
    /// This process.
    pub(crate) fn this() -> io::Result<Self> {
        let pid = Pid::this().as_raw();
        let start_time = start_time(pid)?.ok_or_else(|| {
            io::Error::other("/proc has no entry for this process; is it mounted?")
        })?;
        Ok(Process { pid, start_time })
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(self) -> io::Result<bool> {
        Ok(start_time(self.pid)? == Some(self.start_time))
    }

    /// Sends it a signal; no error if it is gone.
    pub(crate) fn signal(self, signal: Signal) -> io::Result<()> {
        // Numbers below 1 are groups of processes to kill(2).
        if self.pid < 1 || !self.is_alive()? {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), signal) {
            Err(Errno::ESRCH) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// When the process started; `None` if there is none, or only its remains: a zombie does nothing
/// any more, and only its parent, who may never, can make it go.
fn start_time(pid: i32) -> io::Result<Option<u64>> {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // The process ended between opening and reading.
        Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => return Ok(None),
        Err(error) => return Err(error),
    };
    // The second field is the program's name in parentheses, which may contain anything.
    let unreadable = || io::Error::other(format!("/proc/{pid}/stat cannot be understood"));
    let (_, rest) = stat.rsplit_once(") ").ok_or_else(unreadable)?;
    let mut fields = rest.split(' ');
    if fields.next() == Some("Z") {
        return Ok(None);
    }
    // The first of `rest` is field 3; two are taken from there to here.
    let start_time = fields.nth(22 - 4).ok_or_else(unreadable)?;
    start_time.parse().map(Some).map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_one_that_started_at_another_time_is_not() {
        let this = Process::this().unwrap();
        assert!(this.is_alive().unwrap());
        let other = Process {
            start_time: this.start_time + 1,
            ..this
        };
        assert!(!other.is_alive().unwrap());
    }

    #[test]
    fn a_process_that_ended_and_was_not_waited_for_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id().try_into().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while start_time(pid).unwrap().is_some() {
            assert!(std::time::Instant::now() < deadline, "`true` did not end");
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
