//! `tombolo flows`: the default format of VPC Flow Logs, version 2 (Amazon VPC User Guide, "Flow
//! log records").

use std::fmt::Display;
use std::mem;

use anyhow::Result;
use jiff::Timestamp;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{FlowLine, FollowFlows, Outcome};
use tombolo_domain::id::{AccountId, NetworkInterfaceId};
use tombolo_network::{FlowOutcome, FlowRecord};

use crate::cli::FlowsArguments;
use crate::output::{self, Reader};
use crate::server::real_now;

/// The names of the fields.
const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol \
                      packets bytes start end action log-status";

/// Follows flows until the server stops, nobody reads them any more, or somebody ends this command.
pub(super) async fn run(arguments: FlowsArguments) -> Result<()> {
    let request = FollowFlows {
        interface: arguments.interface,
        account: arguments.account,
        outcome: match (arguments.accepted, arguments.rejected) {
            (true, _) => Some(Outcome::Accepted),
            (_, true) => Some(Outcome::Rejected),
            (false, false) => None,
        },
    };
    let mut lines = AdminClient::new(&arguments.server.dir)
        .stream(&request)
        .await?;
    if arguments.header {
        output::line(HEADER)?;
    } else if !arguments.format.json {
        eprintln!("{HEADER}");
    }
    let mut lost_in_all = 0_u64;
    let mut last = real_now();
    while let Some(line) = lines.next().await? {
        if let FlowLine::Lost(lost) = &line {
            lost_in_all += lost;
            eprintln!("{lost} records were lost, {lost_in_all} since this command began");
        }
        let text = match &line {
            _ if arguments.format.json => output::json_line(&line)?,
            FlowLine::Record { account, record } => ok(*account, record) + "\n",
            FlowLine::Lost(_) => {
                let began = mem::replace(&mut last, real_now());
                skipped(request.interface.as_ref(), began, last) + "\n"
            }
        };
        if output::offer(text.as_bytes())? == Reader::Gone {
            break;
        }
    }
    Ok(())
}

/// A record's line.
fn ok(account: Option<AccountId>, record: &FlowRecord) -> String {
    let FlowRecord {
        interface,
        source,
        destination,
        source_port,
        destination_port,
        protocol,
        packets,
        bytes,
        start,
        end,
        outcome,
        ..
    } = record;
    let account = or_dash(account);
    let (start, end) = (start.as_second(), end.as_second());
    let action = match outcome {
        FlowOutcome::Accepted => "ACCEPT",
        FlowOutcome::Rejected(_) => "REJECT",
    };
    format!(
        "2 {account} {interface} {source} {destination} {source_port} {destination_port} \
         {protocol} {packets} {bytes} {start} {end} {action} OK"
    )
}

/// The line that stands for records that were lost between two moments. It is not known whose they
/// were, unless one interface's are followed.
fn skipped(interface: Option<&NetworkInterfaceId>, start: Timestamp, end: Timestamp) -> String {
    let interface = or_dash(interface);
    let (start, end) = (start.as_second(), end.as_second());
    format!("2 - {interface} - - - - - - - {start} {end} - SKIPDATA")
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
