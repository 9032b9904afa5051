//! EC2InboundPermissions: which players reach which ports of a fleet's instances.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// The most permissions of a fleet (GameLift's IpPermissionsList).
pub const MAX_PERMISSIONS: usize = 50;

/// The most ports of each instance that a fleet's permissions may open, a port of TCP and the same
/// of UDP counting as two. Each instance takes as many ports of the public address, which all
/// fleets share.
pub const MAX_OPEN_PORTS: usize = 100;

/// Which players reach which ports of a fleet's instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundPermission {
    /// The first port.
    pub from_port: u16,
    /// The last port, not below the first.
    pub to_port: u16,
    /// The players' addresses.
    pub range: Ipv4Net,
    /// TCP or UDP.
    pub protocol: TransportProtocol,
}

/// GameLift's IpProtocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names say it")]
pub enum TransportProtocol {
    Tcp,
    Udp,
}

impl fmt::Display for TransportProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TransportProtocol::Tcp => "TCP",
            TransportProtocol::Udp => "UDP",
        })
    }
}

/// Why permissions are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InboundError {
    /// No port is in the range.
    #[error("FromPort {0} is greater than ToPort {1}")]
    Empty(u16, u16),
    /// A port that GameLift keeps closed.
    #[error("ports {0} to {1} are not all open to players: port 22 and ports 1026 to 60000 are")]
    Closed(u16, u16),
    /// Too many permissions.
    #[error("a fleet may have {MAX_PERMISSIONS} permissions, and would have {0}")]
    TooMany(usize),
    /// Too many ports.
    #[error(
        "a fleet's permissions may open {MAX_OPEN_PORTS} ports of an instance, TCP and UDP counted \
         apart, and would open more"
    )]
    TooManyPorts,
}

impl InboundPermission {
    /// Checks the ports: "For fleets using Linux builds, only ports 22 and 1026-60000 are valid"
    /// (IpPermission).
    pub fn check(&self) -> Result<(), InboundError> {
        let &InboundPermission {
            from_port: from,
            to_port: to,
            ..
        } = self;
        if from > to {
            return Err(InboundError::Empty(from, to));
        }
        if (from, to) == (22, 22) || (1026 <= from && to <= 60_000) {
            Ok(())
        } else {
            Err(InboundError::Closed(from, to))
        }
    }

    fn ports(&self) -> RangeInclusive<u16> {
        self.from_port..=self.to_port
    }
}

/// Checks that a fleet may have all of `permissions`.
pub fn check_all(permissions: &[InboundPermission]) -> Result<(), InboundError> {
    if permissions.len() > MAX_PERMISSIONS {
        return Err(InboundError::TooMany(permissions.len()));
    }
    for permission in permissions {
        permission.check()?;
    }
    // Long ranges are not counted port by port.
    let long = permissions
        .iter()
        .any(|one| one.ports().len() > MAX_OPEN_PORTS);
    if long || open_ports(permissions).len() > MAX_OPEN_PORTS {
        return Err(InboundError::TooManyPorts);
    }
    Ok(())
}

/// The ports of each instance that `permissions` open, to whomever.
pub fn open_ports(permissions: &[InboundPermission]) -> BTreeSet<(TransportProtocol, u16)> {
    let ports = permissions
        .iter()
        .flat_map(|one| one.ports().map(|port| (one.protocol, port)));
    ports.collect()
}
