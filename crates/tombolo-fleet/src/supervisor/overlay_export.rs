//! Keeping what a build's `install.sh` changed: copying the upper layer of an overlay out of memory.
//!
//! In such a layer a character device 0:0 stands for a file that was deleted, and a folder with the
//! attribute `opaque` hides the one below it (the kernel's `overlayfs.rst`); both are kept, since the
//! copy is laid over the build again. What server processes could not use anyway is left out:
//! sockets and named pipes. Everything becomes readable for all, since they are other users than the
//! one that installed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::renameat;
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::syncfs;
use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};

use crate::api::control::path_of;
use crate::step::{Doing, StepError};

/// The name of what is not whole yet, in the instance's directory, which goes with the instance.
const UNFINISHED: &str = "installed.new";

/// The namespaces that an overlay has its attributes in: as root, and in a user namespace.
const NAMESPACES: [&str; 2] = ["trusted", "user"];

/// What anything takes at least of the disk, in bytes: a block.
const BLOCK: u64 = 4096;

/// How much a layer may have, to be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExportLimits {
    /// All files together, each of them and each folder at least a block of 4,096, in bytes.
    pub(super) bytes: u64,
    /// Files, folders and whatever else has a name.
    pub(super) entries: u64,
}

/// Where what was installed is kept, by descriptors that outlive their paths.
pub(super) struct Destination {
    /// The folder that it is in.
    parent: File,
    name: OsString,
    /// The instance's own, on the same file system.
    directory: File,
}

impl Destination {
    /// The place `into`, an absolute path, whose folder is made if it is not there.
    pub(super) fn open(into: &Path, directory: &File) -> Result<Self, StepError> {
        let parent = into.parent().unwrap_or(Path::new("/"));
        let open = || {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)?;
            Ok::<_, io::Error>(Destination {
                parent: File::open(parent)?,
                name: into
                    .file_name()
                    .unwrap_or(OsStr::new("installed"))
                    .to_owned(),
                directory: directory.try_clone()?,
            })
        };
        open().doing(|| format!("opening {}, to keep what is installed", parent.display()))
    }

    /// Whether it is there, and so whole.
    pub(super) fn is_taken(&self) -> bool {
        path_of(&self.parent).join(&self.name).is_dir()
    }

    /// Copies the layer `upper`, if it has no more than `limits`. When it returns, the copy is on the
    /// disk and at its place, or nothing is there.
    pub(super) fn export(&self, upper: &Path, limits: ExportLimits) -> Result<(), String> {
        let unfinished = path_of(&self.directory).join(UNFINISHED);
        let kept = self.copy_and_place(upper, &unfinished, limits);
        if kept.is_err() {
            // It goes with the instance's directory at the latest.
            let _ = fs::remove_dir_all(&unfinished);
        }
        kept
    }

    fn copy_and_place(
        &self,
        upper: &Path,
        unfinished: &Path,
        limits: ExportLimits,
    ) -> Result<(), String> {
        let named = |what: &str, error: &dyn Display| format!("{what}: {error}");
        match fs::remove_dir_all(unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(named("removing an earlier copy", &error));
            }
            _ => {}
        }
        Copying::new(upper, limits).copy(Path::new(""), unfinished)?;
        syncfs(&self.directory).map_err(|error| named("writing to the disk", &error))?;
        let name = self.name.as_os_str();
        renameat(&self.directory, UNFINISHED, &self.parent, name)
            .map_err(|error| named("moving the copy to its place", &error))?;
        self.parent
            .sync_all()
            .map_err(|error| named("writing to the disk", &error))
    }
}

/// A copy under way.
struct Copying<'a> {
    upper: &'a Path,
    limits: ExportLimits,
    left: ExportLimits,
    /// Files that have several names, by their inodes, with the copy of the first name.
    linked: BTreeMap<u64, PathBuf>,
}

impl<'a> Copying<'a> {
    fn new(upper: &'a Path, limits: ExportLimits) -> Self {
        Copying {
            upper,
            limits,
            left: limits,
            linked: BTreeMap::new(),
        }
    }

    /// Copies what is at `path` in the layer to `to`; an error names the path.
    fn copy(&mut self, path: &Path, to: &Path) -> Result<(), String> {
        let from = self.upper.join(path);
        let copied = fs::symlink_metadata(&from).and_then(|found| {
            let kind = found.file_type();
            self.take(&found)?;
            if kind.is_dir() {
                DirBuilder::new().mode(0o755).create(to)?;
                keep_opaque(&from, to)?;
            } else if kind.is_symlink() {
                symlink(fs::read_link(&from)?, to)?;
            } else if kind.is_file() {
                self.copy_file(&from, &found, to)?;
            } else if kind.is_char_device() && found.rdev() == 0 {
                mknod(to, SFlag::S_IFCHR, Mode::empty(), 0)?;
            } else if !(kind.is_socket() || kind.is_fifo()) {
                return Err(io::Error::other("a device cannot be kept"));
            }
            Ok(kind.is_dir())
        });
        let named = |error: io::Error| format!("/local/game/{}: {error}", path.display());
        if !copied.map_err(named)? {
            return Ok(());
        }
        for entry in fs::read_dir(&from).map_err(named)? {
            let name = entry.map_err(named)?.file_name();
            self.copy(&path.join(&name), &to.join(&name))?;
        }
        Ok(())
    }

