//! Bringing a build's files into the data directory: a copy of a directory, or what was in an
//! archive that was uploaded.
//!
//! A build is imported once and never changes. It is written to a place beside its own, made
//! durable, and renamed: a build's directory is there whole or not at all, whatever happens to the
//! process or the machine in between.

mod copy;
mod entry;
mod error;
mod parts;
mod place;
mod unpack;

use std::io;
use std::path::{Path, PathBuf};

pub use error::ImportError;

/// The most files, directories and links that a build may have.
pub const MAX_ENTRIES: u64 = 200_000;

/// The largest build, in bytes: 20 GiB.
pub const MAX_BYTES: u64 = 20 << 30;

/// How deep a build's directories may be nested.
pub const MAX_DEPTH: usize = 64;

/// How many times its compressed size an archive, or one entry of it, may unpack to. Deflate comes
/// to a thousand at most, with nothing but zeros; games do not come near.
pub const MAX_RATIO: u64 = 200;

/// What may come out whatever the ratio is, in bytes: small files of one repeated line are common.
pub const RATIO_ALLOWANCE: u64 = 64 << 20;

/// What the name of a folder starts with that a build's files are being written into; the name of
/// the build's own folder follows.
pub const IMPORTING: &str = ".importing-";

/// Imports and removes the files of builds.
pub struct BuildFiles;

/// A build that was imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedBuild {
    /// The bytes in its files together, as GameLift's `SizeOnDisk`.
    pub size_bytes: u64,
    /// How many regular files it has.
    pub files: u64,
}

impl BuildFiles {
    /// Copies the directory `root` to `into`, the build's own directory in the data directory.
    ///
    /// Taken are regular files, directories and relative links that stay inside. Everybody may read
    /// them, and run what the owner may, since server processes are users of their own; owners,
    /// times and setuid bits are not taken. Blocks for as long as copying takes.
    pub fn import(root: &Path, into: &Path) -> Result<ImportedBuild, ImportError> {
        copy::import_within(root, into, BuildLimits::default())
    }

    /// Unpacks a zip file to `into`, the build's own directory in the data directory. `parts` are
    /// the files that the archive consists of, one behind the other.
    ///
    /// What may be in it is what [`import`](BuildFiles::import) takes, and the same is kept of it.
    /// A backslash counts as a slash, as archives made on Windows have it. Nothing of the archive
    /// is believed: bounds hold for what comes out, not for what headers say. Blocks for as long as
    /// unpacking takes. `may_go_on` is asked before each file and each piece of one, and once it says
    /// `false` unpacking stops.
    pub fn unpack(
        parts: &[PathBuf],
        into: &Path,
        may_go_on: &dyn Fn() -> bool,
    ) -> Result<ImportedBuild, ImportError> {
        unpack::unpack_within(parts, into, BuildLimits::default(), may_go_on)
    }

    /// Removes the build in `directory`, and what an import of it left that was cut short; one that
    /// is not there is no error.
    pub fn remove(directory: &Path) -> io::Result<()> {
        place::remove(directory)
    }
}

#[derive(Debug, Clone, Copy)]
struct BuildLimits {
    entries: u64,
    bytes: u64,
    depth: usize,
    ratio_allowance: u64,
}

impl Default for BuildLimits {
    fn default() -> Self {
        BuildLimits {
            entries: MAX_ENTRIES,
            bytes: MAX_BYTES,
            depth: MAX_DEPTH,
            ratio_allowance: RATIO_ALLOWANCE,
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod unpack_tests;
