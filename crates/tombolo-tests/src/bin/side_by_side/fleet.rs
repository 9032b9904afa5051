//! Fleets: from the request to ACTIVE, what an instance costs in memory, and how soon a server
//! process that was killed is back.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tombolo_tests::aws::Client;
use tombolo_tests::dev::Dev;
use tombolo_tests::leftovers::processes_with;
use tombolo_tests::server::Server;
use tombolo_tests::{build, scenario, wait};

use crate::table::{Table, Target};

/// Sizes of fleets, and how often one of each is made. The largest comes first: the server's memory
/// is measured then, before it keeps any of an earlier one.
const SIZES: [(u32, usize); 3] = [(100, 3), (10, 3), (1, 5)];

/// How many server processes are killed, each for the first time.
const CRASHES: u32 = 40;

/// How long anything may take.
const FLEET_TIMEOUT: Duration = Duration::from_secs(120);

/// A server process that waits, and has its parameters on its command line.
const SERVER: &str = "#!/bin/sh\nwhile sleep 3600; do :; done\n";

/// Measures it.
pub(crate) fn measure(table: &mut Table) {
    let server = Dev::start();
    let studio = server.studio();
    let build = build::import(&server, &[("server", SERVER)]);
    for (size, turns) in SIZES {
        let mut seconds: Vec<f64> = Vec::new();
        for turn in 0..turns {
            let alone = private_kib(server.pid());
            let start = Instant::now();
            let fleet = fleet(&studio, &build, size, 1);
            seconds.push(start.elapsed().as_secs_f64());
            if size == 100 && turn == 0 {
                memory(table, &server, f64::from(size), alone);
            }
            delete(&studio, &fleet);
        }
        seconds.sort_by(f64::total_cmp);
        let target = match size {
            100 => Target::AtMost(10.0),
            _ => Target::None,
        };
        let what = format!("fleet of {size}, from request to ACTIVE");
        table.figure(&what, "s", seconds[turns / 2], None, target);
    }
    restarts(table, &studio, &build);
}

/// Makes a fleet of `size` instances with so many server processes each, and waits until it is
/// ACTIVE.
fn fleet(studio: &Client, build: &str, size: u32, processes: u32) -> String {
    let mut input = scenario::fleet_input(build, "server", &mark());
    input["RuntimeConfiguration"]["ServerProcesses"][0]["ConcurrentExecutions"] = processes.into();
    let made = studio.gamelift("CreateFleet", &input).expect("CreateFleet");
    let fleet = scenario::text(&made["FleetAttributes"]["FleetId"]);
    let capacity = json!({ "FleetId": fleet, "DesiredInstances": size, "MaxSize": size });
    let updated = studio.gamelift("UpdateFleetCapacity", &capacity);
    updated.expect("UpdateFleetCapacity");
    let is_active = || {
        let found = studio.gamelift("DescribeFleetCapacity", &json!({ "FleetIds": [fleet] }));
        let counts = found.expect("DescribeFleetCapacity");
        let counts = &counts["FleetCapacity"][0]["InstanceCounts"];
        let status = attributes(studio, &fleet)["Status"].clone();
        assert_ne!(status, "ERROR", "{:#?}", scenario::events(studio, &fleet));
        (counts["ACTIVE"] == size && status == "ACTIVE").then_some(())
    };
    wait::within(FLEET_TIMEOUT, is_active).expect("the fleet becomes ACTIVE");
    fleet
}

fn attributes(studio: &Client, fleet: &str) -> Value {
    let found = studio.gamelift("DescribeFleetAttributes", &json!({ "FleetIds": [fleet] }));
    found.expect("DescribeFleetAttributes")["FleetAttributes"][0].take()
}

fn delete(studio: &Client, fleet: &str) {
    let deleted = studio.gamelift("DeleteFleet", &json!({ "FleetId": fleet }));
    deleted.expect("DeleteFleet");
    let is_gone = || (attributes(studio, fleet)["Status"] == "TERMINATED").then_some(());
    wait::within(FLEET_TIMEOUT, is_gone).expect("the fleet goes");
}

/// What the server and the supervisors have for themselves, an instance.
fn memory(table: &mut Table, server: &Dev, instances: f64, alone: f64) {
    let ours = (private_kib(server.pid()) - alone) / instances;
    let directory = server.directory().display().to_string();
    let supervisors = processes_with("instance-supervisor").into_iter();
    let kib: Vec<f64> = supervisors
        .filter(|&pid| command_line(pid).contains(&directory))
        .map(private_kib)
        .collect();
    assert_eq!(kib.len(), instances as usize, "a supervisor an instance");
    let theirs = kib.iter().sum::<f64>() / instances;
    for (what, kib) in [("the server", ours), ("its supervisor", theirs)] {
        let what = format!("memory an instance, {what}");
        table.figure(&what, "KiB", kib, None, Target::None);
    }
}

/// From a kill to the next process, each process's first.
fn restarts(table: &mut Table, studio: &Client, build: &str) {
    let fleet = fleet(studio, build, 1, CRASHES);
    let mut milliseconds: Vec<f64> = Vec::new();
    for pid in processes_with(&mark()) {
        let others = processes_with(&mark());
        let start = Instant::now();
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("it runs");
        let next = || {
            let mut now = processes_with(&mark()).into_iter();
            now.find(|found| !others.contains(found))
        };
        wait_closely(next).expect("it comes back");
        milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
    }
    milliseconds.sort_by(f64::total_cmp);
    for percent in [50, 99] {
        let what = format!("from a server process's death to the next, p{percent}");
        let rank = milliseconds[(milliseconds.len() - 1) * percent / 100];
        table.figure(&what, "ms", rank, None, Target::AtMost(100.0));
    }
    delete(studio, &fleet);
}

/// Looks without a pause, since a pause is part of what is measured.
fn wait_closely<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let found = look();
        if found.is_some() || start.elapsed() > FLEET_TIMEOUT {
            return found;
        }
    }
}

/// What only this benchmark's server processes have on their command lines.
fn mark() -> String {
    format!("bench-of-{}", std::process::id())
}

fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// The memory that a process shares with nobody, in KiB (`proc_pid_smaps(5)`).
fn private_kib(pid: u32) -> f64 {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(path).expect("reading a process's memory");
    let private = text.lines().filter(|line| line.starts_with("Private_"));
    let kib = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.sum()
}
