//! `tombolo logs`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tombolo_tests::aws::Client;
use tombolo_tests::dev::Dev;
use tombolo_tests::program::Program;
use tombolo_tests::server::Server;
use tombolo_tests::{build, leftovers, probe, scenario, tools, wait};

/// A game server that says that it is there, and takes its command line's words for nothing.
const TALKER: &str = "#!/bin/sh\necho here I am\nwhile :; do sleep 1; done\n";

/// Writes some 40 MiB, which are three files, and stays.
const FLOOD: &str = "#!/bin/sh\nseq -f 'line %0100.0f' 1 400000\necho done\nexec sleep infinity\n";

/// A fleet with two processes of a talker, whose command lines have a mark that no other has.
fn two_talkers(server: &Dev, studio: &Client) -> String {
    let build = build::import(server, &[("talker", TALKER)]);
    let mut input = scenario::fleet_input(&build, "talker", &probe::mark(&server.directory()));
    input["RuntimeConfiguration"]["ServerProcesses"][0]["ConcurrentExecutions"] = 2.into();
    let made = studio.gamelift("CreateFleet", &input).unwrap();
    let fleet = scenario::text(&made["FleetAttributes"]["FleetId"]);
    scenario::fleet_is(studio, &fleet, "ACTIVE");
    fleet
}

/// How often the lines have one that ends so.
fn count(lines: &[String], end: &str) -> usize {
    lines.iter().filter(|line| line.ends_with(end)).count()
}

#[test]
fn followed_logs_say_whose_each_line_is_and_go_on_over_a_restart() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let fleet = two_talkers(&server, &studio);
    let mut logs = Program::start(&mut server.command(&["logs", &fleet, "--follow"]));
    let said = |process: &str| format!(" {process} | here I am");
    wait::until("both processes to be heard", || {
        let lines = logs.lines();
        let both = [said("talker-1"), said("talker-2")];
        both.iter().all(|end| count(&lines, end) == 1).then_some(())
    });
    assert!(logs.lines().iter().all(|line| line.starts_with("i-")));

    let mark = probe::mark(&server.directory());
    let one = leftovers::processes_with(&mark)[0];
    kill(Pid::from_raw(one.try_into().unwrap()), Signal::SIGKILL).unwrap();
    wait::until("it to be heard again", || {
        let lines = logs.lines();
        (count(&lines, "| here I am") == 3).then_some(())
    });
    let lines = logs.lines();
    assert_eq!(
        count(&lines, "starting /local/game/talker"),
        3,
        "{lines:#?}"
    );

    logs.signal(Signal::SIGINT);
    assert!(logs.until_it_ends().success());
}

#[test]
fn one_process_can_be_asked_for_and_json_says_the_same() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let fleet = two_talkers(&server, &studio);
    let show = |arguments: &[&str]| {
        let mut all = vec!["logs", &fleet];
        all.extend(arguments);
        tools::succeeds(&mut server.command(&all))
    };
    wait::until("both processes to be heard", || {
        (show(&[]).matches("| here I am").count() == 2).then_some(())
    });
    let one = show(&["--process", "talker-2"]);
    assert_eq!(one.lines().last(), Some("here I am"));
    assert_eq!(one.lines().count(), 2, "{one}");
    assert_eq!(
        show(&["--process", "talker-2", "--lines", "1"]),
        "here I am\n"
    );

    let json = show(&["--lines", "1", "--json"]);
    let lines: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let processes: Vec<_> = lines.iter().map(|line| &line["process"]).collect();
    assert_eq!(processes, ["talker-1", "talker-2"]);
    assert!(lines.iter().all(|line| line["line"] == "here I am"));
    let instance = lines[0]["instance"].as_str().unwrap();
    assert_eq!(show(&["--instance", instance]), show(&[]));

    let other = ["logs", &fleet, "--instance", "i-0123456789abcdef0"];
    let output = server.command(&other).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("has written anything"), "{told}");
}

#[test]
fn a_log_in_several_files_is_shown_as_one() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let build = build::import(&server, &[("flood", FLOOD)]);
    let fleet = scenario::active_fleet(&studio, &build, "flood", "");
    let show = |lines: &str| {
        let mut logs = server.command(&["logs", &fleet, "--lines", lines]);
        tools::succeeds(&mut logs)
    };
    wait::until("everything to be written", || {
        (show("1") == "done\n").then_some(())
    });
    let all = show("1000000");
    let lines: Vec<_> = all.lines().collect();
    assert!(lines[0].starts_with("--- tombolo: "), "{}", lines[0]);
    let numbers = lines[1..lines.len() - 1].iter();
    let numbers = numbers.map(|line| line["line ".len()..].parse::<u32>().unwrap());
    assert!(numbers.eq(1..=400_000));
    assert_eq!(show("200001").lines().next(), Some(lines[200_001]));
}

#[test]
fn a_server_that_stops_ends_logs_that_are_followed() {
    let mut server = Dev::start_simulated();
    let studio = server.studio();
    let fleet = two_talkers(&server, &studio);
    let mut logs = Program::start(&mut server.command(&["logs", &fleet, "--follow"]));
    logs.until_it_prints("i-");
    server.stop();
    assert!(logs.until_it_ends().success());
}

#[test]
fn what_an_installer_wrote_is_shown_and_its_failure_is_the_fleets() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let installer = "#!/bin/sh\necho unpacking the map\necho map > map\n";
    let game = "#!/bin/sh\ncat map\nexec sleep infinity\n";
    let files = [("install.sh", installer), ("game", game)];
    let build = build::import(&server, &files);
    let fleet = scenario::active_fleet(&studio, &build, "game", "");
    let show = |fleet: &str, arguments: &[&str]| {
        let mut all = vec!["logs", fleet];
        all.extend(arguments);
        tools::succeeds(&mut server.command(&all))
    };
    wait::until("the map to be read", || {
        show(&fleet, &[]).contains("map").then_some(())
    });
    assert!(!show(&fleet, &[]).contains("unpacking"));
    let all = show(&fleet, &["--install"]);
    assert!(
        all.contains("install install.sh-1 | unpacking the map\n"),
        "{all}"
    );
    scenario::event(&studio, &fleet, "FLEET_CREATION_COMPLETED_INSTALLER");

    let installer = "#!/bin/sh\necho no room for the map >&2\nexit 3\n";
    let files = [("install.sh", installer), ("game", game)];
    let build = build::import(&server, &files);
    let fleet = scenario::fleet(&studio, &build, "game", "");
    scenario::fleet_is(&studio, &fleet, "ERROR");
    let message = scenario::event(&studio, &fleet, "FLEET_CREATION_FAILED_INSTALLER");
    assert!(message.contains("exit code 3"), "{message}");
    assert!(message.contains("no room for the map"), "{message}");
    let all = show(&fleet, &["--install"]);
    assert_eq!(all.lines().last(), Some("no room for the map"), "{all}");
}
