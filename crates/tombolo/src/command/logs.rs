//! `tombolo logs`.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};

use crate::admin::client::AdminClient;
use crate::admin::message::{FindLogs, FleetLogs, LogFile};
use crate::cli::LogsArguments;
use crate::output;

/// How much is read at a time, in bytes.
const CHUNK: usize = 64 << 10;

pub(super) async fn run(arguments: LogsArguments) -> Result<()> {
    let ask = FindLogs {
        fleet: arguments.fleet,
        account: arguments.account,
    };
    let FleetLogs { status, files } = AdminClient::new(&arguments.server.dir).ask(&ask).await?;
    if files.is_empty() {
        let fleet = &ask.fleet;
        eprintln!("No server process of {fleet} has written anything; the fleet is {status}.");
        eprintln!(
            "hint: `aws gamelift describe-fleet-events --fleet-id {fleet}` tells how it got there"
        );
    }
    files.iter().try_for_each(show)
}

/// Writes a header and the file, as long as it is when reading gets to its end.
fn show(log: &LogFile) -> Result<()> {
    output::line(format!("==> {} {} <==", log.instance, log.process))?;
    let read = || -> Result<()> {
        let mut file = File::open(&log.path)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(()),
                length => output::bytes(&chunk[..length])?,
            }
        }
    };
    read().with_context(|| format!("showing {}", log.path.display()))
}
