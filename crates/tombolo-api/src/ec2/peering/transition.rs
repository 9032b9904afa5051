//! AcceptVpcPeeringConnection, RejectVpcPeeringConnection and DeleteVpcPeeringConnection: the
//! transitions that owners make.
//!
//! The first two are the accepter's answer to a request between two VPCs. A fleet's request has its
//! answer already, the authorization.

use serde::Serialize;
use tombolo_domain::peering::{Connection, State, Step};
use tombolo_domain::vpc::Vpc;

use super::view::ConnectionView;
use super::{ConnectionIdInput, already_exists, invalid_transition, not_permitted};
use crate::ec2::Success;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::tag::TagsOf;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Accepted {
    vpc_peering_connection: ConnectionView,
}

/// Consents to a connection. One that is accepted already is left as it is. If the two VPCs share
/// addresses by now, it becomes `failed`, as it would have when it was asked for.
pub(crate) async fn accept_vpc_peering_connection(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: ConnectionIdInput,
) -> Result<Accepted> {
    let mut connection = asked(tx, call, &input, "accept").await?;
    if !connection.state.carries_packets() {
        deliver(tx, call, &mut connection).await?;
        if connection.state != State::PendingAcceptance {
            return Err(invalid_transition(&connection, "provisioning"));
        }
        let requester = tx
            .customer_vpc_at(&connection, &connection.requester)
            .await?;
        let accepter = tx
            .customer_vpc_at(&connection, &connection.accepter)
            .await?;
        refuse_second(tx, &connection, accepter.as_ref()).await?;
        refuse_full(tx, &connection).await?;
        // They may have got blocks since.
        for (end, vpc) in [
            (&mut connection.requester, requester),
            (&mut connection.accepter, accepter),
        ] {
            vpc.iter().for_each(|vpc| end.follow(vpc));
        }
        let step = connection.refused_for_overlap().unwrap_or(Step::Accept);
        take(&mut connection, step, call)?;
        tx.put_delivered(&connection)?;
    }
    let mut tags = TagsOf::one(tx, &connection.id).await?;
    let tags = tags.take(&connection.id);
    Ok(Accepted {
        vpc_peering_connection: ConnectionView::new(call, connection, None, tags),
    })
}

/// Refuses a connection that was asked for.
pub(crate) async fn reject_vpc_peering_connection(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: ConnectionIdInput,
) -> Result<Success> {
    let mut connection = asked(tx, call, &input, "reject").await?;
    deliver(tx, call, &mut connection).await?;
    if connection.state != State::PendingAcceptance {
        return Err(invalid_transition(&connection, "rejected"));
    }
    take(
        &mut connection,
        Step::Reject(call.principal.account()),
        call,
    )?;
    tx.put_delivered(&connection)?;
    Ok(Success::default())
}

/// The connection that is answered, of which the caller is the accepter.
async fn asked(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: &ConnectionIdInput,
    verb: &str,
) -> Result<Connection> {
    let connection = tx
        .peering_connection(&input.vpc_peering_connection_id)
        .to(call.action())
        .await?;
    if let Some(fleet) = &connection.fleet {
        let why = format!(
            "the VPC peering authorization answers the requests of fleet {fleet}. Delete the \
             authorization to have no more of them, and the connection to end it."
        );
        return Err(not_permitted(call, verb, &connection, &why));
    }
    if connection.accepter.account != call.principal.account() {
        let accepter = connection.accepter.account;
        let why = format!("the owner of the accepter VPC, account {accepter}, does.");
        return Err(not_permitted(call, verb, &connection, &why));
    }
    Ok(connection)
}

/// Delivers a request that its own account answers before the reconciler got to it: scripts create
/// and accept in one go.
async fn deliver(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    connection: &mut Connection,
) -> Result<()> {
    if connection.state != State::InitiatingRequest {
        return Ok(());
    }
    let found = tx.customer_vpc_at(connection, &connection.accepter).await?;
    let step = connection.delivery(found.as_ref());
    take(connection, step, call)
}

/// Two requests can cross, one in each direction. Only one of them can be accepted.
async fn refuse_second(
    tx: &mut ScopedTransaction<'_>,
    connection: &Connection,
    accepter: Option<&Vpc>,
) -> Result<()> {
    let Some(accepter) = accepter else {
        return Ok(());
    };
    let others = tx.connections_of_vpc(accepter).await?;
    let mut others = others.iter().filter(|other| other.id != connection.id);
    let second = others.find(|other| {
        other.state.carries_packets()
            && other.joins(&connection.requester.vpc, &connection.accepter.vpc)
    });
    second.map_or(Ok(()), |other| Err(already_exists(other)))
}

async fn refuse_full(tx: &mut ScopedTransaction<'_>, connection: &Connection) -> Result<()> {
    for end in [&connection.requester, &connection.accepter] {
        if let Some(most) = tx.has_most_peerings(end.account, &end.vpc).await? {
            return Err(Error::new(
                Ec2Error::PeeringsPerVpcLimitExceeded,
                format!(
                    "VPC {} has as many active VPC peering connections as it may have, {most}; one \
                     of them has to be deleted first.",
                    end.vpc
                ),
            ));
        }
    }
    Ok(())
}

fn take(connection: &mut Connection, step: Step, call: &Call<'_>) -> Result<()> {
    connection
        .apply(step, call.now)
        .map_err(|error| Error::internal("answering a request for a peering connection", error))
}

/// Ends a connection. One that is ending or ended already is left as it is.
///
/// Of a request, its requester may; of a connection, either owner. The owner of a VPC that a fleet
/// is connected to may at any time, without an authorization; the fleet's owner does with GameLift,
/// which asks for one.
pub(crate) async fn delete_vpc_peering_connection(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: ConnectionIdInput,
) -> Result<Success> {
    let mut connection = tx
        .peering_connection(&input.vpc_peering_connection_id)
        .to(call.action())
        .await?;
    refuse_other_owner(call, &connection)?;
    match connection.state {
        State::Deleting { .. } | State::Deleted { .. } => {}
        _ => {
            let ended = connection.apply(Step::Delete(call.principal.account()), call.now);
            ended.map_err(|_| invalid_transition(&connection, "deleting"))?;
            tx.put(&connection)?;
        }
    }
    Ok(Success::default())
}

fn refuse_other_owner(call: &Call<'_>, connection: &Connection) -> Result<()> {
    let account = call.principal.account();
    let is_requester = connection.requester.account == account;
    let is_accepter = connection.accepter.account == account;
    match &connection.fleet {
        Some(fleet) if !is_accepter => {
            let why = format!(
                "it is fleet {fleet}'s. Use the operation of this name of Amazon GameLift, while \
                 the owner of VPC {} authorizes it.",
                connection.accepter.vpc
            );
            Err(not_permitted(call, "delete", connection, &why))
        }
        None if !is_requester && connection.state.is_request() => {
            let why = "its requester does. Reject it.";
            Err(not_permitted(call, "delete", connection, why))
        }
        _ => Ok(()),
    }
}
