//! The configuration file of `tombolo serve`: TOML, every key named in
//! `docs/tombolo.example.toml`.

pub(crate) mod admission;
mod players;
mod sandbox;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ipnet::Ipv4Net;
use serde::Deserialize;
use tombolo_domain::cidr::{self, AddressPlan};
use tombolo_domain::id::Region;
use tombolo_domain::quota::{Quota, Quotas};
use tombolo_network::MAX_GROUPS;
use tombolo_network::{MAX_MTU, MIN_MTU};

use crate::cli::NetworkChoice;
use crate::report::{OrHint, hinted};

pub use admission::{Admission, RequestRates};
pub use players::Players;
pub use sandbox::{Bytes, Limit, Sandbox};

/// The configuration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data directory.
    pub directory: PathBuf,
    /// Where the API listens.
    #[serde(default = "api_address")]
    pub listen: SocketAddr,
    /// The Regions that the server is, at least one.
    pub regions: Vec<Region>,
    /// The network engine.
    #[serde(default)]
    pub network: NetworkChoice,
    /// The MTU of network interfaces, in bytes of IPv4, 576 to 9001.
    #[serde(default = "largest_mtu")]
    pub mtu: u16,
    /// TLS on the API's port.
    pub tls: Option<Tls>,
    /// Whether the API may speak plain HTTP on an address that other machines reach.
    #[serde(default)]
    pub allow_plain_http: bool,
    /// `/metrics`.
    #[serde(default)]
    pub metrics: Metrics,
    /// Where fleets' addresses come from.
    #[serde(default)]
    pub fleet_addresses: FleetAddresses,
    /// Where players come in, if they can.
    pub players: Option<Players>,
    /// How much of everything there may be.
    #[serde(default)]
    pub quotas: Quotas,
    /// What clients may take of the server before it is known who asks.
    #[serde(default)]
    pub admission: Admission,
    /// How often an account may ask.
    #[serde(default)]
    pub request_rates: RequestRates,
    /// What server processes may do and use.
    #[serde(default)]
    pub sandbox: Sandbox,
}

/// The certificate and key of the API, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, followed by those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where Prometheus reads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// The address of `GET /metrics`.
    pub listen: SocketAddr,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)),
        }
    }
}

/// The pool that fleets' VPCs take their blocks from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FleetAddresses {
    /// All of it.
    pub pool: Ipv4Net,
    /// The prefix length of one fleet's block.
    pub prefix: u8,
}

impl Default for FleetAddresses {
    fn default() -> Self {
        let AddressPlan { pool, fleet_prefix } = AddressPlan::default();
        FleetAddresses {
            pool,
            prefix: fleet_prefix,
        }
    }
}

impl FleetAddresses {
    /// As the operations take it.
    pub(crate) fn plan(&self) -> AddressPlan {
        AddressPlan {
            pool: self.pool,
            fleet_prefix: self.prefix,
        }
    }
}

fn api_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 4580))
}

fn largest_mtu() -> u16 {
    MAX_MTU
}

impl Config {
    /// Reads the file at `path` and checks it.
    ///
    /// # Errors
    /// The file cannot be read, a key is unknown, missing or has a value of the wrong kind, or
    /// values do not go together. Each names the file and the key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).or_hint(
            || format!("cannot read the configuration {}", path.display()),
            || "docs/tombolo.example.toml is one to start from".to_owned(),
        )?;
        Self::parse(&text).with_context(|| format!("the configuration {} is wrong", path.display()))
    }

    /// Parses the text of a configuration and checks it.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Config = toml::from_str(text).map_err(|error| {
            let message = error.to_string();
            hinted(
                message.trim_end(),
                "docs/tombolo.example.toml explains every key",
            )
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        if !self.directory.is_absolute() {
            bail!("directory = {:?}: must be an absolute path", self.directory);
        }
        if self.regions.is_empty() {
            bail!("regions = []: name at least one, such as \"us-west-2\"");
        }
        if self.tls.is_none() && !self.listen.ip().is_loopback() && !self.allow_plain_http {
            return Err(hinted(
                format!(
                    "listen = \"{}\": plain HTTP on an address that other machines reach",
                    self.listen
                ),
                "add [tls] with certificate and key, listen on 127.0.0.1, or set \
                 allow_plain_http = true behind a proxy that speaks TLS",
            ));
        }
        if !(MIN_MTU..=MAX_MTU).contains(&self.mtu) {
            bail!(
                "mtu = {}: must be from {MIN_MTU}, which every host takes, to {MAX_MTU}, jumbo frames",
                self.mtu
            );
        }
        let FleetAddresses { pool, prefix } = self.fleet_addresses.clone();
        if pool.trunc() != pool {
            bail!(
                "fleet_addresses.pool = \"{pool}\": has host bits; write \"{}\"",
                pool.trunc()
            );
        }
        if let Some(reserved) = cidr::reserved(pool) {
            bail!(
                "fleet_addresses.pool = \"{pool}\": touches {reserved}, which is reserved; take \
                 private or shared addresses"
            );
        }
        if !(16..=28).contains(&prefix) || prefix < pool.prefix_len() {
            bail!(
                "fleet_addresses.prefix = {prefix}: must be from 16 to 28 and no shorter than the \
                 pool's /{}",
                pool.prefix_len()
            );
        }
        if let Some(players) = &self.players {
            players.check()?;
            if pool.contains(&players.address) {
                bail!(
                    "players.address = \"{}\": is within fleet_addresses.pool = \"{pool}\", which \
                     are instances' own addresses",
                    players.address
                );
            }
        }
        if let Err(out_of_range) = self.quotas.check(MAX_GROUPS) {
            let why = match out_of_range.quota {
                Quota::SecurityGroupsPerInterface => "which is what the data path looks at",
                _ => "which is as much as one server can number",
            };
            bail!("quotas.{out_of_range}, {why}");
        }
        admission::check(&self.admission, &self.request_rates)?;
        self.sandbox.check()
    }
}
