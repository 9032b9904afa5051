//! ModifyVpcPeeringConnectionOptions.

use serde::{Deserialize, Serialize};
use tombolo_domain::peering::{Connection, End, State};

use super::not_permitted;
use super::view::OptionsView;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::OtherParameters;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Modify {
    vpc_peering_connection_id: String,
    requester_peering_connection_options: Option<OptionsRequest>,
    accepter_peering_connection_options: Option<OptionsRequest>,
}

/// One side's options. Those that are not named stay.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OptionsRequest {
    allow_dns_resolution_from_remote_vpc: Option<bool>,
    /// ClassicLink's, which is retired, and multipath resilience's, which is between Regions.
    #[serde(flatten)]
    others: OtherParameters,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Modified {
    requester_peering_connection_options: Option<OptionsView>,
    accepter_peering_connection_options: Option<OptionsView>,
}

/// Changes the options of one side, or of both if the caller owns both. They can be changed while
/// the connection is active.
pub(crate) async fn modify_vpc_peering_connection_options(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Modify,
) -> Result<Modified> {
    let mut connection = tx
        .peering_connection(&input.vpc_peering_connection_id)
        .to(call.action())
        .await?;
    let of_requester = input.requester_peering_connection_options;
    let of_accepter = input.accepter_peering_connection_options;
    let sides = [
        ("requester", &connection.requester, &of_requester),
        ("accepter", &connection.accepter, &of_accepter),
    ];
    if sides.iter().all(|(_, _, wanted)| wanted.is_none()) {
        return Err(Error::missing_parameter(
            "accepterPeeringConnectionOptions or requesterPeeringConnectionOptions",
        ));
    }
    let mut asks_for_dns = false;
    for (side, end, wanted) in sides {
        let Some(wanted) = wanted else { continue };
        wanted.others.refuse()?;
        if end.account != call.principal.account() {
            let why = format!("account {} owns the {side}'s side.", end.account);
            return Err(not_permitted(call, "modify", &connection, &why));
        }
        asks_for_dns |= wanted.allow_dns_resolution_from_remote_vpc == Some(true);
    }
    if connection.state != State::Active {
        return Err(Error::new(
            Ec2Error::Conflict,
            format!(
                "VPC peering connection {} is {}; its options can be modified while it is active.",
                connection.id,
                connection.state.code()
            ),
        ));
    }
    if asks_for_dns {
        refuse_without_dns(tx, &connection).await?;
    }
    let shown = Modified {
        requester_peering_connection_options: apply(&mut connection.requester, of_requester),
        accepter_peering_connection_options: apply(&mut connection.accepter, of_accepter),
    };
    tx.put(&connection)?;
    Ok(shown)
}

/// DNS across a connection needs DNS hostnames and DNS support in both VPCs.
async fn refuse_without_dns(tx: &mut ScopedTransaction<'_>, connection: &Connection) -> Result<()> {
    for end in [&connection.requester, &connection.accepter] {
        let vpc = tx.vpc_at(connection, end).await?;
        let attributes = vpc.map(|vpc| vpc.attributes);
        if !attributes.is_some_and(|attributes| attributes.dns_hostnames && attributes.dns_support)
        {
            return Err(Error::new(
                Ec2Error::DnsHostnamesDisabled,
                format!(
                    "To enable DNS resolution for VPC peering connection {}, DNS hostnames and DNS \
                     support must be enabled for VPC {}; use ModifyVpcAttribute.",
                    connection.id, end.vpc
                ),
            ));
        }
    }
    Ok(())
}

/// Changes one side, and gives its options as they are then, if it was named.
fn apply(end: &mut End, wanted: Option<OptionsRequest>) -> Option<OptionsView> {
    let wanted = wanted?;
    if let Some(allowed) = wanted.allow_dns_resolution_from_remote_vpc {
        end.options.dns_resolution_from_remote = allowed;
    }
    Some(end.options.into())
}
