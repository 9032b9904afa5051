//! Work of the supervisor's own that would keep it from its loop.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::unistd::{ForkResult, Pid, fork};

/// Does `work` in a child of this process, which has one thread, and gives the child's process id.
/// The child has no descriptor of this process but those to `keep` and the standard streams: a
/// client that is hung up on is to notice it. Its exit code is what `work` returns.
pub(super) fn in_child(keep: &[BorrowedFd<'_>], work: impl FnOnce() -> i32) -> nix::Result<Pid> {
    // SAFETY: this process has one thread, so no lock is held by another that the child would wait
    // for.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            close_all_but(keep);
            // A panic must not come out into the supervisor's loop a second time.
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(101);
            // SAFETY: it ends this process and runs no destructor, which is the point: everything
            // that this process holds belongs to the supervisor.
            unsafe { libc::_exit(code) }
        }
    }
}

fn close_all_but(keep: &[BorrowedFd<'_>]) {
    let mut keep: Vec<_> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    keep.sort_unstable();
    let mut from = 3;
    for kept in keep {
        close_range(from, kept - 1);
        from = kept + 1;
    }
    close_range(from, i32::MAX);
}

fn close_range(first: i32, last: i32) {
    if first <= last {
        // SAFETY: close_range takes three integers. What it closes belongs to values that this
        // process, which exits without running destructors, never uses.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}
