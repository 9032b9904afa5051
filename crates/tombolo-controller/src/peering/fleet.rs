//! A fleet's request, until it is accepted: with the authorization of the peer VPC's owner.

use tombolo_domain::fleet::{Compute, Fleet};
use tombolo_domain::id::FleetId;
use tombolo_domain::peering::{Authorization, Connection, FailureReason, State, Step};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use super::step::{self, scope_of};
use super::{opening, vpc_of};
use crate::Context;

/// One step, if there is one to take: the request is delivered, accepted together with its routes
/// and rules, or fails.
pub(super) async fn advance(
    context: &Context,
    tx: &mut Transaction,
    mut connection: Connection,
    fleet: &FleetId,
) -> Result<Option<Connection>, StoreError> {
    if !connection.state.is_request() {
        return Ok(None);
    }
    let scope = scope_of(&connection, &connection.requester);
    let fleet = tx.get(&keys::fleet(&scope, fleet)).await?;
    let step = match fleet.filter(|fleet| fleet.status.can_peer()) {
        None => Step::Fail(FailureReason::FleetEnded),
        Some(fleet) => match next(context, tx, &mut connection, &fleet).await? {
            Some(step) => step,
            None => return Ok(None),
        },
    };
    step::take(context, tx, connection, step)
}

/// The next step of a request whose fleet can peer. `None`: it was asked for together with the
/// fleet, which is not ready for it.
async fn next(
    context: &Context,
    tx: &mut Transaction,
    connection: &mut Connection,
    fleet: &Fleet,
) -> Result<Option<Step>, StoreError> {
    let Some(vpc) = vpc_of(connection, &connection.accepter, tx).await? else {
        return Ok(Some(Step::Fail(FailureReason::VpcDeleted)));
    };
    let fleets = connection.requester.account;
    let key = keys::authorization(&connection.accepter_scope(), &vpc.id, fleets);
    let authorization = tx.get(&key).await?;
    if Authorization::consent_of(authorization.as_ref(), context.clock.now()).is_err() {
        return Ok(Some(Step::Fail(FailureReason::ConsentWithdrawn)));
    }
    if came_with(fleet, connection) && !fleet.status.is_ready_for_peering() {
        return Ok(None);
    }
    if connection.state == State::InitiatingRequest {
        return Ok(Some(Step::Deliver));
    }
    connection.accepter.follow(&vpc);
    if let Some((fleet, other)) = connection.overlap() {
        let reason = FailureReason::OverlappingCidr { fleet, other };
        return Ok(Some(Step::Fail(reason)));
    }
    Ok(Some(match opening::open(context, tx, connection).await? {
        Ok(()) => Step::Accept,
        Err(taken) => Step::Fail(taken),
    }))
}

/// Whether the connection was asked for by CreateFleet, together with the fleet.
fn came_with(fleet: &Fleet, connection: &Connection) -> bool {
    match &fleet.compute {
        Compute::Managed(managed) => managed.peering.as_ref() == Some(&connection.id),
        Compute::Anywhere => false,
    }
}
