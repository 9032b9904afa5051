//! A server's data directory: what is where in it, and that one process at a time has it.
//!
//! ```text
//! DIR/lock          held, with an flock, by the process that has the directory
//! DIR/admin.sock    the admin socket of the server
//! DIR/aws-config    `tombolo dev`'s profiles
//! DIR/store.db      the database
//! DIR/host-id       the id of this host, made at the first start, after the database
//! DIR/builds/       DIR/objects/      DIR/instances/    DIR/logs/    DIR/bpf/
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;
use tombolo_admin::admin_socket;

use crate::report::{OrHint, hinted};

/// A data directory that this process has for itself.
pub(crate) struct DataDirectory {
    path: PathBuf,
    /// Freed by the kernel when the process ends, however it ends.
    _lock: Flock<File>,
    /// Set for a fresh directory: it goes with this value.
    _temporary: Option<TempDir>,
}

impl DataDirectory {
    /// Takes the directory at `path`, made for its owner alone when it is not there.
    ///
    /// # Errors
    /// Another process has it, or it cannot be made or written.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .or_hint(
                || format!("cannot make the data directory {}", path.display()),
                || "name another one with --dir, or run as a user who may write there".to_owned(),
            )?;
        Self::lock(path, None)
    }

    /// Takes the directory at `path`, which must be there.
    pub(crate) fn take_existing(path: &Path) -> Result<Self> {
        if !path.join("lock").exists() {
            return Err(hinted(
                format!("{} is not the data directory of a server", path.display()),
                "name the directory that was given to `tombolo dev --dir` or is `directory` in the \
                 configuration of `tombolo serve`",
            ));
        }
        Self::lock(path, None)
    }

    /// A fresh directory for its owner alone, gone when the value is dropped.
    pub(crate) fn fresh() -> Result<Self> {
        let temporary = tempfile::Builder::new()
            .prefix("tombolo-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .context("making a directory for the server")?;
        let path = temporary.path().to_owned();
        Self::lock(&path, Some(temporary))
    }

    fn lock(path: &Path, temporary: Option<TempDir>) -> Result<Self> {
        // Names of namespaces come from it, and supervisors change their directory.
        let path = path
            .canonicalize()
            .with_context(|| format!("finding {}", path.display()))?;
        warn_if_others_can_look(&path)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .with_context(|| format!("opening {}", path.join("lock").display()))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| {
            let error = io::Error::from(error);
            if error.kind() == io::ErrorKind::WouldBlock {
                hinted(
                    format!("a server is running in {}", path.display()),
                    "end it first, or name another directory",
                )
            } else {
                anyhow::Error::new(error).context(format!("locking {}", path.display()))
            }
        })?;
        Ok(DataDirectory {
            path,
            _lock: lock,
            _temporary: temporary,
        })
    }

    /// The directory, absolute and without symbolic links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The store's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("store.db")
    }

    /// Whether a server has run here. The host's id is written once the store is made, which is then
    /// on the disk; so a store that is missing beside it was lost, and to make a new one would be to
    /// forget everything and to remove the files that no record names any more. A first start that is
    /// killed leaves no store, one without an id, or both, and never an id alone.
    pub(crate) fn has_host(&self) -> Result<bool> {
        let path = self.path.join("host-id");
        let found = path.try_exists();
        found.with_context(|| format!("looking at {}", path.display()))
    }

    /// The profiles that `tombolo dev` writes.
    pub(crate) fn aws_config(&self) -> PathBuf {
        self.path.join("aws-config")
    }

    /// Removes the admin socket, which is left when a server was killed; no error if there is none.
    pub(crate) fn remove_admin_socket(&self) -> Result<()> {
        let path = admin_socket(&self.path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Deletes everything in it, and itself.
    pub(crate) fn delete(self) -> Result<()> {
        fs::remove_dir_all(&self.path).with_context(|| format!("deleting {}", self.path.display()))
    }
}

/// The secrets' own files are their owner's alone wherever they are; builds and logs are not.
fn warn_if_others_can_look(path: &Path) -> Result<()> {
    let status = fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?;
    let mode = status.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            "others can look into {} (mode {mode:04o}), at builds and logs; `chmod 700` it",
            path.display()
        );
    }
    Ok(())
}
