//! Unpacking a zip file from a client.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use zip::read::{ArchiveOffset, Config, ZipFile};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;
use zip::{CompressionMethod, ZipReadOptions};

use super::entry::{self, Kind, stays_inside};
use super::error::{ImportError, doing};
use super::parts::Parts;
use super::place::{permissions, publish};
use super::{BuildLimits, ImportedBuild, MAX_RATIO};

/// How much is read at a time, in bytes.
const CHUNK: usize = 128 << 10;

/// The longest target of a link that Linux takes, in bytes.
const MAX_LINK_TARGET_BYTES: u64 = 4095;

/// The permissions of a file and of a directory of which an archive says none.
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

pub(super) fn unpack_within(
    parts: &[PathBuf],
    into: &Path,
    limits: BuildLimits,
    may_go_on: &dyn Fn() -> bool,
) -> Result<ImportedBuild, ImportError> {
    let parts = doing("opening the archive of", into, Parts::of(parts))?;
    publish(into, |temporary| {
        let mut unpack = Unpack {
            root: temporary,
            limits,
            may_go_on,
            archive: parts.length(),
            made: BTreeMap::new(),
            bytes: 0,
            files: 0,
        };
        unpack.root()?;
        unpack.all(&parts)?;
        Ok(ImportedBuild {
            size_bytes: unpack.bytes,
            files: unpack.files,
        })
    })
}

/// An archive that is being unpacked. Paths are from the build's root.
struct Unpack<'a> {
    root: &'a Path,
    limits: BuildLimits,
    may_go_on: &'a dyn Fn() -> bool,
    /// The archive's length, in bytes.
    archive: u64,
    /// What was made so far. Only what is known to be a directory of ours is gone through, so that
    /// no entry is written by way of another entry's link.
    made: BTreeMap<PathBuf, Kind>,
    bytes: u64,
    files: u64,
}

type Entry<'a> = ZipFile<'a, BufReader<Parts>>;

