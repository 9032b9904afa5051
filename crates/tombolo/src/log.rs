//! The log: on stderr, so that stdout is data only.

use std::io::{self, IsTerminal};

use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::LogFilter;

/// Starts logging. A filter that cannot be parsed is logged and replaced by `info`: a typing error
/// in it should not keep a server down.
pub fn start(filter: &LogFilter) {
    let (filter, unreadable) = match EnvFilter::try_new(&filter.log) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(tells_no_secrets))
        .with(lines)
        .init();
    if let Some(error) = unreadable {
        tracing::warn!(%error, "the log filter cannot be read; logging at info");
    }
}

/// `s3s` writes whole requests at `debug`, with their session tokens. What is worth knowing of them
/// is logged by whoever calls it.
fn tells_no_secrets(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    target != "s3s" && !target.starts_with("s3s::")
}