    /// Takes what one entry needs out of what is left.
    fn take(&mut self, found: &Metadata) -> io::Result<()> {
        let is_known = self.linked.contains_key(&found.ino());
        // Of a file with holes the copy has none.
        let length = match found.is_file() && !is_known {
            true => found.len().max(BLOCK),
            false => BLOCK,
        };
        let ExportLimits { bytes, entries } = self.limits;
        self.left.entries = self.left.entries.checked_sub(1).ok_or_else(|| {
            io::Error::other(format!("there are more than {entries} files and folders"))
        })?;
        self.left.bytes = self.left.bytes.checked_sub(length).ok_or_else(|| {
            io::Error::other(format!(
                "the files take more than {bytes} bytes together, each at least {BLOCK}"
            ))
        })?;
        Ok(())
    }

    fn copy_file(&mut self, from: &Path, found: &Metadata, to: &Path) -> io::Result<()> {
        refuse_references(from)?;
        if found.nlink() > 1
            && let Some(first) = self.linked.get(&found.ino())
        {
            return fs::hard_link(first, to);
        }
        let is_program = found.mode() & 0o111 != 0;
        let mut copy = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if is_program { 0o755 } else { 0o644 })
            .open(to)?;
        io::copy(&mut File::open(from)?, &mut copy)?;
        if found.nlink() > 1 {
            self.linked.insert(found.ino(), to.to_owned());
        }
        Ok(())
    }
}

/// Makes the copy of a folder hide the one below it, if the folder does.
fn keep_opaque(from: &Path, to: &Path) -> io::Result<()> {
    refuse_references(from)?;
    for namespace in NAMESPACES {
        let attribute = format!("{namespace}.overlay.opaque");
        let mut value = [0; 16];
        if let Some(length) = attribute_of(from, &attribute, &mut value)? {
            lsetxattr(to, &attribute, &value[..length], XattrFlags::empty())?;
        }
    }
    Ok(())
}

/// Refuses what only refers to something below the layer. The kernel makes such files where it was
/// configured to; an overlay that is made as ours is has none.
fn refuse_references(path: &Path) -> io::Result<()> {
    for namespace in NAMESPACES {
        for reference in ["redirect", "metacopy"] {
            let attribute = format!("{namespace}.overlay.{reference}");
            if attribute_of(path, &attribute, &mut [0; 1])?.is_some() {
                return Err(io::Error::other(format!(
                    "it was moved or changed in a way that cannot be kept ({attribute}); copy it \
                     in install.sh instead"
                )));
            }
        }
    }
    Ok(())
}

