//! Peering connections: each step is written whole, with all that goes with it.
//!
//! A fleet's goes from its request to `active` by itself: the authorization that it rests on stands
//! in place of an acceptance. One between two VPCs is delivered, and then waits for its accepter or
//! its time.
//!
//! The loop takes the steps that need nothing of the data path: a request is delivered, expires or
//! fails; a fleet's is accepted, with its routes and rules. The others follow from what nodes
//! report: `provisioning` becomes `active` only once packets are let through, and `deleting`
//! becomes `deleted` only once none is. A server that is killed between two steps finds the
//! connection in a state from which it goes on: none stays half-made.

mod between;
mod fleet;
mod opening;
pub(crate) mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;
use tombolo_domain::Timestamp;
use tombolo_domain::id::{HostId, VpcId, VpcPeeringConnectionId};
use tombolo_domain::peering::{Connection, End, FailureReason, State, Step};
use tombolo_domain::reported::{ReportedNetwork, TableFull};
use tombolo_domain::vpc::Vpc;
use tombolo_store::keys::{self, Entity, Kind};
use tombolo_store::model::Term;
use tombolo_store::typed::{Transaction, transact};
use tombolo_store::{StoreError, Wakes};
use tombolo_tasks::{Reason, reason_to_run};

use crate::{Context, NetworkApplied, NetworkRefused};
use step::scope_of;

/// What a connection's next step may hang on.
pub(crate) const READS: [Kind; 4] = [
    Kind::Connection,
    Kind::Vpc,
    // A fleet's request waits for its fleet, and ends with its authorization.
    Kind::Authorization,
    Kind::Fleet,
];

/// How long to wait at most before looking again: a request expires by the clock alone.
const RESYNC: Duration = Duration::from_secs(15);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How many connections take a step at a time: enough to fill the store's group commit.
const AT_A_TIME: usize = 64;
/// How many requests of one VPC take their steps before it is looked what else there is, so that a VPC with
/// many makes the others wait for these only.
const OF_ONE_VPC: usize = 8;

/// The loop's name.
pub(crate) const TASK: &str = "controller/peering";

/// Takes connections as far as they go by themselves.
pub(crate) async fn run(context: Context, mut wakes: Wakes) {
    let purpose = "takes peering connections as far as they go by themselves";
    let task = context.tasks.task(TASK, purpose, RESYNC);
    loop {
        let mut reason = reason_to_run(&mut wakes, RESYNC).await;
        let mut tried = BTreeSet::new();
        loop {
            match task.run(reason, advance_due(&context, &mut tried)).await {
                Ok(Left::Nothing) => break,
                Ok(Left::Some) => {}
                Err(_) => {
                    tried.clear();
                    sleep(RETRY).await;
                }
            }
            reason = Reason::Again;
        }
    }
}

/// Whether there are connections that may have something to do and were not tried.
enum Left {
    Nothing,
    Some,
}

/// Advances some of the connections that may have something to do and are not in `tried`, and puts them there.
async fn advance_due(
    context: &Context,
    tried: &mut BTreeSet<VpcPeeringConnectionId>,
) -> Result<Left, StoreError> {
    let requests = Transaction::new(context.store.clone())
        .find(Term::Request, &keys::all_connections())
        .await?;
    let now = context.clock.now();
    let due = requests.iter().map(|found| &**found);
    let due = due.filter(|found| is_due(found, now) && !tried.contains(&found.id));
    let mut by_requester = by_requester(due);
    let mut left = Left::Nothing;
    for of_one in by_requester.values_mut() {
        if of_one.len() > OF_ONE_VPC {
            of_one.truncate(OF_ONE_VPC);
            left = Left::Some;
        }
        tried.extend(of_one.iter().map(|connection| connection.id.clone()));
    }
    for_each(by_requester, async |connection| {
        advance(context, connection).await
    })
    .await?;
    Ok(left)
}

/// Writes what follows from a network that is in force.
pub(crate) async fn applied(
    context: &Context,
    host: &HostId,
    applied: NetworkApplied,
) -> Result<(), StoreError> {
    let NetworkApplied {
        revision,
        provisioned,
        removed,
    } = applied;
    let report = &ReportedNetwork {
        host: host.clone(),
        revision: revision.0,
        refused: None,
    };
    if provisioned.is_empty() && removed.is_empty() {
        return forget_refusal(context, report).await;
    }
    stream::iter(&provisioned)
        .map(Ok)
        .try_for_each_concurrent(AT_A_TIME, |connection| {
            activate(context, report, connection)
        })
        .await?;
    for_each(by_requester(&removed), async |connection| {
        finish(context, report, connection).await
    })
    .await
}

/// Writes that a network is in force whose host had no room before, and nothing else follows from it.
async fn forget_refusal(context: &Context, report: &ReportedNetwork) -> Result<(), StoreError> {
    transact(&context.store, async |tx| {
        let last = tx.get(&report.key()).await?;
        match last.is_some_and(|last| last.refused.is_some()) {
            true => tx.put(report),
            false => Ok(()),
        }
    })
    .await
}

