//! Folders of the data directory: which fleets have one, and the end of one that is no longer needed.

use std::io;
use std::path::PathBuf;

use tokio::task::spawn_blocking;
use tombolo_domain::id::FleetId;
use tombolo_fleet::build::BuildFiles;

/// The fleets that have something in a folder; none in one that is not there.
pub(crate) async fn fleets_in(folder: PathBuf) -> Vec<FleetId> {
    let read = spawn_blocking(move || {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.parse().ok()).collect()
    });
    // A panic in there was logged by its thread.
    read.await.unwrap_or_default()
}

/// Removes a folder and everything in it, off the reconcilers' thread. One that cannot be removed
/// is logged and stays, which harms nobody.
pub(crate) async fn remove_folder(path: PathBuf) {
    let removal = spawn_blocking(move || {
        let outcome = BuildFiles::remove(&path);
        (path, outcome)
    });
    match removal.await {
        Ok((path, Err(error))) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "a folder could not be removed");
        }
        // A panic in there was logged by its thread.
        _ => {}
    }
}