/// The length of an attribute, and its value; `None` if there is none of that name.
fn attribute_of(path: &Path, name: &str, value: &mut [u8]) -> io::Result<Option<usize>> {
    match lgetxattr(path, name, &mut *value) {
        Ok(length) => Ok(Some(length)),
        // Too long for the room is there, too.
        Err(rustix::io::Errno::RANGE) => Ok(Some(value.len())),
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(None),
        Err(errno) => Err(Errno::from_raw(errno.raw_os_error()).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    struct Layer {
        place: tempfile::TempDir,
    }

    impl Layer {
        fn new() -> Self {
            let place = tempfile::tempdir().unwrap();
            for folder in ["upper/bin", "upper/.data", "instance"] {
                fs::create_dir_all(place.path().join(folder)).unwrap();
            }
            Layer { place }
        }

        fn path(&self, path: &str) -> PathBuf {
            self.place.path().join(path)
        }

        fn export(&self, bytes: u64, entries: u64) -> Result<(), String> {
            let directory = File::open(self.path("instance")).unwrap();
            let destination =
                Destination::open(&self.path("installed/fleet-1"), &directory).unwrap();
            assert!(!destination.is_taken());
            let kept = destination.export(&self.path("upper"), ExportLimits { bytes, entries });
            assert_eq!(destination.is_taken(), kept.is_ok());
            assert!(!self.path("instance").join(UNFINISHED).exists());
            kept
        }
    }

    #[test]
    fn files_with_holes_do_not_fill_the_disk() {
        let layer = Layer::new();
        let sparse = File::create(layer.path("upper/bin/sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let error = layer.export(1 << 20, 100).unwrap_err();
        assert_eq!(
            error,
            "/local/game/bin/sparse: the files take more than 1048576 bytes together, each at least \
             4096"
        );
    }

    #[test]
    fn empty_files_folders_and_links_are_counted_too() {
        let layer = Layer::new();
        for number in 0..10 {
            fs::write(layer.path(&format!("upper/bin/{number}")), "").unwrap();
            fs::create_dir(layer.path(&format!("upper/folder-{number}"))).unwrap();
            symlink("x", layer.path(&format!("upper/link-{number}"))).unwrap();
            let (one, other) = ("upper/bin/0", format!("upper/.data/{number}"));
            fs::hard_link(layer.path(one), layer.path(&other)).unwrap();
        }
        // With the layer itself and the two folders that every one has here.
        let all = 3 + 4 * 10;
        let error = layer.export(all * BLOCK - 1, all).unwrap_err();
        assert!(
            error.ends_with("bytes together, each at least 4096"),
            "{error}"
        );
        let error = layer.export(all * BLOCK, all - 1).unwrap_err();
        assert!(error.ends_with("more than 42 files and folders"), "{error}");
        layer.export(all * BLOCK, all).unwrap();
    }

    #[test]
    fn what_a_killed_supervisor_did_not_finish_is_no_obstacle() {
        let layer = Layer::new();
        let unfinished = layer.path("instance").join(UNFINISHED);
        fs::create_dir_all(unfinished.join("bin")).unwrap();
        fs::write(unfinished.join("bin/other"), "half").unwrap();
        fs::write(layer.path("upper/bin/server"), "program").unwrap();
        layer.export(1 << 20, 100).unwrap();
        assert!(!layer.path("installed/fleet-1/bin/other").exists());
        assert!(layer.path("installed/fleet-1/bin/server").exists());
    }

    /// They make devices and attributes that only root may make.
    mod kernel_tests {
        use super::*;

        #[test]
        fn everything_that_was_changed_is_kept_and_may_be_read() {
            let layer = Layer::new();
            let mode = |path: &str, mode| {
                let permissions = fs::Permissions::from_mode(mode);
                fs::set_permissions(layer.path(path), permissions).unwrap();
            };
            fs::write(layer.path("upper/bin/server"), "program").unwrap();
            mode("upper/bin/server", 0o4700);
            fs::write(layer.path("upper/.data/secret"), "words").unwrap();
            mode("upper/.data/secret", 0o600);
            mode("upper/.data", 0o700);
            let (one, other) = ("upper/.data/secret", "upper/.data/again");
            fs::hard_link(layer.path(one), layer.path(other)).unwrap();
            symlink("bin/server", layer.path("upper/run")).unwrap();
            mknod(
                &layer.path("upper/deleted"),
                SFlag::S_IFCHR,
                Mode::empty(),
                0,
            )
            .unwrap();
            let opaque = "trusted.overlay.opaque";
            lsetxattr(layer.path("upper/bin"), opaque, b"y", XattrFlags::empty()).unwrap();
            let _socket = UnixListener::bind(layer.path("upper/socket")).unwrap();

            layer.export(1 << 20, 100).unwrap();
            let kept = |path: &str| layer.path("installed/fleet-1").join(path);
            let mode = |path| fs::symlink_metadata(kept(path)).unwrap().mode() & 0o7777;
            assert_eq!(fs::read_to_string(kept("bin/server")).unwrap(), "program");
            assert_eq!(mode("bin/server"), 0o755);
            assert_eq!(fs::read_to_string(kept(".data/again")).unwrap(), "words");
            assert_eq!((mode(".data/again"), mode(".data")), (0o644, 0o755));
            assert_eq!(fs::metadata(kept(".data/secret")).unwrap().nlink(), 2);
            assert_eq!(fs::read_link(kept("run")).unwrap(), Path::new("bin/server"));
            let deleted = fs::symlink_metadata(kept("deleted")).unwrap();
            assert!(deleted.file_type().is_char_device() && deleted.rdev() == 0);
            let mut value = [0; 4];
            let length = attribute_of(&kept("bin"), opaque, &mut value).unwrap();
            assert_eq!((length, value[0]), (Some(1), b'y'));
            assert!(!kept("socket").exists());
            assert_eq!(
                attribute_of(&kept(".data"), opaque, &mut value).unwrap(),
                None
            );
        }

        #[test]
        fn what_only_refers_to_something_is_refused_by_name() {
            let layer = Layer::new();
            let redirect = "trusted.overlay.redirect";
            let path = layer.path("upper/bin");
            lsetxattr(path, redirect, b"/old", XattrFlags::empty()).unwrap();
            let error = layer.export(1 << 20, 100).unwrap_err();
            assert!(
                error.starts_with("/local/game/bin: it was moved"),
                "{error}"
            );
        }
    }
}
