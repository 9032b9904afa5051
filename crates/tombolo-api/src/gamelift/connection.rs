//! CreateVpcPeeringConnection, DescribeVpcPeeringConnections and DeleteVpcPeeringConnection: the
//! account that runs the fleet connects it, and disconnects it, while it is authorized to.
//!
//! These only write what is wanted; the network reconciler makes it so and advances the status.

use serde::{Deserialize, Serialize};
use tombolo_domain::fleet::Fleet;
use tombolo_domain::id::{AccountId, FleetId, VpcId, VpcPeeringConnectionId};
use tombolo_domain::peering::{Authorization, Connection, End, Missing, State, Step};
use tombolo_domain::vpc::Vpc;
use tombolo_domain::{Scope, arn};

use super::Empty;
use crate::gamelift::error::{Error, GameLiftError, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::shorten;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    fleet_id: String,
    peer_vpc_aws_account_id: String,
    peer_vpc_id: String,
}

/// In this order: the fleet, the peer VPC's Region, the authorization, another connection, the peer
/// VPC's quota.
pub(crate) async fn create_vpc_peering_connection(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Create,
) -> Result<Empty> {
    let peer_account = parse_account("peerVpcAwsAccountId", &input.peer_vpc_aws_account_id)?;
    let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    if !fleet.status.can_peer() {
        return Err(Error::invalid_request(format!(
            "Fleet {} is {}; a VPC peering connection can be made to a fleet that is ACTIVE or on \
             its way there.",
            fleet.id, fleet.status
        )));
    }
    let vpc = fleet_vpc(tx, &fleet).await?;
    request(tx, call, &fleet.id, &vpc, peer_account, &input.peer_vpc_id).await?;
    Ok(Empty {})
}

/// Writes the request for a connection of `fleet`, whose VPC is `fleet_vpc`, if the owner of the
/// peer VPC consents.
pub(super) async fn request(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    fleet: &FleetId,
    fleet_vpc: &Vpc,
    peer_account: AccountId,
    peer_vpc_id: &str,
) -> Result<VpcPeeringConnectionId> {
    let scope = call.scope();
    let Ok(peer_vpc) = peer_vpc_id.parse::<VpcId>() else {
        return Err(not_authorized(
            &scope,
            peer_account,
            peer_vpc_id,
            Missing::None,
        ));
    };
    refuse_other_region(tx, peer_account, &peer_vpc).await?;

    let authorization = tx.authorization_from(peer_account, &peer_vpc).await?;
    let consent = Authorization::consent_of(authorization.as_ref(), call.now)
        .map_err(|missing| not_authorized(&scope, peer_account, peer_vpc_id, missing))?;

    let Some(peer) = tx.consenting_vpc(&consent).await? else {
        return Err(Error::not_found(format!(
            "VPC {peer_vpc} of account {peer_account} was deleted after it had been authorized."
        )));
    };
    refuse_duplicate(tx, fleet, &peer).await?;
    if let Some(most) = tx.has_most_peerings(peer_account, &peer_vpc).await? {
        return Err(Error::invalid_request(format!(
            "VPC {peer_vpc} has as many active VPC peering connections as it may have, {most}; one \
             of them has to be deleted first."
        )));
    }

    let connection = Connection::request(
        consent,
        scope.region.clone(),
        fleet.clone(),
        End::of(fleet_vpc),
        &peer,
        call.now,
        call.ids,
    );
    tx.put_delivered(&connection)?;
    Ok(connection.id)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    fleet_id: String,
    vpc_peering_connection_id: String,
}

/// Ends a connection, with the peer's consent at this moment. One that is already ending or ended
/// is left as it is.
pub(crate) async fn delete_vpc_peering_connection(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Delete,
) -> Result<Empty> {
    let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    let scope = call.scope();
    let connection = match input.vpc_peering_connection_id.parse() {
        Ok(id) => tx.connection_of_fleet(&fleet, &id).await?,
        Err(_) => None,
    };
    let Some(connection) = connection.filter(|found| found.is_visible_to(scope.account, call.now))
    else {
        return Err(Error::not_found(format!(
            "VPC peering connection {} of fleet {} was not found.",
            shorten(&input.vpc_peering_connection_id),
            fleet.id
        )));
    };
    match connection.state {
        State::Deleting { .. } | State::Deleted { .. } => {}
        _ if connection.state.is_live() => end(tx, call, connection).await?,
        _ => {
            return Err(Error::invalid_request(format!(
                "VPC peering connection {} has failed, so there is nothing to delete; its record \
                 goes by itself.",
                connection.id
            )));
        }
    }
    Ok(Empty {})
}

