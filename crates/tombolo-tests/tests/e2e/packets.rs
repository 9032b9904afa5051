//! Real packets between a fleet's game server and a program in another account's VPC.

use tombolo_tests::dev::Dev;
use tombolo_tests::leftovers::Left;
use tombolo_tests::probe::{self, until_it_says_next};
use tombolo_tests::program::Program;
use tombolo_tests::server::Server;
use tombolo_tests::{scenario, tools, wait};

const ADDRESS: &str = "10.60.0.10";

#[test]
fn packets_pass_from_connecting_to_deleting_and_not_before_or_after() {
    let server = Dev::start();
    assert_eq!(server.network(), "ebpf");
    let (studio, backend, directory) = (server.studio(), server.backend(), server.directory());
    let vpc = scenario::vpc_with_subnet(&backend, "10.60.0.0/24");
    let ticker = probe::ticker(&server, &vpc, ADDRESS);
    let build = probe::build(&server);
    let fleet = scenario::active_fleet(
        &studio,
        &build,
        "probe",
        &probe::parameters(&directory, ADDRESS),
    );
    until_it_says_next(&directory, &fleet, "unreachable");
    until_it_says_next(&directory, &fleet, "unreachable");
    assert!(
        ticker.lines().iter().all(|line| !line.starts_with("from")),
        "{:?}",
        ticker.lines()
    );

    scenario::authorize(&backend, &studio, &vpc);
    until_it_says_next(&directory, &fleet, "unreachable");
    let connection = scenario::connect(&studio, &backend, &fleet, &vpc);
    until_it_says_next(&directory, &fleet, "tick");
    let from = ticker.until_it_prints("from");
    let network = scenario::text(&connection["IpV4CidrBlock"]);
    assert!(
        first_octets_match(&from, &network),
        "{from} is not of {network}"
    );
    let shown = tools::succeeds(&mut server.command(&["logs", &fleet]));
    assert!(shown.contains("tick 0"), "{shown}");

    scenario::disconnect(&studio, &connection);
    until_it_says_next(&directory, &fleet, "silent");
    let reached = count(&directory, &fleet, "reached");
    until_it_says_next(&directory, &fleet, "unreachable");
    until_it_says_next(&directory, &fleet, "unreachable");
    assert_eq!(
        count(&directory, &fleet, "reached"),
        reached,
        "it was reached again"
    );

    scenario::connect(&studio, &backend, &fleet, &vpc);
    until_it_says_next(&directory, &fleet, "tick");
}

#[test]
fn packets_pass_while_the_server_is_down_and_after_it_is_back() {
    let mut server = Dev::start();
    let directory = server.directory();
    let (_ticker, vpc, fleet) = connected_probe(&server);
    let reached = count(&directory, &fleet, "reached");

    for _ in 0..3 {
        server.kill();
        for _ in 0..5 {
            until_it_says_next(&directory, &fleet, "tick");
        }
        server.restart();
        scenario::connection_is(&server.studio(), &fleet, &vpc, "active");
        for _ in 0..5 {
            until_it_says_next(&directory, &fleet, "tick");
        }
    }
    assert_eq!(
        count(&directory, &fleet, "reached"),
        reached,
        "the stream broke and was made anew"
    );

    let connection = scenario::connection_is(&server.studio(), &fleet, &vpc, "active");
    scenario::disconnect(&server.studio(), &connection);
    until_it_says_next(&directory, &fleet, "unreachable");
}

#[test]
fn a_stopped_development_server_takes_its_network_and_processes_away_and_builds_them_up_again() {
    let mut server = Dev::start();
    let directory = server.directory();
    let (ticker, vpc, fleet) = connected_probe(&server);
    let key = server.studio().signer.access_key_id;

    let left = Left::look(&directory);
    assert!(server.stop().success());
    left.assert_gone();
    drop(ticker);

    server.restart();
    assert_eq!(server.studio().signer.access_key_id, key);
    scenario::fleet_is(&server.studio(), &fleet, "ACTIVE");
    scenario::connection_is(&server.studio(), &fleet, &vpc, "active");
    let _ticker = probe::ticker(&server, &vpc, ADDRESS);
    until_it_says_next(&directory, &fleet, "tick");
    wait::until("one probe", || {
        (count(&directory, &fleet, "reached") >= 2).then_some(())
    });
}

/// A ticker in a VPC and a fleet that is connected to it and hears it: the ticker, the VPC, the
/// fleet.
fn connected_probe(server: &Dev) -> (Program, String, String) {
    let (studio, backend, directory) = (server.studio(), server.backend(), server.directory());
    let vpc = scenario::vpc_with_subnet(&backend, "10.60.0.0/24");
    let ticker = probe::ticker(server, &vpc, ADDRESS);
    let build = probe::build(server);
    let parameters = probe::parameters(&directory, ADDRESS);
    let fleet = scenario::active_fleet(&studio, &build, "probe", &parameters);
    scenario::authorize(&backend, &studio, &vpc);
    scenario::connect(&studio, &backend, &fleet, &vpc);
    until_it_says_next(&directory, &fleet, "tick");
    (ticker, vpc, fleet)
}

fn count(directory: &std::path::Path, fleet: &str, start: &str) -> usize {
    let lines = probe::output(directory, fleet).into_iter();
    lines.filter(|line| line.starts_with(start)).count()
}

/// Whether `from ADDRESS` is in the /24 or larger block.
fn first_octets_match(from: &str, cidr: &str) -> bool {
    let address: std::net::Ipv4Addr = from.trim_start_matches("from ").parse().unwrap();
    let (network, prefix) = cidr.split_once('/').unwrap();
    let network: std::net::Ipv4Addr = network.parse().unwrap();
    let prefix: u32 = prefix.parse().unwrap();
    let mask = u32::MAX << (32 - prefix);
    address.to_bits() & mask == network.to_bits() & mask
}
