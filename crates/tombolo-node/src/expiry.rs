//! The expiry reconciler: takes away what has ended long enough ago that nobody asks for it.
//!
//! What an operation shows never depends on this having run: an authorization past its time is
//! invalid, a request for a connection past its seven days expired, and a deleted connection past
//! its time invisible, by the clock alone.

mod gone;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tombolo_domain::Timestamp;
use tombolo_domain::fleet::{Fleet, FleetStatus, TransportProtocol};
use tombolo_domain::id::{FleetId, InstanceId, NetworkInterfaceId};
use tombolo_domain::vpc::{Attachment, NetworkInterface};
use tombolo_fleet::build::IMPORTING;
use tombolo_fleet::{end_namespace_processes, process_runs};
use tombolo_store::StoreError;
use tombolo_store::keys::{self, PublicPortKey, Stored};
use tombolo_store::typed::Transaction;

use crate::folder::remove_folder;
use crate::transact::transact;
use crate::{Context, builds_directory, installed_directory, logs_directory};

/// How often to look for programs that have ended.
const PROGRAMS: Duration = Duration::from_secs(1);
/// How often to look for everything else, which has a day's or a month's time.
const RECORDS: SignedDuration = SignedDuration::from_secs(60);
/// How long what a program has left running may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How long a temporary credential is still known to have expired.
const CREDENTIAL_RETENTION: SignedDuration = SignedDuration::from_hours(1);
/// How long a multipart upload may take: of a build, and of anything else.
const BUILD_UPLOAD: SignedDuration = SignedDuration::from_hours(24);
const UPLOAD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a terminated fleet, its events and its logs are kept.
const FLEET_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(crate) async fn run(context: Context) {
    let mut looked_at = None;
    loop {
        if let Err(error) = programs(&context).await {
            log(&error);
        }
        // A clock that a person moved makes records due at once.
        let now = context.clock.now();
        let is_due = looked_at.is_none_or(|at| now.duration_since(at).abs() >= RECORDS);
        if is_due {
            if let Err(error) = records(&context, now).await {
                log(&error);
            }
            looked_at = Some(now);
        }
        sleep(PROGRAMS).await;
    }
}

fn log(error: &StoreError) {
    tracing::error!(
        error = error as &(dyn std::error::Error + 'static),
        "what has ended could not be taken away"
    );
}

/// Interfaces of programs that have ended without saying so, and what still runs on them.
async fn programs(context: &Context) -> Result<(), StoreError> {
    let mut tx = Transaction::new(context.store.clone());
    for interface in tx.peek(&keys::all_interfaces()).await? {
        let NetworkInterface { id, attachment, .. } = &interface;
        let Some(Attachment::Program { pid, start_time }) = attachment else {
            continue;
        };
        if !process_runs(*pid, *start_time) {
            tracing::info!(interface = %id, pid, "the program of an interface has ended");
            // Once the interface is gone, nobody knows any more where those processes are.
            if let Err(error) = end_what_is_left(context, id).await {
                tracing::error!(
                    interface = %id,
                    error = &*error,
                    "the interface of a program that has ended stays, since processes are on it"
                );
                continue;
            }
            transact(&context.store, async |tx| {
                tx.remove(&interface);
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

/// Ends the processes in the network namespace of an interface.
async fn end_what_is_left(
    context: &Context,
    interface: &NetworkInterfaceId,
) -> Result<(), Box<dyn std::error::Error + 'static>> {
    if let Some(netns) = context.engine.namespace(interface) {
        let ended = spawn_blocking(move || end_namespace_processes(&netns, GRACE)).await??;
        if ended > 0 {
            tracing::info!(%interface, ended, "processes that a program had left were ended");
        }
    }
    Ok(())
}

async fn records(context: &Context, now: Timestamp) -> Result<(), StoreError> {
    authorizations(context, now).await?;
    connections(context, now).await?;
    fleets(context, now).await?;
    folders_of_fleets(context).await?;
    gone::logs(context).await?;
    public_ports(context).await?;
    credentials(context, now).await?;
    uploads(context, now).await?;
    builds(context).await
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
        remove_folder(logs_directory(&context.directory, &fleet.id)).await;
    }
    Ok(())
}

/// What was installed for fleets that are gone, and the logs of those that are forgotten. A fleet is
/// there before its folders are.
async fn folders_of_fleets(context: &Context) -> Result<(), StoreError> {
    let installed = fleets_in(&installed_directory(&context.directory));
    let logs = fleets_in(&context.directory.join("logs"));
    if installed.is_empty() && logs.is_empty() {
        return Ok(());
    }
    let mut tx = Transaction::new(context.store.clone());
    let fleets = tx.peek(&keys::all_fleets()).await?;
    let known: BTreeSet<&FleetId> = fleets.iter().map(|fleet| &fleet.id).collect();
    let live = fleets.iter().filter(|fleet| !fleet.status.has_ended());
    let live: BTreeSet<&FleetId> = live.map(|fleet| &fleet.id).collect();
    for fleet in installed.iter().filter(|fleet| !live.contains(fleet)) {
        remove_folder(installed_directory(&context.directory).join(fleet.as_str())).await;
    }
    for fleet in logs.iter().filter(|fleet| !known.contains(fleet)) {
        remove_folder(logs_directory(&context.directory, fleet)).await;
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

/// The fleets that have something in a folder; none in one that is not there.
fn fleets_in(folder: &Path) -> Vec<FleetId> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

/// The files of builds that were deleted, and what an import that was killed left. A folder is
/// there before its record, for as long as its import copies, so only one that nobody has touched
/// for a while is taken away.
async fn builds(context: &Context) -> Result<(), StoreError> {
    const UNDISTURBED: Duration = Duration::from_secs(60 * 60);
    let Ok(entries) = std::fs::read_dir(builds_directory(&context.directory)) else {
        return Ok(());
    };
    let known: BTreeSet<String> = {
        let mut tx = Transaction::new(context.store.clone());
        let builds = tx.peek(&keys::all_builds()).await?;
        builds
            .into_iter()
            .map(|build| build.id.to_string())
            .collect()
    };
    for entry in entries.flatten() {
        let age = entry
            .metadata()
            .and_then(|found| found.modified())
            .map(|at| at.elapsed());
        let is_old = matches!(age, Ok(Ok(age)) if age > UNDISTURBED);
        // A folder that an archive is unpacked into is there before its build's own, and is touched
        // only when something is put right into it.
        let is_known = entry.file_name().to_str().is_some_and(|name| {
            let build = name.strip_prefix(IMPORTING).unwrap_or(name);
            known.contains(build)
        });
        if is_old && !is_known {
            remove_folder(entry.path()).await;
        }
    }
    Ok(())
}
