//! The part of a [`Network`] that a change touches.
//!
//! Compiling the part of the network before and the part of the one after, and making up for the
//! difference, comes to the same as compiling both whole, and costs what the change is large, not
//! what the network is.

use std::collections::{BTreeMap, BTreeSet};

use tombolo_domain::id::NetworkInterfaceId;

use crate::difference::only_in;
use crate::{Interface, Network, Peering, RouteTableNumber, SecurityGroupNumber, VpcNumber};

/// What to compile anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The route tables whose routes may lead elsewhere.
    tables: BTreeSet<RouteTableNumber>,
    /// The groups whose rules are others.
    groups: BTreeSet<SecurityGroupNumber>,
    /// The VPCs whose interfaces are others: all of theirs, since two may claim one address.
    vpcs: BTreeSet<VpcNumber>,
    /// The pairs of VPCs whose peerings are others: all of theirs, since two may admit the same.
    pairs: BTreeSet<[VpcNumber; 2]>,
    /// The interfaces that come, go or change.
    pub(crate) interfaces: BTreeSet<NetworkInterfaceId>,
}

impl Part {
    /// What is not the same in the two networks.
    pub(crate) fn between(before: &Network, after: &Network) -> Self {
        let mut part = Part {
            tables: changed(&before.route_tables, &after.route_tables),
            groups: changed(&before.security_groups, &after.security_groups),
            ..Part::default()
        };
        let vpcs = changed(&before.vpcs, &after.vpcs);
        let peerings = changed(&before.peerings, &after.peerings);
        part.add_interfaces(&before.interfaces, &after.interfaces);
        for network in [before, after] {
            let of_peerings = peerings.iter().filter_map(|id| network.peerings.get(id));
            part.pairs.extend(of_peerings.map(pair));
            // A table has its VPC's blocks as local routes, and leads where the peerings do that
            // it names.
            let peered: BTreeSet<VpcNumber> = part.pairs.iter().flatten().copied().collect();
            let touched = network.route_tables.iter().filter(|(_, table)| {
                vpcs.contains(&table.vpc)
                    || (peered.contains(&table.vpc)
                        && table
                            .routes
                            .iter()
                            .any(|route| peerings.contains(&route.peering)))
            });
            part.tables.extend(touched.map(|(number, _)| *number));
        }
        part
    }

    fn add_interfaces(
        &mut self,
        before: &BTreeMap<NetworkInterfaceId, Interface>,
        after: &BTreeMap<NetworkInterfaceId, Interface>,
    ) {
        for (these, others) in [(before, after), (after, before)] {
            for (id, interface) in only_in(these, others) {
                self.interfaces.insert(id.clone());
                self.vpcs.insert(interface.vpc);
            }
        }
    }

    /// The touched part of `network`.
    pub(crate) fn of(&self, network: &Network) -> Network {
        let route_tables: BTreeMap<_, _> = pick(&self.tables, &network.route_tables);
        let vpcs = route_tables.values().map(|table| table.vpc).collect();
        let named: BTreeSet<_> = route_tables
            .values()
            .flat_map(|table| table.routes.iter().map(|route| &route.peering))
            .collect();
        let peerings = network
            .peerings
            .iter()
            .filter(|(id, peering)| self.pairs.contains(&pair(peering)) || named.contains(id));
        let interfaces = network
            .interfaces
            .iter()
            .filter(|(_, interface)| self.vpcs.contains(&interface.vpc));
        Network {
            vpcs: pick(&vpcs, &network.vpcs),
            security_groups: pick(&self.groups, &network.security_groups),
            peerings: peerings
                .map(|(id, peering)| (id.clone(), peering.clone()))
                .collect(),
            interfaces: interfaces
                .map(|(id, interface)| (id.clone(), interface.clone()))
                .collect(),
            route_tables,
        }
    }
}

/// The keys of entries that one of the maps lacks or has with another value.
fn changed<K: Ord + Clone, V: PartialEq>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
) -> BTreeSet<K> {
    only_in(before, after)
        .chain(only_in(after, before))
        .map(|(key, _)| key.clone())
        .collect()
}

fn pick<K: Ord + Copy, V: Clone>(keys: &BTreeSet<K>, from: &BTreeMap<K, V>) -> BTreeMap<K, V> {
    keys.iter()
        .filter_map(|key| Some((*key, from.get(key)?.clone())))
        .collect()
}

/// The two VPCs, whichever asked for the peering.
fn pair(peering: &Peering) -> [VpcNumber; 2] {
    let mut vpcs = [peering.requester.vpc, peering.accepter.vpc];
    vpcs.sort();
    vpcs
}
