//! From the call that connects to the first packet that arrives, while 100 other connections are
//! being made.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tombolo_tests::aws::Client;
use tombolo_tests::story;

use crate::link::Pair;
use crate::path::sockets;
use crate::table::{Table, Target};

const SAMPLES: usize = 40;
const OTHERS: usize = 100;

/// Measures it.
pub(crate) fn measure(table: &mut Table) {
    let pair = Pair::start();
    let (studio, backend) = (pair.server.studio(), pair.server.backend());
    let others: Vec<String> = (0..OTHERS)
        .map(|number| story::vpc(&backend, &format!("10.200.{number}.0/24")))
        .collect();
    others
        .iter()
        .for_each(|vpc| story::authorize(&backend, &studio, vpc));

    let (client, server) = sockets(&pair.link);
    server.set_nonblocking(true).expect("a socket can be that");
    let over = AtomicBool::new(false);
    let mut times: Vec<f64> = thread::scope(|scope| {
        scope.spawn(|| make_and_end(&studio, &backend, &pair.fleet, &others, &over));
        let _over = WhenDropped(&over);
        let sample = |_| {
            while server.recv(&mut [0; 8]).is_ok() {}
            let start = Instant::now();
            story::request_connection(&studio, &backend, &pair.fleet, &pair.vpc)
                .expect("authorized");
            let arrived = first_packet(&client, &server, start);
            let connection = story::connection_is(&studio, &pair.fleet, &pair.vpc, "active");
            story::disconnect(&studio, &connection);
            arrived.as_secs_f64() * 1e3
        };
        (0..SAMPLES).map(sample).collect()
    });
    times.sort_by(f64::total_cmp);
    let rank = |percent: usize| times[(SAMPLES - 1) * percent / 100];
    let what = "call to first packet p50, 100 others being made";
    table.figure(what, "ms", rank(50), None, Target::AtMost(50.0));
    let what = "call to first packet p99, 100 others being made";
    table.figure(what, "ms", rank(99), None, Target::AtMost(50.0));
}

/// Says that it is over, also when a sample fails, or the others would be made forever.
struct WhenDropped<'a>(&'a AtomicBool);

impl Drop for WhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends until something arrives.
fn first_packet(client: &UdpSocket, server: &UdpSocket, start: Instant) -> Duration {
    loop {
        // Before there is a connection, nothing may be sent at all.
        let _ = client.send(b"first");
        if server.recv(&mut [0; 8]).is_ok() {
            return start.elapsed();
        }
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "no packet arrives"
        );
    }
}

/// Makes connections to all of `others` at once and ends them, again and again.
fn make_and_end(
    studio: &Client,
    backend: &Client,
    fleet: &str,
    others: &[String],
    over: &AtomicBool,
) {
    while !over.load(Ordering::Relaxed) {
        for vpc in others {
            story::request_connection(studio, backend, fleet, vpc).expect("it is authorized");
        }
        for vpc in others {
            let connection = story::connection_is(studio, fleet, vpc, "active");
            story::disconnect(studio, &connection);
        }
    }
}
