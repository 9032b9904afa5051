//! The commands that look into the network: `tombolo trace`, `top`, `flows` and `repairs`.

use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tombolo_admin::message::Sender;
use tombolo_domain::cidr;
use tombolo_domain::id::{NetworkInterfaceId, VpcId};

use super::{Format, ServerDirectory};

/// The arguments of `tombolo trace`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tombolo trace --from 100.64.0.4 --to 10.0.1.10:5432\n  \
        tombolo trace --from eni-0a1b2c3d4e5f60718 --to 10.0.1.10:7777 --protocol udp\n  \
        tombolo trace --from 10.0.0.4 --vpc vpc-0a1b2c3d4e5f60718 --to 10.0.1.10 --json")]
pub struct TraceArguments {
    /// Who sends: an address, or a network interface
    #[arg(long, value_name = "ADDRESS|ENI", value_parser = sender)]
    pub from: Sender,
    /// To which address and port; without a port, an ICMP echo request is traced
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    pub to: Target,
    /// What is sent [default: tcp to a port, icmp without one]
    #[arg(long, value_enum)]
    pub protocol: Option<ProtocolName>,
    /// The sender's VPC, where several VPCs have its address
    #[arg(long, value_name = "VPC")]
    pub vpc: Option<VpcId>,
    /// Send no packet: tell what is stored and what the data path would do
    #[arg(long)]
    pub no_probe: bool,
    /// The server
    #[command(flatten)]
    pub server: ServerDirectory,
    /// As JSON
    #[command(flatten)]
    pub format: Format,
}

/// A protocol that a path can be traced for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProtocolName {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// An ICMP echo request
    Icmp,
}

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The address.
    pub address: Ipv4Addr,
    /// The port.
    pub port: Option<u16>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = |_| "not an IPv4 address with or without a port, such as 10.0.1.10:5432";
        let (address, port) = match text.split_once(':') {
            Some((address, port)) => (address, Some(port)),
            None => (text, None),
        };
        let address: Ipv4Addr = address.parse().map_err(malformed)?;
        if let Some(reserved) = cidr::reserved(address.into()) {
            return Err(format!(
                "no VPC has {reserved}, so no packet to it leaves a workload"
            ));
        }
        Ok(Target {
            address,
            port: match port.map(str::parse).transpose() {
                Ok(Some(0)) | Err(_) => return Err("a port is from 1 to 65535".to_owned()),
                Ok(port) => port,
            },
        })
    }
}

fn sender(text: &str) -> Result<Sender, String> {
    if text.starts_with(NetworkInterfaceId::PREFIX) {
        let interface = text.parse().map(Sender::Interface);
        return interface.map_err(|error: tombolo_domain::id::MalformedId| error.to_string());
    }
    let address = text.parse().map(Sender::Address);
    address.map_err(|_| "neither an IPv4 address nor the id of a network interface".to_owned())
}

/// The arguments of `tombolo top`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tombolo top\n  \
        tombolo top --once --json --interval 10")]
pub struct TopArguments {
    /// How many seconds of traffic each table is about: 0.1 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = interval)]
    pub interval: Duration,
    /// Show one table, with every interface, and end
    #[arg(long)]
    pub once: bool,
    /// The server
    #[command(flatten)]
    pub server: ServerDirectory,
    /// As JSON, a line a table
    #[command(flatten)]
    pub format: Format,
}

/// How many seconds a table is about.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a number of seconds from 0.1 to 3600".to_owned()),
    }
}

/// The arguments of `tombolo flows`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tombolo flows --rejected\n  \
        tombolo flows --interface eni-0a1b2c3d4e5f60718 --header > flows.log")]
pub struct FlowsArguments {
    /// Only those that this network interface saw
    #[arg(long, value_name = "ENI")]
    pub interface: Option<NetworkInterfaceId>,
    /// Only those of this account's interfaces: its name, or its 12 digits
    #[arg(long, value_name = "NAME|ID")]
    pub account: Option<String>,
    /// Only those that were let through
    #[arg(long, conflicts_with = "rejected")]
    pub accepted: bool,
    /// Only those that were dropped
    #[arg(long)]
    pub rejected: bool,
    /// Write the line that names the fields to stdout, before the records, and not to stderr
    #[arg(long, conflicts_with = "json")]
    pub header: bool,
    /// The server
    #[command(flatten)]
    pub server: ServerDirectory,
    /// As JSON, a line a record, with direction and drop reason
    #[command(flatten)]
    pub format: Format,
}

/// The arguments of `tombolo repairs`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tombolo repairs --dir /var/lib/tombolo")]
pub struct RepairsArguments {
    /// The server
    #[command(flatten)]
    pub server: ServerDirectory,
    /// As JSON
    #[command(flatten)]
    pub format: Format,
}
