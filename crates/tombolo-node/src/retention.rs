//! Files of what is gone: of builds that were deleted, of fleets that have ended, of instances that
//! nobody remembers.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tombolo_domain::id::FleetId;
use tombolo_fleet::build::IMPORTING;
use tombolo_store::keys::{self, Kind};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, Wakes};
use tombolo_tasks::reason_to_run;

use crate::folder::{fleets_in, remove_folder};
use crate::{Context, builds_directory, installed_directory, log_retention, logs_directory};

/// How often to look.
const PERIOD: Duration = Duration::from_secs(60);
/// How long nobody has touched the folder of a build that nobody is still importing.
const UNDISTURBED: Duration = Duration::from_secs(60 * 60);

/// What tells that a fleet is over, and its files with it.
pub(crate) const READS: [Kind; 1] = [Kind::Fleet];

/// The loop's name.
pub(crate) const TASK: &str = "node/retention";

/// Looks for files of what is gone, and removes them.
pub(crate) async fn run(context: Context, mut wakes: Wakes) {
    let task = context
        .tasks
        .task(TASK, "removes files of what is gone", PERIOD);
    let mut looked: Option<Instant> = None;
    loop {
        let reason = reason_to_run(&mut wakes, PERIOD).await;
        let is_time = looked.is_none_or(|at| at.elapsed() >= PERIOD);
        if is_time {
            looked = Some(Instant::now());
        }
        // What failed is looked at again.
        let _ = task.run(reason, look(&context, is_time)).await;
    }
}

/// Looks for folders of fleets, and `all` the rest, which takes longer.
async fn look(context: &Context, all: bool) -> Result<(), StoreError> {
    folders_of_fleets(context).await?;
    if all {
        log_retention::logs(context).await?;
        builds(context).await?;
    }
    Ok(())
}

/// What was installed for fleets that are gone, and the logs of those that are forgotten. A fleet is
/// there before its folders are.
async fn folders_of_fleets(context: &Context) -> Result<(), StoreError> {
    let installed = fleets_in(installed_directory(&context.directory)).await;
    let logs = fleets_in(context.directory.join("logs")).await;
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

/// The files of builds that were deleted, and what an import that was killed left. A folder is
/// there before its record, for as long as its import copies, so only one that nobody has touched
/// for a while is taken away.
async fn builds(context: &Context) -> Result<(), StoreError> {
    let directory = builds_directory(&context.directory);
    let undisturbed = spawn_blocking(move || undisturbed(&directory)).await;
    let undisturbed = undisturbed.unwrap_or_default();
    if undisturbed.is_empty() {
        return Ok(());
    }
    let mut tx = Transaction::new(context.store.clone());
    let builds = tx.peek(&keys::all_builds()).await?.into_iter();
    let known: BTreeSet<String> = builds.map(|build| build.id.to_string()).collect();
    for folder in undisturbed {
        // A folder that an archive is unpacked into is there before its build's own, and is touched
        // only when something is put right into it.
        let name = folder.file_name().and_then(OsStr::to_str);
        let is_known = name.is_some_and(|name| {
            let build = name.strip_prefix(IMPORTING).unwrap_or(name);
            known.contains(build)
        });
        if !is_known {
            remove_folder(folder).await;
        }
    }
    Ok(())
}

/// The folders in `directory` that nobody has touched for a while.
fn undisturbed(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let old = entries.flatten().filter(|entry| {
        let age = entry
            .metadata()
            .and_then(|found| found.modified())
            .map(|at| at.elapsed());
        matches!(age, Ok(Ok(age)) if age > UNDISTURBED)
    });
    old.map(|entry| entry.path()).collect()
}
