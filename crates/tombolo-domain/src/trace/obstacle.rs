//! What can stand in a packet's way.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::Packet;
use crate::id::{
    NetworkInterfaceId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, VpcId,
    VpcPeeringConnectionId,
};
use crate::vpc::RuleDirection;

/// The way there, or the way of the replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the source to the destination.
    There,
    /// From the destination back to the source.
    Back,
}

impl Way {
    /// What goes that way, to begin a sentence about it.
    fn of_replies(self) -> &'static str {
        match self {
            Way::There => "",
            Way::Back => "replies do not come back: ",
        }
    }
}

/// Why a packet that no route takes does not go outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotOutside {
    /// The interface may not begin flows to the outside.
    NoInternet,
    /// The internet has no such address.
    NoSuchAddress,
    /// The packet can begin no flow there.
    BeginsNoFlow,
}

/// Why a packet, or its reply, does not get further. Its Display is a sentence without its full
/// stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Obstacle {
    /// The interface is not attached to a workload, so the data path does not have it.
    NotAttached {
        /// The interface.
        interface: NetworkInterfaceId,
    },
    /// None of an interface's security groups has a rule for the packet.
    NoRule {
        /// The interface.
        interface: NetworkInterfaceId,
        /// Out of it or into it.
        direction: RuleDirection,
        /// Its groups.
        groups: Vec<SecurityGroupId>,
        /// The packet.
        packet: Packet,
        /// The other side's address.
        remote: Ipv4Addr,
        /// Stale rules that would allow it: no peering leads to the group that they name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stale: Vec<SecurityGroupRuleId>,
    },
    /// The subnet's route table has no route for the address.
    NoRoute {
        /// Whose packet has none.
        way: Way,
        /// The table.
        table: RouteTableId,
        /// The address.
        to: Ipv4Addr,
    },
    /// The longest route leads through a peering that carries no packets.
    BlackHole {
        /// Whose packet it takes.
        way: Way,
        /// The table.
        table: RouteTableId,
        /// What the route is for.
        destination: Ipv4Net,
        /// The peering.
        peering: VpcPeeringConnectionId,
        /// The state of the peering connection, if its record still exists.
        state: Option<String>,
    },
    /// The route back leads to another network than the one that the packet came from.
    LeadsElsewhere {
        /// The table.
        table: RouteTableId,
        /// What the route is for.
        destination: Ipv4Net,
        /// Where it leads.
        to: VpcId,
        /// Where the source is.
        source: VpcId,
    },
    /// The sender's address is in none of the CIDR blocks that the peering connection has for its
    /// VPC.
    NotAdmitted {
        /// Whose packet is not let in.
        way: Way,
        /// The sender's address.
        source: Ipv4Addr,
        /// The sender's VPC.
        from: VpcId,
        /// The VPC that does not let it in.
        to: VpcId,
    },
    /// No route takes it, so it is for the outside, and does not get there.
    NoWayOutside {
        /// The address.
        to: Ipv4Addr,
        /// Why.
        why: NotOutside,
    },
    /// Nobody has the address.
    NoSuchDestination {
        /// The VPC that the path leads to.
        vpc: VpcId,
        /// The address.
        address: Ipv4Addr,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::NotAttached { interface } => {
                write!(
                    f,
                    "network interface {interface} is attached to no workload"
                )
            }
            Obstacle::NoRule {
                interface,
                direction,
                groups,
                packet,
                remote,
                stale,
            } => {
                match &groups[..] {
                    [] => write!(f, "{interface} carries no security group that")?,
                    [group] => write!(f, "security group {group} of {interface}")?,
                    groups => {
                        write!(f, "none of the security groups of {interface} (")?;
                        list(f, groups)?;
                        f.write_str(")")?;
                    }
                }
                let has = if groups.len() == 1 {
                    "has no"
                } else {
                    "has an"
                };
                match direction {
                    RuleDirection::Ingress => {
                        write!(f, " {has} ingress rule for {packet} from {remote}")?;
                    }
                    RuleDirection::Egress => {
                        write!(f, " {has} egress rule for {packet} to {remote}")?;
                    }
                }
                if !stale.is_empty() {
                    f.write_str(" (")?;
                    list(f, stale)?;
                    f.write_str(" would let it through, but names a group that is stale)")?;
                }
                Ok(())
            }
            Obstacle::NoRoute { way, table, to } => write!(
                f,
                "{}route table {table} has no route to {to}",
                way.of_replies()
            ),
            Obstacle::BlackHole {
                way,
                table,
                destination,
                peering,
                state,
            } => {
                let state = match state {
                    Some(state) => format!("is {state}"),
                    None => "is gone".to_owned(),
                };
                write!(
                    f,
                    "{}route {destination} of {table} is a black hole: VPC peering connection \
                     {peering} {state}",
                    way.of_replies()
                )
            }
            Obstacle::LeadsElsewhere {
                table,
                destination,
                to,
                source,
            } => write!(
                f,
                "{}route {destination} of {table} leads to {to}, not to {source}, which the packet \
                 came from",
                Way::Back.of_replies()
            ),
            Obstacle::NotAdmitted {
                way,
                source,
                from,
                to,
            } => write!(
                f,
                "{}the peering of {from} with {to} does not include {source}",
                way.of_replies()
            ),
            Obstacle::NoWayOutside { to, why } => {
                write!(f, "no route takes {to}, and ")?;
                f.write_str(match why {
                    NotOutside::NoInternet => "the instance may begin no flows to the internet",
                    NotOutside::NoSuchAddress => "the internet has no such address",
                    NotOutside::BeginsNoFlow => {
                        "only TCP, UDP and ICMP queries begin flows to the internet"
                    }
                })
            }
            Obstacle::NoSuchDestination { vpc, address } => {
                write!(f, "nobody has {address} in {vpc}")
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}
