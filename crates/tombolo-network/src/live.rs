//! The part of a [`Network`] that packets on this machine can meet.
//!
//! A server has many VPCs whose workloads are elsewhere, or nowhere yet. Leaving those out changes
//! no decision about any packet, and no reason of a drop, and keeps the data path's tables as large
//! as what runs here.

use std::collections::BTreeSet;

use crate::network::{Network, RouteTableNumber, SecurityGroupNumber, VpcNumber};

/// What of `network` counts: its interfaces, with their VPCs, route tables and groups, and the
/// peerings that one of those VPCs has. A peering's other VPC may have no interface here: that
/// nobody has the destination is then still another reason than that no route leads there.
pub(crate) fn live(network: &Network) -> Network {
    let mut vpcs = BTreeSet::<VpcNumber>::new();
    let mut tables = BTreeSet::<RouteTableNumber>::new();
    let mut groups = BTreeSet::<SecurityGroupNumber>::new();
    for interface in network.interfaces.values() {
        vpcs.insert(interface.vpc);
        tables.insert(interface.route_table);
        groups.extend(&interface.security_groups);
    }
    let numbered = |number: &VpcNumber| Some((*number, network.vpcs.get(number)?.clone()));
    let peerings = network.peerings.iter().filter(|(_, peering)| {
        vpcs.contains(&peering.requester.vpc) || vpcs.contains(&peering.accepter.vpc)
    });
    // A table may be used by a VPC that is not its own, by mistake; its VPC's blocks count then.
    let of_tables: BTreeSet<VpcNumber> = tables
        .iter()
        .filter_map(|number| Some(network.route_tables.get(number)?.vpc))
        .collect();
    Network {
        peerings: peerings
            .map(|(id, peering)| (id.clone(), peering.clone()))
            .collect(),
        vpcs: vpcs.union(&of_tables).filter_map(numbered).collect(),
        route_tables: tables
            .iter()
            .filter_map(|number| Some((*number, network.route_tables.get(number)?.clone())))
            .collect(),
        security_groups: groups
            .iter()
            .filter_map(|number| Some((*number, network.security_groups.get(number)?.clone())))
            .collect(),
        interfaces: network.interfaces.clone(),
    }
}
