//! From the call that connects to the first packet that arrives, and from the call that deletes to
//! the last one, while 100 other connections are being made.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tombolo_tests::aws::Client;
use tombolo_tests::scenario;

use crate::link::Pair;
use crate::path::sockets;
use crate::table::{Table, Target};

const SAMPLES: usize = 100;
const OTHERS: usize = 100;

/// Measures it.
pub(crate) fn measure(table: &mut Table) {
    let pair = Pair::start();
    let (studio, backend) = (pair.server.studio(), pair.server.backend());
    let others: Vec<String> = (0..OTHERS)
        .map(|number| scenario::vpc(&backend, &format!("10.200.{number}.0/24")))
        .collect();
    others
        .iter()
        .for_each(|vpc| scenario::authorize(&backend, &studio, vpc));

    let (client, server) = sockets(&pair.link);
    server.set_nonblocking(true).expect("a socket can be that");
    let over = AtomicBool::new(false);
    let (first, last): (Vec<f64>, Vec<f64>) = thread::scope(|scope| {
        scope.spawn(|| make_and_end(&studio, &backend, &pair.fleet, &others, &over));
        let _over = WhenDropped(&over);
        let sample = |_| {
            while server.recv(&mut [0; 8]).is_ok() {}
            let start = Instant::now();
            scenario::request_connection(&studio, &backend, &pair.fleet, &pair.vpc)
                .expect("authorized");
            let arrived = first_packet(&client, &server, start);
            let connection = scenario::connection_is(&studio, &pair.fleet, &pair.vpc, "active");
            let ended = last_packet(&client, &server, || {
                scenario::disconnect(&studio, &connection);
            });
            (milliseconds(arrived), milliseconds(ended))
        };
        (0..SAMPLES).map(sample).unzip()
    });
    for (what, mut times) in [
        ("call to first packet", first),
        ("deletion to last packet", last),
    ] {
        times.sort_by(f64::total_cmp);
        for percent in [50, 99] {
            let rank = times[(SAMPLES - 1) * percent / 100];
            let what = format!("{what} p{percent}, 100 others being made");
            table.figure(&what, "ms", rank, None, Target::AtMost(50.0));
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
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

/// Sends without a pause while `disconnect` deletes the connection and waits for that. Says how long
/// after its beginning the last packet arrived; 0 when none did.
fn last_packet(client: &UdpSocket, server: &UdpSocket, disconnect: impl FnOnce()) -> Duration {
    let over = AtomicBool::new(false);
    let start = Instant::now();
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let mut last = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                // Once the connection is gone, nothing may be sent.
                let _ = client.send(b"last");
                if server.recv(&mut [0; 8]).is_ok() {
                    last = start.elapsed();
                }
            }
            last
        });
        let over = WhenDropped(&over);
        disconnect();
        drop(over);
        receiver.join().expect("the receiver panicked")
    })
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
            scenario::request_connection(studio, backend, fleet, vpc).expect("it is authorized");
        }
        for vpc in others {
            let connection = scenario::connection_is(studio, fleet, vpc, "active");
            scenario::disconnect(studio, &connection);
        }
    }
}
