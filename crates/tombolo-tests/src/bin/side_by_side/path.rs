//! The data path, with its security groups and flow table, beside a bare veth: small packets, round
//! trips, and a stream. Beside the same veth stands the usual way, a router with nftables.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tombolo_testkit::netns::within;
use tombolo_tests::scenario;

use crate::link::{Bare, Link, Pair, Router};
use crate::table::{Table, Target};

pub(crate) const TURNS: usize = 7;
const TIME: Duration = Duration::from_secs(1);
const ROUND_TRIPS: usize = 10_000;
const SMALL: [u8; 64] = [0x5a; 64];

/// The CPUs of the client and of the server.
type Placement = (usize, usize);
const ONE_CPU: Placement = (0, 0);
const TWO_CPUS: Placement = (0, 1);

/// Measures all of it, in turns.
pub(crate) fn measure(table: &mut Table) {
    let pair = Pair::start();
    let (studio, backend) = (pair.server.studio(), pair.server.backend());
    scenario::connect(&studio, &backend, &pair.fleet, &pair.vpc);
    let (bare, router) = (Bare::start(), Router::start());
    let links = [pair.link, router.link(), bare.link()];

    let packets = turns(&links, packets_per_second);
    let rows = Rows::new("UDP packets of 64 bytes", "/s", Target::AtLeast(0.75));
    rows.add(table, &packets, |packets| *packets);

    let stream = turns(&links, |link| gigabits_per_second(link, ONE_CPU));
    let rows = Rows::new("TCP stream, one CPU", "Gbit/s", Target::AtLeast(0.95));
    rows.add(table, &stream, |rate| *rate);

    let stream = turns(&links, |link| gigabits_per_second(link, TWO_CPUS));
    let rows = Rows::new("TCP stream, two CPUs", "Gbit/s", Target::None);
    rows.add(table, &stream, |rate| *rate);

    for (placement, name, target) in [
        (ONE_CPU, "one CPU", Target::AtMost(1.15)),
        (TWO_CPUS, "two CPUs", Target::None),
    ] {
        let times = turns(&links, |link| round_trips(link, placement));
        for (rank, at) in [("p50", 50), ("p99", 99)] {
            let what = format!("UDP round trip {rank}, {name}");
            // The target is the middle one; the tail of a virtual machine is its host's.
            let target = if at == 50 { target } else { Target::None };
            Rows::new(&what, "us", target).add(table, &times, |times| times.rank(at));
        }
    }
}

/// What one turn measured on each link: ours, the router's, and the bare one.
type Turn<T> = [T; 3];

fn turns<T>(links: &[Link; 3], measure: impl Fn(&Link) -> T) -> Vec<Turn<T>> {
    let turns = (0..TURNS).map(|_| links.each_ref().map(&measure));
    turns.collect()
}

/// The two rows of one thing that was measured: ours beside the bare link, which has the target,
/// and the router's beside it.
struct Rows<'a> {
    what: &'a str,
    unit: &'a str,
    target: Target,
}

impl<'a> Rows<'a> {
    fn new(what: &'a str, unit: &'a str, target: Target) -> Self {
        Rows { what, unit, target }
    }

    fn add<T>(&self, table: &mut Table, turns: &[Turn<T>], figure: impl Fn(&T) -> f64) {
        let beside_bare = |at: usize| {
            let turns = turns.iter();
            turns
                .map(|turn| (figure(&turn[at]), figure(&turn[2])))
                .collect()
        };
        table.ratio(self.what, self.unit, beside_bare(0), self.target);
        let router = "  a router with nftables";
        table.ratio(router, self.unit, beside_bare(1), Target::None);
    }
}

