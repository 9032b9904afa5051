//! The log: on stderr, so that stdout is data only.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::cli::LogFilter;

/// Starts logging. A filter that cannot be read is told and replaced by `info`: a typing error in
/// it should not keep a server down.
pub fn start(filter: &LogFilter) {
    let (filter, unreadable) = match EnvFilter::try_new(&filter.log) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .init();
    if let Some(error) = unreadable {
        tracing::warn!(%error, "the log filter cannot be read; logging at info");
    }
}
