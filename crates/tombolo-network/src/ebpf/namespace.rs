//! Network namespaces with a name, kept as `ip netns` keeps them: a bind mount of the namespace
//! on `/run/netns/NAME`, so that a namespace outlives its processes and `ip netns exec` finds it.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, statfs};

const DIRECTORY: &str = "/run/netns";

/// The calling thread's own network namespace.
pub(super) const CURRENT: &str = "/proc/thread-self/ns/net";

/// Where the namespace `name` is, whether or not it exists.
pub(super) fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Whether there is a namespace of that name; a leftover plain file is none.
pub(super) fn exists(name: &str) -> bool {
    statfs(&path(name)).is_ok_and(|status| status.filesystem_type() == NSFS_MAGIC)
}

/// The names in `/run/netns` that start with `prefix`, leftover plain files included.
pub(super) fn names(prefix: &str) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string()
            && name.starts_with(prefix)
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Makes a namespace, without IPv6, and gives it a name.
pub(super) fn create(name: &str) -> io::Result<()> {
    on_own_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        disable_ipv6()?;
        name_current(name)
    })
}

/// Gives the calling thread's namespace a name, in place of any leftover of that name.
pub(super) fn name_current(name: &str) -> io::Result<()> {
    name_path(Path::new(CURRENT), name)
}

/// Gives the namespace of an open file its name again.
pub(super) fn name_again(namespace: &File, name: &str) -> io::Result<()> {
    let path = format!("/proc/self/fd/{}", namespace.as_raw_fd());
    name_path(Path::new(&path), name)
}

fn name_path(namespace: &Path, name: &str) -> io::Result<()> {
    make_directory()?;
    remove(name)?;
    let path = path(name);
    File::create_new(&path)?;
    let bound = mount(
        Some(namespace),
        &path,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    );
    if let Err(error) = bound {
        fs::remove_file(&path)?;
        return Err(error.into());
    }
    Ok(())
}

/// Whether `name` is the calling thread's namespace.
pub(super) fn is_current(name: &str) -> io::Result<bool> {
    let current = fs::metadata(CURRENT)?;
    Ok(fs::metadata(path(name))
        .is_ok_and(|named| (named.dev(), named.ino()) == (current.dev(), current.ino())))
}

/// Moves the calling thread into the namespace, where it stays.
pub(super) fn enter(name: &str) -> io::Result<()> {
    setns(File::open(path(name))?, CloneFlags::CLONE_NEWNET)?;
    Ok(())
}

/// Runs `work` in the namespace, on a thread of its own: the caller's namespace cannot be lost.
pub(super) fn within<T: Send>(
    name: &str,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    on_own_thread(|| {
        enter(name)?;
        work()
    })
}

/// Runs `work` in the namespace of an open file, on a thread of its own.
pub(super) fn within_open<T: Send>(
    namespace: &File,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    on_own_thread(|| {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        work()
    })
}

/// Takes the name away; the namespace goes with the last process or socket in it.
pub(super) fn remove(name: &str) -> io::Result<()> {
    let path = path(name);
    // EINVAL: a plain file, such as a kill between its creation and the mount leaves.
    match umount2(&path, MntFlags::MNT_DETACH) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(error) => return Err(error.into()),
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// As iproute2 does: a mount point of its own and shared, so that a name taken away in one mount
/// namespace goes away in the others and does not keep the namespace alive there.
fn make_directory() -> io::Result<()> {
    fs::create_dir_all(DIRECTORY)?;
    // Two that mount it at once would hide each other's names; iproute2 takes this lock too.
    let _lock =
        Flock::lock(File::open(DIRECTORY)?, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    let share = || {
        mount(
            None::<&str>,
            DIRECTORY,
            None::<&str>,
            MsFlags::MS_SHARED | MsFlags::MS_REC,
            None::<&str>,
        )
    };
    if share() == Err(Errno::EINVAL) {
        mount(
            Some(DIRECTORY),
            DIRECTORY,
            None::<&str>,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            None::<&str>,
        )?;
        share()?;
    }
    Ok(())
}

/// VPCs are IPv4 only; without this a workload's kernel would send router solicitations that the
/// data path only drops and counts.
fn disable_ipv6() -> io::Result<()> {
    disable_ipv6_of("all")?;
    disable_ipv6_of("default")
}

/// The same for one link of the calling thread's namespace.
pub(super) fn disable_ipv6_of(link: &str) -> io::Result<()> {
    match fs::write(format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6"), "1") {
        // A kernel without IPv6.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Gives the calling thread a mount namespace whose changes no other sees.
pub(super) fn unshare_mounts() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    Ok(())
}

/// Runs `work` on a thread of its own, which takes what it did to its namespaces with it.
pub(super) fn on_own_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("tombolo-netns".to_owned())
            .spawn_scoped(scope, work)?;
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace panicked")))
    })
}
