//! Folders of the data directory that are no longer needed.

use std::io;
use std::path::PathBuf;

use tombolo_fleet::build::BuildFiles;

/// Removes a folder and everything in it, off the reconcilers' thread. One that cannot be removed
/// is logged and stays, which harms nobody.
pub(crate) async fn remove_folder(path: PathBuf) {
    let removal = tokio::task::spawn_blocking(move || {
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