/// Writes that a live connection is to end, if the owner of the peer VPC consents.
pub(super) async fn end(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    mut connection: Connection,
) -> Result<()> {
    let scope = call.scope();
    let peer = &connection.accepter;
    let found = tx.authorization_from(peer.account, &peer.vpc).await?;
    Authorization::consent_of(found.as_ref(), call.now)
        .map_err(|missing| not_authorized(&scope, peer.account, peer.vpc.as_str(), missing))?;
    let deleted = connection.apply(Step::Delete(scope.account), call.now);
    deleted.map_err(|error| Error::internal("ending a live connection", error))?;
    tx.put(&connection)?;
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    fleet_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    vpc_peering_connections: Vec<VpcPeeringConnection>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct VpcPeeringConnection {
    fleet_id: FleetId,
    fleet_arn: String,
    ip_v4_cidr_block: Option<String>,
    vpc_peering_connection_id: VpcPeeringConnectionId,
    status: Status,
    peer_vpc_id: VpcId,
    game_lift_vpc_id: VpcId,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    code: &'static str,
    message: String,
}

/// The connections of the caller's fleets, or of one. Those that ended stay for two hours.
pub(crate) async fn describe_vpc_peering_connections(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let scope = call.scope();
    let found = match &input.fleet_id {
        Some(id) => {
            let fleet = tx.fleet(id).to(call.action()).await?;
            tx.connections_of_fleet(&fleet).peek().await?
        }
        None => {
            let requested = tx.requested_connections().to(call.action())?;
            requested.peek().await?
        }
    };
    let visible = found
        .into_iter()
        .filter(|found| found.is_visible_to(scope.account, call.now));
    // EC2's own connections, between two customer VPCs, are not GameLift's.
    let shown = visible.filter_map(|connection| {
        let fleet_id = connection.fleet.clone()?;
        Some(VpcPeeringConnection {
            fleet_arn: arn::fleet(&scope, &fleet_id),
            ip_v4_cidr_block: connection.requester.cidr.as_ref().map(ToString::to_string),
            status: Status {
                code: connection.state.code(),
                message: connection.message(),
            },
            fleet_id,
            vpc_peering_connection_id: connection.id,
            peer_vpc_id: connection.accepter.vpc,
            game_lift_vpc_id: connection.requester.vpc,
        })
    });
    Ok(Described {
        vpc_peering_connections: shown.collect(),
    })
}

async fn fleet_vpc(tx: &mut ScopedTransaction<'_>, fleet: &Fleet) -> Result<Vpc> {
    let Some(id) = fleet.vpc() else {
        return Err(Error::invalid_request(format!(
            "Fleet {} has compute type ANYWHERE and no VPC; VPC peering works with fleets of \
             compute type EC2.",
            fleet.id
        )));
    };
    let found = tx.hidden_vpc(fleet).await?;
    found.ok_or_else(|| {
        Error::internal(
            "reading a fleet's VPC",
            format!("fleet {} lacks VPC {id}", fleet.id),
        )
    })
}

/// The caller may know of a VPC in another Region if it is its own, or if its owner has authorized
/// the caller for it there. Any other is answered as if it did not exist: the authorization is
/// missing.
async fn refuse_other_region(
    tx: &mut ScopedTransaction<'_>,
    peer_account: AccountId,
    peer_vpc: &VpcId,
) -> Result<()> {
    match tx.other_region_of(peer_account, peer_vpc).await? {
        None => Ok(()),
        Some(region) => Err(Error::invalid_request(format!(
            "VPC {peer_vpc} is in Region {region} and the fleet is in Region {}; VPCs of different \
             Regions cannot be peered.",
            tx.principal().region()
        ))),
    }
}

async fn refuse_duplicate(
    tx: &mut ScopedTransaction<'_>,
    fleet: &FleetId,
    peer: &Vpc,
) -> Result<()> {
    match tx.present_connection(fleet, peer).await? {
        None => Ok(()),
        Some(other) => Err(Error::invalid_request(format!(
            "VPC peering connection {} between fleet {fleet} and VPC {} already exists and is {}.",
            other.id,
            peer.id,
            other.state.code()
        ))),
    }
}

/// What is missing, as far as the caller may know: an authorization that names another account
/// is like none.
fn not_authorized(
    scope: &Scope,
    peer_account: AccountId,
    peer_vpc: &str,
    missing: Missing,
) -> Error {
    let what = match missing {
        Missing::None => "there is none".to_owned(),
        Missing::Expired { at } => format!("the last one expired at {at}"),
        Missing::Cancelled { at } => format!("the last one was cancelled at {at}"),
    };
    Error::new(
        GameLiftError::Unauthorized,
        format!(
            "Account {} has no valid VPC peering authorization for VPC {} of account {peer_account} \
             in Region {}: {what}. The owner of the VPC has to call CreateVpcPeeringAuthorization \
             with GameLiftAwsAccountId {} first; it is valid for 24 hours.",
            scope.account,
            shorten(peer_vpc),
            scope.region,
            scope.account
        ),
    )
}

/// Parses an account id, which the model leaves at "a text".
pub(super) fn parse_account(member: &str, text: &str) -> Result<AccountId> {
    text.parse().map_err(|_| {
        Error::invalid_request(format!(
            "Value '{}' at '{member}' is not an AWS account ID: it has 12 digits.",
            shorten(text)
        ))
    })
}
