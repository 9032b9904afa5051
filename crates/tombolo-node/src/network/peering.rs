//! The steps of a peering connection, each one transaction.
//!
//! A fleet's goes from its request to `active` by itself: the authorization that it rests on stands
//! in place of an acceptance. One between two VPCs is delivered, and then waits for its accepter or
//! its time.

mod between;
mod fleet;
mod opening;

use tombolo_domain::Timestamp;
use tombolo_domain::peering::{Connection, End, FailureReason, State, Step};
use tombolo_domain::vpc::Vpc;
use tombolo_store::StoreError;
use tombolo_store::keys::{self, Stored};
use tombolo_store::typed::Transaction;

use crate::Context;
use crate::step::{self, scope_of};
use crate::transact::transact;

/// Whether [`advance`] may have something to do.
pub(super) fn is_due(connection: &Connection, now: Timestamp) -> bool {
    let is_its_time = connection.expires.is_none_or(|expires| now >= expires);
    match connection.state {
        State::InitiatingRequest => true,
        State::PendingAcceptance => is_its_time,
        _ => false,
    }
}

/// Takes a connection as far as it goes without the data path and without its accepter.
pub(super) async fn advance(context: &Context, seen: &Connection) -> Result<(), StoreError> {
    loop {
        let taken = transact(&context.store, async |tx| {
            let Some(connection) = current(tx, seen).await? else {
                return Ok(None);
            };
            match connection.fleet.clone() {
                Some(fleet) => fleet::advance(context, tx, connection, &fleet).await,
                None => between::advance(context, tx, connection).await,
            }
        });
        match taken.await? {
            Some(connection) => step::log(&connection),
            None => return Ok(()),
        }
    }
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
            opening::close(tx, &connection).await?;
            step::take(context, tx, connection, Step::Removed)
        }
        _ => Ok(None),
    });
    taken.await?.iter().for_each(step::log);
    Ok(())
}

/// Takes back what the connection made, and writes that the data path has no room for it.
pub(super) async fn give_up(
    context: &Context,
    seen: &Connection,
    reason: FailureReason,
) -> Result<(), StoreError> {
    let taken = transact(&context.store, async |tx| match current(tx, seen).await? {
        Some(connection) if connection.state == State::Provisioning => {
            opening::close(tx, &connection).await?;
            step::take(context, tx, connection, Step::Fail(reason.clone()))
        }
        _ => Ok(None),
    });
    taken.await?.iter().for_each(step::log);
    Ok(())
}

/// The connection as it stands now.
async fn current(
    tx: &mut Transaction,
    seen: &Connection,
) -> Result<Option<Connection>, StoreError> {
    tx.get(&seen.key()).await
}

/// The VPC at an end, if it is there.
async fn vpc_of(
    connection: &Connection,
    end: &End,
    tx: &mut Transaction,
) -> Result<Option<Vpc>, StoreError> {
    tx.get(&keys::vpc(&scope_of(connection, end), &end.vpc))
        .await
}
