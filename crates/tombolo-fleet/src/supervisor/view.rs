//! The files that the server processes of an instance see.
//!
//! ```text
//! /                 a small file system in memory, read-only
//! ├─ bin, etc, …    the host's directories (and links), as they are, but for the server's data
//! │                 and the names of network namespaces, whose places are empty
//! ├─ dev/shm        its own: shared memory stays within the instance
//! ├─ sys            its own: the instance's network, not the host's
//! ├─ proc           its own: the instance's processes only
//! └─ local
//!    ├─ game        the build, read-only
//!    └─ home        an empty file system in memory
//! ```
//!
//! It is put together in the instance's mount namespace, over the instance's own directory, so
//! that the host's file system gains neither a file nor a mount.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{chdir, pivot_root};

use super::step::{Doing, StepError};
use crate::spec::{GAME_DIRECTORY, HOME_DIRECTORY, InstanceSpec};

/// The host's directories that an instance has its own of.
const OWN: [&str; 2] = ["proc", "local"];

/// Where `ip netns` keeps the names of network namespaces.
const NETWORK_NAMESPACES: &str = "/run/netns";

/// Replaces everything that this process sees by the instance's view. It must be alone in its
/// mount namespace and the first in its PID namespace.
pub(super) fn enter(spec: &InstanceSpec) -> Result<(), StepError> {
    // From here on nothing that is mounted shows on the host; what the host unmounts goes here
    // too, so that an instance never keeps a disk busy.
    change("/", MsFlags::MS_REC | MsFlags::MS_SLAVE)?;
    let root = spec.directory.as_path();
    mount_new(
        "tmpfs",
        root,
        MsFlags::MS_NODEV | MsFlags::MS_NOSUID,
        "mode=0755,size=1m",
    )?;
    // The directories bound below contain this very mount; unbindable, it is left out of them.
    change(root, MsFlags::MS_UNBINDABLE)?;
    bind_host(root)?;
    own_directories(root)?;
    own_sysfs(root);
    bind_build(&spec.build, &inside(root, GAME_DIRECTORY))?;
    let locked = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    change(root, locked | MsFlags::MS_NODEV | MsFlags::MS_NOSUID)?;
    release_network_namespaces(root)?;
    // Covered after they were released, so that those which come later are not seen either.
    for hidden in spec
        .hidden
        .iter()
        .map(PathBuf::as_path)
        .chain([Path::new(NETWORK_NAMESPACES)])
    {
        cover(root, hidden)?;
    }
    become_root(root)
}

/// `path`, absolute in the instance, below `root`.
fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// The host's top-level directories and links. Top-level files are none of a server's business.
fn bind_host(root: &Path) -> Result<(), StepError> {
    let entries = fs::read_dir("/").and_then(Iterator::collect::<io::Result<Vec<_>>>);
    for entry in entries.doing(|| "listing /".into())? {
        let (name, host) = (entry.file_name(), entry.path());
        if OWN.iter().any(|own| name == *own) {
            continue;
        }
        let here = root.join(&name);
        let kind = entry
            .file_type()
            .doing(|| format!("looking at {}", host.display()))?;
        if kind.is_symlink() {
            fs::read_link(&host)
                .and_then(|target| symlink(target, &here))
                .doing(|| format!("copying the link {}", host.display()))?;
        } else if kind.is_dir() {
            make_directory(&here, 0o755)?;
            mount(
                Some(&host),
                &here,
                None::<&str>,
                MsFlags::MS_BIND | MsFlags::MS_REC,
                None::<&str>,
            )
            .doing(|| format!("binding {} into the instance", host.display()))?;
        }
    }
    Ok(())
}

fn own_directories(root: &Path) -> Result<(), StepError> {
    let harmless = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    let proc = root.join("proc");
    make_directory(&proc, 0o555)?;
    mount_new("proc", &proc, harmless | MsFlags::MS_NOEXEC, "")?;
    let shared_memory = root.join("dev/shm");
    if shared_memory.is_dir() {
        mount_new("tmpfs", &shared_memory, harmless, "mode=1777")?;
    }
    let home = inside(root, HOME_DIRECTORY);
    make_directory(&home, 0o755)?;
    mount_new("tmpfs", &home, harmless, "mode=0700,size=64m")
}

