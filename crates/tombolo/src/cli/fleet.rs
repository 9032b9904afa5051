//! `tombolo fleet`.

use std::time::Duration;

use clap::Args;
use tombolo_domain::id::FleetId;

use super::network::interval;
use super::{Format, ServerDirectory};

/// The arguments of `tombolo fleet`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tombolo fleet fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa\n  \
        tombolo fleet fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa --once --json")]
pub struct FleetArguments {
    /// The fleet
    #[arg(value_name = "FLEET")]
    pub fleet: FleetId,
    /// Only if it is this account's
    #[arg(long, value_name = "NAME|ID")]
    pub account: Option<String>,
    /// How many seconds of traffic and CPU time each screen is about: 0.1 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = interval)]
    pub interval: Duration,
    /// Show everything once, and end
    #[arg(long)]
    pub once: bool,
    /// The server
    #[command(flatten)]
    pub server: ServerDirectory,
    /// As JSON, a line a screen
    #[command(flatten)]
    pub format: Format,
}
