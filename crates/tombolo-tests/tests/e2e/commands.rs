//! The commands that a server's owner gives, and how the server is closed to everybody else.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use tombolo_tests::dev::Dev;
use tombolo_tests::nobody::Nobody;
use tombolo_tests::program::Program;
use tombolo_tests::server::Server;
use tombolo_tests::serving::Serving;
use tombolo_tests::{binary, build, scenario, tools, wait};

#[test]
fn a_fresh_directory_is_its_owners_alone_and_goes_with_sigint() {
    let place = tempfile::tempdir().unwrap();
    let mut dev = Program::start(
        Command::new(binary::tombolo())
            .args(["dev", "--json", "--listen", "127.0.0.1:0"])
            .args(["--network", "simulated"])
            .env("TMPDIR", place.path()),
    );
    let ready: Value = serde_json::from_str(&dev.until_it_prints("{")).unwrap();
    let socket = scenario::text(&ready["admin_socket"]);
    let directory = Path::new(&socket).parent().unwrap();
    assert_eq!(mode(directory), 0o700);
    assert_eq!(
        mode(Path::new(&scenario::text(&ready["aws_config_file"]))),
        0o600
    );

    dev.signal(Signal::SIGINT);
    assert!(dev.until_it_ends().success());
    assert_eq!(place.path().read_dir().unwrap().count(), 0);
}

/// More connections than the server may have descriptors, none of which asks for anything.
#[test]
fn clients_that_ask_for_nothing_do_not_keep_the_owner_out() {
    let place = tempfile::tempdir().unwrap();
    let mut dev = Program::start(
        Command::new("prlimit")
            .arg("--nofile=128:128")
            .arg(binary::tombolo())
            .args(["dev", "--json", "--listen", "127.0.0.1:0"])
            .args(["--network", "simulated"])
            .env("TMPDIR", place.path()),
    );
    let ready: Value = serde_json::from_str(&dev.until_it_prints("{")).unwrap();
    let endpoint = scenario::text(&ready["endpoint"]);
    let address = endpoint.strip_prefix("http://").unwrap();
    let idle: Vec<_> = (0..150)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();

    let socket = scenario::text(&ready["admin_socket"]);
    let directory = Path::new(&socket).parent().unwrap();
    let list = Command::new(binary::tombolo())
        .args(["account", "list", "--dir"])
        .arg(directory)
        .output();
    assert!(list.unwrap().status.success());

    // Room is made for whoever asks as soon as the server has seen that the others are gone.
    drop(idle);
    wait::until("room to be made", || {
        let mut asks = TcpStream::connect(address).ok()?;
        let request = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        asks.write_all(request).ok()?;
        let mut answer = String::new();
        asks.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    });
    dev.signal(Signal::SIGTERM);
    assert!(dev.until_it_ends().success());
}

#[test]
fn the_admin_socket_is_its_owners_alone() {
    let server = Dev::start_simulated();
    assert_eq!(mode(&server.directory().join("admin.sock")), 0o600);

    let nobody = Nobody::new();
    let mut list = nobody.command(&["account", "list", "--dir"]);
    let output = list.arg(server.directory()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("Permission denied"), "{told}");
    assert!(
        told.contains("hint: only the user who runs the server may ask it"),
        "{told}"
    );
}

#[test]
fn plain_http_for_other_machines_is_refused_before_anything_is_made() {
    let place = tempfile::tempdir().unwrap();
    for listen in ["0.0.0.0:4580", "[::]:4580"] {
        let output = Command::new(binary::tombolo())
            .args(["dev", "--listen", listen])
            .env("TMPDIR", place.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(listen), "{told}");
        assert!(told.contains("hint: listen on 127.0.0.1:4580"), "{told}");
        assert!(told.contains("`tombolo serve`"), "{told}");
        assert_eq!(place.path().read_dir().unwrap().count(), 0);
    }
}

#[test]
fn peerings_are_listed_for_both_accounts_and_shown_with_their_history() {
    let server = Dev::start_simulated();
    let (studio, backend) = (server.studio(), server.backend());
    let vpc = scenario::vpc(&backend, "10.1.0.0/16");
    let build = build::import(&server, &[("server", build::IDLE)]);
    let fleet = scenario::active_fleet(&studio, &build, "server", "");
    scenario::authorize(&backend, &studio, &vpc);
    let connection = scenario::connect(&studio, &backend, &fleet, &vpc);
    let id = scenario::text(&connection["VpcPeeringConnectionId"]);
    for account in ["studio", "backend"] {
        let list = ["peering", "list", "--account", account];
        let listed = tools::succeeds(&mut server.command(&list));
        let (connections, authorizations) = listed.split_once("AUTHORIZED VPC").unwrap();
        let row = connections.lines().find(|line| line.starts_with(&id));
        let row = row.unwrap_or_else(|| panic!("no {id} in {listed}"));
        for value in ["active", &fleet, &vpc, "10.1.0.0/16", server.region()] {
            assert!(row.contains(value), "no {value} in {row}");
        }
        for value in [&*vpc, &studio.account, &backend.account, "valid until"] {
            assert!(authorizations.contains(value), "no {value} in {listed}");
        }
    }

    scenario::disconnect(&studio, &connection);
    let show = ["peering", "show", "--account", "studio", &id];
    let shown = tools::succeeds(&mut server.command(&show));
    assert!(shown.starts_with(&format!("{id} in ")), "{shown}");
    let mut rest = &*shown;
    for state in [
        "initiating-request",
        "pending-acceptance",
        "provisioning",
        "active",
        "deleting",
        "deleted",
    ] {
        let at = rest.find(&format!("  {state}"));
        rest = &rest[at.unwrap_or_else(|| panic!("{state} is not next in {shown}"))..];
    }
}

#[test]
fn a_peering_that_is_not_the_accounts_is_not_shown() {
    let server = Dev::start_simulated();
    let show = [
        "peering",
        "show",
        "--account",
        "studio",
        "pcx-0a1b2c3d4e5f60718",
    ];
    let output = server.command(&show).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("pcx-0a1b2c3d4e5f60718"), "{told}");
    assert!(told.contains("hint: `tombolo peering list`"), "{told}");
}

#[test]
fn a_fleet_that_wrote_nothing_is_said_to_have_with_its_status() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let build = build::import(&server, &[("server", build::IDLE)]);
    let fleet = scenario::fleet(&studio, &build, "server", "");
    scenario::fleet_is(&studio, &fleet, "ACTIVE");
    // As if it had been so early that nobody has written yet.
    fs::remove_dir_all(server.directory().join("logs").join(&fleet)).unwrap();
    let output = server.command(&["logs", &fleet]).output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.is_empty());
    let told = String::from_utf8_lossy(&output.stderr);
    let expected =
        format!("No server process of {fleet} has written anything; the fleet is ACTIVE.");
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn serve_keeps_real_time_and_says_where_its_metrics_are() {
    let server = Serving::start();
    let advance = server
        .command(&["clock", "advance", "1h"])
        .output()
        .unwrap();
    assert_eq!(advance.status.code(), Some(1));
    let told = String::from_utf8_lossy(&advance.stderr);
    assert!(
        told.contains("the clock of `tombolo serve` is the real one"),
        "{told}"
    );
    assert!(told.contains("hint: rehearse with `tombolo dev"), "{told}");

    let log = server.directory().with_file_name("server.log");
    let log = fs::read_to_string(log).unwrap();
    let place = format!("metrics are at http://{}/metrics", server.metrics());
    assert!(log.contains(&place), "{log}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