/// Fails the connection that was accepted last, so that those before it, which fitted, go on. What
/// is in force already stays.
pub(crate) async fn refused(
    context: &Context,
    host: &HostId,
    refused: NetworkRefused,
) -> Result<(), StoreError> {
    let NetworkRefused {
        revision,
        table,
        capacity,
        provisioning,
    } = refused;
    let Some(last) = provisioning.iter().max_by_key(|one| one.since()) else {
        return Ok(());
    };
    let report = ReportedNetwork {
        host: host.clone(),
        revision: revision.0,
        refused: Some(TableFull {
            table: table.clone(),
            capacity,
        }),
    };
    let reason = FailureReason::NoRoom { table, capacity };
    give_up(context, &report, last, reason).await
}

/// The connections by the VPC that asked for them.
fn by_requester<'c>(
    connections: impl IntoIterator<Item = &'c Connection>,
) -> BTreeMap<&'c VpcId, Vec<&'c Connection>> {
    let mut by_requester: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for connection in connections {
        let of_one = by_requester.entry(&connection.requester.vpc);
        of_one.or_default().push(connection);
    }
    by_requester
}

/// Does `step` for each connection; the first error stops it. Those of one VPC take it one after the other,
/// as they write the same route tables and security groups and would only be in each other's way; those
/// of several VPCs take it at once.
async fn for_each(
    by_requester: BTreeMap<&VpcId, Vec<&Connection>>,
    step: impl AsyncFn(&Connection) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let step = &step;
    stream::iter(by_requester.into_values())
        .map(Ok)
        .try_for_each_concurrent(AT_A_TIME, |of_one| async move {
            for connection in of_one {
                step(connection).await?;
            }
            Ok(())
        })
        .await
}

/// Whether [`advance`] may have something to do.
fn is_due(connection: &Connection, now: Timestamp) -> bool {
    let is_its_time = connection.expires.is_none_or(|expires| now >= expires);
    match connection.state {
        State::InitiatingRequest => true,
        State::PendingAcceptance => is_its_time,
        _ => false,
    }
}

/// Takes a connection as far as it goes without the data path and without its accepter, in one
/// transaction: a fleet's request has nothing to wait for between its delivery and its acceptance.
async fn advance(context: &Context, seen: &Connection) -> Result<(), StoreError> {
    let taken = transact(&context.store, async |tx| {
        let mut taken: Vec<Connection> = Vec::new();
        let mut next = current(tx, seen).await?;
        while let Some(connection) = next {
            next = match connection.fleet.clone() {
                Some(fleet) => fleet::advance(context, tx, connection, &fleet).await?,
                None => between::advance(context, tx, connection).await?,
            };
            taken.extend(next.clone());
        }
        Ok(taken)
    });
    taken.await?.iter().for_each(step::log);
    Ok(())
}

/// Writes that the data path lets packets through.
async fn activate(
    context: &Context,
    report: &ReportedNetwork,
    seen: &Connection,
) -> Result<(), StoreError> {
    let taken = transact(&context.store, async |tx| match current(tx, seen).await? {
        Some(connection) => take_reported(context, tx, report, connection, Step::Provisioned),
        None => Ok(None),
    });
    taken.await?.iter().for_each(step::log);
    Ok(())
}

/// Takes back what the connection made, and writes that the data path lets nothing through.
async fn finish(
    context: &Context,
    report: &ReportedNetwork,
    seen: &Connection,
) -> Result<(), StoreError> {
    let taken = transact(&context.store, async |tx| match current(tx, seen).await? {
        Some(connection) if matches!(connection.state, State::Deleting { .. }) => {
            opening::close(tx, &connection).await?;
            take_reported(context, tx, report, connection, Step::Removed)
        }
        _ => Ok(None),
    });
    taken.await?.iter().for_each(step::log);
    Ok(())
}

/// Takes back what the connection made, and writes that the data path has no room for it.
async fn give_up(
    context: &Context,
    report: &ReportedNetwork,
    seen: &Connection,
    reason: FailureReason,
) -> Result<(), StoreError> {
    let taken = transact(&context.store, async |tx| match current(tx, seen).await? {
        Some(connection) if connection.state == State::Provisioning => {
            opening::close(tx, &connection).await?;
            let step = Step::Fail(reason.clone());
            take_reported(context, tx, report, connection, step)
        }
        _ => Ok(None),
    });
    taken.await?.iter().for_each(step::log);
    Ok(())
}

/// Puts the connection as it is after `step`, together with the report that it follows from. The report
/// is not read first: the steps of one round run at once, and all say the same.
fn take_reported(
    context: &Context,
    tx: &mut Transaction,
    report: &ReportedNetwork,
    connection: Connection,
    step: Step,
) -> Result<Option<Connection>, StoreError> {
    let taken = step::take(context, tx, connection, step)?;
    if taken.is_some() {
        tx.put(report)?;
    }
    Ok(taken)
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
