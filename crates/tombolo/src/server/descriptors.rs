//! The process's file descriptors, and how many of them clients may hold.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The most connections of one listener, however many descriptors there are.
const MAX_CONNECTIONS: u64 = 4096;

/// Raises the limit on open descriptors as far as an administrator lets it, and gives how many
/// connections one listener may hold: a third, so that the API's clients can keep neither the
/// admin socket nor the network, which needs two descriptors a namespace, from theirs.
pub(super) fn connections_a_listener() -> usize {
    let limit = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) => match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
            Ok(()) => hard,
            Err(_) => soft,
        },
        // What POSIX guarantees a process; the call fails for no process that runs.
        Err(_) => 20,
    };
    usize::try_from((limit / 3).clamp(1, MAX_CONNECTIONS)).unwrap_or(1)
}