/// The build, read-only. A bind mount takes read-only in a second step, which must repeat the
/// flags of the file system that holds the build: an unprivileged user may not drop them.
fn bind_build(build: &Path, game: &Path) -> Result<(), StepError> {
    make_directory(game, 0o755)?;
    mount(
        Some(build),
        game,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .doing(|| format!("binding the build {} to {GAME_DIRECTORY}", build.display()))?;
    let held =
        statvfs(game).doing(|| format!("asking for the mount flags of {}", build.display()))?;
    let mut flags = MsFlags::MS_REMOUNT
        | MsFlags::MS_BIND
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NODEV
        | MsFlags::MS_NOSUID;
    for (held_flag, flag) in [
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        if held.flags().contains(held_flag) {
            flags |= flag;
        }
    }
    change(game, flags)
}

/// Puts an empty, read-only file system over the host's folder `hidden`, if it is there.
fn cover(root: &Path, hidden: &Path) -> Result<(), StepError> {
    let here = root.join(hidden.strip_prefix("/").unwrap_or(hidden));
    if !here.is_dir() {
        return Ok(());
    }
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_new("tmpfs", &here, flags, "mode=0555,size=4k")
}

/// The kernel's devices as the instance's network namespace has them. Where the kernel refuses
/// it, in some user namespaces, the host's stay: an unprivileged user can read them anyway.
fn own_sysfs(root: &Path) {
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let _ = mount_new("sysfs", &root.join("sys"), flags | MsFlags::MS_RDONLY, "");
}

/// Unmounts the names of network namespaces (`/run/netns/NAME`) that came along with the host's
/// directories: each would keep its network alive after the host has deleted it.
fn release_network_namespaces(root: &Path) -> Result<(), StepError> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .doing(|| "reading /proc/self/mountinfo".into())?;
    for path in mounts.lines().filter_map(network_namespace_name) {
        let path = Path::new(&path);
        if path.starts_with(root) {
            // Refused in a user namespace, where the host's mounts are locked to each other: there
            // such a name goes when the host's own unmount arrives here, or with the instance.
            let _ = umount2(path, MntFlags::MNT_DETACH);
        }
    }
    Ok(())
}

/// The mount point of a line of `mountinfo` (`proc_pid_mountinfo(5)`) that names a namespace.
fn network_namespace_name(line: &str) -> Option<String> {
    let (mount, file_system) = line.split_once(" - ")?;
    if file_system.split(' ').next() != Some("nsfs") {
        return None;
    }
    mount.split(' ').nth(4).map(unescape)
}

/// A path of `mountinfo`, in which the kernel writes space, tab, newline and backslash in octal.
fn unescape(path: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(path.to_owned(), |path, (octal, character)| {
        path.replace(octal, character)
    })
}

/// Makes `root` this process's `/` and lets go of the old one.
fn become_root(root: &Path) -> Result<(), StepError> {
    // With both paths ".", the old root lies on top of the new one until it is detached, so that
    // no directory has to be there to receive it (pivot_root(2)).
    chdir(root)
        .and_then(|()| pivot_root(".", "."))
        .and_then(|()| umount2(".", MntFlags::MNT_DETACH))
        .and_then(|()| chdir("/"))
        .doing(|| format!("making {} the root directory", root.display()))
}

fn make_directory(path: &Path, mode: u32) -> Result<(), StepError> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .doing(|| format!("making {}", path.display()))
}

fn mount_new(kind: &str, at: &Path, flags: MsFlags, options: &str) -> Result<(), StepError> {
    mount(Some(kind), at, Some(kind), flags, Some(options))
        .doing(|| format!("mounting {kind} on {}", at.display()))
}

/// Changes the flags or the propagation of what is mounted at `path`.
fn change(path: impl AsRef<Path>, flags: MsFlags) -> Result<(), StepError> {
    let path = path.as_ref();
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
        .doing(|| format!("changing the mount {} to {flags:?}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_namespaces_are_found_in_mountinfo() {
        let line = r"59 58 0:4 net:[4026532247] /x/run/netns/a\040b rw shared:3 - nsfs nsfs rw";
        assert_eq!(
            network_namespace_name(line).as_deref(),
            Some("/x/run/netns/a b")
        );
        let other = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw";
        assert_eq!(network_namespace_name(other), None);
    }
}
