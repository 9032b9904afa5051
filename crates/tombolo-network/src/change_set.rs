//! The part of a [`Network`] that a change touches.
//!
//! Compiling the part of the network before and the part of the one after, and making up for the
//! difference, comes to the same as compiling both whole, and costs what the change is large, not
//! what the network is.

use std::collections::{BTreeMap, BTreeSet};

use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};

use crate::difference::only_in;
use crate::network::{
    Interface, Network, Peering, RouteTableNumber, SecurityGroupNumber, VpcNumber,
};

/// What to compile anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChangeSet {
    /// The route tables whose routes may lead elsewhere.
    tables: BTreeSet<RouteTableNumber>,
    /// The groups whose rules are others.
    groups: BTreeSet<SecurityGroupNumber>,
    /// The VPCs whose interfaces are others: all of theirs, since two may claim one address.
    vpcs: BTreeSet<VpcNumber>,
    /// The pairs of VPCs whose peerings are others: all of theirs, since two may admit the same.
    pairs: BTreeSet<[VpcNumber; 2]>,
    /// The peerings that routes of those tables name: in both networks, since what a peering
    /// admits comes with it.
    named: BTreeSet<VpcPeeringConnectionId>,
    /// The interfaces that come, go or change.
    pub(crate) interfaces: BTreeSet<NetworkInterfaceId>,
}

