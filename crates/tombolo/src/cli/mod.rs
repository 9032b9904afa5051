//! The command line: one definition a flag, from which come parser, help, man pages and
//! completions.

mod admin;
mod demo;
mod fleet;
mod network;
mod program;
mod server;

use clap::{Args, Parser, Subcommand};

pub use admin::{
    AccessKeyCommand, AccountCommand, AccountName, BuildCommand, ClockCommand, Format,
    ImportArguments, LogsArguments, PeeringCommand, QuotaCommand, ServerDirectory, StatusArguments,
};
pub use demo::{DatabaseArguments, DemoArguments, GameServerArguments, MeasureArguments};
pub use fleet::FleetArguments;
pub use network::{
    FlowsArguments, ProtocolName, RepairsArguments, Target, TopArguments, TraceArguments,
};
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
    ///
    /// A fleet's game server cannot reach a database in another account's VPC; that account
    /// authorizes, the fleet's account connects, and the game server reaches it; the connection is
    /// deleted, and it cannot any more. Exits 0 only when real packets did what the closing table
    /// says.
    Demo(DemoArguments),
    /// Run a server for development in the foreground, with two accounts made
    ///
    /// The accounts are `studio`, for fleets, and `backend`, for VPCs. Both have an access key, in a
    /// file that the AWS CLI and every AWS SDK read. Ctrl-C takes the network and the processes
    /// away; a directory named with --dir is kept, with its keys, and built up again at the next
    /// start.
    Dev(DevArguments),
    /// Run a server for keeps, by a configuration file
    ///
    /// SIGTERM stops it gracefully: requests are answered to the end, traffic and server processes
    /// go on, and the next start takes them over.
    Serve(ServeArguments),
    /// Take everything of a data directory off the machine
    ///
    /// The database, builds, objects and logs stay; the next start builds everything up again, unless
    /// --delete-data is given. Refuses while a server runs there.
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
    ///
    /// The program keeps this terminal, environment and directory, sees the VPC's network as eth0
    /// and no other, and its exit code is this command's. When the program ends, so does everything
    /// that it has left running in the VPC, and the interface goes.
    Run(RunArguments),
    /// Show what a fleet's server processes wrote
    Logs(LogsArguments),
    /// Show what a fleet does: instances, server processes, traffic, peerings, events
    ///
    /// On a terminal, live and as much as fits, with what needs attention first.
    Fleet(FleetArguments),
    /// Show peering connections with everything that they went through
    #[command(
        subcommand,
        after_help = "Example:\n  tombolo peering list --account studio"
    )]
    Peering(PeeringCommand),
    /// Tell whether one workload can reach another, and if not, why
    ///
    /// Walks what is stored hop by hop (interface, security groups, route table, peering, the way
    /// back), holds it against what the data path would do, and sends one packet from the sender's
    /// own network, which needs root. The last line says what to change. Exits 0 when the packet
    /// reaches its destination, 1 when it does not, 2 when that could not be found out.
    Trace(TraceArguments),
    /// Show traffic by interface and by peering, drops by reason, and how full the tables are
    Top(TopArguments),
    /// Follow accepted and rejected flows, in the format of VPC Flow Logs, version 2
    ///
    /// A flow is told by both of its interfaces, when it begins and then about every ten seconds
    /// for as long as it goes on; a rejected packet at once. Records that came faster than they
    /// were read are counted on stderr, and leave a SKIPDATA line.
    Flows(FlowsArguments),
    /// Show how the background work of a server is: what ran last, why, and what came of it
    ///
    /// A task that fails ten times in a row, or of which nothing was heard for ten of its periods and
    /// a minute, is in trouble: `tombolo doctor` says so, too.
    Status(StatusArguments),
    /// Show what was found changed behind the server's back, and was put right
    Repairs(RepairsArguments),
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
