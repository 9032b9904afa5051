//! The demo's game server: it probes its database continuously, and reports the results.

use std::io::{self, Write};
use std::net::{SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::measure;
use super::report::{Probes, Report};
use crate::cli::GameServerArguments;
use crate::server::real_now;

/// How long probes are sent until there is a report of them.
const WINDOW: Duration = Duration::from_millis(200);

/// How long an answer is waited for until the next probe is sent. Between peered VPCs one takes a
/// hundredth of it.
const PROBE_INTERVAL: Duration = Duration::from_millis(5);

/// Runs until the process is ended.
pub(crate) fn run(arguments: &GameServerArguments) -> Result<()> {
    measure::pin();
    let mut reached = false;
    loop {
        let probes = probe(arguments.database)?;
        tell(&Report::Probes(probes))?;
        let reaches = probes.answered > 0;
        if reaches && !reached {
            match measure::measure(arguments.database) {
                Ok(measurement) => tell(&Report::Measured(measurement))?,
                // The connection may go at any moment; it is measured again when it is back.
                Err(error) => eprintln!("measuring: {error:#}"),
            }
        }
        reached = reaches;
    }
}

fn probe(database: SocketAddrV4) -> Result<Probes> {
    // A socket of its own, so that no late answer counts for the next window.
    let socket = UdpSocket::bind("0.0.0.0:0").context("making a socket")?;
    socket.set_read_timeout(Some(PROBE_INTERVAL))?;
    let started = Instant::now();
    let mut probes = Probes {
        from: microseconds(),
        first_answer: None,
        sent: 0,
        answered: 0,
    };
    while started.elapsed() < WINDOW {
        let sent = Instant::now();
        // What cannot even be sent is as unanswered as what is lost.
        let answered =
            socket.send_to(b"probe", database).is_ok() && socket.recv(&mut [0; 16]).is_ok();
        probes.sent += 1;
        if answered {
            probes.answered += 1;
            probes.first_answer.get_or_insert_with(microseconds);
        }
        std::thread::sleep(PROBE_INTERVAL.saturating_sub(sent.elapsed()));
    }
    Ok(probes)
}

fn microseconds() -> i64 {
    real_now().as_microsecond()
}

fn tell(report: &Report) -> Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, report)?;
    writeln!(stdout)?;
    Ok(stdout.flush()?)
}
