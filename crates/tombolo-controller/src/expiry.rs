//! Expiry: forgets what has ended long enough ago that nobody asks for it.
//!
//! What an operation shows never depends on this having run: an authorization past its time is
//! invalid, a request for a connection past its seven days expired, and a deleted connection past
//! its time invisible, by the clock alone.
//!
//! Of what is over, so many are kept of each account and no more ([`tombolo_store::keys::Bound`]): the
//! oldest are forgotten before their time. Records are looked through when their time may have come,
//! and as soon as there are so many new ones that a ring may be too long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, sleep};
use tombolo_domain::fleet::{Fleet, FleetStatus, MAX_ENDED_FLEETS, TransportProtocol};
use tombolo_domain::id::InstanceId;
use tombolo_domain::peering::{Connection, MAX_ENDED_AUTHORIZATIONS, MAX_ENDED_CONNECTIONS};
use tombolo_domain::vpc::NetworkInterface;
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::keys::{self, Entity, PublicPortKey};
use tombolo_store::typed::{Transaction, transact, trim_rings};
use tombolo_store::{Revision, StoreError};
use tombolo_tasks::Reason;

use crate::Context;

/// How often to look at the clock, which a person may move.
const CLOCK: Duration = Duration::from_secs(1);
/// How often to look for records, which have a day's or a month's time.
const RECORDS: SignedDuration = SignedDuration::from_secs(60);
const PERIOD: Duration = Duration::from_secs(60);
/// After how many new records of what is kept when it is over they are looked through at once: what a
/// ring is longer by at most, but for what is made in a second.
const GROWTH: usize = 256;
/// How many events of a fleet one transaction removes.
const EVENTS_AT_ONCE: usize = 64;
/// How long a temporary credential is still known to have expired.
const CREDENTIAL_RETENTION: SignedDuration = SignedDuration::from_hours(1);
/// How long a multipart upload may take: of a build, and of anything else.
const BUILD_UPLOAD: SignedDuration = SignedDuration::from_hours(24);
const UPLOAD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a terminated fleet and its events are kept; its logs go soon after.
const FLEET_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The loop's name.
pub(crate) const TASK: &str = "controller/expiry";

/// Forgets what has ended long ago.
pub(crate) async fn run(context: Context) {
    let task = context
        .tasks
        .task(TASK, "forgets what has ended long ago", PERIOD);
    let mut looked: Option<(Timestamp, Instant)> = None;
    let mut kept = 0;
    let mut are_trimmed = false;
    loop {
        // A clock that a person moved makes records due at once.
        let now = context.clock.now();
        // A store that cannot be read tells so in the run that is due next.
        let grown = how_many(&context).await.unwrap_or(kept);
        let is_due = looked.is_none_or(|(at, real)| {
            real.elapsed() >= PERIOD || now.duration_since(at).abs() >= RECORDS
        });
        if is_due || grown >= kept + GROWTH {
            let reason = Reason::Period;
            if !are_trimmed {
                are_trimmed = task.run(reason, trim_rings(&context.store)).await.is_ok();
            }
            // What failed is due again in a period.
            let _ = task.run(reason, records(&context, now)).await;
            looked = Some((now, Instant::now()));
            kept = how_many(&context).await.unwrap_or(grown);
        }
        sleep(CLOCK).await;
    }
}

/// Removes the interface of a program that has ended, if it is still that program's.
pub(crate) async fn program_ended(
    context: &Context,
    seen: &NetworkInterface,
) -> Result<(), StoreError> {
    transact(&context.store, async |tx| {
        let current = tx.get(&seen.key()).await?;
        if let Some(interface) = current.filter(|one| one.attachment == seen.attachment) {
            tx.remove(&interface);
        }
        Ok(())
    })
    .await
}

/// How many records there are of the kinds that are kept when they are over and are made by a call each.
async fn how_many(context: &Context) -> Result<usize, StoreError> {
    let tx = Transaction::new(context.store.clone());
    let connections = tx.count_of(&keys::all_connections()).await?;
    Ok(connections + tx.count_of(&keys::all_authorizations()).await?)
}

/// A record that is over.
struct Ended<T> {
    /// Whose ring it is in.
    scope: Scope,
    /// The store's revision when it was written.
    modified: Revision,
    /// When it ended.
    at: Timestamp,
    record: T,
}

/// Those that are more than `keep` of one account in one Region: the oldest. Which those are is told by
/// the order in which they were written: a clock that was set back would make the newest the oldest. Of
/// those that one transaction wrote it is told by the times.
fn beyond<T>(ended: impl IntoIterator<Item = Ended<T>>, keep: usize) -> Vec<T> {
    let mut of_each: BTreeMap<Scope, Vec<Ended<T>>> = BTreeMap::new();
    for one in ended {
        of_each.entry(one.scope.clone()).or_default().push(one);
    }
    let mut beyond = Vec::new();
    for mut ring in of_each.into_values().filter(|ring| ring.len() > keep) {
        ring.sort_by_key(|one| (one.modified, one.at));
        let surplus = ring.len() - keep;
        beyond.extend(ring.into_iter().take(surplus).map(|one| one.record));
    }
    beyond
}

async fn records(context: &Context, now: Timestamp) -> Result<(), StoreError> {
    authorizations(context, now).await?;
    connections(context, now).await?;
    fleets(context, now).await?;
    public_ports(context).await?;
    credentials(context, now).await?;
    uploads(context, now).await
}

