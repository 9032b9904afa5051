//! `tombolo serve`: over TLS, and with traffic that outlives it.

use std::net::TcpStream;

use serde_json::Value;
use tombolo_tests::http::{self, Request};
use tombolo_tests::leftovers::Left;
use tombolo_tests::probe::{self, until_it_says_next};
use tombolo_tests::server::Server;
use tombolo_tests::serving::Serving;
use tombolo_tests::{scenario, tools};

const ADDRESS: &str = "10.60.0.10";

#[test]
fn traffic_and_processes_outlive_a_graceful_stop_and_teardown_leaves_nothing() {
    let mut server = Serving::start();
    let directory = server.directory();
    let build = probe::build(&server);
    let parameters = probe::parameters(&directory, ADDRESS);
    let mut peer = server.python("python/peer.py");
    peer.args([&*build, "10.60.0.0/24", "/local/game/probe", &parameters]);
    let made: Value = serde_json::from_str(&tools::succeeds(&mut peer)).unwrap();
    let (fleet, vpc) = (scenario::text(&made["fleet"]), scenario::text(&made["vpc"]));
    let ticker = probe::ticker(&server, &vpc, ADDRESS);
    until_it_says_next(&directory, &fleet, "tick");
    let left = Left::look(&directory);
    let processes = left.processes();

    assert!(server.stop().success());
    assert_eq!(left.processes(), processes);
    for _ in 0..5 {
        until_it_says_next(&directory, &fleet, "tick");
    }
    server.start_again();
    for _ in 0..5 {
        until_it_says_next(&directory, &fleet, "tick");
    }
    assert_eq!(
        left.processes(),
        processes,
        "a process was started again or twice"
    );
    let reached = probe::output(&directory, &fleet)
        .iter()
        .filter(|line| *line == "reached")
        .count();
    assert_eq!(reached, 1, "the stream broke");

    drop(ticker);
    assert!(server.stop().success());
    tools::succeeds(&mut server.command(&["teardown"]));
    left.assert_gone();
}

#[test]
fn plain_http_is_not_spoken_on_the_tls_port_and_metrics_and_health_are_served() {
    let server = Serving::start();
    let health = tools::succeeds(server.python("python/health.py").arg(server.endpoint()));
    assert_eq!(health.trim(), "200 ok");

    let plain = Request::new("GET", "/health").header("host", "localhost");
    let api = server.endpoint().replace("https://", "").parse().unwrap();
    assert!(TcpStream::connect(api).is_ok());
    assert!(http::send(api, &plain).is_err(), "plain HTTP was answered");

    let metrics = Request::new("GET", "/metrics").header("host", "localhost");
    let metrics = http::send(server.metrics(), &metrics).unwrap();
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("tombolo"), "{}", metrics.text());
}

#[test]
fn plain_http_on_an_address_that_others_reach_is_refused_unless_allowed() {
    let root = tempfile::tempdir().unwrap();
    let config = root.path().join("tombolo.toml");
    let data = root.path().join("data");
    let text = format!("directory = {data:?}\nregions = [\"us-west-2\"]\nlisten = \"0.0.0.0:0\"\n");
    std::fs::write(&config, text).unwrap();
    let mut serve = std::process::Command::new(tombolo_tests::binary::tombolo());
    let output = serve
        .arg("serve")
        .arg("--config")
        .arg(&config)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("0.0.0.0") && stderr.contains("allow_plain_http"),
        "{stderr}"
    );
}
