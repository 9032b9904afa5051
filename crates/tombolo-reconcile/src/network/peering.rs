//! The steps of a peering connection, each one transaction.

use tombolo_domain::fleet::{Compute, EventCode, Fleet, FleetEvent};
use tombolo_domain::peering::{
    Authorization, Connection, End, FailureReason, State, Step, overlapping,
};
use tombolo_domain::vpc::{Route, RouteTarget};
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use crate::Context;
use crate::transact::transact;

/// Takes a connection as far as it goes without the data path: to `provisioning` or `failed`.
pub(super) async fn advance(context: &Context, seen: &Connection) -> Result<(), StoreError> {
    while transact(&context.store, async |tx| {
        advance_once(context, tx, seen).await
    })
    .await?
    {}
    Ok(())
}

/// One step; whether there was one to take.
async fn advance_once(
    context: &Context,
    tx: &mut Transaction,
    seen: &Connection,
) -> Result<bool, StoreError> {
    let Some(connection) = current(tx, seen).await? else {
        return Ok(false);
    };
    let step = match &connection.state {
        State::InitiatingRequest | State::PendingAcceptance => {
            match obstacle(context, tx, &connection).await? {
                Some(Obstacle::Waits) => return Ok(false),
                Some(Obstacle::Ends(reason)) => Step::Fail(reason),
                None if connection.state == State::InitiatingRequest => Step::Deliver,
                None => Step::Accept,
            }
        }
        _ => return Ok(false),
    };
    if step == Step::Accept {
        open(context, tx, &connection).await?;
    }
    take(context, tx, connection, step)
}

/// Writes that the data path lets packets through.
pub(super) async fn activate(context: &Context, seen: &Connection) -> Result<(), StoreError> {
    transact(&context.store, async |tx| {
        let Some(connection) = current(tx, seen).await? else {
            return Ok(());
        };
        if connection.state == State::Provisioning {
            take(context, tx, connection, Step::Provisioned)?;
        }
        Ok(())
    })
    .await
}

/// Takes back what the connection made, and writes that the data path lets nothing through.
pub(super) async fn finish(context: &Context, seen: &Connection) -> Result<(), StoreError> {
    transact(&context.store, async |tx| {
        let Some(connection) = current(tx, seen).await? else {
            return Ok(());
        };
        if matches!(connection.state, State::Deleting { .. }) {
            close(tx, &connection).await?;
            take(context, tx, connection, Step::Removed)?;
        }
        Ok(())
    })
    .await
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
    let fleet = tx.get(&keys::fleet(&scope, &connection.fleet)).await?;
    let Some(fleet) = fleet.filter(|fleet| fleet.status.can_peer()) else {
        return ends(FailureReason::FleetEnded);
    };
    if came_with(&fleet, connection) && !fleet.status.is_ready_for_peering() {
        return Ok(Some(Obstacle::Waits));
    }
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
    match overlap(tx, connection).await? {
        Some(reason) => ends(reason),
        None => Ok(None),
    }
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
    let requester = scope_of(connection, &connection.requester);
    let accepter = scope_of(connection, &connection.accepter);
    let occupies = |other: &Connection| {
        other.id != connection.id
            && (other.state.carries_packets() || matches!(other.state, State::Deleting { .. }))
    };

    let mut behind_accepter = vec![connection.accepter.cidr];
    let prefix = keys::peerings_of(&accepter, &connection.accepter.vpc);
    for (id, at) in tx.list_keyed(&prefix).await? {
        let Ok(id) = id.parse() else { continue };
        let key = keys::connection(&connection.region, at.fleet_account, &at.fleet, &id);
        let other = tx.get(&key).await?;
        behind_accepter.extend(other.filter(occupies).map(|other| other.requester.cidr));
    }
    if let Some(other) = overlapping(connection.requester.cidr, behind_accepter) {
        let fleet = connection.requester.cidr;
        return Ok(Some(FailureReason::OverlappingCidr { fleet, other }));
    }

    let others = tx
        .list(&keys::connections_of(&requester, &connection.fleet))
        .await?;
    let behind_requester = others
        .into_iter()
        .filter(occupies)
        .map(|other| other.accepter.cidr);
    let shared = overlapping(connection.accepter.cidr, behind_requester);
    Ok(shared.map(|other| FailureReason::OverlappingCidr {
        fleet: connection.requester.cidr,
        other,
    }))
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

/// Takes `step` and writes the event that goes with it; whether the state allowed it.
fn take(
    context: &Context,
    tx: &mut Transaction,
    mut connection: Connection,
    step: Step,
) -> Result<bool, StoreError> {
    let now = context.clock.now();
    if let Err(refused) = connection.take(step, now) {
        tracing::warn!(%refused, "a step of a peering connection was out of place");
        return Ok(false);
    }
    tracing::info!(
        connection = %connection.id,
        fleet = %connection.fleet,
        state = connection.state.code(),
        message = connection.message(),
        "peering connection changed state"
    );
    if let Some(event) = event(context, &connection, now) {
        tx.put(&event)?;
    }
    tx.put(&connection)?;
    Ok(true)
}

/// The fleet's event of a connection that has come to an end, good or bad.
fn event(context: &Context, connection: &Connection, now: Timestamp) -> Option<FleetEvent> {
    let Connection {
        id,
        requester,
        accepter,
        ..
    } = connection;
    let between = format!(
        "VPC peering connection {id} between the fleet's VPC {} ({}) and VPC {} ({}) of account {}",
        requester.vpc, requester.cidr, accepter.vpc, accepter.cidr, accepter.account
    );
    let (code, message) = match &connection.state {
        State::Active => (
            EventCode::FleetVpcPeeringSucceeded,
            format!("{between} has been established."),
        ),
        State::Failed { reason } => (
            EventCode::FleetVpcPeeringFailed,
            format!("{between} failed: {reason}."),
        ),
        State::Deleted { by } => (
            EventCode::FleetVpcPeeringDeleted,
            format!("{between} was deleted by account {by}; no packet passes any more."),
        ),
        _ => return None,
    };
    let scope = scope_of(connection, requester);
    Some(FleetEvent::new(
        scope,
        connection.fleet.clone(),
        code,
        message,
        now,
        &*context.ids,
    ))
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
        &seen.fleet,
        &seen.id,
    ))
    .await
}

async fn vpc_of(
    connection: &Connection,
    end: &End,
    tx: &mut Transaction,
) -> Result<Option<tombolo_domain::vpc::Vpc>, StoreError> {
    tx.get(&keys::vpc(&scope_of(connection, end), &end.vpc))
        .await
}

fn scope_of(connection: &Connection, end: &End) -> Scope {
    Scope {
        account: end.account,
        region: connection.region.clone(),
    }
}
