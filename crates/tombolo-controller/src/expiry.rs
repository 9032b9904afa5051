//! Expiry: forgets what has ended long enough ago that nobody asks for it.
//!
//! What an operation shows never depends on this having run: an authorization past its time is
//! invalid, a request for a connection past its seven days expired, and a deleted connection past
//! its time invisible, by the clock alone.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, sleep};
use tombolo_domain::Timestamp;
use tombolo_domain::fleet::{Fleet, FleetStatus, TransportProtocol};
use tombolo_domain::id::InstanceId;
use tombolo_domain::vpc::NetworkInterface;
use tombolo_store::StoreError;
use tombolo_store::keys::{self, Entity, PublicPortKey};
use tombolo_store::typed::{Transaction, transact};
use tombolo_tasks::Reason;

use crate::Context;

/// How often to look at the clock, which a person may move.
const CLOCK: Duration = Duration::from_secs(1);
/// How often to look for records, which have a day's or a month's time.
const RECORDS: SignedDuration = SignedDuration::from_secs(60);
const PERIOD: Duration = Duration::from_secs(60);
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
    loop {
        // A clock that a person moved makes records due at once.
        let now = context.clock.now();
        let is_due = looked.is_none_or(|(at, real)| {
            real.elapsed() >= PERIOD || now.duration_since(at).abs() >= RECORDS
        });
        if is_due {
            let reason = Reason::Period;
            // What failed is due again in a period.
            let _ = task.run(reason, records(&context, now)).await;
            looked = Some((now, Instant::now()));
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
    let found = tx.peek(&keys::all_authorizations()).await?;
    for ended in found
        .into_iter()
        .filter(|found| now >= found.forgotten_at())
    {
        transact(&context.store, async |tx| {
            let key = ended.key();
            // It may have been renewed meanwhile.
            let current = tx.get(&key).await?;
            if current.is_some_and(|current| now >= current.forgotten_at()) {
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
    let found = tx.peek(&keys::all_connections()).await?;
    for ended in found
        .into_iter()
        .filter(|connection| connection.forgotten_at().is_some_and(|at| now >= at))
    {
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
    let is_old = |fleet: &Fleet| {
        let ended = fleet
            .terminated
            .filter(|_| fleet.status == FleetStatus::Terminated);
        ended.is_some_and(|at| now.duration_since(at) >= FLEET_RETENTION)
    };
    for fleet in tx
        .peek(&keys::all_fleets())
        .await?
        .into_iter()
        .filter(is_old)
    {
        transact(&context.store, async |tx| {
            for event in tx
                .list(&keys::fleet_events(&fleet.scope, &fleet.id))
                .await?
            {
                tx.delete(&event.key());
            }
            tx.delete(&keys::tags(&fleet.scope, fleet.id.as_str()));
            tx.delete(&keys::fleet(&fleet.scope, &fleet.id));
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Ports of the public address that lead to instances which are gone. They go with their instance,
/// so there are none, unless somebody has put a record back.
async fn public_ports(context: &Context) -> Result<(), StoreError> {
    for protocol in [TransportProtocol::Tcp, TransportProtocol::Udp] {
        let mut tx = Transaction::new(context.store.clone());
        let found = tx.peek_keyed(&keys::public_ports(protocol)).await?;
        let instances = tx.peek(&keys::all_instances()).await?;
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
