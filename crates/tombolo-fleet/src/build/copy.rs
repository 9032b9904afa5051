//! Copying a directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use super::entry::stays_inside;
use super::error::{ImportError, doing};
use super::place::{permissions, publish};
use super::{BuildLimits, ImportedBuild};

pub(super) fn import_within(
    root: &Path,
    into: &Path,
    limits: BuildLimits,
) -> Result<ImportedBuild, ImportError> {
    if !root.is_dir() {
        return Err(ImportError::NotADirectory {
            root: root.to_owned(),
        });
    }
    publish(into, |temporary| {
        let mut copy = Copy {
            root,
            temporary,
            limits,
            entries: 0,
            bytes: 0,
            files: 0,
        };
        copy.directory(Path::new(""), 0)?;
        Ok(ImportedBuild {
            size_bytes: copy.bytes,
            files: copy.files,
        })
    })
}

/// A copy under way. Paths are from the build's root.
struct Copy<'a> {
    root: &'a Path,
    temporary: &'a Path,
    limits: BuildLimits,
    entries: u64,
    bytes: u64,
    files: u64,
}

impl Copy<'_> {
    fn directory(&mut self, path: &Path, depth: usize) -> Result<(), ImportError> {
        let BuildLimits { depth: limit, .. } = self.limits;
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
        // Its owner may always enter and change it, so that it can be removed.
        let set = fs::set_permissions(&to, permissions(mode | 0o700));
        doing("setting the permissions of", &to, set)
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
        let set = target.set_permissions(permissions(mode));
        doing("setting the permissions of", &to, set)
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

fn name_of(kind: fs::FileType) -> &'static str {
    match kind {
        kind if kind.is_block_device() => "block device",
        kind if kind.is_char_device() => "character device",
        kind if kind.is_fifo() => "named pipe",
        kind if kind.is_socket() => "socket",
        _ => "file of an unknown kind",
    }
}
