//! CreateVpcPeeringConnection.

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{AccountId, VpcId};
use tombolo_domain::peering::Connection;
use tombolo_domain::vpc::Vpc;

use super::view::ConnectionView;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::{OtherParameters, invalid_value, parse_id, unsupported};
use crate::ec2::tag::{self, TagSpecification, TagsOf};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::shorten;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    vpc_id: String,
    peer_vpc_id: Option<String>,
    peer_owner_id: Option<String>,
    peer_region: Option<String>,
    #[serde(default)]
    tag_specifications: Vec<TagSpecification>,
    #[serde(flatten)]
    others: OtherParameters,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    vpc_peering_connection: ConnectionView,
}

/// Asks for a connection between a VPC of the caller's and another. Whether there is such another,
/// and whether the two share addresses, is found out when the request is delivered, and makes it
/// `failed`: the reply discloses nothing about other accounts.
pub(crate) async fn create_vpc_peering_connection(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Create,
) -> Result<Created> {
    input.others.refuse()?;
    refuse_other_region(call, input.peer_region.as_deref())?;
    let vpc = tx.vpc(&input.vpc_id).to(call.action()).await?;
    let peer = peer(call, &input)?;

    let existing = tx.connections_of_vpc(&vpc).await?;
    let mut existing = existing.into_iter();
    if let Some(connection) = existing.find(|one| is_with(one, &vpc, &peer)) {
        return repeated(tx, call, &vpc, connection).await;
    }
    refuse_too_many(tx, call).await?;

    let connection = Connection::request_between(&vpc, peer, call.now, call.ids);
    tx.put(&connection)?;
    let tags = tag::write_new(tx, &vpc.scope, &connection.id, input.tag_specifications)?;
    let expires = connection.expires;
    Ok(Created {
        vpc_peering_connection: ConnectionView::new(call, connection, expires, tags),
    })
}

fn refuse_other_region(call: &Call<'_>, region: Option<&str>) -> Result<()> {
    let here = call.principal.region();
    match region.filter(|region| *region != here.as_str()) {
        None => Ok(()),
        Some(there) => Err(unsupported(format!(
            "PeerRegion {}: Tombolo's Regions are not joined, and VPCs are peered within one. Leave \
             it out, or use {here}.",
            shorten(there)
        ))),
    }
}

/// The account and the VPC that are asked.
fn peer(call: &Call<'_>, input: &Create) -> Result<(AccountId, VpcId)> {
    let vpc = input.peer_vpc_id.as_deref();
    let vpc = parse_id(vpc.ok_or_else(|| Error::missing_parameter("peerVpcId"))?)?;
    let account = match &input.peer_owner_id {
        None => call.principal.account(),
        Some(text) => text
            .parse()
            .map_err(|_| invalid_value("peerOwnerId", text, "An AWS account ID has 12 digits."))?,
    };
    Ok((account, vpc))
}

/// Whether this is a live connection between the two.
fn is_with(connection: &Connection, vpc: &Vpc, (account, peer): &(AccountId, VpcId)) -> bool {
    let other = if connection.requester.vpc == vpc.id {
        &connection.accepter
    } else {
        &connection.requester
    };
    connection.state.is_live() && other.vpc == *peer && other.account == *account
}

/// The same request again, while nobody has answered it, is answered as the first was. Any other
/// connection between the two stands in the way of a second.
async fn repeated(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    vpc: &Vpc,
    connection: Connection,
) -> Result<Created> {
    if connection.requester.vpc != vpc.id || !connection.state.is_request() {
        return Err(super::already_exists(&connection));
    }
    let mut tags = TagsOf::one(tx, &connection.id).await?;
    let tags = tags.take(&connection.id);
    let expires = connection.expires;
    Ok(Created {
        vpc_peering_connection: ConnectionView::new(call, connection, expires, tags),
    })
}

/// Counts the requests that the account made and nobody has answered. Of several that are made at
/// the same moment, one too many may pass.
async fn refuse_too_many(tx: &mut ScopedTransaction<'_>, call: &Call<'_>) -> Result<()> {
    let most = tx.quotas().await?.outstanding_peering_requests;
    if tx.count_open_requests(call.action()).await? < most {
        return Ok(());
    }
    Err(Error::new(
        Ec2Error::OutstandingPeeringLimitExceeded,
        format!(
            "Account {} has as many unanswered requests for VPC peering connections as it may \
             have, {most}; one of them has to be deleted first.",
            call.principal.account()
        ),
    ))
}
