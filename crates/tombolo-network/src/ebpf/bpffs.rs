//! The BPF file system of one data directory: what is pinned in it stays in the kernel when the
//! engine's process ends, however it ends.

use std::fs;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

/// Whether a BPF file system is mounted on `directory`.
pub(super) fn is_mounted_on(directory: &Path) -> bool {
    statfs(directory).is_ok_and(|status| status.filesystem_type() == BPF_FS_MAGIC)
}

/// Mounts a BPF file system of its own on `directory`, unless one is there.
pub(super) fn mount_on(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    if is_mounted_on(directory) {
        return Ok(());
    }
    mount(
        Some("tombolo"),
        directory,
        Some("bpf"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        Some("mode=0700"),
    )?;
    // A copy of the mount in another mount namespace would keep the pins alive after teardown.
    mount(
        None::<&str>,
        directory,
        None::<&str>,
        MsFlags::MS_PRIVATE,
        None::<&str>,
    )?;
    Ok(())
}

/// Removes every pin, then the mount and its directory.
pub(super) fn unmount(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // The kernel's own `maps.debug` and `progs.debug` cannot be removed; a pin has no dot.
        if path.extension().is_none() {
            remove_if_there(&path)?;
        }
    }
    match umount2(directory, MntFlags::MNT_DETACH) {
        Ok(()) | Err(Errno::EINVAL) => fs::remove_dir(directory),
        Err(error) => Err(error.into()),
    }
}

/// Removes a pin, or a directory of pins, that may not be there.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
