//! `tombolo demo`, and the programs that it runs.

use std::net::SocketAddrV4;

use clap::Args;

use super::NetworkChoice;

/// The arguments of `tombolo demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        sudo tombolo demo\n  \
        sudo tombolo demo --keep        leave everything running, connected, to play with")]
pub struct DemoArguments {
    /// Connect again at the end, and leave everything running until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Which network engine to use
    #[arg(long, value_enum, default_value_t)]
    pub network: NetworkChoice,
}

/// The arguments of `tombolo demo-database`.
#[derive(Debug, Args)]
pub struct DatabaseArguments {
    /// Where to listen, by TCP and by UDP
    #[arg(long)]
    pub listen: SocketAddrV4,
}

/// The arguments of `tombolo demo-game-server`.
#[derive(Debug, Args)]
pub struct GameServerArguments {
    /// The database
    #[arg(long)]
    pub database: SocketAddrV4,
}

/// The arguments of `tombolo demo-measure`.
#[derive(Debug, Args)]
pub struct MeasureArguments {
    /// The database
    #[arg(long)]
    pub database: SocketAddrV4,
}
