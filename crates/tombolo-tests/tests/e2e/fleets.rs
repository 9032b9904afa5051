//! Fleets run real processes, and tell in their events what becomes of them.

use serde_json::json;
use tombolo_tests::dev::Dev;
use tombolo_tests::leftovers::Left;
use tombolo_tests::server::Server;
use tombolo_tests::{build, probe, scenario, tools, wait};

#[test]
fn a_missing_launch_path_is_an_error_with_its_event() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let build = build::import(&server, &[("server", build::IDLE)]);
    let fleet = scenario::fleet(&studio, &build, "no-such-server", "");
    scenario::fleet_is(&studio, &fleet, "ERROR");
    let message = scenario::event(&studio, &fleet, "FLEET_VALIDATION_LAUNCH_PATH_NOT_FOUND");
    assert!(message.contains("/local/game/no-such-server"), "{message}");
}

#[test]
fn a_process_that_exits_at_once_is_an_error_with_its_last_words() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let script = "#!/bin/sh\necho cannot find the level >&2\nexit 3\n";
    let build = build::import(&server, &[("server", script)]);
    let fleet = scenario::fleet(&studio, &build, "server", "");
    scenario::fleet_is(&studio, &fleet, "ERROR");
    let message = scenario::event(
        &studio,
        &fleet,
        "FLEET_VALIDATION_EXECUTABLE_RUNTIME_FAILURE",
    );
    assert!(message.contains("cannot find the level"), "{message}");
    assert!(message.contains('3'), "the exit code is not in {message}");
    let shown = tools::succeeds(&mut server.command(&["logs", &fleet]));
    assert!(shown.contains("cannot find the level"), "{shown}");
}

#[test]
fn a_crashed_process_is_started_again() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let build = probe::build(&server);
    let parameters = probe::parameters(&server.directory(), "127.0.0.1");
    let fleet = scenario::active_fleet(&studio, &build, "probe", &parameters);
    let mark = probe::mark(&server.directory());
    let processes = || tombolo_tests::leftovers::processes_with(&mark);
    let first = wait::until("a process", || processes().first().copied());

    let pid = nix::unistd::Pid::from_raw(first.try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    wait::until("another process", || {
        processes().into_iter().find(|&pid| pid != first)
    });
    scenario::event(&studio, &fleet, "SERVER_PROCESS_CRASHED");
    scenario::fleet_is(&studio, &fleet, "ACTIVE");
}

#[test]
fn deleting_a_fleet_leaves_no_process_and_no_network_of_it() {
    let server = Dev::start();
    let studio = server.studio();
    let build = probe::build(&server);
    let parameters = probe::parameters(&server.directory(), "10.60.0.10");
    let fleet = scenario::active_fleet(&studio, &build, "probe", &parameters);
    wait::until("a process", || {
        (!tombolo_tests::leftovers::processes_with(&probe::mark(&server.directory())).is_empty())
            .then_some(())
    });
    let left = Left::look(&server.directory());

    studio
        .gamelift("DeleteFleet", &json!({ "FleetId": fleet }))
        .unwrap();
    scenario::event(&studio, &fleet, "FLEET_DELETED");
    wait::until("the processes to end", || {
        left.processes().is_empty().then_some(())
    });
    wait::until("the namespace to go", || {
        let names = tombolo_tests::leftovers::namespaces();
        let own = left.workloads();
        own.iter().all(|name| !names.contains(name)).then_some(())
    });
}

#[test]
fn a_fleet_made_with_a_peer_is_active_when_the_connection_is() {
    let server = Dev::start();
    let (studio, backend) = (server.studio(), server.backend());
    let vpc = scenario::vpc_with_subnet(&backend, "10.60.0.0/24");
    let build = build::import(&server, &[("server", build::IDLE)]);
    let mut input = scenario::fleet_input(&build, "server", "");
    input["PeerVpcAwsAccountId"] = backend.account.clone().into();
    input["PeerVpcId"] = vpc.clone().into();

    let refusal = scenario::refused(studio.gamelift("CreateFleet", &input));
    assert_eq!(refusal.code, "UnauthorizedException", "{refusal}");
    let fleets = studio.gamelift("ListFleets", &json!({})).unwrap();
    assert_eq!(fleets["FleetIds"], json!([]));

    scenario::authorize(&backend, &studio, &vpc);
    let made = studio.gamelift("CreateFleet", &input).unwrap();
    let fleet = scenario::text(&made["FleetAttributes"]["FleetId"]);
    scenario::fleet_is(&studio, &fleet, "ACTIVE");
    let connections = scenario::connections(&studio, &fleet);
    assert_eq!(connections.len(), 1);
    assert_eq!(connections[0]["Status"]["Code"], "active");
}

#[test]
fn overlapping_networks_give_a_failed_connection_that_names_both() {
    let server = Dev::start();
    let (studio, backend) = (server.studio(), server.backend());
    let vpc = scenario::vpc_with_subnet(&backend, "10.60.0.0/24");
    let build = build::import(&server, &[("server", build::IDLE)]);
    let mut input = scenario::fleet_input(&build, "server", "");
    input["Tags"] = json!([{ "Key": "tombolo:fleet-cidr", "Value": "10.60.0.0/26" }]);
    let made = studio.gamelift("CreateFleet", &input).unwrap();
    let fleet = scenario::text(&made["FleetAttributes"]["FleetId"]);
    scenario::fleet_is(&studio, &fleet, "ACTIVE");

    scenario::authorize(&backend, &studio, &vpc);
    scenario::request_connection(&studio, &backend, &fleet, &vpc).expect("it fails later");
    let failed = scenario::connection_is(&studio, &fleet, &vpc, "failed");
    assert_eq!(failed["IpV4CidrBlock"], "10.60.0.0/26");
    let message = scenario::event(&studio, &fleet, "FLEET_VPC_PEERING_FAILED");
    for cidr in ["10.60.0.0/26", "10.60.0.0/24"] {
        assert!(message.contains(cidr), "{cidr} is not in {message}");
    }
}

#[test]
fn a_vpc_in_another_region_is_not_connected() {
    let server = Dev::start_simulated();
    let (studio, backend) = (server.studio(), server.backend());
    let elsewhere = backend.in_region("eu-west-1");
    let vpc = scenario::vpc(&elsewhere, "10.60.0.0/24");
    scenario::authorize(&elsewhere, &studio, &vpc);
    let build = build::import(&server, &[("server", build::IDLE)]);
    let fleet = scenario::active_fleet(&studio, &build, "server", "");

    let refusal = scenario::refused(scenario::request_connection(
        &studio, &backend, &fleet, &vpc,
    ));
    assert_eq!(refusal.code, "InvalidRequestException", "{refusal}");
    for region in ["eu-west-1", "us-west-2"] {
        assert!(
            refusal.message.contains(region),
            "{region} is not in {refusal}"
        );
    }
    assert!(scenario::connections(&studio, &fleet).is_empty());
    let seen = backend.ec2("DescribeVpcs", &[]).unwrap();
    assert!(
        !seen.all("vpcId").contains(&vpc),
        "it is seen in the other Region"
    );
}
