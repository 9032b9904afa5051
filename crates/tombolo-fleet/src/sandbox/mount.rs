//! The mounts that an instance's view of files is made of: binds, new file systems, and what makes
//! a mount read-only or shows its files as another user's (`mount_setattr(2)`).

use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use crate::step::{Doing, Hint, StepError};

/// `path`, absolute in the instance, to be joined to the root of the view.
pub(super) fn inside(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// Shows the file or folder `source` at `target`, read-only; a link becomes the same link, and what
/// is not there is left out.
pub(super) fn bind_or_link(source: &Path, target: &Path) -> Result<(), StepError> {
    let Ok(found) = fs::symlink_metadata(source) else {
        return Ok(());
    };
    if let Some(parent) = target.parent() {
        make_directory(parent, 0o755)?;
    }
    if found.is_symlink() {
        return fs::read_link(source)
            .and_then(|leads_to| symlink(leads_to, target))
            .doing(|| format!("copying the link {}", source.display()));
    }
    let made = if found.is_dir() {
        make_directory(target, 0o755)
    } else {
        File::create(target)
            .map(drop)
            .doing(|| format!("making {}", target.display()))
    };
    made?;
    bind(source, target, MsFlags::MS_REC)?;
    restrict(target, Reach::Tree).doing(|| format!("making {} read-only", source.display()))
}

pub(super) fn bind(source: &Path, target: &Path, flags: MsFlags) -> Result<(), StepError> {
    mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND | flags,
        None::<&str>,
    )
    .doing(|| format!("binding {} into the instance", source.display()))
}

pub(super) fn make_directory(path: &Path, mode: u32) -> Result<(), StepError> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .doing(|| format!("making {}", path.display()))
}

pub(super) fn mount_new(
    kind: &str,
    at: &Path,
    flags: MsFlags,
    options: &str,
) -> Result<(), StepError> {
    mount(Some(kind), at, Some(kind), flags, Some(options))
        .doing(|| format!("mounting {kind} on {}", at.display()))
}

/// Changes the propagation of what is mounted at `path`.
pub(super) fn change_propagation(path: impl AsRef<Path>, flags: MsFlags) -> Result<(), StepError> {
    let path = path.as_ref();
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
        .doing(|| format!("changing the mount {} to {flags:?}", path.display()))
}

/// How far a change of a mount goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The mount itself.
    Mount,
    /// What is mounted below it too.
    Tree,
}

/// Makes the mount at `path` read-only, without devices and setuid programs. It adds to the flags
/// that the mount has, which an unprivileged user may not drop.
pub(super) fn restrict(path: &Path, reach: Reach) -> io::Result<()> {
    // SAFETY: mount_attr is integers, for which zeroes are a value.
    let mut wanted: libc::mount_attr = unsafe { std::mem::zeroed() };
    wanted.attr_set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    set_attributes(path, reach, &wanted)
}

/// Shows the folder `source`, whose files are root's, at `target` with all of them `user`'s. Nothing
/// of it changes on the disk. `proc` is a `/proc` of this PID namespace.
pub(super) fn bind_as(
    source: &Path,
    target: &Path,
    user: u32,
    proc: &Path,
) -> Result<(), StepError> {
    let tree = open_tree(
        CWD,
        source,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )
    .doing(|| format!("binding the build {}", source.display()))?;
    let namespace = namespace_of(user, proc).doing(|| format!("mapping root to user {user}"))?;
    // SAFETY: mount_attr is integers, for which zeroes are a value.
    let mut wanted: libc::mount_attr = unsafe { std::mem::zeroed() };
    wanted.attr_set = libc::MOUNT_ATTR_IDMAP;
    wanted.userns_fd = namespace.as_raw_fd() as u64;
    set_attributes_of(&tree, &wanted)
        .doing(|| format!("showing the files of {} as user {user}'s", source.display()))
        .hint(|_| {
            "the file system of the data directory must know idmapped mounts, as ext4, XFS and \
             Btrfs do (mount_setattr(2))"
        })?;
    move_mount(
        tree,
        "",
        CWD,
        target,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .doing(|| format!("mounting the build on {}", target.display()))
}

/// A user namespace in which root's files are `user`'s: one that a child makes, which this process
/// gives its map and whose descriptor outlives the child.
fn namespace_of(user: u32, proc: &Path) -> io::Result<File> {
    let (mut made, says_made) = io::pipe()?;
    let (waits, end) = io::pipe()?;
    // SAFETY: the supervisor has one thread, so no lock is held by another.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop((made, end));
            let made = unshare(CloneFlags::CLONE_NEWUSER);
            let code = made.err().map_or(0, |errno| errno as i32);
            let _ = (&says_made).write_all(&code.to_ne_bytes());
            // Until the parent has what it wants, and closes its end.
            let _ = (&waits).read(&mut [0]);
            // SAFETY: it ends this process and runs no destructor of what its parent owns.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop((says_made, waits));
            let mut code = [0; 4];
            let opened = made.read_exact(&mut code).and_then(|()| {
                match i32::from_ne_bytes(code) {
                    0 => {}
                    code => return Err(io::Error::from_raw_os_error(code)),
                }
                let child = proc.join(child.to_string());
                let map = format!("0 {user} 1");
                fs::write(child.join("uid_map"), &map)?;
                fs::write(child.join("gid_map"), &map)?;
                File::open(child.join("ns/user"))
            });
            drop(end);
            // Reaped, so that the supervisor meets no child that it does not know.
            let _ = waitpid(child, None);
            opened
        }
    }
}

/// `mount_setattr(2)`, which rustix has not, on the mount at `path`.
fn set_attributes(path: &Path, reach: Reach, wanted: &libc::mount_attr) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = match reach {
        Reach::Mount => 0,
        Reach::Tree => libc::AT_RECURSIVE,
    };
    call(libc::AT_FDCWD, &path, flags, wanted)
}

fn set_attributes_of(tree: &OwnedFd, wanted: &libc::mount_attr) -> io::Result<()> {
    call(tree.as_raw_fd(), c"", libc::AT_EMPTY_PATH, wanted)
}

fn call(
    directory: libc::c_int,
    path: &std::ffi::CStr,
    flags: libc::c_int,
    wanted: &libc::mount_attr,
) -> io::Result<()> {
    // SAFETY: the kernel reads the path and as many bytes of `wanted` as its size says, and both
    // outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            directory,
            path.as_ptr(),
            flags,
            std::ptr::from_ref(wanted),
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(result).map(drop).map_err(Into::into)
}
