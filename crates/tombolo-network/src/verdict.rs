//! The data path's decision about an IPv4 packet, as a pure function.
//!
//! `bpf/tombolo.c` decides the same. Here the rules of security groups are read one after the
//! other, as [`Network`] says them; there they are looked up as [`crate::rules`] compiled them.

#[cfg(test)]
pub(crate) mod model;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tombolo_domain::id::NetworkInterfaceId;

use crate::drop_reason::DropReason;
use crate::network::{
    Interface, Network, Protocol, RouteTableNumber, RuleDirection, RulePeer, SecurityGroupNumber,
    VpcNumber,
};
use crate::outside::OutsideConfig;
use crate::outside::is_outside;
use crate::rules::{ICMP, TCP, UDP};
use crate::tables::{NextHop, Tables};

/// An IPv4 packet that begins a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Where it says it comes from.
    pub source: Ipv4Addr,
    /// Where it goes.
    pub destination: Ipv4Addr,
    /// What is in it.
    pub transport: Transport,
}

/// What an IPv4 packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP, protocol 6.
    Tcp {
        /// The sender's port.
        source_port: u16,
        /// The receiver's port.
        destination_port: u16,
    },
    /// UDP, protocol 17.
    Udp {
        /// The sender's port.
        source_port: u16,
        /// The receiver's port.
        destination_port: u16,
    },
    /// ICMP, protocol 1.
    Icmp {
        /// The message's type, such as 8 for an echo request.
        kind: u8,
        /// The message's code.
        code: u8,
    },
    /// Another protocol, by IANA's number.
    Other(u8),
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to an interface of the same VPC.
    Local(NetworkInterfaceId),
    /// It goes through a peering to an interface of another VPC.
    Peering(NetworkInterfaceId),
    /// It goes outside, with the public address for a source.
    Outside,
    /// It goes nowhere.
    Drop(DropReason),
}

/// Decides about a well-formed packet that the workload of `from` sends with its own Ethernet
/// address, and that begins a flow. `tables` are those of `network`, and `outside` is how it is
/// joined to what is outside of it.
pub(crate) fn decide(
    network: &Network,
    tables: &Tables,
    outside: Option<&OutsideConfig>,
    from: &NetworkInterfaceId,
    packet: &Packet,
) -> Verdict {
    let Some(sender) = network.interfaces.get(from) else {
        return Verdict::Drop(DropReason::UnknownInterface);
    };
    let (id, verdict) = match way(tables, outside, sender, packet.source, packet.destination) {
        Ok(Way::Local(id)) => (id, Verdict::Local(id.clone())),
        Ok(Way::Peering(id)) => (id, Verdict::Peering(id.clone())),
        Ok(Way::Outside(outside)) => {
            return match may_leave(network, outside, sender, packet) {
                Ok(()) => Verdict::Outside,
                Err(reason) => Verdict::Drop(reason),
            };
        }
        Err(reason) => return Verdict::Drop(reason),
    };
    let refused = network.interfaces.get(id).map(|receiver| {
        let beginning = FirstPacket::of(packet);
        refusal(network, sender, receiver, &beginning)
    });
    match refused {
        Some(Ok(())) => verdict,
        Some(Err(reason)) => Verdict::Drop(reason),
        None => Verdict::Drop(DropReason::NoSuchDestination),
    }
}

/// Whether a packet may begin a flow to the outside.
fn may_leave(
    network: &Network,
    outside: &OutsideConfig,
    sender: &Interface,
    packet: &Packet,
) -> Result<(), DropReason> {
    may_begin_outside(outside, sender, packet.destination)?;
    if !has_port(packet) {
        return Err(DropReason::NoFlow);
    }
    let beginning = FirstPacket::of(packet);
    allows_egress(network, sender, packet.destination, &beginning)
}

/// Whether there is something to tell one flow from another by once its source is replaced: a port,
/// or the identifier of an ICMP query.
pub(crate) fn has_port(packet: &Packet) -> bool {
    match packet.transport {
        Transport::Tcp { .. } | Transport::Udp { .. } => true,
        Transport::Icmp { kind, code } => code == 0 && (kind == 8 || kind == 13),
        Transport::Other(_) => false,
    }
}

/// Whether flows of the interface to that address may begin, whatever they are.
pub(crate) fn may_begin_outside(
    outside: &OutsideConfig,
    sender: &Interface,
    to: Ipv4Addr,
) -> Result<(), DropReason> {
    if !sender
        .outside
        .as_ref()
        .is_some_and(|outside| outside.internet)
    {
        return Err(DropReason::NoInternet);
    }
    if !is_outside(to) || to == outside.address {
        return Err(DropReason::NotOutside);
    }
    Ok(())
}

