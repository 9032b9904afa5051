//! What the processes of the instance use, by its own `/proc` (`proc_pid_stat(5)`).

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, SysconfVar, Uid, setresuid, sysconf};

use super::child::in_child;

/// How many times a user's processes are killed: those that are forking just then take another one,
/// and those that were killed are there until they are reaped.
const ROUNDS: u32 = 2;

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
    let units = Units::of_this_machine();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != 1)
        // One that ended meanwhile is not there any more.
        .filter_map(|pid| read(pid, units).ok().flatten())
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
    for _ in 0..ROUNDS {
        let mut is_any = false;
        for seen in look().iter().filter(|seen| seen.user == user) {
            is_any |= kill(Pid::from_raw(seen.pid), Signal::SIGKILL).is_ok();
        }
        if !is_any {
            return;
        }
    }
}

/// What the numbers of `/proc` count.
#[derive(Debug, Clone, Copy)]
struct Units {
    ticks_a_second: u64,
    page_bytes: u64,
}

impl Units {
    fn of_this_machine() -> Self {
        let ask = |what| sysconf(what).ok().flatten().and_then(|n| n.try_into().ok());
        Units {
            ticks_a_second: ask(SysconfVar::CLK_TCK).unwrap_or(100),
            page_bytes: ask(SysconfVar::PAGE_SIZE).unwrap_or(4096),
        }
    }
}

fn read(pid: i32, units: Units) -> io::Result<Option<Seen>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(parse(pid, &stat, &status, units))
}

fn parse(pid: i32, stat: &str, status: &str, units: Units) -> Option<Seen> {
    // The second field is the program's name in parentheses, which may hold anything, so that the
    // fields are counted from its end: the next one is field 3.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    let count = |field| Some(u64::try_from(number(field)?).unwrap_or(0));
    // utime, stime, and both of the children that were waited for.
    let ticks = count(14)? + count(15)? + count(16)? + count(17)?;
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    Some(Seen {
        pid,
        user: user.split_whitespace().next()?.parse().ok()?,
        group: number(5)?.try_into().ok()?,
        cpu_usec: ticks.saturating_mul(1_000_000) / units.ticks_a_second,
        memory_bytes: count(24)?.saturating_mul(units.page_bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_calls_itself() {
        let stat = "17 (a) R 1 (b) S 1 42 17 0 -1 4194560 100 0 0 0 150 50 10 5 20 0 3 0 1234 \
                    10000000 300 18446744073709551615 1 1 0 0";
        let status = "Name:\ta) R 1 (b\nUid:\t1879048200\t0\t0\t0\n";
        let units = Units {
            ticks_a_second: 100,
            page_bytes: 4096,
        };
        let expected = Seen {
            pid: 17,
            user: 1_879_048_200,
            group: 42,
            cpu_usec: 2_150_000,
            memory_bytes: 300 * 4096,
        };
        assert_eq!(parse(17, stat, status, units), Some(expected));
        assert_eq!(parse(17, "17 (cut", status, units), None);
        assert_eq!(parse(17, "17 (cut) R 1", status, units), None);
    }
}
