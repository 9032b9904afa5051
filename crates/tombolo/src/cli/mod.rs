//! The command line: one definition a flag, from which come parser, help, man pages and
//! completions.

mod admin;
mod demo;
mod program;
mod server;

use clap::{Args, Parser, Subcommand};

pub use admin::{
    AccessKeyCommand, AccountCommand, AccountName, BuildCommand, ClockCommand, Format,
    ImportArguments, LogsArguments, PeeringCommand, ServerDirectory,
};
pub use demo::{DatabaseArguments, DemoArguments, GameServerArguments, MeasureArguments};
pub use program::{RunArguments, SupervisorArguments};
pub use server::{DevArguments, DoctorArguments, NetworkChoice, ServeArguments, TeardownArguments};

/// Hosts game-server fleets in private networks on machines you own, and joins those networks to
/// yours by VPC peering that both owners consent to, behind Amazon GameLift's own API.
#[derive(Debug, Parser)]
#[command(
    name = "tombolo",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  \
        tombolo demo                     see the whole story once, with real packets\n  \
        tombolo dev                      a server to try things with, two accounts made\n  \
        tombolo doctor                   what this machine can do, and what is missing"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How much to log.
    #[command(flatten)]
    pub log: LogFilter,
}

/// How much to log.
#[derive(Debug, Args)]
pub struct LogFilter {
    /// What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`
    #[arg(
        long,
        global = true,
        env = "RUST_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    pub log: String,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the main job end to end, with its own server and real packets
    Demo(DemoArguments),
    /// Run a server for development in the foreground, with two accounts made
    Dev(DevArguments),
    /// Run a server for keeps, by a configuration file
    Serve(ServeArguments),
    /// Take everything of a data directory off the machine
    Teardown(TeardownArguments),
    /// Tell what this machine can do, what is missing, and what mends it
    Doctor(DoctorArguments),
    /// Make and list accounts
    #[command(
        subcommand,
        after_help = "Example:\n  tombolo account list --dir /var/lib/tombolo"
    )]
    Account(AccountCommand),
    /// Make, list and delete access keys
    #[command(
        subcommand,
        after_help = "Example:\n  tombolo access-key list --dir /var/lib/tombolo --account studio"
    )]
    AccessKey(AccessKeyCommand),
    /// Import builds
    #[command(
        subcommand,
        after_help = "Example:\n  tombolo build import --account studio --name arena \
            --build-version 1.4 --root ./linux-server"
    )]
    Build(BuildCommand),
    /// Run a program inside a VPC, on a network interface of its own
    Run(RunArguments),
    /// Show what a fleet's server processes wrote
    Logs(LogsArguments),
    /// Show peering connections with everything that they went through
    #[command(
        subcommand,
        after_help = "Example:\n  tombolo peering list --account studio"
    )]
    Peering(PeeringCommand),
    /// Show the clock of a development server, and move it
    #[command(subcommand, after_help = "Example:\n  tombolo clock advance 24h")]
    Clock(ClockCommand),
    /// Print the completions of a shell
    #[command(after_help = "Example:\n  tombolo completions bash > /etc/bash_completion.d/tombolo")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The first process of an instance
    #[command(hide = true)]
    InstanceSupervisor(SupervisorArguments),
    /// The demo's database
    #[command(hide = true)]
    DemoDatabase(DatabaseArguments),
    /// The demo's game server
    #[command(hide = true)]
    DemoGameServer(GameServerArguments),
    /// Measures the way to the demo's database once
    #[command(hide = true)]
    DemoMeasure(MeasureArguments),
}
