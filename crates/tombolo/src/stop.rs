//! Being asked to stop.

use std::fs;
use std::io;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM, and the SIGHUP of a terminal that is closed: listened for before anything is
/// started that must be ended.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Stop {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self> {
        // `nohup` ignores it for its command, which should then go on.
        let hangup_matters = !is_ignored(SignalKind::hangup()).context("looking at signals")?;
        Ok(Stop {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangup_matters
                .then(|| signal(SignalKind::hangup()))
                .transpose()?,
        })
    }

    /// Returns when the process was asked to stop.
    pub(crate) async fn asked(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether whoever started this process made it ignore the signal (`SigIgn` of proc_pid_status(5)).
fn is_ignored(signal: SignalKind) -> io::Result<bool> {
    let status = fs::read_to_string("/proc/self/status")?;
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
        .unwrap_or(0);
    Ok(ignored & (1 << (signal.as_raw_value() - 1)) != 0)
}
