//! "Can A reach B, and if not, why": the path of a packet, walked hop by hop over what is stored.
//!
//! The walk reads records and nothing else, so it says what *should* become of the packet. Where it
//! can, it continues past an obstacle, so that one trace reports all of them.
//!
//! It follows the same documents as the data path: Amazon VPC User Guide, "Route priority" (the
//! longest prefix wins, also when it is a black hole), "Security group rules"; Amazon VPC Peering
//! Guide, "Unsupported VPC peering configurations" (no way through to a third VPC).

mod obstacle;
mod path;
mod records;
mod remedy;
mod route;
mod rule;

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

pub use obstacle::{NotOutside, Obstacle, Way};
pub use path::{Question, walk};
pub use records::Records;

use crate::id::NetworkInterfaceId;

/// The packet that begins a flow, as far as rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "protocol")]
pub enum Packet {
    /// A TCP segment.
    Tcp {
        /// The destination's port.
        port: u16,
    },
    /// A UDP datagram.
    Udp {
        /// The destination's port.
        port: u16,
    },
    /// An ICMP message (RFC 792).
    Icmp {
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
    },
}

impl Packet {
    /// What ping sends: an ICMP echo request.
    pub const ECHO: Packet = Packet::Icmp { kind: 8, code: 0 };
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Packet::Tcp { port } => write!(f, "tcp {port}"),
            Packet::Udp { port } => write!(f, "udp {port}"),
            &Packet::ECHO => f.write_str("icmp echo"),
            Packet::Icmp { kind, code } => write!(f, "icmp type {kind} code {code}"),
        }
    }
}

/// A place on the path where a packet, or its reply, may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The network interface that sends.
    Source,
    /// The security groups of the one that sends.
    Egress,
    /// The route table of its subnet.
    Route,
    /// The peering connection that the route leads through.
    Peering,
    /// The network interface that has the destination address.
    Destination,
    /// The security groups of that one.
    Ingress,
    /// The route table of its subnet, by which replies go.
    RouteBack,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Source => "source",
            Place::Egress => "egress",
            Place::Route => "route",
            Place::Peering => "peering",
            Place::Destination => "destination",
            Place::Ingress => "ingress",
            Place::RouteBack => "route back",
        })
    }
}

/// What the walk found at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Where.
    pub place: Place,
    /// What was found, as a sentence without its full stop.
    pub finding: String,
    /// What stands in the way here, if something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Obstacle>,
    /// What would take it out of the way: a sentence with the command where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// The path of a packet from one interface to an address, and of the replies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The places, from the source to the destination and back. A place is missing where an
    /// obstacle before it leaves open which it would be.
    pub hops: Vec<Hop>,
    /// The interface that has the address, where the path leads to one.
    pub destination: Option<NetworkInterfaceId>,
}

impl Trace {
    /// The hop to be changed first; `None` if nothing stands in the way.
    ///
    /// A rule may name the security group of whoever has the address. So while no route leads to
    /// one, that comes first, and what the rules say about it second.
    pub fn blocked(&self) -> Option<&Hop> {
        let obstructed = || self.hops.iter().filter(|hop| hop.obstacle.is_some());
        let first = obstructed()
            .find(|hop| self.destination.is_some() || !matches!(hop.place, Place::Egress));
        first.or_else(|| obstructed().next())
    }

    /// The same, where what no route takes goes outside of every VPC, or does not for a reason. The
    /// records do not say so: whether there is an outside is the data path's to tell.
    pub fn outside(mut self, to: Ipv4Addr, why: Option<NotOutside>) -> Self {
        for hop in &mut self.hops {
            let is_end = matches!(
                hop.obstacle,
                Some(Obstacle::NoRoute {
                    way: Way::There,
                    ..
                })
            );
            if is_end {
                *hop = match why {
                    None => Hop {
                        place: hop.place,
                        finding: format!("no route takes {to}, so it goes outside"),
                        obstacle: None,
                        remedy: None,
                    },
                    Some(why) => {
                        let obstacle = Obstacle::NoWayOutside { to, why };
                        Hop {
                            place: hop.place,
                            finding: obstacle.to_string(),
                            remedy: remedy::outside(why),
                            obstacle: Some(obstacle),
                        }
                    }
                };
            }
        }
        self
    }

    /// Everything that stands in the way.
    pub fn obstacles(&self) -> impl Iterator<Item = &Obstacle> {
        self.hops.iter().filter_map(|hop| hop.obstacle.as_ref())
    }
}
