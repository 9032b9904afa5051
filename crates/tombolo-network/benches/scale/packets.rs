//! Small UDP packets between two interfaces, on two CPUs.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

const TIME: Duration = Duration::from_secs(1);
const SMALL: [u8; 64] = [0x5a; 64];

/// How many packets from `client`, which is connected to `server`, arrive in a second.
pub(crate) fn per_second(client: &UdpSocket, server: &UdpSocket) -> f64 {
    server
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a timeout");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            pin(1);
            let mut arrived = 0_u64;
            let mut buffer = [0; 128];
            while !over.load(Ordering::Relaxed) {
                arrived += u64::from(server.recv(&mut buffer).is_ok());
            }
            arrived
        });
        scope.spawn(|| {
            pin(0);
            let start = Instant::now();
            while start.elapsed() < TIME {
                // A full queue is the receiver's business, which counts what arrives.
                let _ = client.send(&SMALL);
            }
            over.store(true, Ordering::Relaxed);
        });
        let arrived = receiver.join().expect("the receiver panicked");
        arrived as f64 / TIME.as_secs_f64()
    })
}

/// On a machine with one CPU both are on it.
fn pin(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu).expect("a set has two CPUs");
    let _ = sched_setaffinity(Pid::from_raw(0), &cpus);
}
