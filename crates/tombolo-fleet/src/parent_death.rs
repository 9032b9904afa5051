//! Commands that end with the process that started them.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

/// Makes the kernel send `signal` to the command, once spawned, when its parent ends, however that
/// ends (`PR_SET_PDEATHSIG` of `prctl(2)`).
///
/// The kernel looks at the thread that spawns it, so spawn it from one that lives as long as the
/// process. Processes that the command starts itself are not meant.
pub fn end_with_parent(command: &mut Command, signal: Signal) {
    let parent = Pid::this();
    let tie = move || {
        set_pdeathsig(signal)?;
        // A parent that ended before that line sends nothing any more.
        if getppid() == parent {
            Ok(())
        } else {
            Err(io::Error::from(Errno::ESRCH))
        }
    };
    // SAFETY: between fork and exec, `tie` makes two system calls on integers; it neither
    // allocates nor takes a lock.
    unsafe { command.pre_exec(tie) };
}
