//! The folders that are a server process's own.
//!
//! Each run of a process has one file system in memory, bounded, whose tree has the paths at which
//! its folders are seen: `tmp`, `local/home`, `dev/shm` and those of LogPaths. The process mounts
//! each at its place, in a mount namespace of its own. The supervisor keeps the file system by a
//! descriptor, so that what a process left there can be read when the process is gone.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::AtFlags;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, fchownat};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};

use super::mount::inside;
use crate::api::spec::HOME_DIRECTORY;
use crate::step::{Doing, StepError};

/// Where the file system of a process's own folders hangs, which only the supervisor may enter.
pub(super) const OWN_FOLDERS: &str = "/.own";

/// The folders that every server process has, at their places.
pub(super) const ALWAYS: [&str; 3] = ["/tmp", HOME_DIRECTORY, "/dev/shm"];

/// What a file takes at least of the room, in bytes: a page.
pub(super) const PAGE: u64 = 4096;

/// The file system that holds the folders of one run.
#[derive(Clone)]
pub(crate) struct Folders {
    file_system: Arc<OwnedFd>,
}

impl Folders {
    /// An empty file system of at most `bytes`, with a folder for each of [`ALWAYS`] and of
    /// `log_folders`, which belong to `user` alone.
    pub(super) fn make(bytes: u64, log_folders: &[PathBuf], user: Option<u32>) -> io::Result<Self> {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in [
            ("mode", "0700".to_owned()),
            ("size", bytes.to_string()),
            // Empty files take memory too.
            ("nr_inodes", (bytes / PAGE).max(64).to_string()),
        ] {
            fsconfig_set_string(&context, key, value)?;
        }
        fsconfig_create(&context)?;
        let file_system = fsmount(
            context,
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
        )?;
        let folders = Folders {
            file_system: Arc::new(file_system),
        };
        for path in ALWAYS.map(Path::new) {
            folders.add(path, user)?;
        }
        for path in log_folders {
            folders.add(path, user)?;
        }
        Ok(folders)
    }

    /// Makes the folder with those above it. All are the user's: only processes with a mount of one
    /// of them can reach them.
    fn add(&self, path: &Path, user: Option<u32>) -> io::Result<()> {
        let mut so_far = PathBuf::new();
        let relative = path.strip_prefix("/").unwrap_or(path);
        for part in relative.components() {
            so_far.push(part);
            match mkdirat(&*self.file_system, &so_far, Mode::S_IRWXU) {
                Ok(()) => {}
                Err(nix::errno::Errno::EEXIST) => continue,
                Err(errno) => return Err(errno.into()),
            }
            if let Some(user) = user {
                let (owner, group) = (Uid::from_raw(user), Gid::from_raw(user));
                let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
                fchownat(&*self.file_system, &so_far, Some(owner), Some(group), flags)?;
            }
        }
        Ok(())
    }

    /// A folder whose tree has the absolute paths of the process's own folders, as long as this
    /// value lives: also when the process has ended.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.file_system.as_fd()
    }

    /// Gives this process a mount namespace of its own, in which each folder is at its place.
    pub(super) fn mount(&self, log_folders: &[PathBuf]) -> Result<(), StepError> {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWCGROUP)
            .doing(|| "making the process's own mount namespace".into())?;
        move_mount(
            &*self.file_system,
            "",
            CWD,
            OWN_FOLDERS,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )
        .doing(|| "mounting the process's own folders".into())?;
        let own = Path::new(OWN_FOLDERS);
        let places = ALWAYS.iter().map(Path::new);
        for place in places.chain(log_folders.iter().map(PathBuf::as_path)) {
            // What is in another own folder is there already.
            if ALWAYS.iter().any(|other| is_within(place, other)) {
                continue;
            }
            let folder = own.join(place.to_str().map_or(place, |text| Path::new(inside(text))));
            mount(
                Some(&folder),
                place,
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            )
            .doing(|| format!("mounting the process's own {}", place.display()))?;
        }
        Ok(())
    }
}

/// Whether `place` is truly below `other`.
fn is_within(place: &Path, other: &str) -> bool {
    place != Path::new(other) && place.starts_with(other)
}