async fn credentials(context: &Context, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = Transaction::new(context.store.clone());
    let found = tx.peek(&keys::all_temporary_credentials()).await?;
    let is_old = |expires| now.duration_since(expires) >= CREDENTIAL_RETENTION;
    for ended in found.into_iter().filter(|one| is_old(one.expires)) {
        transact(&context.store, async |tx| {
            tx.remove(&ended);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Multipart uploads that nobody completed or aborted.
async fn uploads(context: &Context, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = Transaction::new(context.store.clone());
    for upload in tx.peek(&keys::all_uploads()).await? {
        let patience = match upload.bucket.is_reserved() {
            true => BUILD_UPLOAD,
            false => UPLOAD,
        };
        if now.duration_since(upload.begun) >= patience {
            let key = keys::upload(&upload.scope, &upload.bucket, &upload.id);
            transact(&context.store, async |tx| match tx.get(&key).await? {
                Some(upload) => tx.remove_upload(&upload).await,
                // It was completed meanwhile.
                None => Ok(()),
            })
            .await?;
        }
    }
    Ok(())
}

async fn authorizations(context: &Context, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = Transaction::new(context.store.clone());
    let found = tx.peek_modified(&keys::all_authorizations()).await?;
    let ended = found
        .into_iter()
        .filter(|(_, one)| one.ends() <= now)
        .map(|(modified, record)| Ended {
            scope: record.owner(),
            modified,
            at: record.ends(),
            record,
        });
    let (old, recent): (Vec<_>, Vec<_>) = ended.partition(|one| now >= one.record.forgotten_at());
    let old = old.into_iter().map(|one| one.record);
    for ended in old.chain(beyond(recent, MAX_ENDED_AUTHORIZATIONS)) {
        transact(&context.store, async |tx| {
            // It may have been renewed meanwhile.
            if tx.get(&ended.key()).await?.as_ref() == Some(&*ended) {
                tx.remove_authorization(&ended);
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn connections(context: &Context, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = Transaction::new(context.store.clone());
    let found = tx.peek_modified(&keys::all_connections()).await?;
    let ended = found
        .into_iter()
        .map(|(modified, one)| (modified, Connection::clone(&one).as_of(now)))
        .filter(|(_, one)| one.state.is_over())
        .map(|(modified, record)| Ended {
            scope: record.requester_scope(),
            modified,
            at: record.since(),
            record,
        });
    let (old, recent): (Vec<_>, Vec<_>) = ended.partition(|one| {
        let forgotten_at = one.record.forgotten_at();
        forgotten_at.is_some_and(|at| now >= at)
    });
    let old = old.into_iter().map(|one| one.record);
    for ended in old.chain(beyond(recent, MAX_ENDED_CONNECTIONS)) {
        transact(&context.store, async |tx| {
            tx.remove_connection(&ended);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn fleets(context: &Context, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = Transaction::new(context.store.clone());
    let found = tx.peek_modified(&keys::all_fleets()).await?;
    let ended = found.into_iter().filter_map(|(modified, record)| {
        let is_over = record.status == FleetStatus::Terminated;
        let at = record.terminated.filter(|_| is_over)?;
        Some(Ended {
            scope: record.scope.clone(),
            modified,
            at,
            record,
        })
    });
    let (old, recent): (Vec<_>, Vec<_>) =
        ended.partition(|one| now.duration_since(one.at) >= FLEET_RETENTION);
    let old = old.into_iter().map(|one| one.record);
    for fleet in old.chain(beyond(recent, MAX_ENDED_FLEETS)) {
        while !forget_some(context, &fleet).await? {}
    }
    Ok(())
}

/// Forgets some of a terminated fleet's events, and with the last of them the fleet. `true`: it is
/// forgotten. The node removes its logs when it finds that.
async fn forget_some(context: &Context, fleet: &Fleet) -> Result<bool, StoreError> {
    transact(&context.store, async |tx| {
        let events = keys::fleet_events(&fleet.scope, &fleet.id);
        let page = tx.page(&events, None, EVENTS_AT_ONCE).await?;
        for (key, _) in &page.records {
            tx.delete(key);
        }
        if !page.more {
            tx.delete(&keys::tags(&fleet.scope, fleet.id.as_str()));
            tx.delete(&keys::fleet(&fleet.scope, &fleet.id));
        }
        Ok(!page.more)
    })
    .await
}

/// Ports of the public address that lead to instances which are gone. They go with their instance,
/// so there are none, unless somebody has put a record back.
async fn public_ports(context: &Context) -> Result<(), StoreError> {
    for protocol in [TransportProtocol::Tcp, TransportProtocol::Udp] {
        let mut tx = Transaction::new(context.store.clone());
        let found = tx.peek_keyed(&keys::public_ports(protocol)).await?;
        let instances = tx.peek_shared(&keys::all_instances()).await?;
        let known: BTreeSet<&InstanceId> = instances.iter().map(|one| &one.id).collect();
        for (PublicPortKey { port, .. }, at) in found {
            if known.contains(&at.instance) {
                continue;
            }
            transact(&context.store, async |tx| {
                let key = keys::public_port(protocol, port);
                let instance = at.key();
                let is_same = tx.get(&key).await?.is_some_and(|current| current == at);
                if is_same && tx.get(&instance).await?.is_none() {
                    tracing::warn!(%protocol, port, instance = %at.instance, "a public port of an instance that is gone is given back");
                    tx.delete(&key);
                }
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}
