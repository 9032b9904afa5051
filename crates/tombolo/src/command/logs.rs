//! `tombolo logs`.

use std::io::{self, IsTerminal};

use anyhow::Result;
use serde::Serialize;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{FollowLogs, LogLines, LogPart, LogSource};

use crate::cli::LogsArguments;
use crate::output::{self, Reader};
use crate::stop::Stop;

/// How many lines of each process come first when the logs are followed.
const INITIAL_LINES: u64 = 10;

/// Shows logs, to their end or until the server stops, nobody reads them any more, or somebody ends
/// this command.
pub(super) async fn run(arguments: LogsArguments) -> Result<()> {
    let request = FollowLogs {
        lines: arguments
            .lines
            .or(arguments.follow.then_some(INITIAL_LINES)),
        fleet: arguments.fleet,
        account: arguments.account,
        instance: arguments.instance,
        process: arguments.process,
        install: arguments.install,
        follow: arguments.follow,
    };
    let mut stop = Stop::listen()?;
    let mut parts = AdminClient::new(&arguments.server.dir)
        .stream(&request)
        .await?;
    let mut format = LineFormat {
        is_json: arguments.format.json,
        // More may come while they are followed, unless it is one process's that is asked for.
        is_named: request.follow && (request.instance.is_none() || request.process.is_none()),
        is_terminal: io::stdout().is_terminal(),
    };
    loop {
        let part = tokio::select! {
            part = parts.next() => part?,
            () = stop.asked() => return Ok(()),
        };
        let Some(part) = part else { return Ok(()) };
        let text = match &part {
            LogPart::Fleet { status, logs } => {
                format.is_named |= *logs > 1;
                if *logs == 0 {
                    let fleet = &request.fleet;
                    eprintln!(
                        "No server process of {fleet} has written anything; the fleet is {status}."
                    );
                    eprintln!(
                        "hint: `aws gamelift describe-fleet-events --fleet-id {fleet}` tells how \
                         it got there"
                    );
                }
                continue;
            }
            LogPart::Lines(lines) => format.lines(lines)?,
            LogPart::Skipped(LogSource { instance, process }) => {
                eprintln!("{instance} {process} wrote faster than it was read; lines are missing");
                continue;
            }
        };
        if output::offer(text.as_bytes())? == Reader::Gone {
            return Ok(());
        }
    }
}

/// How lines are shown.
struct LineFormat {
    is_json: bool,
    /// Whether each line says whose it is.
    is_named: bool,
    is_terminal: bool,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    instance: &'a str,
    process: &'a str,
    line: &'a str,
}

impl LineFormat {
    fn lines(&self, LogLines { source, lines }: &LogLines) -> Result<String> {
        let LogSource { instance, process } = source;
        let mut text = String::new();
        for line in lines {
            if self.is_json {
                text += &output::json_line(&JsonLine {
                    instance,
                    process,
                    line,
                })?;
                continue;
            }
            if self.is_named {
                text += &format!("{instance} {process} | ");
            }
            // What a game writes must not move somebody's terminal about.
            let shown = |c: &char| !self.is_terminal || *c == '\t' || !c.is_control();
            text.extend(line.chars().filter(shown));
            text.push('\n');
        }
        Ok(text)
    }
}