/// Packets of 64 bytes that arrive in a second, sent as fast as one CPU can.
pub(crate) fn packets_per_second(link: &Link) -> f64 {
    let (client, server) = sockets(link);
    server
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a timeout");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            pin(TWO_CPUS.1);
            let mut arrived = 0_u64;
            let mut buffer = [0; 128];
            while !over.load(Ordering::Relaxed) {
                arrived += u64::from(server.recv(&mut buffer).is_ok());
            }
            arrived
        });
        scope.spawn(|| {
            pin(TWO_CPUS.0);
            let start = Instant::now();
            while start.elapsed() < TIME {
                for _ in 0..64 {
                    // A full queue is the receiver's business, which counts what arrives.
                    let _ = client.send(&SMALL);
                }
            }
            over.store(true, Ordering::Relaxed);
        });
        receiver.join().expect("the receiver panicked") as f64 / TIME.as_secs_f64()
    })
}

/// Times in microseconds, in order.
struct Times(Vec<f64>);

impl Times {
    fn rank(&self, percent: usize) -> f64 {
        self.0[self.0.len() * percent / 100]
    }
}

fn round_trips(link: &Link, (client_cpu, server_cpu): Placement) -> Times {
    let (client, server) = sockets(link);
    for socket in [&client, &server] {
        socket
            .set_read_timeout(Some(Duration::from_secs(1)))
            .expect("a timeout");
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(server_cpu);
            let mut buffer = [0; 128];
            // The client's end is what ends this, by the timeout.
            while let Ok((length, from)) = server.recv_from(&mut buffer) {
                server
                    .send_to(&buffer[..length], from)
                    .expect("the client is there");
            }
        });
        let client = scope.spawn(|| {
            pin(client_cpu);
            let mut buffer = [0; 128];
            let mut once = || {
                let start = Instant::now();
                client.send(&SMALL).expect("the server is there");
                client.recv(&mut buffer).expect("an echo");
                start.elapsed().as_secs_f64() * 1e6
            };
            for _ in 0..1_000 {
                once();
            }
            let mut times: Vec<f64> = (0..ROUND_TRIPS).map(|_| once()).collect();
            times.sort_by(f64::total_cmp);
            Times(times)
        });
        client.join().expect("the client panicked")
    })
}

fn gigabits_per_second(link: &Link, (client_cpu, server_cpu): Placement) -> f64 {
    let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    let listener = within(&link.server, || TcpListener::bind(any).expect("binding"));
    let port = listener.local_addr().expect("it is bound").port();
    let mut client = within(&link.client, || {
        TcpStream::connect((link.address, port)).expect("connecting")
    });
    let (mut server, _) = listener.accept().expect("accepting");
    thread::scope(|scope| {
        scope.spawn(move || {
            pin(client_cpu);
            let chunk = vec![0x5a; 128 << 10];
            let start = Instant::now();
            while start.elapsed() < TIME {
                client.write_all(&chunk).expect("the server reads");
            }
        });
        let receiver = scope.spawn(move || {
            pin(server_cpu);
            let mut chunk = vec![0; 128 << 10];
            let (start, mut bytes) = (Instant::now(), 0);
            loop {
                match server.read(&mut chunk).expect("the client writes") {
                    0 => break bytes as f64 * 8.0 / 1e9 / start.elapsed().as_secs_f64(),
                    length => bytes += length,
                }
            }
        });
        receiver.join().expect("the receiver panicked")
    })
}

/// A connected socket at the client's end and a bound one at the server's.
pub(crate) fn sockets(link: &Link) -> (UdpSocket, UdpSocket) {
    let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    let at = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, link.port);
    let server = within(&link.server, || UdpSocket::bind(at).expect("binding"));
    let port = server.local_addr().expect("it is bound").port();
    let client = within(&link.client, || {
        let client = UdpSocket::bind(any).expect("binding");
        client
            .connect((link.address, port))
            .expect("there is a route");
        client
    });
    (client, server)
}

fn pin(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu).expect("the machine has it");
    sched_setaffinity(Pid::from_raw(0), &cpus).expect("pinning to a CPU");
}
