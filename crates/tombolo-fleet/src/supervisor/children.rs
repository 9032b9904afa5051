//! Children that the supervisor forks for itself: for work that would keep it from its loop, and to
//! kill as another user.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, Uid, fork, setresuid};

use super::usage::measure;

/// How many times a user's processes are killed: those that are forking just then take another one,
/// and those that were killed are there until they are reaped.
const KILL_ROUNDS: u32 = 2;

/// A user that no process of an instance is.
const NOBODY: u32 = 65_534;

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

/// Kills every process of `user`, who is one server process's alone: what a dead server has started
/// outside of its own process group.
///
/// A process that forks all the time has another pid whenever it is looked up. So the kernel is
/// asked to kill all that `user` may kill (`kill(2)`, -1), which it does at once: no process is
/// forked meanwhile, and one that has the signal forks no more.
pub(super) fn end_all_of(user: u32) {
    let killer = in_child(&[], || kill_all_as(user).map_or(1, |()| 0));
    let is_done = killer.and_then(|killer| waitpid(killer, None));
    if !matches!(is_done, Ok(WaitStatus::Exited(_, 0))) {
        end_one_by_one(user);
    }
}

/// Becomes a user whom `user` cannot kill, and kills all processes of `user` as that user.
fn kill_all_as(user: u32) -> nix::Result<()> {
    let nobody = Uid::from_raw(NOBODY);
    setresuid(nobody, Uid::from_raw(user), nobody)?;
    match kill(Pid::from_raw(-1), Signal::SIGKILL) {
        // There is none that it may kill.
        Ok(()) | Err(Errno::ESRCH | Errno::EPERM) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// For want of a process to do it at once.
fn end_one_by_one(user: u32) {
    for _ in 0..KILL_ROUNDS {
        let mut is_any = false;
        for process in measure().iter().filter(|process| process.user == user) {
            is_any |= kill(Pid::from_raw(process.pid), Signal::SIGKILL).is_ok();
        }
        if !is_any {
            return;
        }
    }
}