impl Unpack<'_> {
    fn root(&self) -> Result<(), ImportError> {
        doing("making", self.root, fs::create_dir(self.root))?;
        self.set_permissions(Path::new(""), DIRECTORY_MODE)
    }

    fn all(&mut self, parts: &Parts) -> Result<(), ImportError> {
        let open = || BufReader::new(parts.clone());
        // Nothing may stand in front of the archive: looking for where it starts could mean reading
        // all of it again and again.
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        // It reads entries as they come: an archive that has millions takes no memory for them.
        let archive = ZipIterable::try_new(open(), config).map_err(unreadable)?;
        let mut archive = archive.enforce_header_consistency(true);
        if archive.len() as u64 > self.limits.entries {
            return Err(self.too_many());
        }
        let mut entries = archive
            .files_with_reader(open(), ZipReadOptions::new())
            .map_err(unreadable)?;
        while let Some(entry) = entries.next() {
            self.go_on()?;
            self.entry(entry)?;
        }
        match self.made.values().any(|kind| *kind != Kind::Directory) {
            true => Ok(()),
            false => Err(ImportError::Empty),
        }
    }

    fn entry(&mut self, entry: Result<Entry<'_>, ZipError>) -> Result<(), ImportError> {
        let mut entry = entry.map_err(|error| match error {
            ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => ImportError::Encrypted {
                path: PathBuf::from("a file in the archive"),
            },
            error => unreadable(error),
        })?;
        let name = entry.name().map_err(unreadable)?.into_owned();
        let path = entry::path(&name)?;
        if entry.encrypted() {
            return Err(ImportError::Encrypted { path });
        }
        let mode = entry.unix_mode();
        let kind = entry::kind(&name, mode).map_err(|kind| ImportError::NotAFile {
            path: path.clone(),
            kind,
        })?;
        match kind {
            Kind::Directory => {
                self.directory(&path)?;
                // Its owner may always enter and change it, so that it can be removed.
                self.set_permissions(&path, mode.unwrap_or(DIRECTORY_MODE) | 0o700)
            }
            Kind::File => self.file(&path, mode.unwrap_or(FILE_MODE), &mut entry),
            Kind::Link => self.link(&path, &mut entry),
        }
    }

    /// Makes a directory and those that it is in.
    fn directory(&mut self, path: &Path) -> Result<(), ImportError> {
        let limit = self.limits.depth;
        if path.components().count() > limit {
            return Err(ImportError::TooDeep {
                path: path.to_owned(),
                limit,
            });
        }
        let mut at = PathBuf::new();
        for part in path {
            at.push(part);
            match self.made.get(&at) {
                Some(Kind::Directory) => continue,
                Some(_) => return Err(ImportError::Twice { path: at }),
                None => {}
            }
            let to = self.root.join(&at);
            doing("making", &to, fs::create_dir(&to))?;
            self.set_permissions(&at, DIRECTORY_MODE)?;
            self.count(&at, Kind::Directory)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, mode: u32, entry: &mut Entry<'_>) -> Result<(), ImportError> {
        self.begin(path, Kind::File)?;
        self.check_method(path, entry)?;
        let to = self.root.join(path);
        let mut target = doing("making", &to, File::create_new(&to))?;
        // What a header says of the compressed size is at most what is there to read.
        let compressed = entry.compressed_size().min(self.archive);
        let mut out = 0;
        let mut buffer = vec![0; CHUNK];
        loop {
            self.go_on()?;
            let read = match entry.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(damaged(path, error)),
            };
            out += read as u64;
            self.bytes += read as u64;
            self.check_bytes(path, out, compressed)?;
            let written = target.write_all(&buffer[..read]);
            doing("writing", &to, written)?;
        }
        self.files += 1;
        let set = target.set_permissions(permissions(mode));
        doing("setting the permissions of", &to, set)
    }

    fn link(&mut self, path: &Path, entry: &mut Entry<'_>) -> Result<(), ImportError> {
        self.begin(path, Kind::Link)?;
        self.check_method(path, entry)?;
        let mut target = Vec::new();
        let read = entry
            .take(MAX_LINK_TARGET_BYTES + 1)
            .read_to_end(&mut target);
        read.map_err(|error| damaged(path, error))?;
        let is_target = !target.is_empty() && target.len() as u64 <= MAX_LINK_TARGET_BYTES;
        if !is_target || target.contains(&0) {
            return Err(ImportError::BadName {
                name: path.display().to_string(),
                reason: "is a link whose target is none",
            });
        }
        let target = PathBuf::from(OsString::from_vec(target));
        let depth = path.components().count().saturating_sub(1);
        if !stays_inside(&target, depth) {
            return Err(ImportError::LinkLeaves {
                link: path.to_owned(),
                target,
            });
        }
        let to = self.root.join(path);
        doing("making the link", &to, symlink(target, &to))
    }

    /// Makes room for a file or link: its directory, and that its name is free.
    fn begin(&mut self, path: &Path, kind: Kind) -> Result<(), ImportError> {
        if path.as_os_str().is_empty() {
            return Err(ImportError::BadName {
                name: ".".to_owned(),
                reason: "is no name for a file",
            });
        }
        self.directory(path.parent().unwrap_or(Path::new("")))?;
        if self.made.contains_key(path) {
            return Err(ImportError::Twice {
                path: path.to_owned(),
            });
        }
        self.count(path, kind)
    }

    fn count(&mut self, path: &Path, kind: Kind) -> Result<(), ImportError> {
        self.made.insert(path.to_owned(), kind);
        if self.made.len() as u64 > self.limits.entries {
            return Err(self.too_many());
        }
        Ok(())
    }

    fn check_method(&self, path: &Path, entry: &Entry<'_>) -> Result<(), ImportError> {
        match entry.compression() {
            CompressionMethod::Stored | CompressionMethod::Deflated => Ok(()),
            other => Err(ImportError::Compression {
                path: path.to_owned(),
                method: other.to_string(),
            }),
        }
    }

    /// Holds what came out so far against the bounds: `out` of one entry of `compressed` bytes, and
    /// of all together.
    fn check_bytes(&self, path: &Path, out: u64, compressed: u64) -> Result<(), ImportError> {
        let BuildLimits {
            bytes,
            ratio_allowance,
            ..
        } = self.limits;
        if self.bytes > bytes {
            return Err(ImportError::TooLarge { limit: bytes });
        }
        let is_bomb = |out, of: u64| out > ratio_allowance && out / MAX_RATIO > of;
        let what = if is_bomb(out, compressed) {
            format!("{path:?}")
        } else if is_bomb(self.bytes, self.archive) {
            // Entries may share what they are compressed from.
            "the archive".to_owned()
        } else {
            return Ok(());
        };
        Err(ImportError::Bomb {
            what,
            ratio: MAX_RATIO,
        })
    }

    fn set_permissions(&self, path: &Path, mode: u32) -> Result<(), ImportError> {
        let to = self.root.join(path);
        let set = fs::set_permissions(&to, permissions(mode));
        doing("setting the permissions of", &to, set)
    }

    fn go_on(&self) -> Result<(), ImportError> {
        match (self.may_go_on)() {
            true => Ok(()),
            false => Err(ImportError::Stopped),
        }
    }

    fn too_many(&self) -> ImportError {
        ImportError::TooMany {
            limit: self.limits.entries,
        }
    }
}

/// The archive as a whole cannot be read.
fn unreadable(error: ZipError) -> ImportError {
    match error {
        ZipError::Io(error) if error.raw_os_error().is_some() => ours(error),
        error => ImportError::NotAnArchive {
            reason: error.to_string(),
        },
    }
}

/// One entry cannot be read to its end.
fn damaged(path: &Path, error: io::Error) -> ImportError {
    // What the kernel says is about the disk and not about the archive.
    if error.raw_os_error().is_some() {
        return ours(error);
    }
    ImportError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn ours(source: io::Error) -> ImportError {
    ImportError::Io {
        doing: "reading the archive".to_owned(),
        source,
    }
}
