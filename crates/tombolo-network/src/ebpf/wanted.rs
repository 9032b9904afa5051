//! What the BPF maps should hold.

use std::collections::BTreeMap;

use tombolo_domain::id::NetworkInterfaceId;

use super::datapath::ADMITTED;
use super::entries::{
    EndpointEntry, EndpointKey, InterfaceEntry, PrefixKey, RouteEntry, admission_key, route_key,
};
use crate::Network;
use crate::tables::Tables;

/// The contents of the maps for one [`Network`].
pub(super) struct Wanted {
    pub(super) routes: BTreeMap<PrefixKey<8>, RouteEntry>,
    pub(super) admissions: BTreeMap<PrefixKey<12>, u32>,
    /// Only of interfaces that have a link, see [`Wanted::place`].
    pub(super) interfaces: BTreeMap<u32, InterfaceEntry>,
    /// Only of interfaces that have a link, see [`Wanted::place`].
    pub(super) endpoints: BTreeMap<EndpointKey, EndpointEntry>,
    tables: Tables,
}

impl Wanted {
    /// Routes and admissions; the interfaces are still to be placed.
    pub(super) fn compile(network: &Network) -> Self {
        let tables = Tables::compile(network);
        let routes = tables
            .routes
            .iter()
            .map(|(&(table, destination), &next_hop)| {
                (route_key(table, destination), RouteEntry::new(next_hop))
            })
            .collect();
        let admissions = tables
            .admissions
            .iter()
            .map(|admission| (admission_key(admission), ADMITTED))
            .collect();
        Wanted {
            routes,
            admissions,
            interfaces: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            tables,
        }
    }

    /// Adds interfaces of `network` whose links have these indices.
    pub(super) fn place(&mut self, network: &Network, links: &BTreeMap<NetworkInterfaceId, u32>) {
        for (id, &link) in links {
            let Some(interface) = network.interfaces.get(id) else {
                continue;
            };
            self.interfaces.insert(link, InterfaceEntry::new(interface));
            if self
                .tables
                .endpoints
                .get(&(interface.vpc, interface.address))
                == Some(id)
            {
                self.endpoints.insert(
                    EndpointKey::new(interface.vpc, interface.address),
                    EndpointEntry::new(link, interface.mac),
                );
            }
        }
    }
}
