//! `[players]`: where players come in, and instances go out.

use std::net::Ipv4Addr;

use anyhow::{Result, bail};
use ipnet::Ipv4Net;
use serde::Deserialize;
use tombolo_domain::cidr;
use tombolo_domain::fleet::{PublicAddress, PublicPorts};
use tombolo_network::OutsideConfig;

/// The public address, and its ports that are Tombolo's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Players {
    /// The address that players connect to.
    pub address: Ipv4Addr,
    /// The machine's interface that players' packets arrive at; without it the machine must route
    /// the address, and not have it.
    pub interface: Option<String>,
    /// The ports that lead to instances.
    #[serde(default = "Players::ports")]
    pub ports: PublicPorts,
    /// The ports that instances' own flows leave by.
    #[serde(default = "Players::internet_ports")]
    pub internet_ports: PublicPorts,
}

/// The longest name of a link: IFNAMSIZ of linux/if.h, less the byte that ends it.
const MAX_LINK_NAME: usize = 15;

impl Players {
    /// With the defaults, on a machine that routes the address.
    pub(crate) fn routed(address: Ipv4Addr) -> Result<Self> {
        let players = Players {
            address,
            interface: None,
            ports: Players::ports(),
            internet_ports: Players::internet_ports(),
        };
        players.check()?;
        Ok(players)
    }

    fn ports() -> PublicPorts {
        range(20_000, 39_999)
    }

    fn internet_ports() -> PublicPorts {
        range(40_000, 59_999)
    }

    /// What does not go together.
    pub(crate) fn check(&self) -> Result<()> {
        let Players {
            address,
            interface,
            ports,
            internet_ports,
        } = self;
        if let Some(reserved) = cidr::reserved(Ipv4Net::from(*address)) {
            bail!(
                "players.address = \"{address}\": is within {reserved}, which is reserved; name \
                 the address that players connect to"
            );
        }
        if interface
            .as_ref()
            .is_some_and(|name| name.is_empty() || name.len() > MAX_LINK_NAME)
        {
            bail!(
                "players.interface = {:?}: must be the name of a network interface, as `ip link` \
                 shows it",
                interface.as_deref().unwrap_or_default()
            );
        }
        if ports.overlaps(internet_ports) {
            bail!(
                "players.ports = \"{ports}\" and players.internet_ports = \"{internet_ports}\": \
                 must have no port in common"
            );
        }
        Ok(())
    }

    /// As operations and the reconciler take it.
    pub(crate) fn public(&self) -> PublicAddress {
        PublicAddress {
            address: self.address,
            ports: self.ports,
        }
    }

    /// As the network engine takes it.
    pub(crate) fn outside(&self) -> OutsideConfig {
        OutsideConfig {
            address: self.address,
            interface: self.interface.clone(),
            ports: self.ports,
            internet_ports: self.internet_ports,
        }
    }
}

#[allow(
    clippy::expect_used,
    reason = "both callers name ports, the smaller first"
)]
fn range(first: u16, last: u16) -> PublicPorts {
    PublicPorts::new(first, last).expect("a range of ports")
}
