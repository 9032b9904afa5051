//! Flows that run while the server is killed, stopped and started again lose nothing.

use nix::sys::signal::Signal;
use tombolo_tests::network::{self, End};
use tombolo_tests::program::Program;
use tombolo_tests::serving::Serving;
use tombolo_tests::{scenario, tools, wait};

const HOST: &str = "10.80.0.10";
const PORT: &str = "9000";

/// How many datagrams the receiver reports at once: half a second of them.
const REPORT: usize = 500;

#[test]
fn no_packet_is_lost_while_the_server_is_killed_stopped_and_started_again() {
    let mut server = Serving::start_plain();
    let (studio, backend) = (server.studio(), server.backend());
    let [near, far] = ["10.81.0.0/24", "10.80.0.0/24"];
    let game = scenario::vpc_with_subnet(studio, near);
    let data = scenario::vpc_with_subnet(backend, far);
    network::allow_all(backend, &data);
    let end = |owner, vpc, cidr| End { owner, vpc, cidr };
    network::peer(end(studio, &game, near), end(backend, &data, far));

    let python = tools::program("python").to_string_lossy().into_owned();
    let stream = tools::script("python/stream.py")
        .to_string_lossy()
        .into_owned();
    let receive = [&*python, &stream, "receive", PORT];
    let receiver = Program::run_as(&server, "backend", &data, HOST, &receive);
    receiver.until_it_prints("listening");
    let send = [&*python, &stream, "send", HOST, PORT];
    let sender = Program::run_as(&server, "studio", &game, "10.81.0.10", &send);
    sender.until_it_prints("sending");
    until_more_arrived(&receiver);

    server.kill();
    until_more_arrived(&receiver);
    server.start_again();
    until_more_arrived(&receiver);
    assert!(server.stop().success());
    until_more_arrived(&receiver);
    server.start_again();
    until_more_arrived(&receiver);

    sender.signal(Signal::SIGTERM);
    let lost = receiver.until_it_prints("lost");
    assert!(lost.starts_with("lost 0 of "), "{lost}");
    assert!(lost.contains(" 0 connections and 0 lines"), "{lost}");
}

/// Waits until the receiver has got two reports' worth more of datagrams.
#[track_caller]
fn until_more_arrived(receiver: &Program) {
    let reports = || {
        let lines = receiver.lines().into_iter();
        lines.filter(|line| line.starts_with("received")).count()
    };
    let before = reports();
    let what = format!("{} more datagrams", 2 * REPORT);
    wait::until(&what, || (reports() >= before + 2).then_some(()));
}
