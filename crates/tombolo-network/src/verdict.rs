//! The data path's decision about an IPv4 packet, as a pure function.
//!
//! `bpf/tombolo.c` decides the same, step for step, on the same tables in BPF maps.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tombolo_domain::id::NetworkInterfaceId;

use crate::tables::{NextHop, Tables};
use crate::{DropReason, Interface, RouteTableNumber, VpcNumber};

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to an interface of the same VPC.
    Local(NetworkInterfaceId),
    /// It goes through a peering to an interface of another VPC.
    Peering(NetworkInterfaceId),
    /// It goes nowhere.
    Drop(DropReason),
}

/// Decides about a well-formed packet that the workload of `from` sends with its own Ethernet
/// address; `None` is an interface that is not configured.
pub(crate) fn decide(
    tables: &Tables,
    from: Option<&Interface>,
    source: Ipv4Addr,
    to: Ipv4Addr,
) -> Verdict {
    let Some(from) = from else {
        return Verdict::Drop(DropReason::UnknownInterface);
    };
    if source != from.address {
        return Verdict::Drop(DropReason::SpoofedAddress);
    }
    let Some(next_hop) = longest_match(tables, from.route_table, to) else {
        return Verdict::Drop(DropReason::NoRoute);
    };
    match next_hop {
        NextHop::Local(_) => match tables.endpoints.get(&(from.vpc, to)) {
            Some(interface) => Verdict::Local(interface.clone()),
            None => Verdict::Drop(DropReason::NoSuchDestination),
        },
        NextHop::Peering(peer) if !admitted(tables, peer, from.vpc, source) => {
            Verdict::Drop(DropReason::NotAdmitted)
        }
        NextHop::Peering(peer) => match tables.endpoints.get(&(peer, to)) {
            Some(interface) => Verdict::Peering(interface.clone()),
            None => Verdict::Drop(DropReason::NoSuchDestination),
        },
    }
}

fn longest_match(tables: &Tables, table: RouteTableNumber, to: Ipv4Addr) -> Option<NextHop> {
    (0..=32).rev().find_map(|length| {
        let prefix = Ipv4Net::new(to, length).ok()?.trunc();
        tables.routes.get(&(table, prefix)).copied()
    })
}

fn admitted(tables: &Tables, to: VpcNumber, from: VpcNumber, source: Ipv4Addr) -> bool {
    tables.admissions.iter().any(|admission| {
        admission.to == to && admission.from == from && admission.sources.contains(&source)
    })
}
