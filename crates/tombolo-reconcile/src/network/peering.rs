//! The steps of a peering connection, each one transaction.

use tombolo_domain::cidr;
use tombolo_domain::fleet::{Compute, Fleet};
use tombolo_domain::peering::{Authorization, Connection, End, FailureReason, State, Step};
use tombolo_domain::vpc::{Route, RouteTarget, Vpc};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use crate::Context;
use crate::step::{self, scope_of};
use crate::transact::transact;

/// Takes a connection as far as it goes without the data path: to `provisioning` or `failed`.
pub(super) async fn advance(context: &Context, seen: &Connection) -> Result<(), StoreError> {
    loop {
        let taken = transact(&context.store, async |tx| {
            advance_once(context, tx, seen).await
        });
        match taken.await? {
            Some(connection) => step::log(&connection),
            None => return Ok(()),
        }
    }
}

/// One step, if there is one to take.
async fn advance_once(
    context: &Context,
    tx: &mut Transaction,
    seen: &Connection,
) -> Result<Option<Connection>, StoreError> {
    let Some(connection) = current(tx, seen).await? else {
        return Ok(None);
    };
    let next = match connection.state {
        State::InitiatingRequest => Step::Deliver,
        State::PendingAcceptance => Step::Accept,
        _ => return Ok(None),
    };
    let next = match obstacle(context, tx, &connection).await? {
        Some(Obstacle::Waits) => return Ok(None),
        Some(Obstacle::Ends(reason)) => Step::Fail(reason),
        None => next,
    };
    if next == Step::Accept {
        open(context, tx, &connection).await?;
    }
    step::take(context, tx, connection, next)
}

/// Writes that the data path lets packets through.
pub(super) async fn activate(context: &Context, seen: &Connection) -> Result<(), StoreError> {
    let taken = transact(&context.store, async |tx| match current(tx, seen).await? {
        Some(connection) => step::take(context, tx, connection, Step::Provisioned),
        None => Ok(None),
    });
    taken.await?.iter().for_each(step::log);
    Ok(())
}

/// Takes back what the connection made, and writes that the data path lets nothing through.
pub(super) async fn finish(context: &Context, seen: &Connection) -> Result<(), StoreError> {
    let taken = transact(&context.store, async |tx| match current(tx, seen).await? {
        Some(connection) if matches!(connection.state, State::Deleting { .. }) => {
            close(tx, &connection).await?;
            step::take(context, tx, connection, Step::Removed)
        }
        _ => Ok(None),
    });
    taken.await?.iter().for_each(step::log);
    Ok(())
}

/// Why a request does not go on.
enum Obstacle {
    /// It was asked for together with a fleet that is not ready for it.
    Waits,
    /// It never will.
    Ends(FailureReason),
}

async fn obstacle(
    context: &Context,
    tx: &mut Transaction,
    connection: &Connection,
) -> Result<Option<Obstacle>, StoreError> {
    let ends = |reason| Ok(Some(Obstacle::Ends(reason)));
    let scope = scope_of(connection, &connection.requester);
    let fleet = match &connection.fleet {
        Some(fleet) => tx.get(&keys::fleet(&scope, fleet)).await?,
        None => None,
    };
    let Some(fleet) = fleet.filter(|fleet| fleet.status.can_peer()) else {
        return ends(FailureReason::FleetEnded);
    };
    if vpc_of(connection, &connection.accepter, tx)
        .await?
        .is_none()
    {
        return ends(FailureReason::VpcDeleted);
    }
    let End { account, vpc, .. } = &connection.accepter;
    let key = keys::authorization(
        &connection.region,
        *account,
        vpc,
        connection.requester.account,
    );
    let authorization = tx.get(&key).await?;
    if Authorization::consent_of(authorization.as_ref(), context.clock.now()).is_err() {
        return ends(FailureReason::ConsentWithdrawn);
    }
    if came_with(&fleet, connection) && !fleet.status.is_ready_for_peering() {
        return Ok(Some(Obstacle::Waits));
    }
    if connection.state == State::InitiatingRequest {
        return Ok(None);
    }
    Ok(overlap(tx, connection).await?.map(Obstacle::Ends))
}

