//! Measuring the way to the demo's database: the same code in the game server, across VPCs, and
//! between two namespaces that nothing but a veth pair joins.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::database::ENTRY;
use super::report::Measurement;
use crate::cli::MeasureArguments;
use crate::output;

/// Datagrams of the latency measurement, after the first tenth, which warms up.
const PINGS: usize = 4_000;

/// How long bytes are sent for the throughput.
const SENDING: Duration = Duration::from_secs(1);

/// How long one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes that one write gives.
const CHUNK: usize = 128 << 10;

/// `tombolo demo-measure`: measures once and prints it.
pub(crate) fn run(arguments: &MeasureArguments) -> Result<()> {
    pin();
    output::json(&measure(arguments.database)?)
}

/// Keeps this process on the first processor that it may use, as its peer does: across processors
/// the time to wake one up, which is the machine's and changes from run to run, hides all else.
pub(super) fn pin() {
    // Measured numbers vary more without it; nothing else depends on it.
    let _ = (|| {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let mut first = CpuSet::new();
        let of = (0..CpuSet::count()).find(|&cpu| allowed.is_set(cpu).unwrap_or(false));
        first.set(of.unwrap_or(0))?;
        sched_setaffinity(Pid::from_raw(0), &first)
    })();
}

/// Asks the database, and measures the way to it.
pub(super) fn measure(database: SocketAddrV4) -> Result<Measurement> {
    let value = get(database)?;
    let [p50, p99] = latency(database)?;
    Ok(Measurement {
        value,
        p50,
        p99,
        throughput: throughput(database)?,
    })
}

fn connect(database: SocketAddrV4) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&database.into(), ANSWER_TIMEOUT)
        .with_context(|| format!("connecting to {database}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    Ok(stream)
}

fn get(database: SocketAddrV4) -> Result<String> {
    let mut stream = connect(database)?;
    writeln!(stream, "GET {}", ENTRY.0)?;
    let mut value = String::new();
    BufReader::new(stream)
        .read_line(&mut value)
        .context("reading from the database")?;
    Ok(value.trim_end().to_owned())
}

/// The median and the 99th percentile, in microseconds.
fn latency(database: SocketAddrV4) -> Result<[f64; 2]> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(database)?;
    socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut times = Vec::with_capacity(PINGS);
    let mut datagram = [0; 64];
    for number in 0..PINGS + PINGS / 10 {
        let sent = Instant::now();
        socket.send(&datagram).context("sending a datagram")?;
        socket
            .recv(&mut datagram)
            .context("waiting for a datagram's echo")?;
        if number >= PINGS / 10 {
            times.push(sent.elapsed());
        }
    }
    times.sort_unstable();
    Ok([times.len() / 2, times.len() * 99 / 100].map(|at| times[at].as_secs_f64() * 1e6))
}

/// Bits a second.
fn throughput(database: SocketAddrV4) -> Result<f64> {
    let mut stream = connect(database)?;
    let chunk = vec![0x5a; CHUNK];
    let started = Instant::now();
    stream.write_all(b"TAKE\n")?;
    let mut sent = 0_u64;
    while started.elapsed() < SENDING {
        stream
            .write_all(&chunk)
            .context("sending to the database")?;
        sent += chunk.len() as u64;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut taken = String::new();
    BufReader::new(stream)
        .read_line(&mut taken)
        .context("waiting for the database's count")?;
    let elapsed = started.elapsed();
    let taken: u64 = taken
        .trim_end()
        .parse()
        .context("reading the database's count")?;
    ensure!(taken == sent, "{sent} bytes were sent and {taken} arrived");
    Ok(taken as f64 * 8.0 / elapsed.as_secs_f64())
}
