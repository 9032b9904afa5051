//! Players reach a fleet's instances from outside, over real packets.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tombolo_testkit::site::{MACHINE, ROUTED, Site};
use tombolo_tests::aws::Client;
use tombolo_tests::dev::Dev;
use tombolo_tests::server::Server;
use tombolo_tests::serving::Serving;
use tombolo_tests::{build, scenario, tools, wait};

/// The port that the game listens on. It is within the public address's, so it has the same number
/// there.
const PORT: u16 = 20_777;

/// A fleet of one instance whose game players reach.
fn fleet(studio: &Client, server: &impl Server) -> String {
    let build = build::import(server, &[("echo", build::ECHO)]);
    let mut input = scenario::fleet_input(&build, "echo", &PORT.to_string());
    input["EC2InboundPermissions"] = json!([{
        "FromPort": PORT, "ToPort": PORT, "IpRange": "192.0.2.0/24", "Protocol": "UDP",
    }]);
    let made = studio.gamelift("CreateFleet", &input).expect("CreateFleet");
    let fleet = scenario::text(&made["FleetAttributes"]["FleetId"]);
    scenario::fleet_is(studio, &fleet, "ACTIVE");
    fleet
}

/// Asks until the game answers, and asserts whom it saw.
#[track_caller]
fn assert_plays(player: &UdpSocket) {
    let me = player.local_addr().unwrap();
    player
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let answer = wait::until("the game to answer", || {
        // That nobody listens yet is told by ICMP, at the next call.
        player.send(b"hello").ok()?;
        let mut buffer = [0; 64];
        let length = player.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    });
    assert_eq!(answer, format!("hello from {me}"));
}

#[test]
fn a_player_reaches_the_game_and_goes_on_when_the_server_is_killed() {
    let site = Site::enter();
    let mut server = Dev::start_with(&["--network", "ebpf", "--players", &ROUTED.to_string()]);
    let studio = server.studio();
    let fleet = fleet(&studio, &server);
    let player = site.player(ROUTED, PORT);
    assert_plays(&player);
    let instances = studio.gamelift("DescribeInstances", &json!({ "FleetId": fleet }));
    let instances = instances.expect("DescribeInstances");
    assert_eq!(instances["Instances"][0]["IpAddress"], ROUTED.to_string());

    // From now on no answer may be missing, nor one come twice.
    player
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let play = |round: u32| {
        let said = round.to_string();
        player.send(said.as_bytes()).unwrap();
        let mut buffer = [0; 64];
        let length = player.recv(&mut buffer).unwrap();
        assert!(buffer[..length].starts_with(said.as_bytes()));
    };
    for round in 0..3 {
        server.kill();
        (0..100).for_each(|at| play(round * 1000 + at));
        server.restart();
        (100..200).for_each(|at| play(round * 1000 + at));
    }
    scenario::fleet_is(&server.studio(), &fleet, "ACTIVE");

    // Closed, it is closed for those who play, too.
    let close = json!({
        "FleetId": fleet,
        "InboundPermissionRevocations": [{
            "FromPort": PORT, "ToPort": PORT, "IpRange": "192.0.2.0/24", "Protocol": "UDP",
        }],
    });
    let closed = server.studio().gamelift("UpdateFleetPortSettings", &close);
    closed.expect("UpdateFleetPortSettings");
    player
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    wait::until("the port to be closed", || {
        player.send(b"anyone?").unwrap();
        let answer = player.recv(&mut [0; 64]).map_err(|error| error.kind());
        (answer == Err(ErrorKind::WouldBlock)).then_some(())
    });

    // What the server takes away itself is nothing to be repaired.
    assert!(server.stop().success());
    let log = server.log();
    assert!(!log.contains("repaired"), "{log}");
}

#[test]
fn a_server_for_keeps_takes_players_packets_at_its_interface_and_leaves_nothing_there() {
    let site = Site::enter();
    let before = links();
    let players = format!("[players]\naddress = \"{MACHINE}\"\ninterface = \"eth0\"\n");
    let mut server = Serving::start_plain_with(&players);
    let fleet = fleet(server.studio(), &server);
    let player = site.player(MACHINE, PORT);
    assert_plays(&player);
    scenario::fleet_is(server.studio(), &fleet, "ACTIVE");
    // A port of the machine's own is as it was.
    let own = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5353)).unwrap();
    let client = site.player(MACHINE, 5353);
    client.send(b"hello").unwrap();
    own.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    own.recv(&mut [0; 8]).unwrap();

    server.stop();
    assert_plays(&player);
    tools::succeeds(&mut server.command(&["teardown"]));
    assert_eq!(links(), before);
}

/// The machine's links, as `ip` shows them.
fn links() -> String {
    tools::succeeds(Command::new("ip").args(["-br", "link"]))
}
