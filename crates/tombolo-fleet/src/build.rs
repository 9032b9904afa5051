//! Bringing a build's files into the data directory.
//!
//! A build is imported once and never changes. It is copied to a place beside its own, made
//! durable, and renamed: a build's directory is there whole or not at all, whatever happens to the
//! process or the machine in between.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::syncfs;

/// The most files, directories and links that a build may have.
pub const MOST_ENTRIES: u64 = 200_000;

/// The largest build, in bytes: 20 GiB.
pub const LARGEST: u64 = 20 << 30;

/// How deep a build's directories may be nested.
pub const DEEPEST: usize = 64;

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

/// Why a directory was not imported; then nothing of it was kept.
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
    /// More than [`MOST_ENTRIES`].
    #[error("the build has more than {limit} files, directories and links")]
    TooMany {
        /// The most there may be.
        limit: u64,
    },
    /// More than [`LARGEST`].
    #[error("the build is larger than {limit} bytes")]
    TooLarge {
        /// The most bytes there may be.
        limit: u64,
    },
    /// Nested deeper than [`DEEPEST`].
    #[error("{path:?} is nested deeper than {limit} directories")]
    TooDeep {
        /// The path, from the build's root.
        path: PathBuf,
        /// The deepest there may be.
        limit: usize,
    },
    /// The file system refused something.
    #[error("{doing}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl BuildFiles {
    /// Copies the directory `root` to `into`, the build's own directory in the data directory.
    ///
    /// Taken are regular files, directories and relative links that stay inside, with their read,
    /// write and execute permissions; not their owners, times, or setuid bits. The owner may
    /// always enter and change a directory, so that the build can be removed. Blocks for as long
    /// as copying takes.
    pub fn import(root: &Path, into: &Path) -> Result<ImportedBuild, ImportError> {
        import_within(
            root,
            into,
            Limits {
                entries: MOST_ENTRIES,
                bytes: LARGEST,
                depth: DEEPEST,
            },
        )
    }

    /// Removes the build in `directory`; one that is not there is no error.
    pub fn remove(directory: &Path) -> io::Result<()> {
        // Renamed first, so that a removal cut short leaves nothing that looks like a build.
        let doomed = beside(directory, "removing");
        remove_tree(&doomed)?;
        match fs::rename(directory, &doomed) {
            Ok(()) => remove_tree(&doomed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    entries: u64,
    bytes: u64,
    depth: usize,
}

fn import_within(root: &Path, into: &Path, limits: Limits) -> Result<ImportedBuild, ImportError> {
    if !root.is_dir() {
        return Err(ImportError::NotADirectory {
            root: root.to_owned(),
        });
    }
    if fs::symlink_metadata(into).is_ok() {
        return Err(ImportError::Exists {
            into: into.to_owned(),
        });
    }
    let parent = into.parent().unwrap_or(Path::new("/"));
    doing("making", parent, fs::create_dir_all(parent))?;
    let temporary = beside(into, "importing");
    // Left by an import that was killed.
    doing("removing", &temporary, remove_tree(&temporary))?;
    let copied = copy_and_publish(root, &temporary, into, limits);
    if copied.is_err() {
        // The error that counts is the import's; the next import removes what this leaves.
        let _ = remove_tree(&temporary);
    }
    copied
}

fn copy_and_publish(
    root: &Path,
    temporary: &Path,
    into: &Path,
    limits: Limits,
) -> Result<ImportedBuild, ImportError> {
    let mut copy = Copy {
        root,
        temporary,
        limits,
        entries: 0,
        bytes: 0,
        files: 0,
    };
    copy.directory(Path::new(""), 0)?;
    // One flush of the file system in place of one for each of a hundred thousand files.
    let made = doing("opening", temporary, File::open(temporary))?;
    doing("flushing", temporary, syncfs(&made).map_err(Into::into))?;
    doing("moving into place", into, fs::rename(temporary, into))?;
    let parent = into.parent().unwrap_or(Path::new("/"));
    doing(
        "flushing",
        parent,
        File::open(parent).and_then(|directory| directory.sync_all()),
    )?;
    Ok(ImportedBuild {
        size_bytes: copy.bytes,
        files: copy.files,
    })
}

/// A copy under way. Paths are from the build's root.
struct Copy<'a> {
    root: &'a Path,
    temporary: &'a Path,
    limits: Limits,
    entries: u64,
    bytes: u64,
    files: u64,
}

impl Copy<'_> {
    fn directory(&mut self, path: &Path, depth: usize) -> Result<(), ImportError> {
        let Limits { depth: limit, .. } = self.limits;
        if depth > limit {
            return Err(ImportError::TooDeep {
                path: path.to_owned(),
                limit,
            });
        }
        let (from, to) = (self.root.join(path), self.temporary.join(path));
        doing("making", &to, fs::create_dir(&to))?;
        for entry in doing("listing", &from, fs::read_dir(&from))? {
            let entry = doing("listing", &from, entry)?;
            let kind = doing("looking at", &entry.path(), entry.file_type())?;
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(ImportError::TooMany {
                    limit: self.limits.entries,
                });
            }
            let path = path.join(entry.file_name());
            if kind.is_dir() {
                self.directory(&path, depth + 1)?;
            } else if kind.is_symlink() {
                self.link(&path, depth)?;
            } else if kind.is_file() {
                self.file(&path)?;
            } else {
                return Err(ImportError::NotAFile {
                    path,
                    kind: name_of(kind),
                });
            }
        }
        let mode = doing("looking at", &from, fs::metadata(&from))?
            .permissions()
            .mode();
        let permissions = Permissions::from_mode(mode & 0o777 | 0o700);
        doing(
            "setting the permissions of",
            &to,
            fs::set_permissions(&to, permissions),
        )
    }

    fn file(&mut self, path: &Path) -> Result<(), ImportError> {
        let (from, to) = (self.root.join(path), self.temporary.join(path));
        // NOFOLLOW and NONBLOCK: between the listing and now the file may have become something
        // that would lead elsewhere, or hang.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let source = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&from);
        let source = doing("opening", &from, source)?;
        let mode = doing("looking at", &from, source.metadata())?
            .permissions()
            .mode();
        let mut target = doing("making", &to, File::create_new(&to))?;
        // One byte more than may come, to notice a file that is too large or grows.
        let left = self.limits.bytes - self.bytes;
        let copied = io::copy(&mut source.take(left.saturating_add(1)), &mut target);
        let copied = doing("copying", &from, copied)?;
        if copied > left {
            return Err(ImportError::TooLarge {
                limit: self.limits.bytes,
            });
        }
        self.bytes += copied;
        self.files += 1;
        let permissions = Permissions::from_mode(mode & 0o777);
        doing(
            "setting the permissions of",
            &to,
            target.set_permissions(permissions),
        )
    }

    fn link(&self, path: &Path, depth: usize) -> Result<(), ImportError> {
        let (from, to) = (self.root.join(path), self.temporary.join(path));
        let target = doing("reading the link", &from, fs::read_link(&from))?;
        if !stays_inside(&target, depth) {
            return Err(ImportError::LinkLeaves {
                link: path.to_owned(),
                target,
            });
        }
        doing("making the link", &to, symlink(target, &to))
    }
}

