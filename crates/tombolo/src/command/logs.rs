//! `tombolo logs`.

use std::fs::File;
use std::io::{self, IsTerminal, Read};

use anyhow::{Context, Result};

use crate::admin::client::AdminClient;
use crate::admin::message::{FindLogs, LogFile};
use crate::cli::LogsArguments;
use crate::output;

/// How much is read at a time, in bytes.
const CHUNK: usize = 64 << 10;

pub(super) async fn run(arguments: LogsArguments) -> Result<()> {
    let ask = FindLogs {
        fleet: arguments.fleet,
        account: arguments.account,
    };
    let logs = AdminClient::new(&arguments.server.dir).ask(&ask).await?;
    if logs.is_empty() && io::stderr().is_terminal() {
        eprintln!("No server process of {} has started yet.", ask.fleet);
    }
    logs.iter().try_for_each(show)
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
