//! What the processes of the instance use, by its own `/proc` (`proc_pid_stat(5)`).

use procfs::ProcResult;
use procfs::process::{Process, Stat, Status};

/// A process of the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessUsage {
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
pub(super) fn measure() -> Vec<ProcessUsage> {
    let Ok(processes) = procfs::process::all_processes() else {
        return Vec::new();
    };
    processes
        // One that ended meanwhile is not there any more.
        .filter_map(|process| usage_of(&process.ok()?).ok())
        .filter(|usage| usage.pid != 1)
        .collect()
}

fn usage_of(process: &Process) -> ProcResult<ProcessUsage> {
    let (stat, status) = (process.stat()?, process.status()?);
    Ok(from_proc(&stat, &status))
}

fn from_proc(stat: &Stat, status: &Status) -> ProcessUsage {
    let waited_for = [stat.cutime, stat.cstime].map(|ticks| u64::try_from(ticks).unwrap_or(0));
    let ticks = stat.utime + stat.stime + waited_for.iter().sum::<u64>();
    ProcessUsage {
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
        let usage = from_proc(
            &Stat::from_read(stat.as_bytes()).unwrap(),
            &Status::from_read(status.as_bytes()).unwrap(),
        );
        let expected = ProcessUsage {
            pid: 17,
            user: 1_879_048_200,
            group: 42,
            cpu_usec: 215 * 1_000_000 / procfs::ticks_per_second(),
            memory_bytes: 300 * procfs::page_size(),
        };
        assert_eq!(usage, expected);
    }
}
