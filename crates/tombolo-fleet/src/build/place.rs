//! Where a build's files go: a directory that is there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::syncfs;

use super::IMPORTING;
use super::error::{ImportError, doing};

/// The same for a build that is being removed.
const REMOVING: &str = ".removing-";

/// Has `fill` make and fill a directory beside `into`, makes it durable, and renames it to `into`.
/// After a failure nothing of it is left.
pub(super) fn publish<T>(
    into: &Path,
    fill: impl FnOnce(&Path) -> Result<T, ImportError>,
) -> Result<T, ImportError> {
    if fs::symlink_metadata(into).is_ok() {
        return Err(ImportError::Exists {
            into: into.to_owned(),
        });
    }
    let parent = into.parent().unwrap_or(Path::new("/"));
    doing("making", parent, fs::create_dir_all(parent))?;
    let temporary = beside(into, IMPORTING);
    // Left by an import that was killed.
    doing("removing", &temporary, remove_tree(&temporary))?;
    let published = fill(&temporary).and_then(|filled| {
        // One flush of the file system in place of one for each of a hundred thousand files.
        let made = doing("opening", &temporary, File::open(&temporary))?;
        doing("flushing", &temporary, syncfs(&made).map_err(Into::into))?;
        doing("moving into place", into, fs::rename(&temporary, into))?;
        let flushed = File::open(parent).and_then(|directory| directory.sync_all());
        doing("flushing", parent, flushed)?;
        Ok(filled)
    });
    if published.is_err() {
        // The error that counts is the import's; the next import removes what this leaves.
        let _ = remove_tree(&temporary);
    }
    published
}

/// Removes the build in `directory`; one that is not there is no error.
pub(super) fn remove(directory: &Path) -> io::Result<()> {
    // What an import or a removal that was cut short left goes with it.
    remove_tree(&beside(directory, IMPORTING))?;
    // Renamed first, so that a removal cut short leaves nothing that looks like a build.
    let doomed = beside(directory, REMOVING);
    remove_tree(&doomed)?;
    match fs::rename(directory, &doomed) {
        Ok(()) => remove_tree(&doomed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The permissions of a build's file or directory that its maker gave `mode`: everybody may read it,
/// and run what its owner may, and only the owner write. Server processes run as users of
/// their own.
pub(super) fn permissions(mode: u32) -> Permissions {
    let run = if mode & 0o100 != 0 { 0o111 } else { 0 };
    Permissions::from_mode(0o444 | mode & 0o200 | run)
}

/// A hidden sibling of `path`, for what is not a build yet or no longer.
fn beside(path: &Path, prefix: &str) -> PathBuf {
    let mut name = OsString::from(prefix);
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.raw_os_error() != Some(Errno::ENOENT as i32) => Err(error),
        _ => Ok(()),
    }
}
