//! The privileges that a server process drops before its program starts, irrevocably.

use std::io;

use libc::c_ulong;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

/// How many files a program may open, and how many it may ask for: programs that wait with
/// `select(2)` break beyond the first.
const OPEN_FILES: (u64, u64) = (1024, 65_536);

/// Memory that a program may keep from being swapped out, in bytes.
const LOCKED_MEMORY: u64 = 8 << 20;

/// Becomes `user`, in its own group and no other, without any capability and with no way to get
/// one; with bounded resources, and with no keys but those it makes. `None` is the user that this
/// process is.
pub(super) fn drop_all(user: Option<u32>) -> io::Result<()> {
    bound_resources()?;
    leave_keyrings()?;
    drop_bounding_set()?;
    if let Some(user) = user {
        let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
        setgroups(&[])?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
    }
    drop_capabilities()?;
    Ok(set_no_new_privs(true)?)
}

fn bound_resources() -> io::Result<()> {
    for (resource, soft, hard) in [
        (Resource::RLIMIT_CORE, 0, 0),
        (Resource::RLIMIT_NOFILE, OPEN_FILES.0, OPEN_FILES.1),
        (Resource::RLIMIT_MEMLOCK, LOCKED_MEMORY, LOCKED_MEMORY),
        (Resource::RLIMIT_RTPRIO, 0, 0),
    ] {
        // Never more than the supervisor has, which an unprivileged one could not give.
        let (_, most) = getrlimit(resource)?;
        setrlimit(resource, soft.min(most), hard.min(most))?;
    }
    Ok(())
}

/// A session keyring of its own, in place of the one that the server was started with
/// (`session-keyring(7)`). rustix has no `keyctl(2)`.
fn leave_keyrings() -> io::Result<()> {
    const JOIN_SESSION_KEYRING: c_ulong = 1;
    // SAFETY: with a null name the call makes an anonymous keyring and reads no memory.
    let joined = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    match Errno::result(joined) {
        // A kernel without keyrings has none to leave.
        Ok(_) | Err(Errno::ENOSYS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes every capability out of the reach of the program and of all that it executes.
fn drop_bounding_set() -> io::Result<()> {
    for number in 0..u64::BITS {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // There are no more; the kernel says which is the last.
            Err(rustix::io::Errno::INVAL) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Empties the effective, permitted and inheritable sets, and with them the ambient one.
fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, none)?)
}
