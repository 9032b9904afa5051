//! Builds' files: unpacks the archives of builds once they are whole, and removes the files of
//! objects that nobody has any more.
//!
//! That the files are there is reported before the archive goes, in the transaction that makes the
//! build READY: what a server that was killed had been unpacking is unpacked again.

mod tries;

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::select;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::Instant;
use tombolo_controller::{Reports, Unpacked};
use tombolo_domain::error_chain;
use tombolo_domain::fleet::{Build, BuildStatus};
use tombolo_domain::id::{BlobId, BuildId};
use tombolo_domain::object::Object;
use tombolo_fleet::build::{BuildFiles, ImportError};
use tombolo_store::keys::{self, KeyError, Kind};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, Wakes};
use tombolo_tasks::{Members, Reason, Task, reason_to_run};

use crate::folder::remove_folder;
use crate::{Context, builds_directory, objects_directory};
use tries::{MOST_TRIES, Tries};

/// How long to wait at most before looking again.
const RESYNC: Duration = Duration::from_secs(15);

/// How long a piece of an archive may take at most, in a usual case.
const PIECE: Duration = Duration::from_secs(60);

/// How many archives are unpacked at a time: they compete for the disk.
const AT_A_TIME: usize = 2;

/// The most files that are removed before looking again.
const REMOVED_AT_ONCE: usize = 1024;

/// What this loop reads.
pub(crate) const READS: [Kind; 2] = [Kind::Build, Kind::Object];

/// The loop's name, and that of the workers.
pub(crate) const TASK: &str = "node/builds";
const WORKER: &str = "node/build";

/// Starts a worker for every build whose archive is here.
pub(crate) async fn run(context: Context, reports: Arc<dyn Reports>, mut wakes: Wakes) {
    let tasks = &context.tasks;
    let task = tasks.task(TASK, "has builds unpacked", RESYNC);
    // How long an archive takes nobody knows, but each piece of it is heard of.
    tasks.declare(WORKER, "unpacks a build", PIECE);
    let mut running = Members::new(WORKER);
    let mut workers: BTreeMap<BuildId, AbortHandle> = BTreeMap::new();
    let mut tries: BTreeMap<BuildId, Tries> = BTreeMap::new();
    let turns = Rc::new(Semaphore::new(AT_A_TIME));
    let stopping = Stopping::default();
    loop {
        let reason = loop {
            select! {
                reason = reason_to_run(&mut wakes, RESYNC) => break reason,
                (build, progress) = running.ended() => {
                    if progress == Progress::Refused {
                        tries.entry(build).or_default().failed(Instant::now());
                    }
                }
            }
        };
        workers.retain(|_, worker| !worker.is_finished());
        // What failed is logged, and looked at again.
        let Ok(builds) = task.run(reason, unpackable(&context)).await else {
            continue;
        };
        tries.retain(|id, _| builds.iter().any(|build| build.id == *id));
        for build in builds {
            let tried = tries.get(&build.id).copied().unwrap_or_default();
            if tried.waits(Instant::now()) {
                continue;
            }
            workers.entry(build.id.clone()).or_insert_with(|| {
                let (context, turns) = (context.clone(), turns.clone());
                let (reports, stopping) = (reports.clone(), stopping.0.clone());
                let tasks = tasks.clone();
                running.spawn(async move {
                    let _turn = turns.acquire().await;
                    let task = Arc::new(tasks.member(WORKER));
                    let may_go_on = {
                        let task = task.clone();
                        move || {
                            task.progress();
                            !stopping.load(Ordering::Relaxed)
                        }
                    };
                    let unpacking = take_in(&context, &*reports, &build, tried, may_go_on);
                    let progress = task.run(Reason::Woken, unpacking).await;
                    // What failed is looked at again.
                    (build.id, progress.unwrap_or(Progress::Made))
                })
            });
        }
    }
}

/// What the loop reads that removes files which no record names any more.
pub(crate) const READS_UNUSED: [Kind; 1] = [Kind::UnusedBlob];
/// Its name.
pub(crate) const UNUSED: &str = "node/unused-objects";

/// Removes the files that no record names any more.
pub(crate) async fn run_unused(context: Context, reports: Arc<dyn Reports>, mut wakes: Wakes) {
    let purpose = "removes the files of objects that nobody has any more";
    let task = context.tasks.task(UNUSED, purpose, RESYNC);
    loop {
        let reason = reason_to_run(&mut wakes, RESYNC).await;
        // What failed is looked at again.
        let removing = remove_unused(&context, &*reports, &task);
        let _ = task.run(reason, removing).await;
    }
}

/// Tells unpacking that is under way, on threads of its own, to end when this is dropped.
#[derive(Default)]
struct Stopping(Arc<AtomicBool>);

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The builds whose files are to come and whose archive is here, or will never be.
async fn unpackable(context: &Context) -> Result<Vec<Build>, StoreError> {
    let mut tx = Transaction::new(context.store.clone());
    let builds = tx.peek(&keys::all_builds()).await?;
    let mut found = Vec::new();
    for build in builds {
        let awaits = build.status == BuildStatus::Initialized;
        if awaits && (build.source.is_some() || object_of(&mut tx, &build).await?.is_some()) {
            found.push(build);
        }
    }
    Ok(found)
}

