//! A step of a peering connection, written together with the event that goes with it.

use tombolo_domain::fleet::{EventCode, FleetEvent};
use tombolo_domain::peering::{Connection, End, State, Step};
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::StoreError;
use tombolo_store::typed::Transaction;

use crate::Context;

/// Puts `connection` as it is after `step`, with the event of the fleet that asked for it where the
/// step is an end, good or bad. `None`: its state does not allow the step, and nothing is put.
pub(crate) fn take(
    context: &Context,
    tx: &mut Transaction,
    mut connection: Connection,
    step: Step,
) -> Result<Option<Connection>, StoreError> {
    let now = context.clock.now();
    if connection.apply(step, now).is_err() {
        return Ok(None);
    }
    if let Some(event) = event(context, &connection, now) {
        tx.put(&event)?;
    }
    tx.put(&connection)?;
    Ok(Some(connection))
}

/// Logs a step once it is committed.
pub(crate) fn log(connection: &Connection) {
    tracing::info!(
        connection = %connection.id,
        requester = %connection.requested_by(),
        state = connection.state.code(),
        "peering connection: {}",
        connection.message()
    );
}

/// The scope that one end's records are in.
pub(crate) fn scope_of(connection: &Connection, end: &End) -> Scope {
    Scope {
        account: end.account,
        region: connection.region.clone(),
    }
}

fn event(context: &Context, connection: &Connection, now: Timestamp) -> Option<FleetEvent> {
    let Connection {
        id,
        requester,
        accepter,
        ..
    } = connection;
    let between = format!(
        "VPC peering connection {id} between the fleet's VPC {requester} and VPC {accepter} of \
         account {}",
        accepter.account
    );
    let fleet = connection.fleet.clone()?;
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
        fleet,
        code,
        message,
        now,
        &*context.ids,
    ))
}
