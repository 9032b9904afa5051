//! `tombolo fleet`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};
use tombolo_tests::dev::Dev;
use tombolo_tests::server::Server;
use tombolo_tests::{build, scenario, tools, wait};

#[test]
fn a_fleet_is_shown_with_its_instances_processes_and_events() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let build = build::import(&server, &[("server", build::IDLE)]);
    let mut input = scenario::fleet_input(&build, "server", "");
    input["RuntimeConfiguration"]["ServerProcesses"][0]["ConcurrentExecutions"] = json!(2);
    let made = studio.gamelift("CreateFleet", &input).unwrap();
    let fleet = scenario::text(&made["FleetAttributes"]["FleetId"]);
    let capacity = json!({"FleetId": fleet, "DesiredInstances": 2, "MaxSize": 3});
    studio.gamelift("UpdateFleetCapacity", &capacity).unwrap();

    let shown = |arguments: &[&str]| {
        let command = ["fleet", &fleet, "--once", "--interval", "0.1"];
        tools::succeeds(&mut server.command(&[&command, arguments].concat()))
    };
    let seen = wait::until("two instances with two processes each", || {
        let seen: Value = serde_json::from_str(&shown(&["--json"])).unwrap();
        let processes = seen["processes"].as_array().unwrap();
        let healthy = processes.iter().filter(|one| one["state"] == "healthy");
        (healthy.count() == 4 && seen["status"] == "ACTIVE").then_some(seen)
    });
    let instances = seen["instances"].as_array().unwrap();
    assert_eq!(instances.len(), 2, "{seen}");
    for instance in instances {
        let counts = ["running", "wanted", "restarts"].map(|count| &instance[count]);
        assert_eq!(counts, [&json!(2), &json!(2), &json!(0)], "{seen}");
        assert!(instance["address"].is_string(), "{seen}");
        assert!(instance["memory"].as_u64().unwrap() > 0, "{seen}");
    }

    let text = shown(&["--account", "studio"]);
    for expected in [
        "2 of 2 instances (0 to 3), 4 server processes run",
        "INSTANCE",
        "PEERING",
        "FLEET_STATE_ACTIVE",
        "FLEET_SCALING_EVENT",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(!text.contains('\x1b'), "it is no terminal: {text}");

    // The other account does not have it.
    let mut foreign = server.command(&["fleet", &fleet, "--once", "--account", "backend"]);
    let refused = foreign.output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    let expected = format!("error: there is no fleet {fleet}");
    assert!(told.contains(&expected), "{told}");
}

/// As `head` does, once it has what it wants.
#[test]
fn a_dashboard_that_nobody_reads_any_more_ends() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let build = build::import(&server, &[("server", build::IDLE)]);
    let fleet = scenario::active_fleet(&studio, &build, "server", "");
    for format in [&["--json"][..], &[]] {
        let follow = ["fleet", &fleet, "--interval", "0.1"];
        let mut command = server.command(&[&follow, format].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let first = BufReader::new(stdout).lines().next().unwrap().unwrap();
        assert!(first.contains(&fleet), "{first}");
        let ended = wait::until("the command to end", || child.try_wait().unwrap());
        assert!(ended.success(), "{format:?}: {ended}");
    }
}