async fn object_of(tx: &mut Transaction, build: &Build) -> Result<Option<Object>, StoreError> {
    let at = build.object();
    tx.get(&keys::object(&build.scope, &at.bucket, &at.key))
        .await
}

/// What a try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It is done with, or is to be looked at again as soon as there is anything new.
    Made,
    /// The disk refused something.
    Refused,
}

/// Unpacks a build's archive, which was `tried` before, and writes down what became of it.
async fn take_in(
    context: &Context,
    reports: &dyn Reports,
    build: &Build,
    tried: Tries,
    may_go_on: impl Fn() -> bool + Send + 'static,
) -> Result<Progress, StoreError> {
    let mut tx = Transaction::new(context.store.clone());
    let Some(object) = object_of(&mut tx, build).await? else {
        let at = build.object();
        let reason = format!(
            "the object s3://{}/{} was deleted before its files were taken out of it",
            at.bucket, at.key
        );
        finish(context, reports, build, Unpacked::Failed(reason)).await?;
        return Ok(Progress::Made);
    };
    let archive: Vec<_> = object
        .blobs
        .iter()
        .map(|blob| objects_directory(&context.directory).join(blob.id.as_str()))
        .collect();
    let into = builds_directory(&context.directory).join(build.id.as_str());
    let unpacked = spawn_blocking(move || {
        // What an earlier server had unpacked, and did not live to write down.
        let removed = BuildFiles::remove(&into);
        removed.map_err(|source| ImportError::Io {
            doing: format!("removing {}", into.display()),
            source,
        })?;
        BuildFiles::unpack(&archive, &into, &may_go_on)
    });
    let outcome = match unpacked.await {
        Ok(Ok(files)) => {
            tracing::info!(build = %build.id, files = files.files, "unpacked");
            Unpacked::Files {
                size_bytes: files.size_bytes,
            }
        }
        Ok(Err(ImportError::Stopped)) => return Ok(Progress::Made),
        Ok(Err(error @ ImportError::Io { .. })) => {
            tracing::error!(build = %build.id, "not unpacked: {}", error_chain(&error));
            match error.is_ours() {
                true if tried.are_all_but_one() => Unpacked::Failed(refused_for_good(&error)),
                true => Unpacked::NotYet(refused_by_the_disk(&error)),
                false => Unpacked::Failed(refused_as_a_name(&error)),
            }
        }
        Ok(Err(error)) => Unpacked::Failed(error_chain(&error)),
        Err(panic) => Unpacked::Failed(format!("unpacking it failed: {panic}")),
    };
    let progress = match &outcome {
        Unpacked::NotYet(_) => Progress::Refused,
        Unpacked::Files { .. } | Unpacked::Failed(_) => Progress::Made,
    };
    finish(context, reports, build, outcome).await?;
    Ok(progress)
}

/// Reports what became of an archive, and removes the files of a build that was deleted meanwhile.
async fn finish(
    context: &Context,
    reports: &dyn Reports,
    build: &Build,
    outcome: Unpacked,
) -> Result<(), StoreError> {
    let is_there = reports.build_unpacked(build, outcome).await?;
    if !is_there {
        let files = builds_directory(&context.directory).join(build.id.as_str());
        remove_folder(files).await;
    }
    Ok(())
}

/// What the build's owner is told, whom the server's own paths are no concern of.
fn refused_by_the_disk(error: &ImportError) -> String {
    format!(
        "the server's disk refused its files ({}), and is asked again, {MOST_TRIES} times in all",
        cause(error)
    )
}

fn refused_for_good(error: &ImportError) -> String {
    format!(
        "the server's disk refused its files {MOST_TRIES} times ({}); upload them to a new build \
         once its operator has made room",
        cause(error)
    )
}

fn refused_as_a_name(error: &ImportError) -> String {
    format!(
        "the server's file system cannot have one of its files ({}); shorten the paths and links",
        cause(error)
    )
}

fn cause(error: &ImportError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    cause.unwrap_or_default()
}

/// Removes the files that no record names any more.
async fn remove_unused(
    context: &Context,
    reports: &dyn Reports,
    task: &Task,
) -> Result<(), StoreError> {
    loop {
        let prefix = keys::unused_blobs();
        let mut tx = Transaction::new(context.store.clone());
        let page = tx.page(&prefix, None, REMOVED_AT_ONCE).await?;
        let keys = page.records.iter().map(|(key, ())| key.parts());
        let blobs: Vec<BlobId> = keys
            .map(|key| Ok(key?.blob))
            .collect::<Result<_, KeyError>>()?;
        if blobs.is_empty() {
            return Ok(());
        }
        let directory = objects_directory(&context.directory);
        let removal = spawn_blocking(move || {
            let mut removed = Vec::new();
            for blob in blobs {
                match std::fs::remove_file(directory.join(blob.as_str())) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        tracing::warn!(%error, %blob, "an object's file could not be removed");
                    }
                    _ => removed.push(blob),
                }
            }
            removed
        });
        let removed = removal.await.unwrap_or_default();
        if removed.is_empty() {
            // Looked at again later.
            return Ok(());
        }
        reports.blobs_removed(&removed).await?;
        task.progress();
        if !page.more {
            return Ok(());
        }
    }
}
