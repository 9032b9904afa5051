//! Which rule of an interface's security groups lets a packet through.

use std::fmt;
use std::net::Ipv4Addr;

use super::{Packet, Records};
use crate::vpc::{
    IcmpMessages, NetworkInterface, Peer, PeeredGroup, PortRange, Protocol, RuleDirection,
    SecurityGroup, SecurityGroupRule,
};

/// The remote end of the packet, as an interface's rules see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remote<'r> {
    pub(super) address: Ipv4Addr,
    /// Who has it, where that is known.
    pub(super) interface: Option<&'r NetworkInterface>,
}

/// The rules of an interface's security groups, evaluated for one packet.
#[derive(Debug, Default)]
pub(super) struct Evaluation<'r> {
    /// The first rule that allows it.
    pub(super) allowed_by: Option<(&'r SecurityGroup, &'r SecurityGroupRule)>,
    /// Stale rules that would: no peering leads to the security group that they name.
    pub(super) stale: Vec<&'r SecurityGroupRule>,
}

/// Evaluates the rules of the interface's security groups for `packet`.
pub(super) fn evaluate<'r>(
    records: &'r Records,
    interface: &NetworkInterface,
    direction: RuleDirection,
    packet: Packet,
    remote: Remote<'_>,
) -> Evaluation<'r> {
    let mut evaluation = Evaluation::default();
    let groups = interface.groups.iter();
    for group in groups.filter_map(|id| records.group(id)) {
        for rule in &group.rules {
            if rule.direction != direction || !matches(rule.protocol, packet) {
                continue;
            }
            match match_peer(records, group, &rule.peer, remote) {
                PeerMatch::Yes => {
                    evaluation.allowed_by.get_or_insert((group, rule));
                }
                PeerMatch::Stale => evaluation.stale.push(rule),
                PeerMatch::No => {}
            }
        }
    }
    evaluation
}

enum PeerMatch {
    Yes,
    No,
    /// It names a security group that no peering leads to any more.
    Stale,
}

fn match_peer(
    records: &Records,
    group: &SecurityGroup,
    peer: &Peer,
    remote: Remote<'_>,
) -> PeerMatch {
    let carries = |id| {
        let groups = remote.interface.map(|interface| &interface.groups);
        groups.is_some_and(|groups| groups.contains(id))
    };
    let matches = match peer {
        Peer::Cidr(cidr) => cidr.contains(&remote.address),
        Peer::Group(id) => carries(id),
        Peer::PeeredGroup(peered) if is_stale(records, group, peered) => return PeerMatch::Stale,
        Peer::PeeredGroup(peered) => carries(&peered.group),
    };
    if matches {
        PeerMatch::Yes
    } else {
        PeerMatch::No
    }
}

fn is_stale(records: &Records, group: &SecurityGroup, peered: &PeeredGroup) -> bool {
    let exists = records.group(&peered.group).is_some();
    !exists || records.carrying(&group.vpc, &peered.vpc).next().is_none()
}

fn matches(protocol: Protocol, packet: Packet) -> bool {
    let within = |ports: PortRange, port: u16| (ports.from..=ports.to).contains(&port);
    match (protocol, packet) {
        (Protocol::All, _) => true,
        (Protocol::Tcp(ports), Packet::Tcp { port })
        | (Protocol::Udp(ports), Packet::Udp { port }) => within(ports, port),
        (Protocol::Icmp(messages), Packet::Icmp { kind, code }) => {
            messages.kind.is_none_or(|wanted| wanted == kind)
                && messages.code.is_none_or(|wanted| wanted == code)
        }
        _ => false,
    }
}

/// A summary of a rule: `tcp 5432 from 10.0.0.0/16`.
pub(super) struct RuleSummary<'r>(pub(super) &'r SecurityGroupRule);

impl fmt::Display for RuleSummary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SecurityGroupRule {
            direction,
            protocol,
            peer,
            ..
        } = self.0;
        let ports = |f: &mut fmt::Formatter<'_>, name, ports: PortRange| match ports {
            PortRange::ALL => write!(f, "every {name} port"),
            PortRange { from, to } if from == to => write!(f, "{name} {from}"),
            PortRange { from, to } => write!(f, "{name} {from}-{to}"),
        };
        match *protocol {
            Protocol::All => f.write_str("everything")?,
            Protocol::Tcp(range) => ports(f, "tcp", range)?,
            Protocol::Udp(range) => ports(f, "udp", range)?,
            Protocol::Icmp(IcmpMessages { kind: None, .. }) => f.write_str("all of icmp")?,
            Protocol::Icmp(IcmpMessages {
                kind: Some(kind),
                code,
            }) => {
                write!(f, "icmp type {kind}")?;
                if let Some(code) = code {
                    write!(f, " code {code}")?;
                }
            }
            Protocol::Number(number) => write!(f, "protocol {number}")?,
        }
        f.write_str(match direction {
            RuleDirection::Ingress => " from ",
            RuleDirection::Egress => " to ",
        })?;
        match peer {
            Peer::Cidr(cidr) => cidr.fmt(f),
            Peer::Group(group) => group.fmt(f),
            Peer::PeeredGroup(PeeredGroup { account, group, .. }) => {
                write!(f, "{account}/{group}")
            }
        }
    }
}
