//! `tombolo` as a user without any rights.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::binary;

/// The user and the group `nobody`.
const NOBODY: u32 = 65534;

/// A place of that user's, with a copy of the binary, which may be where only root can go.
#[derive(Debug)]
pub struct Nobody {
    place: TempDir,
}

impl Nobody {
    /// Makes the place.
    ///
    /// # Panics
    /// This is not root, who alone can become another user.
    pub fn new() -> Self {
        let place = tempfile::Builder::new()
            .prefix("tmb-nobody-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .expect("making a temporary directory");
        let copy = place.path().join("tombolo");
        fs::copy(binary::tombolo(), &copy).expect("copying the binary");
        for path in [place.path(), &copy] {
            chown(path, Some(NOBODY), Some(NOBODY))
                .expect("becoming another user takes root: run `cargo xtask test` as root");
        }
        Nobody { place }
    }

    /// Where its temporary files are.
    pub fn directory(&self) -> &Path {
        self.place.path()
    }

    /// A command of `tombolo` as that user.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.place.path().join("tombolo"));
        command
            .args(arguments)
            .env("TMPDIR", self.place.path())
            .env_remove("TOMBOLO_DIR")
            .current_dir(self.place.path())
            .stdin(Stdio::null())
            .uid(NOBODY)
            .gid(NOBODY);
        command
    }
}

impl Default for Nobody {
    fn default() -> Self {
        Self::new()
    }
}
