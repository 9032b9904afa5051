//! What a server process gives up before its program starts, for good.

use std::io;

use libc::{c_int, c_ulong};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// How many files a program may open, and how many it may ask for: programs that wait with
/// `select(2)` break beyond the first.
const OPEN_FILES: (u64, u64) = (1024, 65_536);

/// Memory that a program may keep from being swapped out, in bytes.
const LOCKED_MEMORY: u64 = 8 << 20;

/// More than there are; the kernel says which is the last.
const CAPABILITIES: c_int = 64;

/// `_LINUX_CAPABILITY_VERSION_3` (`capget(2)`), with two words for each set.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

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
    // SAFETY: PR_SET_NO_NEW_PRIVS takes four integers and sets a flag of this thread.
    called(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())
}

fn called(result: i64) -> io::Result<()> {
    Errno::result(result).map(drop).map_err(Into::into)
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
/// (`session-keyring(7)`).
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
    for capability in 0..CAPABILITIES {
        // SAFETY: PR_CAPBSET_DROP takes one integer and changes this thread's bounding set only.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability as c_ulong, 0, 0, 0) };
        match Errno::result(dropped) {
            Ok(_) => {}
            // There are no more.
            Err(Errno::EINVAL) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Empties the effective, permitted and inheritable sets, and with them the ambient one.
fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    let header = Header {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let none = [[0_u32; 3]; 2];
    // SAFETY: the kernel reads a header and, for this version, two triples of words, which outlive
    // the call; it writes to neither.
    called(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) })
}
