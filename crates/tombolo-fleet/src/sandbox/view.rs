//! The files that the server processes of an instance see.
//!
//! ```text
//! /                 a small file system in memory, read-only
//! ├─ bin, lib, …    the host's /usr and what belongs to it, read-only, or those of the root file
//! │                 system that the configuration names; nothing else of the host
//! ├─ etc            made for the instance: what programs need to find libraries and names
//! ├─ dev            null, zero, full, random, urandom, tty
//! ├─ proc           the instance's processes; a process sees its own only
//! ├─ sys            which processors there are
//! ├─ local
//! │  ├─ game        the build, read-only
//! │  └─ home        of each server process its own, as are tmp, dev/shm and the log folders
//! └─ tmp
//! ```
//!
//! It is put together in the instance's mount namespace, over the instance's own directory, so
//! that the host's file system gains neither a file nor a mount. What differs from one server
//! process to the next is mounted in a mount namespace of the process ([`super::folders`]).

use std::fs::File;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, umount2};
use nix::unistd::{chdir, pivot_root};

use super::folders::OWN_FOLDERS;
use super::mount::{
    Reach, bind, bind_or_link, change_propagation, inside, make_directory, mount_new, restrict,
};
use super::{etc, game};
use crate::api::spec::{HOME_DIRECTORY, InstanceSpec, PROGRAMS};
use crate::step::{Doing, Hint, StepError};

/// The host's devices that an instance has.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// What of the kernel's devices is seen: programs ask how many processors there are.
const PROCESSORS: [&str; 2] = ["sys/devices/system/cpu", "sys/devices/system/node"];

/// Files of `/proc` that tell of the whole machine, and that no server process needs.
const COVERED_FILES: [&str; 18] = [
    "cmdline",
    "config.gz",
    "diskstats",
    "dma",
    "interrupts",
    "iomem",
    "ioports",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "mdstat",
    "modules",
    "partitions",
    "softirqs",
    "swaps",
    "sysrq-trigger",
    "timer_list",
];

/// Folders of `/proc` that tell of the whole machine, and that no server process needs.
const COVERED_FOLDERS: [&str; 6] = ["acpi", "bus", "driver", "fs", "irq", "scsi"];

/// Replaces everything that this process sees by the instance's view. It must be alone in its
/// mount namespace and the first in its PID namespace. Returns the paths of LogPaths that become
/// folders of each server process, none of them below another.
pub(super) fn enter(spec: &InstanceSpec) -> Result<Vec<PathBuf>, StepError> {
    // From here on nothing that is mounted shows on the host; what the host unmounts goes here
    // too, so that an instance never keeps a disk busy.
    change_propagation("/", MsFlags::MS_REC | MsFlags::MS_SLAVE)?;
    let root = spec.directory.as_path();
    let harmless = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    mount_new("tmpfs", root, harmless, "mode=0755,size=1m")?;
    let source = spec.sandbox.root.as_deref().unwrap_or(Path::new("/"));
    bind_programs(source, root)?;
    etc::make(source, root, spec)?;
    devices(root)?;
    for (path, mode) in [
        ("tmp", 0o1777),
        (inside(HOME_DIRECTORY), 0o755),
        ("dev/shm", 0o1777),
        (inside(OWN_FOLDERS), 0o700),
    ] {
        make_directory(&root.join(path), mode)?;
    }
    processes(root)?;
    let log_folders = game::mount(spec, root)?;
    restrict(root, Reach::Mount).doing(|| "making the instance's / read-only".into())?;
    become_root(root)?;
    Ok(log_folders)
}

/// The folders with programs and libraries, and the links to them.
fn bind_programs(source: &Path, root: &Path) -> Result<(), StepError> {
    for name in PROGRAMS {
        bind_or_link(&source.join(name), &root.join(name))?;
    }
    let usr = root.join("usr");
    if usr.is_dir() || root.join("bin").is_dir() {
        return Ok(());
    }
    Err(io::Error::from(io::ErrorKind::NotFound))
        .doing(|| format!("looking for usr and bin in {}", source.display()))
        .hint(|_| "sandbox.root must name a folder with a root file system")
}

/// The few devices that programs open. They are bound, since an unprivileged user may not make any.
fn devices(root: &Path) -> Result<(), StepError> {
    let dev = root.join("dev");
    make_directory(&dev, 0o755)?;
    for name in DEVICES {
        let here = dev.join(name);
        File::create(&here).doing(|| format!("making {}", here.display()))?;
        bind(&Path::new("/dev").join(name), &here, MsFlags::empty())?;
    }
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(link)).doing(|| format!("making the link /dev/{link}"))?;
    }
    Ok(())
}

/// `/proc`, in which a process sees those only that it may look into, and what of `/sys` tells of
/// the processors.
fn processes(root: &Path) -> Result<(), StepError> {
    let proc = root.join("proc");
    make_directory(&proc, 0o555)?;
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_new("proc", &proc, flags, "hidepid=2")?;
    let null = root.join("dev/null");
    for file in COVERED_FILES.map(|name| proc.join(name)) {
        if file.exists() {
            bind(&null, &file, MsFlags::empty())?;
        }
    }
    let empty = root.join(inside(OWN_FOLDERS));
    make_directory(&empty, 0o700)?;
    for folder in COVERED_FOLDERS.map(|name| proc.join(name)) {
        if folder.exists() {
            bind(&empty, &folder, MsFlags::MS_RDONLY)?;
        }
    }
    for path in PROCESSORS {
        bind_or_link(&Path::new("/").join(path), &root.join(path))?;
    }
    Ok(())
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
