//! Ctrl-C, and the other ways to say that it is enough.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

static PENDING: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on an interruption is noted, and does not end this process.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn note() -> std::io::Result<()> {
    let pending = PENDING.get_or_init(Arc::default);
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        flag::register(signal, pending.clone())?;
    }
    Ok(())
}

/// Whether there was one.
pub(crate) fn is_pending() -> bool {
    PENDING
        .get()
        .is_some_and(|pending| pending.load(Ordering::Relaxed))
}
