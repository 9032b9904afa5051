//! Orphans of the tests: processes whose parent has ended.
//!
//! They become children of this process instead of the machine's first one, so that everything that the
//! tests have started is a descendant of it, in whatever session and with whatever environment it runs.

use std::fs;

use anyhow::Context;
use nix::sys::prctl;
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};

/// From now on orphans among this process's descendants become its children.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn adopt() -> anyhow::Result<()> {
    prctl::set_child_subreaper(true).context("becoming the parent of orphans")
}

/// Reaps the children that have ended, as the machine's first process would have: tests that wait until
/// a process is gone must not find it as a zombie. The `own` ones stay, since their status is for whoever
/// started them.
pub(crate) fn reap(own: &[u32]) {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    // An error says that there are no children.
    while let Ok(status) = waitid(Id::All, flags)
        && let Some(id) = status.pid()
        && !own.contains(&id.as_raw().cast_unsigned())
        && waitpid(id, Some(WaitPidFlag::WNOHANG)).is_ok()
    {}
}

/// Whether a process has `ancestor` among its parents.
pub(crate) fn descends_from(id: u32, ancestor: u32) -> bool {
    let mut at = id;
    loop {
        match parent_of(at) {
            Some(0) => return false,
            Some(parent) if parent == ancestor => return true,
            Some(parent) => at = parent,
            None if at == id => return false,
            // A parent has ended meanwhile, and `id` has another one now.
            None => at = id,
        }
    }
}

fn parent_of(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may have anything in it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}