impl ChangeSet {
    /// What is not the same in the two networks.
    pub(crate) fn between(before: &Network, after: &Network) -> Self {
        let mut changes = ChangeSet {
            tables: changed(&before.route_tables, &after.route_tables),
            groups: changed(&before.security_groups, &after.security_groups),
            ..ChangeSet::default()
        };
        let vpcs = changed(&before.vpcs, &after.vpcs);
        let peerings = changed(&before.peerings, &after.peerings);
        changes.add_interfaces(&before.interfaces, &after.interfaces);
        for network in [before, after] {
            let of_peerings = peerings.iter().filter_map(|id| network.peerings.get(id));
            changes.pairs.extend(of_peerings.map(pair));
            // A table has its VPC's blocks as local routes, and leads where the peerings do that
            // it names.
            let peered: BTreeSet<VpcNumber> = changes.pairs.iter().flatten().copied().collect();
            let touched = network.route_tables.iter().filter(|(_, table)| {
                vpcs.contains(&table.vpc)
                    || (peered.contains(&table.vpc)
                        && table
                            .routes
                            .iter()
                            .any(|route| peerings.contains(&route.peering)))
            });
            changes.tables.extend(touched.map(|(number, _)| *number));
        }
        for network in [before, after] {
            let tables = changes.tables.iter();
            let tables = tables.filter_map(|number| network.route_tables.get(number));
            let routes = tables.flat_map(|table| &table.routes);
            changes
                .named
                .extend(routes.map(|route| route.peering.clone()));
        }
        changes
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
        let peerings = network.peerings.iter().filter(|(id, peering)| {
            self.pairs.contains(&pair(peering)) || self.named.contains(*id)
        });
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ipnet::Ipv4Net;
    use proptest::prelude::*;

    use super::*;
    use crate::live::live;
    use crate::network::{
        MacAddress, PeeringEnd, Protocol, Route, RouteTable, Rule, RuleDirection, RulePeer,
        SecurityGroup, ShareGroup, Subnet, Vpc,
    };
    use crate::tables::Tables;

    fn block(third: u8, length: u8) -> Ipv4Net {
        Ipv4Net::new(Ipv4Addr::new(10, 0, third, 0), length)
            .unwrap()
            .trunc()
    }

    fn pcx(number: u8) -> VpcPeeringConnectionId {
        format!("pcx-{number:017x}").parse().unwrap()
    }

    /// Networks of four VPCs at most, so that two of them often have things in common.
    fn networks() -> impl Strategy<Value = Network> {
        let number = 1..5_u32;
        let cidr = (0..4_u8, 22..25_u8).prop_map(|(third, length)| block(third, length));
        let cidrs = prop::collection::vec(cidr.clone(), 1..3);
        let vpc = cidrs.clone().prop_map(|cidrs| Vpc {
            cidrs,
            share_group: ShareGroup::default(),
        });
        let route = (cidr.clone(), 1..5_u8).prop_map(|(destination, peering)| Route {
            destination,
            peering: pcx(peering),
        });
        let routes = prop::collection::vec(route, 0..4);
        let table = (number.clone(), routes).prop_map(|(vpc, routes)| RouteTable {
            vpc: VpcNumber(vpc),
            routes,
        });
        let peer = prop_oneof![
            cidr.prop_map(RulePeer::Cidr),
            number
                .clone()
                .prop_map(|group| RulePeer::Group(SecurityGroupNumber(group))),
        ];
        let rule = peer.prop_map(|peer| Rule {
            direction: RuleDirection::Ingress,
            protocol: Protocol::All,
            peer,
        });
        let group = prop::collection::vec(rule, 0..3).prop_map(|rules| SecurityGroup { rules });
        let end = (number.clone(), cidrs).prop_map(|(vpc, cidrs)| PeeringEnd {
            vpc: VpcNumber(vpc),
            cidrs,
        });
        let peering = (end.clone(), end).prop_map(|(requester, accepter)| Peering {
            requester,
            accepter,
        });
        let interface = (number.clone(), number.clone(), number.clone(), 4..7_u8);
        let interface = interface.prop_map(|(vpc, table, group, host)| Interface {
            vpc: VpcNumber(vpc),
            address: Ipv4Addr::new(10, 0, 0, host),
            mac: MacAddress([2, 0, 0, 0, 0, host]),
            subnet: Subnet(block(0, 24)),
            route_table: RouteTableNumber(table),
            security_groups: vec![SecurityGroupNumber(group)],
            mtu: 1500,
            outside: None,
        });
        let up_to = 0..5_usize;
        (
            prop::collection::btree_map(number.clone().prop_map(VpcNumber), vpc, up_to.clone()),
            prop::collection::btree_map(
                number.clone().prop_map(RouteTableNumber),
                table,
                up_to.clone(),
            ),
            prop::collection::btree_map(
                number.clone().prop_map(SecurityGroupNumber),
                group,
                up_to.clone(),
            ),
            prop::collection::btree_map((1..5_u8).prop_map(pcx), peering, up_to.clone()),
            prop::collection::btree_map(
                number.prop_map(|number| format!("eni-{number:017x}").parse().unwrap()),
                interface,
                up_to,
            ),
        )
            .prop_map(
                |(vpcs, route_tables, security_groups, peerings, interfaces)| Network {
                    vpcs,
                    route_tables,
                    security_groups,
                    interfaces,
                    peerings,
                },
            )
    }

    /// The second network, but with some of what the first one had in place of its own: most
    /// changes are small.
    fn mostly(first: &Network, second: &Network, keep: u8) -> Network {
        let mut network = first.clone();
        if keep & 1 == 0 {
            network.vpcs = second.vpcs.clone();
        }
        if keep & 2 == 0 {
            network.route_tables = second.route_tables.clone();
        }
        if keep & 4 == 0 {
            network.security_groups = second.security_groups.clone();
        }
        if keep & 8 == 0 {
            network.peerings = second.peerings.clone();
        }
        if keep & 16 == 0 {
            network.interfaces = second.interfaces.clone();
        }
        network
    }

    /// As the engine makes up for a difference.
    fn patch(tables: &mut Tables, before: Tables, after: Tables) {
        fn map<K: Ord, V: PartialEq>(
            of: &mut BTreeMap<K, V>,
            before: BTreeMap<K, V>,
            after: BTreeMap<K, V>,
        ) {
            of.retain(|key, value| before.get(key) != Some(&*value) || after.contains_key(key));
            of.extend(after);
        }
        fn set<T: Ord>(of: &mut BTreeSet<T>, before: BTreeSet<T>, after: BTreeSet<T>) {
            of.retain(|entry| !before.contains(entry) || after.contains(entry));
            of.extend(after);
        }
        map(&mut tables.routes, before.routes, after.routes);
        map(&mut tables.endpoints, before.endpoints, after.endpoints);
        set(
            &mut tables.peering_acl,
            before.peering_acl,
            after.peering_acl,
        );
        set(
            &mut tables.rules.blocks,
            before.rules.blocks,
            after.rules.blocks,
        );
        set(
            &mut tables.rules.ports,
            before.rules.ports,
            after.rules.ports,
        );
    }

    proptest! {
        #[test]
        fn the_difference_of_a_part_is_the_difference_of_the_whole(
            first in networks(),
            second in networks(),
            keep in any::<u8>(),
        ) {
            let second = mostly(&first, &second, keep);
            for (before, after) in [
                (first.clone(), second.clone()),
                (live(&first), live(&second)),
            ] {
                let changes = ChangeSet::between(&before, &after);
                let mut tables = Tables::compile(&before);
                patch(
                    &mut tables,
                    Tables::compile(&changes.of(&before)),
                    Tables::compile(&changes.of(&after)),
                );
                prop_assert_eq!(tables, Tables::compile(&after));
            }
        }

        #[test]
        fn nothing_of_a_network_is_between_it_and_itself(network in networks()) {
            let changes = ChangeSet::between(&network, &network);
            prop_assert_eq!(changes.of(&network), Network::default());
        }
    }
}
