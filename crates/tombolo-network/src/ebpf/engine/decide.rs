//! What the maps that are in the kernel say about a packet, step for step as `bpf/tombolo.c` asks
//! them.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::drop_reason::DropReason;
use crate::ebpf::maps::datapath::DataPath;
use crate::ebpf::maps::entries::{
    EndpointKey, InterfaceEntry, RouteEntry, peering_acl_key, route_key, rule_block_key,
    rule_port_key,
};
use crate::engine::EngineError;
use crate::network::{
    MAX_GROUPS, RouteTableNumber, RuleDirection, RulePeer, SecurityGroupNumber, VpcNumber,
};
use crate::outside::is_outside;
use crate::rules::{PortPrefix, RuleBlock, RulePorts};
use crate::tables::PeeringAclEntry;
use crate::verdict::Packet;
use crate::verdict::{FirstPacket, has_port};

/// What becomes of a packet; the number is the index of the link that it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ebpf) enum Decision {
    Local(u32),
    Peering(u32),
    Outside,
    Drop(DropReason),
}

/// Decides about a packet that comes from `link`, which is not there any more if it is `None`.
pub(in crate::ebpf) fn decide(
    data_path: &DataPath,
    link: Option<u32>,
    packet: &Packet,
) -> Result<Decision, EngineError> {
    let from = match link {
        Some(link) => data_path.interfaces.look_up(&link)?,
        None => None,
    };
    let Some(from) = from else {
        return Ok(Decision::Drop(DropReason::UnknownInterface));
    };
    if packet.source != Ipv4Addr::from(from.address) {
        return Ok(Decision::Drop(DropReason::SpoofedAddress));
    }
    let table = RouteTableNumber(from.route_table);
    let towards = route_key(table, packet.destination.into());
    let Some(RouteEntry { kind, vpc }) = data_path.routes.look_up(&towards)? else {
        return leave(data_path, &from, packet);
    };
    if kind == RouteEntry::BLACK_HOLE {
        return Ok(Decision::Drop(DropReason::NoRoute));
    }
    let vpc = VpcNumber(vpc);
    if kind != RouteEntry::LOCAL {
        let entering = peering_acl_key(&PeeringAclEntry {
            to: vpc,
            from: VpcNumber(from.vpc),
            sources: packet.source.into(),
        });
        if data_path.peering_acl.look_up(&entering)?.is_none() {
            return Ok(Decision::Drop(DropReason::NotAdmitted));
        }
    }
    let destination = EndpointKey::new(vpc, packet.destination);
    let Some(to) = data_path.endpoints.look_up(&destination)? else {
        return Ok(Decision::Drop(DropReason::NoSuchDestination));
    };
    let beginning = FirstPacket::of(packet);
    let out = Question {
        groups: from.groups,
        direction: RuleDirection::Egress,
        remote: packet.destination,
        remote_groups: to.groups,
    };
    if !out.some_group_allows(data_path, &beginning)? {
        return Ok(Decision::Drop(DropReason::SecurityGroupEgress));
    }
    let into = Question {
        groups: to.groups,
        direction: RuleDirection::Ingress,
        remote: packet.source,
        remote_groups: from.groups,
    };
    if !into.some_group_allows(data_path, &beginning)? {
        return Ok(Decision::Drop(DropReason::SecurityGroupIngress));
    }
    Ok(match kind {
        RouteEntry::LOCAL => Decision::Local(to.link),
        _ => Decision::Peering(to.link),
    })
}

/// Decides about a packet that no route takes.
fn leave(
    data_path: &DataPath,
    from: &InterfaceEntry,
    packet: &Packet,
) -> Result<Decision, EngineError> {
    let out = data_path.outside()?;
    let reason = if from.outside == 0 || out.address == [0; 4] {
        DropReason::NoRoute
    } else if from.outside & InterfaceEntry::OUTSIDE_BEGINS == 0 {
        DropReason::NoInternet
    } else if !is_outside(packet.destination) || packet.destination == Ipv4Addr::from(out.address) {
        DropReason::NotOutside
    } else if !has_port(packet) {
        DropReason::NoFlow
    } else {
        let question = Question {
            groups: from.groups,
            direction: RuleDirection::Egress,
            remote: packet.destination,
            remote_groups: [0; MAX_GROUPS],
        };
        if question.some_group_allows(data_path, &FirstPacket::of(packet))? {
            return Ok(Decision::Outside);
        }
        DropReason::SecurityGroupEgress
    };
    Ok(Decision::Drop(reason))
}

/// Whether the groups of one end let a flow begin with the other.
struct Question {
    groups: [u32; MAX_GROUPS],
    direction: RuleDirection,
    remote: Ipv4Addr,
    remote_groups: [u32; MAX_GROUPS],
}

impl Question {
    /// As in `bpf/rules.h`.
    fn some_group_allows(
        &self,
        data_path: &DataPath,
        beginning: &FirstPacket,
    ) -> Result<bool, EngineError> {
        for group in carried(&self.groups) {
            let allows = |remote| {
                let ports = rule_port_key(&RulePorts {
                    group,
                    direction: self.direction,
                    remote,
                    ports: PortPrefix {
                        protocol: Some(beginning.protocol),
                        port: beginning.service,
                        length: 16,
                    },
                });
                Ok::<_, EngineError>(data_path.rule_ports.look_up(&ports)?.is_some())
            };
            let block = rule_block_key(&RuleBlock {
                group,
                direction: self.direction,
                block: self.remote.into(),
            });
            let length = data_path.rule_blocks.look_up(&block)?;
            let block =
                length.and_then(|length| Ipv4Net::new(self.remote, length.try_into().ok()?).ok());
            if let Some(block) = block
                && allows(RulePeer::Cidr(block.trunc()))?
            {
                return Ok(true);
            }
            for remote in carried(&self.remote_groups) {
                if allows(RulePeer::Group(remote))? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The groups' numbers that an entry holds: 0 is after the last.
fn carried(groups: &[u32; MAX_GROUPS]) -> impl Iterator<Item = SecurityGroupNumber> {
    let numbers = groups.iter().take_while(|&&number| number != 0);
    numbers.map(|&number| SecurityGroupNumber(number))
}