/// Whether the connection was asked for by CreateFleet, together with the fleet.
fn came_with(fleet: &Fleet, connection: &Connection) -> bool {
    match &fleet.compute {
        Compute::Managed { peering, .. } => peering.as_ref() == Some(&connection.id),
        Compute::Anywhere => false,
    }
}

/// The addresses that the two sides would share: with each other, or through the connections that
/// either side has already.
async fn overlap(
    tx: &mut Transaction,
    connection: &Connection,
) -> Result<Option<FailureReason>, StoreError> {
    let Connection {
        requester,
        accepter,
        ..
    } = connection;
    let (fleet, peer) = (requester.cidr, accepter.cidr);
    if cidr::overlap(fleet, peer) {
        return Ok(Some(FailureReason::OverlappingCidr { fleet, other: peer }));
    }
    let occupies = |other: &Connection| {
        other.id != connection.id
            && (other.state.carries_packets() || matches!(other.state, State::Deleting { .. }))
    };

    let of_fleet = keys::connections_of(&scope_of(connection, requester), &connection.asker());
    for other in tx.list(&of_fleet).await?.into_iter().filter(occupies) {
        let other = other.accepter.cidr;
        if cidr::overlap(peer, other) {
            return Ok(Some(FailureReason::TakenInFleet { peer, other }));
        }
    }

    let of_peer = keys::peerings_of(&scope_of(connection, accepter), &accepter.vpc);
    for (id, at) in tx.list_keyed(&of_peer).await? {
        let Ok(id) = id.parse() else { continue };
        let key = keys::connection(&connection.region, at.account, &at.asker, &id);
        let Some(other) = tx.get(&key).await?.filter(occupies) else {
            continue;
        };
        if cidr::overlap(fleet, other.requester.cidr) {
            let is_own = other.requester.account == requester.account;
            let other = is_own.then_some(other.requester.cidr);
            return Ok(Some(FailureReason::TakenInPeer { fleet, other }));
        }
    }
    Ok(None)
}

/// Adds what lets the two sides reach each other: a route in every route table of both VPCs, and a
/// rule in both default security groups, all marked as the connection's own.
async fn open(
    context: &Context,
    tx: &mut Transaction,
    connection: &Connection,
) -> Result<(), StoreError> {
    let Connection {
        requester,
        accepter,
        ..
    } = connection;
    for (here, there) in [(requester, accepter), (accepter, requester)] {
        let scope = scope_of(connection, here);
        for mut table in tx.list(&keys::route_tables_of(&scope, &here.vpc)).await? {
            let taken = table
                .routes
                .iter()
                .any(|route| route.destination == there.cidr);
            if !taken {
                table.routes.push(Route {
                    destination: there.cidr,
                    target: RouteTarget::Peering(connection.id.clone()),
                    made_by: Some(connection.id.clone()),
                });
                tx.put(&table)?;
            }
        }
        for mut group in tx
            .list(&keys::security_groups_of(&scope, &here.vpc))
            .await?
        {
            if group.is_default() {
                group.admit(there.cidr, &connection.id, &*context.ids);
                tx.put(&group)?;
            }
        }
    }
    Ok(())
}

/// Takes back exactly what [`open`] added.
async fn close(tx: &mut Transaction, connection: &Connection) -> Result<(), StoreError> {
    for end in [&connection.requester, &connection.accepter] {
        let scope = scope_of(connection, end);
        for mut table in tx.list(&keys::route_tables_of(&scope, &end.vpc)).await? {
            table.remove_routes_of(&connection.id);
            tx.put(&table)?;
        }
        for mut group in tx.list(&keys::security_groups_of(&scope, &end.vpc)).await? {
            group.remove_rules_of(&connection.id);
            tx.put(&group)?;
        }
    }
    Ok(())
}

/// The connection as it stands now.
async fn current(
    tx: &mut Transaction,
    seen: &Connection,
) -> Result<Option<Connection>, StoreError> {
    let account = seen.requester.account;
    tx.get(&keys::connection(
        &seen.region,
        account,
        &seen.asker(),
        &seen.id,
    ))
    .await
}

async fn vpc_of(
    connection: &Connection,
    end: &End,
    tx: &mut Transaction,
) -> Result<Option<Vpc>, StoreError> {
    tx.get(&keys::vpc(&scope_of(connection, end), &end.vpc))
        .await
}