/// Where a packet goes, if it may.
pub(crate) enum Way<'t> {
    Local(&'t NetworkInterfaceId),
    Peering(&'t NetworkInterfaceId),
    Outside(&'t OutsideConfig),
}

/// Finds the destination by routes and the peering ACL alone.
pub(crate) fn way<'t>(
    tables: &'t Tables,
    outside: Option<&'t OutsideConfig>,
    from: &Interface,
    source: Ipv4Addr,
    to: Ipv4Addr,
) -> Result<Way<'t>, DropReason> {
    if source != from.address {
        return Err(DropReason::SpoofedAddress);
    }
    let Some(next_hop) = longest_match(tables, from.route_table, to) else {
        let outside = outside.filter(|_| from.outside.is_some());
        return outside.map(Way::Outside).ok_or(DropReason::NoRoute);
    };
    let owner = |vpc| {
        let owner = tables.endpoints.get(&(vpc, to));
        owner.ok_or(DropReason::NoSuchDestination)
    };
    match next_hop {
        NextHop::Local(vpc) => owner(vpc).map(Way::Local),
        NextHop::Peering(peer) if !allowed(tables, peer, from.vpc, source) => {
            Err(DropReason::NotAdmitted)
        }
        NextHop::Peering(peer) => owner(peer).map(Way::Peering),
        NextHop::BlackHole => Err(DropReason::NoRoute),
    }
}

pub(crate) fn longest_match(
    tables: &Tables,
    table: RouteTableNumber,
    to: Ipv4Addr,
) -> Option<NextHop> {
    (0..=32).rev().find_map(|length| {
        let prefix = Ipv4Net::new(to, length).ok()?.trunc();
        tables.routes.get(&(table, prefix)).copied()
    })
}

fn allowed(tables: &Tables, to: VpcNumber, from: VpcNumber, source: Ipv4Addr) -> bool {
    tables
        .peering_acl
        .iter()
        .any(|entry| entry.to == to && entry.from == from && entry.sources.contains(&source))
}

/// The first packet of a flow, as rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirstPacket {
    pub(crate) protocol: u8,
    /// The destination's port, for ICMP type and code, else 0.
    pub(crate) service: u16,
}

impl FirstPacket {
    pub(crate) fn of(packet: &Packet) -> Self {
        let (protocol, service) = match packet.transport {
            Transport::Tcp {
                destination_port, ..
            } => (TCP, destination_port),
            Transport::Udp {
                destination_port, ..
            } => (UDP, destination_port),
            Transport::Icmp { kind, code } => (ICMP, u16::from_be_bytes([kind, code])),
            Transport::Other(number) => (number, 0),
        };
        FirstPacket { protocol, service }
    }
}

/// Whether the sender's groups let the flow out and the receiver's let it in.
pub(crate) fn refusal(
    network: &Network,
    sender: &Interface,
    receiver: &Interface,
    beginning: &FirstPacket,
) -> Result<(), DropReason> {
    if !allows(network, sender, RuleDirection::Egress, receiver, beginning) {
        return Err(DropReason::SecurityGroupEgress);
    }
    if !allows(network, receiver, RuleDirection::Ingress, sender, beginning) {
        return Err(DropReason::SecurityGroupIngress);
    }
    Ok(())
}

/// Whether the sender's groups let a flow out to an address that is outside of every VPC.
pub(crate) fn allows_egress(
    network: &Network,
    sender: &Interface,
    to: Ipv4Addr,
    beginning: &FirstPacket,
) -> Result<(), DropReason> {
    match any_rule_allows(network, sender, RuleDirection::Egress, (to, &[]), beginning) {
        true => Ok(()),
        false => Err(DropReason::SecurityGroupEgress),
    }
}

/// Whether the receiver's groups let a flow in from an address that is outside of every VPC.
#[cfg(test)]
pub(crate) fn allows_ingress(
    network: &Network,
    receiver: &Interface,
    from: Ipv4Addr,
    beginning: &FirstPacket,
) -> Result<(), DropReason> {
    let outside = (from, [].as_slice());
    match any_rule_allows(
        network,
        receiver,
        RuleDirection::Ingress,
        outside,
        beginning,
    ) {
        true => Ok(()),
        false => Err(DropReason::SecurityGroupIngress),
    }
}

/// Whether a rule of one of the interface's groups lets the flow begin.
fn allows(
    network: &Network,
    interface: &Interface,
    direction: RuleDirection,
    remote: &Interface,
    beginning: &FirstPacket,
) -> bool {
    let remote = (remote.address, remote.security_groups.as_slice());
    any_rule_allows(network, interface, direction, remote, beginning)
}

/// The same, with the remote end's address and the groups that it carries.
fn any_rule_allows(
    network: &Network,
    interface: &Interface,
    direction: RuleDirection,
    (address, groups): (Ipv4Addr, &[SecurityGroupNumber]),
    beginning: &FirstPacket,
) -> bool {
    interface
        .security_groups
        .iter()
        .filter_map(|number| network.security_groups.get(number))
        .flat_map(|group| &group.rules)
        .any(|rule| {
            rule.direction == direction
                && matches(rule.protocol, beginning)
                && match rule.peer {
                    RulePeer::Cidr(block) => block.contains(&address),
                    RulePeer::Group(number) => groups.contains(&number),
                }
        })
}

fn matches(protocol: Protocol, beginning: &FirstPacket) -> bool {
    let is = |number| beginning.protocol == number;
    let [kind, code] = beginning.service.to_be_bytes();
    match protocol {
        Protocol::All => true,
        Protocol::Number(number) => is(number),
        Protocol::Tcp(range) => is(TCP) && (range.from..=range.to).contains(&beginning.service),
        Protocol::Udp(range) => is(UDP) && (range.from..=range.to).contains(&beginning.service),
        Protocol::Icmp(messages) => {
            is(ICMP)
                && messages.kind.is_none_or(|wanted| {
                    wanted == kind && messages.code.is_none_or(|wanted| wanted == code)
                })
        }
    }
}