/// Whether a link in a directory `depth` below the root leads nowhere outside it, whatever the
/// links that it leads through are. After its leading `..`, which start in a real directory and so
/// are exact, it may only go down: `..` behind another link would be relative to where that leads.
fn stays_inside(target: &Path, depth: usize) -> bool {
    let up = target
        .components()
        .take_while(|part| *part == Component::ParentDir)
        .count();
    up <= depth
        && target
            .components()
            .skip(up)
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn name_of(kind: fs::FileType) -> &'static str {
    match kind {
        kind if kind.is_block_device() => "block device",
        kind if kind.is_char_device() => "character device",
        kind if kind.is_fifo() => "named pipe",
        kind if kind.is_socket() => "socket",
        _ => "file of an unknown kind",
    }
}

/// A hidden sibling of `path`, for what is not a build yet or no longer.
fn beside(path: &Path, purpose: &str) -> PathBuf {
    let mut name = OsString::from(format!(".{purpose}-"));
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.raw_os_error() != Some(Errno::ENOENT as i32) => Err(error),
        _ => Ok(()),
    }
}

fn doing<T>(what: &str, path: &Path, result: io::Result<T>) -> Result<T, ImportError> {
    result.map_err(|source| ImportError::Io {
        doing: format!("{what} {}", path.display()),
        source,
    })
}

#[cfg(test)]
mod tests;
