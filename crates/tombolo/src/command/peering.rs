//! `tombolo peering`.

use anyhow::Result;
use jiff::Timestamp;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{ListPeerings, Peerings};
use tombolo_domain::peering::{Authorization, Connection, End, Missing, State};

use crate::cli::PeeringCommand;
use crate::output;

pub(super) async fn run(command: PeeringCommand) -> Result<()> {
    match command {
        PeeringCommand::List {
            account,
            server,
            format,
        } => {
            let request = ListPeerings {
                account: account.account,
                connection: None,
            };
            let peerings = AdminClient::new(&server.dir).send(&request).await?;
            if format.json {
                output::json(&peerings)
            } else {
                list(peerings)
            }
        }
        PeeringCommand::Show {
            id,
            account,
            server,
            format,
        } => {
            let request = ListPeerings {
                account: account.account,
                connection: Some(id),
            };
            let peerings = AdminClient::new(&server.dir).send(&request).await?;
            if format.json {
                return output::json(&peerings.connections);
            }
            peerings.connections.iter().try_for_each(show)
        }
    }
}

fn list(peerings: Peerings) -> Result<()> {
    let connections = peerings.connections.into_iter().map(|one| {
        [
            one.id.to_string(),
            one.state.code().to_owned(),
            moment(one.since()),
            one.requested_by().to_string(),
            blocks(&one.requester),
            one.accepter.vpc.to_string(),
            blocks(&one.accepter),
            one.region.to_string(),
        ]
    });
    let headings = [
        "CONNECTION",
        "STATE",
        "SINCE",
        "REQUESTER",
        "REQUESTER CIDR",
        "ACCEPTER",
        "ACCEPTER CIDR",
        "REGION",
    ];
    output::table(headings, connections)?;
    output::line("")?;
    let now = peerings.now;
    let authorizations = peerings.authorizations.into_iter().map(|one| {
        [
            one.peer_vpc.to_string(),
            one.peer_account.to_string(),
            one.fleet_account.to_string(),
            standing(&one, now),
            one.region.to_string(),
        ]
    });
    output::table(
        ["AUTHORIZED VPC", "BY", "FOR", "STANDING", "REGION"],
        authorizations,
    )
}

/// One connection, and its way through the states.
fn show(connection: &Connection) -> Result<()> {
    let Connection {
        id,
        region,
        requester,
        accepter,
        history,
        ..
    } = connection;
    output::line(format!("{id} in {region}: {}", connection.message()))?;
    let of_fleet = connection
        .fleet
        .as_ref()
        .map(|fleet| format!(" ({fleet})"))
        .unwrap_or_default();
    output::line(format!(
        "  requester  {requester} of account {}{of_fleet}",
        requester.account
    ))?;
    output::line(format!(
        "  accepter   {accepter} of account {}",
        accepter.account
    ))?;
    if let Some(expires) = connection.expires.filter(|_| connection.state.is_request()) {
        output::line(format!(
            "  expires    {} unless it is accepted",
            moment(expires)
        ))?;
    }
    for transition in history {
        let why = match &transition.state {
            State::Failed { reason } => format!(": {reason}"),
            State::Rejected { by } | State::Deleting { by } | State::Deleted { by } => {
                format!(" by {by}")
            }
            _ => String::new(),
        };
        let (at, code) = (format!("{:.6}", transition.at), transition.state.code());
        output::line(format!("  {at}  {code}{why}"))?;
    }
    Ok(())
}

/// The blocks of an end; `-` while they are not known.
fn blocks(end: &End) -> String {
    let blocks: Vec<_> = end.cidrs().map(|block| block.to_string()).collect();
    match &blocks[..] {
        [] => "-".to_owned(),
        blocks => blocks.join(","),
    }
}

fn standing(authorization: &Authorization, now: Timestamp) -> String {
    match authorization.consent(now) {
        Ok(_) => format!("valid until {}", moment(authorization.expires)),
        Err(Missing::Cancelled { at }) => format!("cancelled {}", moment(at)),
        Err(Missing::Expired { at }) => format!("expired {}", moment(at)),
        // There is an authorization, so it is not this.
        Err(Missing::None) => "none".to_owned(),
    }
}

fn moment(at: Timestamp) -> String {
    format!("{at:.0}")
}
