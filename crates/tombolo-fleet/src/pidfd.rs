//! Processes by descriptors that stay with them when their numbers are used again
//! (`pidfd_open(2)`).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use procfs::ProcError;
use procfs::process::Process;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

/// A process that went away while `/proc` was read.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// When a process started, in clock ticks since the machine's start (`proc_pid_stat(5)`, field
/// 22): with its number, this tells it from a later process that has the same number.
pub fn start_ticks(pid: i32) -> io::Result<u64> {
    let stat = Process::new(pid).and_then(|process| process.stat());
    stat.map(|stat| stat.starttime).map_err(into_io)
}

/// What the kernel said. A process that has ended is `NotFound`, or ESRCH.
fn into_io(error: ProcError) -> io::Error {
    match error {
        ProcError::Io(source, _) => source,
        ProcError::NotFound(_) => io::Error::new(io::ErrorKind::NotFound, error),
        ProcError::PermissionDenied(_) => io::Error::new(io::ErrorKind::PermissionDenied, error),
        error => io::Error::other(error),
    }
}

/// Whether the process that had number `pid` and started at `started` still runs. One that has
/// ended and was not reaped yet does not; one that cannot be asked for counts as running.
pub fn process_runs(pid: i32, started: u64) -> bool {
    PidFd::open_started(pid, started).map_or(true, |process| process.is_some())
}

/// A process, by a descriptor of its own.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// A handle on process `pid`, or `None` when there is none.
    pub(crate) fn open(pid: i32) -> io::Result<Option<Self>> {
        // 0 and the negative numbers of kill(2) are no processes.
        let Some(pid) = Pid::from_raw(pid.max(0)) else {
            return Ok(None);
        };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(PidFd(fd))),
            Err(Errno::SRCH) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// A handle on the process that has number `pid` and started at `started`, in
    /// [`start_ticks`], or `None` when it has ended, reaped or not.
    pub fn open_started(pid: i32, started: u64) -> io::Result<Option<Self>> {
        Self::open_if(pid, started, start_ticks)
    }

    /// As [`open_started`](Self::open_started), with `ticks` to say when the process that has a number
    /// started.
    fn open_if(
        pid: i32,
        started: u64,
        ticks: impl FnOnce(i32) -> io::Result<u64>,
    ) -> io::Result<Option<Self>> {
        let Some(process) = Self::open(pid)? else {
            return Ok(None);
        };
        // Read after the handle is held: equal ticks prove that the handle is on this process and
        // not on one that took its number.
        match ticks(pid) {
            Ok(ticks) if ticks == started && !process.has_ended()? => Ok(Some(process)),
            Ok(_) => Ok(None),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends `signal`; a process that has ended already is no error.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let signal = rustix::process::Signal::from_named_raw(signal as i32).ok_or(Errno::INVAL)?;
        match pidfd_send_signal(&self.0, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
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
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process that runs until it is ended, its pid, and when it started.
    fn process() -> (Child, i32, u64) {
        let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id().try_into().unwrap();
        (child, pid, start_ticks(pid).unwrap())
    }

    fn end(mut child: Child) {
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn who_started_at_another_time_is_another_process() {
        let (child, pid, started) = process();
        assert!(PidFd::open_started(pid, started).unwrap().is_some());
        assert!(PidFd::open_started(pid, started + 1).unwrap().is_none());
        end(child);
        assert!(PidFd::open_started(pid, started).unwrap().is_none());
    }

    /// The process ends, and its number is free, after it was found and before it is compared. Had it
    /// been compared first, what is opened then would be whatever has the number next.
    #[test]
    fn a_process_that_ends_while_it_is_compared_is_not_mistaken_for_who_gets_its_number() {
        let (child, pid, started) = process();
        let opened = PidFd::open_if(pid, started, |pid| {
            end(child);
            assert!(start_ticks(pid).is_err_and(|error| is_gone(&error)));
            Ok(started)
        });
        assert!(opened.unwrap().is_none());
    }

    #[test]
    fn a_signal_is_for_the_process_that_was_opened_also_when_it_is_gone() {
        let (child, pid, started) = process();
        let opened = PidFd::open_started(pid, started).unwrap().unwrap();
        end(child);
        opened.signal(Signal::SIGKILL).unwrap();
        assert!(opened.has_ended().unwrap());
    }
}
