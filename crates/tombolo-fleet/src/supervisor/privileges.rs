//! What a server process may not do, though it runs as the user that runs Tombolo.
//!
//! Not a sandbox: a process that runs as root still reads and writes the host's files. It keeps a
//! process from undoing what its instance is made of: its mounts, its namespaces, its interface.

use std::io;

use libc::{c_int, c_ulong};

/// The capabilities (capabilities(7)) that a server process which runs as root keeps: what
/// programs that change their user, own files or listen on low ports need.
const KEPT: [c_int; 9] = [
    0,  // CAP_CHOWN
    1,  // CAP_DAC_OVERRIDE
    3,  // CAP_FOWNER
    4,  // CAP_FSETID
    5,  // CAP_KILL
    6,  // CAP_SETGID
    7,  // CAP_SETUID
    10, // CAP_NET_BIND_SERVICE
    18, // CAP_SYS_CHROOT
];

/// More than there are; the kernel says which is the last.
const CAPABILITIES: c_int = 64;

/// Gives up every other capability for the program that is executed next, and for good. Makes
/// system calls only, so that it can be called between fork and exec.
pub(super) fn drop_all_but_kept() -> io::Result<()> {
    for capability in (0..CAPABILITIES).filter(|capability| !KEPT.contains(capability)) {
        // SAFETY: PR_CAPBSET_DROP takes one integer and changes this thread's bounding set only.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability as c_ulong, 0, 0, 0) };
        if dropped == -1 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::EINVAL) {
                break;
            }
            return Err(error);
        }
    }
    // SAFETY: PR_SET_NO_NEW_PRIVS takes four integers and sets a flag of this thread.
    match unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
