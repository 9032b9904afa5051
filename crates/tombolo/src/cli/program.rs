//! `tombolo run`, and the supervisor's hidden command.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::Args;
use tombolo_domain::id::{SecurityGroupId, SubnetId, VpcId};
use tombolo_network::{MAX_MTU, MIN_MTU};

use super::{AccountName, ServerDirectory};

/// The arguments of `tombolo run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tombolo run --account backend --vpc vpc-0a1b2c3d4e5f60718 -- redis-server --bind 0.0.0.0\n  \
        tombolo run --account backend --vpc vpc-0a1b2c3d4e5f60718 --address 10.99.1.10 -- bash")]
pub struct RunArguments {
    /// The account
    #[command(flatten)]
    pub account: AccountName,
    /// The VPC
    #[arg(long)]
    pub vpc: VpcId,
    /// The subnet [default: the VPC's first]
    #[arg(long)]
    pub subnet: Option<SubnetId>,
    /// The address [default: the first free one of the subnet]
    #[arg(long, value_name = "IP")]
    pub address: Option<Ipv4Addr>,
    /// A security group; may be given several times [default: the VPC's default one]
    #[arg(long = "security-group", value_name = "SG")]
    pub security_groups: Vec<SecurityGroupId>,
    /// The MTU of its network interface, in bytes, 576 to 9001 [default: the server's]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(i64::from(MIN_MTU)..=i64::from(MAX_MTU)))]
    pub mtu: Option<u16>,
    /// The server
    #[command(flatten)]
    pub server: ServerDirectory,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// The arguments of `tombolo instance-supervisor`.
#[derive(Debug, Args)]
pub struct SupervisorArguments {
    /// What the instance is to be
    #[arg(value_name = "SPEC")]
    pub spec: PathBuf,
}
