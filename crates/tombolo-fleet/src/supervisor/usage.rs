//! What the processes of the instance use, by its own `/proc` (`proc_pid_stat(5)`).

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, Uid, setresuid};
use procfs::ProcResult;
use procfs::process::{Process, Stat, Status};

use super::child::in_child;

/// How many times a user's processes are killed: those that are forking just then take another one,
/// and those that were killed are there until they are reaped.
const KILL_ROUNDS: u32 = 2;

/// A user that no process of an instance is.
const NOBODY: u32 = 65_534;

/// A process of the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its process id.
    pub(super) pid: i32,
    /// The user that it runs as, by its real id.
    pub(super) user: u32,
    /// Its process group.
    pub(super) group: i32,
    /// CPU time, with that of the children that it has waited for, in microseconds.
    pub(super) cpu_usec: u64,
    /// Resident memory, in bytes.
    pub(super) memory_bytes: u64,
}

/// Every process that the instance has at the moment, but its first.
pub(super) fn look() -> Vec<Seen> {
    let Ok(processes) = procfs::process::all_processes() else {
        return Vec::new();
    };
    processes
        // One that ended meanwhile is not there any more.
        .filter_map(|process| seen(&process.ok()?).ok())
        .filter(|seen| seen.pid != 1)
        .collect()
}

/// Kills every process of `user`, who is one server process's alone: what a dead server has started
/// outside of its own process group.
///
/// What forks all the time is somebody else whenever it is looked for. So the kernel is asked to
/// kill all that `user` may kill (`kill(2)`, -1), which it does at once: nobody is forked meanwhile,
/// and who has its signal forks no more.
pub(super) fn end_all_of(user: u32) {
    let killer = in_child(&[], || kill_all_as(user).map_or(1, |()| 0));
    let is_done = killer.and_then(|killer| waitpid(killer, None));
    if !matches!(is_done, Ok(WaitStatus::Exited(_, 0))) {
        end_one_by_one(user);
    }
}

/// Becomes somebody whom `user` cannot kill, and kills as `user` all that there are.
fn kill_all_as(user: u32) -> nix::Result<()> {
    let nobody = Uid::from_raw(NOBODY);
    setresuid(nobody, Uid::from_raw(user), nobody)?;
    match kill(Pid::from_raw(-1), Signal::SIGKILL) {
        // There is none that it may kill.
        Ok(()) | Err(Errno::ESRCH | Errno::EPERM) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// For want of a process to do it at once.
fn end_one_by_one(user: u32) {
    for _ in 0..KILL_ROUNDS {
        let mut is_any = false;
        for seen in look().iter().filter(|seen| seen.user == user) {
            is_any |= kill(Pid::from_raw(seen.pid), Signal::SIGKILL).is_ok();
        }
        if !is_any {
            return;
        }
    }
}

fn seen(process: &Process) -> ProcResult<Seen> {
    let (stat, status) = (process.stat()?, process.status()?);
    Ok(of(&stat, &status))
}

fn of(stat: &Stat, status: &Status) -> Seen {
    let waited_for = [stat.cutime, stat.cstime].map(|ticks| u64::try_from(ticks).unwrap_or(0));
    let ticks = stat.utime + stat.stime + waited_for.iter().sum::<u64>();
    Seen {
        pid: stat.pid,
        user: status.ruid,
        group: stat.pgrp,
        cpu_usec: ticks.saturating_mul(1_000_000) / procfs::ticks_per_second(),
        memory_bytes: stat.rss.saturating_mul(procfs::page_size()),
    }
}

#[cfg(test)]
mod tests {
    use procfs::FromRead;

    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_calls_itself() {
        let stat = "17 (a) R 1 (b) S 1 42 17 0 -1 4194560 100 0 0 0 150 50 10 5 20 0 3 0 1234 \
                    10000000 300 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 0 0 0 0 0 0 0 0 \
                    0 0 0 0 0 0\n";
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let status: String = status
            .lines()
            .map(|line| match line.split_once(':') {
                Some(("Name", _)) => "Name:\ta) R 1 (b\n".to_owned(),
                Some(("Uid", _)) => "Uid:\t1879048200\t0\t0\t0\n".to_owned(),
                _ => format!("{line}\n"),
            })
            .collect();
        let seen = of(
            &Stat::from_read(stat.as_bytes()).unwrap(),
            &Status::from_read(status.as_bytes()).unwrap(),
        );
        let expected = Seen {
            pid: 17,
            user: 1_879_048_200,
            group: 42,
            cpu_usec: 215 * 1_000_000 / procfs::ticks_per_second(),
            memory_bytes: 300 * procfs::page_size(),
        };
        assert_eq!(seen, expected);
    }
}
