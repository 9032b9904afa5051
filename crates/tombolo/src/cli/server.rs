//! `tombolo dev`, `serve`, `teardown` and `doctor`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use tombolo_domain::id::Region;

use super::Format;

/// Which network engine to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkChoice {
    /// Real packets where the machine can, else simulated
    #[default]
    Auto,
    /// Real packets, or an error
    Ebpf,
    /// No packets: the APIs and their states only
    Simulated,
}

/// The arguments of `tombolo dev`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tombolo dev\n  \
        tombolo dev --dir ~/tombolo --listen 127.0.0.1:0 --json\n\n\
        Then, in another shell, after pasting the two export lines that it prints:\n  \
        aws gamelift list-fleets --profile studio\n  \
        aws ec2 describe-vpcs --profile backend")]
pub struct DevArguments {
    /// Where the API listens, on this machine only; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4580")]
    pub listen: SocketAddr,
    /// Which network engine to use
    #[arg(long, value_enum, default_value_t)]
    pub network: NetworkChoice,
    /// Keep the server's state in this directory [default: a fresh one, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// A Region to serve; can be repeated, the first is the profiles'
    #[arg(long = "region", value_name = "REGION", default_values = ["us-west-2", "eu-west-1"])]
    pub regions: Vec<Region>,
    /// Let players in at this address, which must be routed to this machine and not be its own
    ///
    /// Programs of this machine reach it without more ado; UDP and TCP ports 20000 to 39999 lead to
    /// instances. `[players]` in the configuration of `tombolo serve` says more.
    #[arg(long, value_name = "ADDRESS")]
    pub players: Option<Ipv4Addr>,
    /// As one line of JSON when ready, instead of text
    #[command(flatten)]
    pub format: Format,
}

/// The arguments of `tombolo serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  tombolo serve --config /etc/tombolo.toml\n\n\
        docs/tombolo.example.toml is a configuration with every key explained."
)]
pub struct ServeArguments {
    /// The configuration, a TOML file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// The arguments of `tombolo teardown`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tombolo teardown --dir /var/lib/tombolo")]
pub struct TeardownArguments {
    /// The data directory
    #[arg(long, value_name = "DIR", env = "TOMBOLO_DIR")]
    pub dir: PathBuf,
    /// Delete the directory too, with database, builds, uploaded objects and logs
    #[arg(long)]
    pub delete_data: bool,
}

/// The arguments of `tombolo doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sudo tombolo doctor")]
pub struct DoctorArguments {
    /// The data directory whose disk to look at
    #[arg(long, value_name = "DIR", env = "TOMBOLO_DIR", default_value = "/tmp")]
    pub dir: PathBuf,
    /// As JSON
    #[command(flatten)]
    pub format: Format,
}
