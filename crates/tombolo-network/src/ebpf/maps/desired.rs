//! What the BPF maps should hold.

use std::collections::{BTreeMap, BTreeSet};

use tombolo_domain::id::NetworkInterfaceId;

use crate::ebpf::maps::entries::{
    ALLOW, EndpointEntry, EndpointKey, InsidePort, InterfaceEntry, PrefixKey, PublicPort,
    RouteEntry, VpcPair, peering_acl_key, route_key, rule_block_key, rule_port_key,
};
use crate::network::{Network, TransportProtocol};
use crate::outside::Mapping;
use crate::rules::{TCP, UDP};
use crate::tables::Tables;

/// The contents of the maps for one [`Network`].
pub(in crate::ebpf) struct DesiredMaps {
    pub(in crate::ebpf) routes: BTreeMap<PrefixKey<8>, RouteEntry>,
    pub(in crate::ebpf) peering_acl: BTreeMap<PrefixKey<12>, u32>,
    /// The value is the length of the block's own prefix.
    pub(in crate::ebpf) rule_blocks: BTreeMap<PrefixKey<12>, u32>,
    pub(in crate::ebpf) rule_ports: BTreeMap<PrefixKey<16>, u32>,
    /// The VPCs between which packets may cross.
    pub(in crate::ebpf) crossings: BTreeSet<VpcPair>,
    /// Only of interfaces that have a link, see [`DesiredMaps::place`].
    pub(in crate::ebpf) interfaces: BTreeMap<u32, InterfaceEntry>,
    /// Only of interfaces that have a link, see [`DesiredMaps::place`].
    pub(in crate::ebpf) endpoints: BTreeMap<EndpointKey, EndpointEntry>,
    /// The share groups of the VPCs that have such interfaces.
    pub(in crate::ebpf) share_groups: BTreeMap<u32, u64>,
    tables: Tables,
}

impl DesiredMaps {
    /// Routes, peering ACL and rules; the interfaces are still to be placed.
    pub(in crate::ebpf) fn compile(network: &Network) -> Self {
        let tables = Tables::compile(network);
        let routes = tables
            .routes
            .iter()
            .map(|(&(table, destination), &next_hop)| {
                (route_key(table, destination), RouteEntry::new(next_hop))
            })
            .collect();
        let peering_acl = tables
            .peering_acl
            .iter()
            .map(|entry| (peering_acl_key(entry), ALLOW))
            .collect();
        let crossings = tables.peering_acl.iter().map(|entry| VpcPair {
            from: entry.from.0,
            to: entry.to.0,
        });
        let rule_blocks = tables.rules.blocks.iter().map(|rule| {
            let length = u32::from(rule.block.prefix_len());
            (rule_block_key(rule), length)
        });
        let rule_ports = tables.rules.ports.iter();
        DesiredMaps {
            routes,
            peering_acl,
            crossings: crossings.collect(),
            rule_blocks: rule_blocks.collect(),
            rule_ports: rule_ports
                .map(|rule| (rule_port_key(rule), ALLOW))
                .collect(),
            interfaces: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            share_groups: BTreeMap::new(),
            tables,
        }
    }

    /// Adds interfaces of `network` whose links have these indices.
    pub(in crate::ebpf) fn place(
        &mut self,
        network: &Network,
        links: &BTreeMap<NetworkInterfaceId, u32>,
    ) {
        for (id, interface) in &network.interfaces {
            let Some(&link) = links.get(id) else {
                continue;
            };
            self.interfaces.insert(link, InterfaceEntry::new(interface));
            if let Some(vpc) = network.vpcs.get(&interface.vpc) {
                self.share_groups.insert(interface.vpc.0, vpc.share_group.0);
            }
            if self
                .tables
                .endpoints
                .get(&(interface.vpc, interface.address))
                == Some(id)
            {
                self.endpoints.insert(
                    EndpointKey::new(interface.vpc, interface.address),
                    EndpointEntry::new(link, interface),
                );
            }
        }
    }

    /// The links of the interfaces that are placed.
    pub(in crate::ebpf) fn links(&self) -> BTreeSet<u32> {
        self.interfaces.keys().copied().collect()
    }
}

/// Where the ports of the public address should lead, both ways.
#[derive(Default)]
pub(in crate::ebpf) struct DesiredPorts {
    pub(in crate::ebpf) public: BTreeMap<PublicPort, InsidePort>,
    pub(in crate::ebpf) mapped: BTreeMap<InsidePort, PublicPort>,
}

impl DesiredPorts {
    /// Those that lead to interfaces whose links have these indices.
    pub(in crate::ebpf) fn place(
        mapping: &Mapping,
        links: &BTreeMap<NetworkInterfaceId, u32>,
    ) -> Self {
        let mut ports = DesiredPorts::default();
        for (protocol, public, id, port) in mapping.iter() {
            let Some(&link) = links.get(id) else {
                continue;
            };
            let protocol = match protocol {
                TransportProtocol::Tcp => TCP,
                TransportProtocol::Udp => UDP,
            };
            let public = PublicPort::new(protocol, public.to_be_bytes());
            let inside = InsidePort::new(link, protocol, port.to_be_bytes());
            ports.public.insert(public, inside);
            ports.mapped.insert(inside, public);
        }
        ports
    }
}
