//! The commands that ask a running server through its admin socket.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use tombolo_domain::account;
use tombolo_domain::fleet::BuildLabel;
use tombolo_domain::id::{
    AccessKeyId, BuildId, FleetId, InstanceId, Region, VpcPeeringConnectionId,
};
use tombolo_domain::quota::{MAX_QUOTA, Quota, UnknownQuota};

/// Which server to ask.
#[derive(Debug, Args)]
pub struct ServerDirectory {
    /// The data directory of the server to ask
    #[arg(long, value_name = "DIR", env = "TOMBOLO_DIR")]
    pub dir: PathBuf,
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, Args)]
pub struct Format {
    /// Write JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `tombolo status`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tombolo status --dir /var/lib/tombolo")]
pub struct StatusArguments {
    /// The server
    #[command(flatten)]
    pub server: ServerDirectory,
    /// As JSON
    #[command(flatten)]
    pub format: Format,
}

/// For which account.
#[derive(Debug, Clone, Args)]
pub struct AccountName {
    /// The account to act for: its name, or its 12 digits
    #[arg(long = "account", value_name = "NAME|ID")]
    pub account: String,
}

/// `tombolo account …`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Make an account
    #[command(
        after_help = "Example:\n  tombolo account create --dir /var/lib/tombolo --name studio"
    )]
    Create {
        /// The account's name on this server: 1 to 64 letters, digits and -_.
        #[arg(long)]
        name: account::AccountName,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
    /// List the accounts
    #[command(after_help = "Example:\n  tombolo account list --dir /var/lib/tombolo")]
    List {
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
    /// Show and change how much of everything an account may have
    #[command(
        subcommand,
        after_help = "Example:\n  tombolo account quota list --dir /var/lib/tombolo --account studio"
    )]
    Quota(QuotaCommand),
}

/// `tombolo account quota …`
#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// List the quotas of an account: those of its own, and those that every account has
    #[command(
        after_help = "Example:\n  tombolo account quota list --dir /var/lib/tombolo --account studio"
    )]
    List {
        /// The account
        #[command(flatten)]
        account: AccountName,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
    /// Give an account a quota of its own, which counts instead of the configuration's from now on
    ///
    /// What there is stays, also if it is more.
    #[command(
        after_help = "Example:\n  tombolo account quota set --account studio vpcs_per_region 2000"
    )]
    Set {
        /// The quota's name in the configuration
        #[arg(value_name = "QUOTA", value_parser = quota_name)]
        quota: Quota,
        /// How many the account may have
        #[arg(value_name = "NUMBER", allow_negative_numbers = true, value_parser = quota_value)]
        value: u64,
        /// The account
        #[command(flatten)]
        account: AccountName,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
    /// Take a quota of its own away from an account: the configuration's counts again
    #[command(
        after_help = "Example:\n  tombolo account quota reset --account studio vpcs_per_region"
    )]
    Reset {
        /// The quota's name in the configuration
        #[arg(value_name = "QUOTA", value_parser = quota_name)]
        quota: Quota,
        /// The account
        #[command(flatten)]
        account: AccountName,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
}

/// `tombolo access-key …`
#[derive(Debug, Subcommand)]
pub enum AccessKeyCommand {
    /// Make an access key; its secret is shown this one time
    #[command(
        after_help = "Example:\n  tombolo access-key create --dir /var/lib/tombolo --account studio"
    )]
    Create {
        /// The account
        #[command(flatten)]
        account: AccountName,
        /// The user who signs with it, made if the account has none of that name
        #[arg(long, default_value = "admin")]
        user: account::UserName,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
    /// List the access keys of an account, without their secrets
    #[command(
        after_help = "Example:\n  tombolo access-key list --dir /var/lib/tombolo --account studio"
    )]
    List {
        /// The account
        #[command(flatten)]
        account: AccountName,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
    /// Delete an access key: requests signed with it are refused from then on
    #[command(
        after_help = "Example:\n  tombolo access-key delete --dir /var/lib/tombolo AKIAEXAMPLEEXAMPLE22"
    )]
    Delete {
        /// The access key's public half
        #[arg(value_name = "KEY")]
        id: AccessKeyId,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
    },
}

