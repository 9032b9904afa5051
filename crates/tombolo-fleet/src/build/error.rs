//! Why a build was not taken in.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// Why a directory or archive was not imported; then nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is no such directory to import.
    #[error("{root:?} is not a directory; name the directory that holds the build's files")]
    NotADirectory {
        /// What was named.
        root: PathBuf,
    },
    /// The build is there already.
    #[error("{into:?} exists already; a build's files never change, so import into a new build")]
    Exists {
        /// Where it should have gone.
        into: PathBuf,
    },
    /// A link that would point elsewhere in the instance than here, or out of the build.
    #[error(
        "the link {link:?} points to {target:?}; only a relative target inside the build, with .. at its start only, can be imported: replace the link by the file"
    )]
    LinkLeaves {
        /// The link, from the build's root.
        link: PathBuf,
        /// Its target.
        target: PathBuf,
    },
    /// A device, socket or pipe.
    #[error("{path:?} is a {kind}; only files, directories and links can be imported")]
    NotAFile {
        /// The path, from the build's root.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// More than [`MAX_ENTRIES`](super::MAX_ENTRIES).
    #[error("the build has more than {limit} files, directories and links")]
    TooMany {
        /// The most there may be.
        limit: u64,
    },
    /// More than [`MAX_BYTES`](super::MAX_BYTES).
    #[error("the build is larger than {limit} bytes")]
    TooLarge {
        /// The most bytes there may be.
        limit: u64,
    },
    /// Nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("{path:?} is nested deeper than {limit} directories")]
    TooDeep {
        /// The path, from the build's root.
        path: PathBuf,
        /// The deepest there may be.
        limit: usize,
    },
    /// Not a zip file, or a broken one.
    #[error("the archive cannot be read: {reason}; upload a whole zip file")]
    NotAnArchive {
        /// What is wrong with it.
        reason: String,
    },
    /// A zip file without anything in it.
    #[error("the archive has no files")]
    Empty,
    /// A name that leads out of the build, or that no file can have.
    #[error(
        "the archive names {name:?}, which {reason}; pack the files by their paths from the build's root"
    )]
    BadName {
        /// The name as the archive has it, cut.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// One path twice, or as a file and as a directory.
    #[error("the archive has {path:?} twice")]
    Twice {
        /// The path, from the build's root.
        path: PathBuf,
    },
    /// A password is needed.
    #[error("{path:?} is encrypted; pack the build without a password")]
    Encrypted {
        /// The path, from the build's root.
        path: PathBuf,
    },
    /// A way of compressing that is not known here.
    #[error("{path:?} is compressed by {method}; pack the build with deflate, or uncompressed")]
    Compression {
        /// The path, from the build's root.
        path: PathBuf,
        /// The method's name.
        method: String,
    },
    /// So much more comes out than goes in that it can only be meant to fill the disk.
    #[error(
        "{what} unpacks to more than {ratio} times its compressed size; leave out files that are empty space"
    )]
    Bomb {
        /// The path from the build's root, quoted, or "the archive".
        what: String,
        /// The most there may be.
        ratio: u64,
    },
    /// What comes out of an entry is not what the archive says.
    #[error("{path:?} is damaged in the archive: {reason}; upload it again")]
    Damaged {
        /// The path, from the build's root.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It was cancelled.
    #[error("it was stopped")]
    Stopped,
    /// The file system refused something.
    #[error("{doing}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl ImportError {
    /// Whether trying again may help: the disk refused something, and what was to be imported may
    /// be as good as any.
    pub fn is_ours(&self) -> bool {
        match self {
            ImportError::Io { source, .. } => !is_of_a_name(source),
            ImportError::Stopped => true,
            _ => false,
        }
    }
}

/// Whether the kernel refused a name or a link, which it will do again: too long, or nothing that
/// this file system can have (path_resolution(7), symlink(2)).
fn is_of_a_name(error: &io::Error) -> bool {
    let names = [
        Errno::ENAMETOOLONG,
        Errno::EINVAL,
        Errno::EILSEQ,
        Errno::ELOOP,
    ];
    let refused = error.raw_os_error().map(Errno::from_raw);
    refused.is_some_and(|errno| names.contains(&errno))
}

/// Says what was being done to `path` when it failed.
pub(super) fn doing<T>(what: &str, path: &Path, result: io::Result<T>) -> Result<T, ImportError> {
    result.map_err(|source| ImportError::Io {
        doing: format!("{what} {}", path.display()),
        source,
    })
}