/// `tombolo build …`
#[derive(Debug, Subcommand)]
pub enum BuildCommand {
    /// Import a directory of this machine as a READY build
    #[command(after_help = "Example:\n  \
        tombolo build import --account studio --name arena --build-version 1.4 --root ./linux-server")]
    Import(ImportArguments),
    /// List the builds of an account, in all Regions
    #[command(after_help = "Example:\n  tombolo build list --account studio")]
    List {
        /// The account
        #[command(flatten)]
        account: AccountName,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
    /// Show one build: its status, its size, and why its files could not be had
    #[command(after_help = "Example:\n  \
        tombolo build show --account studio build-2222bbbb-33cc-44dd-95ee-6666ffff77aa")]
    Show {
        /// The build
        #[arg(value_name = "BUILD")]
        id: BuildId,
        /// The account
        #[command(flatten)]
        account: AccountName,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
}

/// The arguments of `tombolo build import`.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The account
    #[command(flatten)]
    pub account: AccountName,
    /// The build's name
    #[arg(long)]
    pub name: BuildLabel,
    /// The build's version, in your own words
    #[arg(long, value_name = "VERSION")]
    pub build_version: BuildLabel,
    /// The directory with the build's files, which fleets see as /local/game
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// What it was built for, in GameLift's words; shown, and without meaning here
    #[arg(long, value_name = "NAME", default_value = "AMAZON_LINUX_2023")]
    pub operating_system: String,
    /// The Region to import it to [default: the server's first]
    #[arg(long)]
    pub region: Option<Region>,
    /// The server
    #[command(flatten)]
    pub server: ServerDirectory,
    /// As JSON
    #[command(flatten)]
    pub format: Format,
}

/// The arguments of `tombolo logs`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tombolo logs fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa\n  \
    tombolo logs fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa --follow --lines 100")]
pub struct LogsArguments {
    /// The fleet
    #[arg(value_name = "FLEET")]
    pub fleet: FleetId,
    /// Go on with what is written from now on, also by instances that start later
    #[arg(long, short)]
    pub follow: bool,
    /// Only this instance's
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<InstanceId>,
    /// Only this process's, such as `server-1`
    #[arg(long, value_name = "NAME")]
    pub process: Option<String>,
    /// How many of the last lines of each process to show [default: all; with --follow, 10]
    #[arg(long, short = 'n', value_name = "N")]
    pub lines: Option<u64>,
    /// What the build's install.sh wrote, too
    #[arg(long)]
    pub install: bool,
    /// Only if it is this account's
    #[arg(long, value_name = "NAME|ID")]
    pub account: Option<String>,
    /// The server
    #[command(flatten)]
    pub server: ServerDirectory,
    /// As JSON
    #[command(flatten)]
    pub format: Format,
}

/// `tombolo peering …`
#[derive(Debug, Subcommand)]
pub enum PeeringCommand {
    /// List an account's peering connections and authorizations, given and received
    #[command(after_help = "Example:\n  tombolo peering list --account studio")]
    List {
        /// The account
        #[command(flatten)]
        account: AccountName,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
    /// Show one connection with every state that it went through, and when
    #[command(
        after_help = "Example:\n  tombolo peering show --account studio pcx-0a1b2c3d4e5f60718"
    )]
    Show {
        /// The connection
        #[arg(value_name = "PCX")]
        id: VpcPeeringConnectionId,
        /// The account
        #[command(flatten)]
        account: AccountName,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
}

/// `tombolo clock …`
#[derive(Debug, Subcommand)]
pub enum ClockCommand {
    /// Move the clock forward, to rehearse what time brings, such as an authorization's expiry
    #[command(after_help = "Example:\n  tombolo clock advance 24h\n\n\
        Signatures are checked against the real time always.")]
    Advance {
        /// How far: `24h`, `90m`, `1h 30m`, `86400s`
        #[arg(value_name = "DURATION", value_parser = forward)]
        by: SignedDuration,
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
    /// Show the server's time, and how far it was moved
    #[command(after_help = "Example:\n  tombolo clock show")]
    Show {
        /// The server
        #[command(flatten)]
        server: ServerDirectory,
        /// As JSON
        #[command(flatten)]
        format: Format,
    },
}

/// The farthest that one call moves the clock: ten years.
const MAX_ADVANCE: SignedDuration = SignedDuration::from_hours(24 * 3653);

/// Reads a duration of at least a second: what was stored under a time cannot be taken back, so
/// the clock never goes backwards.
fn forward(text: &str) -> Result<SignedDuration, String> {
    let duration: SignedDuration = text
        .parse()
        .map_err(|_| "not a duration; write 24h or 90m".to_owned())?;
    if duration < SignedDuration::from_secs(1) {
        return Err("the clock only goes forward; write at least 1s".to_owned());
    }
    if duration > MAX_ADVANCE {
        return Err("at most ten years at a time".to_owned());
    }
    Ok(duration)
}

/// A quota, by its name.
fn quota_name(text: &str) -> Result<Quota, String> {
    text.parse()
        .map_err(|error: UnknownQuota| error.to_string())
}

/// A value that some quota can have.
fn quota_value(text: &str) -> Result<u64, String> {
    let most = MAX_QUOTA as u64;
    let value = text.parse().ok().filter(|value| *value <= most);
    value.ok_or_else(|| format!("it is a whole number from 0 to {most}"))
}
