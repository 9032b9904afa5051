//! A [`Network`] of which the part that a change touches is found without looking at the rest.
//!
//! Compiling the part before the change and the one after, and making up for the difference, comes
//! to the same as compiling both networks whole, and costs what the change is large, not what the
//! network is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};
use tombolo_domain::index::Index;

use crate::live::live;
use crate::network::{
    Interface, Network, Peering, RouteTable, RouteTableNumber, SecurityGroupNumber,
    TransportProtocol, VpcNumber,
};
use crate::network_change::NetworkChange;
use crate::outside::Mapping;

/// A network, and where in it things are that belong together.
#[derive(Debug, Default)]
pub(crate) struct IndexedNetwork {
    network: Network,
    /// How many interfaces there are in each VPC, by each route table, with each group: what has
    /// none, no packet can meet.
    in_vpc: Counts<VpcNumber>,
    by_table: Counts<RouteTableNumber>,
    in_group: Counts<SecurityGroupNumber>,
    interfaces_of: Index<VpcNumber, NetworkInterfaceId>,
    /// Interfaces that claim the same address.
    by_address: Index<Address, NetworkInterfaceId>,
    /// Interfaces that claim the same port of the public address.
    by_public_port: Index<PublicPort, NetworkInterfaceId>,
    tables_of: Index<VpcNumber, RouteTableNumber>,
    /// The route tables that name a peering.
    tables_naming: Index<VpcPeeringConnectionId, RouteTableNumber>,
    peerings_of: Index<VpcNumber, VpcPeeringConnectionId>,
    peerings_between: Index<Pair, VpcPeeringConnectionId>,
}

type Address = (VpcNumber, Ipv4Addr);
type PublicPort = (TransportProtocol, u16);

/// Two VPCs, the smaller number first, whichever asked for the peering.
pub(crate) type Pair = [VpcNumber; 2];

/// What has to be compiled anew.
#[derive(Debug, Default)]
struct Touched {
    /// The route tables whose routes may lead elsewhere.
    tables: BTreeSet<RouteTableNumber>,
    /// The groups whose rules are others.
    groups: BTreeSet<SecurityGroupNumber>,
    /// The pairs of VPCs whose peerings are others: all of theirs, since two may admit the same.
    pairs: BTreeSet<Pair>,
    /// The peerings that routes of those tables name, before or after: what a peering admits comes
    /// with it into both parts.
    named: BTreeSet<VpcPeeringConnectionId>,
    /// The interfaces that are named.
    interfaces: BTreeSet<NetworkInterfaceId>,
    /// Those, and all with whom they share an address or a port of the public address: only one of
    /// them has it.
    sharers: BTreeSet<NetworkInterfaceId>,
}

/// A part of a network.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// What packets can meet of it.
    pub(crate) network: Network,
    /// Where ports of the public address lead.
    pub(crate) mapping: Mapping,
}

/// What a change comes to.
#[derive(Debug)]
pub(crate) struct Changed {
    /// What it touches, as it was.
    pub(crate) before: Part,
    /// What it touches, as it is.
    pub(crate) after: Part,
    /// The interfaces that it names.
    pub(crate) interfaces: BTreeSet<NetworkInterfaceId>,
    /// The pairs of VPCs whose peerings it touches.
    pub(crate) pairs: BTreeSet<Pair>,
    /// What takes it back.
    pub(crate) undo: NetworkChange,
}

impl IndexedNetwork {
    pub(crate) fn new(network: Network) -> Self {
        let mut indexed = IndexedNetwork::default();
        let everything = NetworkChange::between(&Network::default(), &network);
        indexed.replace(everything);
        indexed
    }

    /// All of it.
    pub(crate) fn whole(&self) -> &Network {
        &self.network
    }

    /// All that packets can meet of it.
    pub(crate) fn live(&self) -> Part {
        Part {
            network: live(&self.network),
            mapping: Mapping::compile(&self.network.interfaces),
        }
    }

    /// Of the peerings between two VPCs that packets can meet the first one.
    pub(crate) fn first_between(&self, pair: Pair) -> Option<&VpcPeeringConnectionId> {
        self.peerings_between
            .get(&pair)
            .find(|id| self.live_peering(id).is_some())
    }

    /// Makes the change, and says what it comes to.
    pub(crate) fn change(&mut self, change: NetworkChange) -> Changed {
        let touched = self.touched(&change);
        let before = self.part(&touched);
        let undo = self.replace(change);
        Changed {
            before,
            after: self.part(&touched),
            interfaces: touched.interfaces,
            pairs: touched.pairs,
            undo,
        }
    }

    /// Takes back a change that was made last.
    pub(crate) fn undo(&mut self, undo: NetworkChange) {
        self.replace(undo);
    }

    fn touched(&self, change: &NetworkChange) -> Touched {
        let mut touched = Touched {
            groups: change.security_groups.keys().copied().collect(),
            tables: change.route_tables.keys().copied().collect(),
            interfaces: change.interfaces.keys().cloned().collect(),
            ..Touched::default()
        };
        // A table has its VPC's blocks as local routes.
        for vpc in change.vpcs.keys() {
            touched.tables.extend(self.tables_of.get(vpc));
        }
        for (id, after) in &change.peerings {
            let before = self.network.peerings.get(id);
            touched.pairs.extend(before.into_iter().map(pair));
            touched.pairs.extend(after.iter().map(pair));
            // And leads where the peerings do that it names.
            touched.tables.extend(self.tables_naming.get(id));
        }
        self.touch_what_comes_alive(change, &mut touched);
        for table in &touched.tables {
            let before = self.network.route_tables.get(table);
            let after = change.route_tables.get(table).and_then(Option::as_ref);
            let named = before.into_iter().chain(after).flat_map(peerings_named);
            touched.named.extend(named.cloned());
        }
        self.touch_sharers(change, &mut touched);
        touched
    }

    /// A table, a group or a VPC that gets its first interface, or loses its last one, begins or
    /// ceases to count, and so does what a VPC is peered by.
    fn touch_what_comes_alive(&self, change: &NetworkChange, touched: &mut Touched) {
        let mut in_vpc = Differences::default();
        let mut by_table = Differences::default();
        let mut in_group = Differences::default();
        for (id, after) in &change.interfaces {
            let before = self.network.interfaces.get(id);
            let both = [(before, -1), (after.as_ref(), 1)];
            for (interface, by) in both.into_iter().filter_map(|(one, by)| Some((one?, by))) {
                in_vpc.add(interface.vpc, by);
                by_table.add(interface.route_table, by);
                for group in groups(interface) {
                    in_group.add(group, by);
                }
            }
        }
        touched.tables.extend(self.by_table.turned(&by_table));
        touched.groups.extend(self.in_group.turned(&in_group));
        for vpc in self.in_vpc.turned(&in_vpc) {
            for id in self.peerings_of.get(&vpc) {
                let peering = self.network.peerings.get(id);
                touched.pairs.extend(peering.into_iter().map(pair));
                touched.tables.extend(self.tables_naming.get(id));
            }
            // Peerings that come with this very change are touched already.
        }
    }

    fn touch_sharers(&self, change: &NetworkChange, touched: &mut Touched) {
        let mut open = Claims::default();
        for (id, after) in &change.interfaces {
            touched.sharers.insert(id.clone());
            let before = self.network.interfaces.get(id);
            for interface in before.into_iter().chain(after) {
                open.add(interface);
            }
        }
        // The share group of a VPC comes with its interfaces.
        for (number, after) in &change.vpcs {
            let before = self.network.vpcs.get(number);
            if before.map(|vpc| vpc.share_group) != after.as_ref().map(|vpc| vpc.share_group) {
                self.share(self.interfaces_of.get(number), touched, &mut open);
            }
        }
        // Who loses a port to one may win another one from the next, so all count that hang together.
        let mut closed = Claims::default();
        loop {
            if let Some(port) = open.ports.pop_first() {
                if closed.ports.insert(port) {
                    self.share(self.by_public_port.get(&port), touched, &mut open);
                }
            } else if let Some(address) = open.addresses.pop_first() {
                if closed.addresses.insert(address) {
                    self.share(self.by_address.get(&address), touched, &mut open);
                }
            } else {
                return;
            }
        }
    }

    fn share<'a>(
        &self,
        ids: impl Iterator<Item = &'a NetworkInterfaceId>,
        touched: &mut Touched,
        open: &mut Claims,
    ) {
        for id in ids {
            if let Some(interface) = self.network.interfaces.get(id)
                && touched.sharers.insert(id.clone())
            {
                open.add(interface);
            }
        }
    }

    fn part(&self, touched: &Touched) -> Part {
        let all = &self.network;
        let mut part = Network::default();
        for number in &touched.tables {
            if let Some(table) = all.route_tables.get(number)
                && self.by_table.has(number)
            {
                part.route_tables.insert(*number, table.clone());
                if let Some(vpc) = all.vpcs.get(&table.vpc) {
                    part.vpcs.insert(table.vpc, vpc.clone());
                }
            }
        }
        for number in &touched.groups {
            if let Some(group) = all.security_groups.get(number)
                && self.in_group.has(number)
            {
                part.security_groups.insert(*number, group.clone());
            }
        }
        let between = touched.pairs.iter();
        let between = between.flat_map(|pair| self.peerings_between.get(pair));
        for id in between.chain(&touched.named) {
            if let Some(peering) = self.live_peering(id) {
                part.peerings.insert(id.clone(), peering.clone());
            }
        }
        for id in &touched.sharers {
            if let Some(interface) = all.interfaces.get(id) {
                part.interfaces.insert(id.clone(), interface.clone());
                if let Some(vpc) = all.vpcs.get(&interface.vpc) {
                    part.vpcs.insert(interface.vpc, vpc.clone());
                }
            }
        }
        Part {
            mapping: Mapping::compile(&part.interfaces),
            network: part,
        }
    }

    fn live_peering(&self, id: &VpcPeeringConnectionId) -> Option<&Peering> {
        let peering = self.network.peerings.get(id)?;
        pair(peering)
            .iter()
            .any(|vpc| self.in_vpc.has(vpc))
            .then_some(peering)
    }

    fn replace(&mut self, change: NetworkChange) -> NetworkChange {
        let named = Keys::of(&change);
        self.index(&named, false);
        let undo = self.network.change(change);
        self.index(&named, true);
        undo
    }

    /// Puts what is named into the indexes as it is, or takes it out.
    fn index(&mut self, named: &Keys, add: bool) {
        for id in &named.interfaces {
            let Some(interface) = self.network.interfaces.get(id) else {
                continue;
            };
            self.in_vpc.count(interface.vpc, add);
            self.interfaces_of.change(&interface.vpc, id, add);
            self.by_table.count(interface.route_table, add);
            for group in groups(interface) {
                self.in_group.count(group, add);
            }
            self.by_address.change(&address(interface), id, add);
            for port in public_ports(interface) {
                self.by_public_port.change(&port, id, add);
            }
        }
        for number in &named.route_tables {
            let Some(table) = self.network.route_tables.get(number) else {
                continue;
            };
            self.tables_of.change(&table.vpc, number, add);
            for peering in peerings_named(table) {
                self.tables_naming.change(peering, number, add);
            }
        }
        for id in &named.peerings {
            let Some(peering) = self.network.peerings.get(id) else {
                continue;
            };
            let pair = pair(peering);
            self.peerings_between.change(&pair, id, add);
            for vpc in pair {
                self.peerings_of.change(&vpc, id, add);
            }
        }
    }
}

/// What interfaces claim, of which each can be only one's.
#[derive(Default)]
struct Claims {
    addresses: BTreeSet<Address>,
    ports: BTreeSet<PublicPort>,
}

impl Claims {
    fn add(&mut self, interface: &Interface) {
        self.addresses.insert(address(interface));
        self.ports.extend(public_ports(interface));
    }
}

/// The keys of a change that indexes are about.
struct Keys {
    interfaces: Vec<NetworkInterfaceId>,
    route_tables: Vec<RouteTableNumber>,
    peerings: Vec<VpcPeeringConnectionId>,
}

impl Keys {
    fn of(change: &NetworkChange) -> Self {
        Keys {
            interfaces: change.interfaces.keys().cloned().collect(),
            route_tables: change.route_tables.keys().copied().collect(),
            peerings: change.peerings.keys().cloned().collect(),
        }
    }
}

pub(crate) fn pair(peering: &Peering) -> Pair {
    let [a, b] = [peering.requester.vpc, peering.accepter.vpc];
    [a.min(b), a.max(b)]
}

fn address(interface: &Interface) -> Address {
    (interface.vpc, interface.address)
}

/// Each group that the interface carries, once.
fn groups(interface: &Interface) -> BTreeSet<SecurityGroupNumber> {
    interface.security_groups.iter().copied().collect()
}

fn public_ports(interface: &Interface) -> impl Iterator<Item = PublicPort> {
    let ports = interface.outside.iter().flat_map(|outside| &outside.ports);
    ports.map(|port| (port.protocol, port.public_port))
}

fn peerings_named(table: &RouteTable) -> impl Iterator<Item = &VpcPeeringConnectionId> {
    table.routes.iter().map(|route| &route.peering)
}

/// How many there are of each; none of what is not in it.
#[derive(Debug)]
struct Counts<K>(BTreeMap<K, usize>);

/// How many there are more of each.
#[derive(Debug)]
struct Differences<K>(BTreeMap<K, isize>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Counts(BTreeMap::new())
    }
}

impl<K> Default for Differences<K> {
    fn default() -> Self {
        Differences(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Counts<K> {
    fn has(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    fn count(&mut self, key: K, add: bool) {
        if add {
            *self.0.entry(key).or_default() += 1;
            return;
        }
        if let Some(count) = self.0.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&key);
            }
        }
    }

    /// Those of which there are some after the differences and none before, or the other way round.
    fn turned(&self, by: &Differences<K>) -> impl Iterator<Item = K> {
        by.0.iter().filter_map(|(key, by)| {
            let before = self.0.get(key).copied().unwrap_or_default();
            let after = before.saturating_add_signed(*by);
            ((before == 0) != (after == 0)).then_some(*key)
        })
    }
}

impl<K: Ord> Differences<K> {
    fn add(&mut self, key: K, by: isize) {
        *self.0.entry(key).or_default() += by;
    }
}
#[cfg(test)]
mod tests {
    use ipnet::Ipv4Net;
    use proptest::prelude::*;

    use super::*;
    use crate::network::{
        MacAddress, MappedPort, Outside, PeeringEnd, Protocol, Route, Rule, RuleDirection,
        RulePeer, SecurityGroup, ShareGroup, Subnet, Vpc,
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

    /// Gives each VPC the share group that it always has: some have one together.
    fn in_share_groups(mut vpcs: BTreeMap<VpcNumber, Vpc>) -> BTreeMap<VpcNumber, Vpc> {
        for (number, vpc) in &mut vpcs {
            vpc.share_group = ShareGroup(u64::from(number.0 / 2));
        }
        vpcs
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
        let port = (1..4_u16, 1..3_u16).prop_map(|(public_port, port)| MappedPort {
            protocol: TransportProtocol::Udp,
            port,
            public_port,
        });
        let outside = prop::collection::vec(port, 0..3).prop_map(|ports| Outside {
            ports,
            internet: false,
        });
        let groups = prop::collection::vec(number.clone().prop_map(SecurityGroupNumber), 0..3);
        let interface = (
            number.clone(),
            number.clone(),
            groups,
            4..7_u8,
            prop::option::of(outside),
        );
        let interface = interface.prop_map(|(vpc, table, groups, host, outside)| Interface {
            vpc: VpcNumber(vpc),
            address: Ipv4Addr::new(10, 0, 0, host),
            mac: MacAddress([2, 0, 0, 0, 0, host]),
            subnet: Subnet(block(0, 24)),
            route_table: RouteTableNumber(table),
            security_groups: groups,
            mtu: 1500,
            outside,
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
                    vpcs: in_share_groups(vpcs),
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

    proptest! {
        #[test]
        fn the_difference_of_a_part_is_the_difference_of_the_whole(
            first in networks(),
            second in networks(),
            keep in any::<u8>(),
        ) {
            let second = mostly(&first, &second, keep);
            let mut indexed = IndexedNetwork::new(first.clone());
            let change = NetworkChange::between(&first, &second);
            let changed = indexed.change(change);
            prop_assert_eq!(indexed.whole(), &second);

            let mut tables = Tables::compile(&live(&first));
            tables.patch(
                Tables::compile(&changed.before.network),
                Tables::compile(&changed.after.network),
            );
            prop_assert_eq!(tables, Tables::compile(&live(&second)));

            let mut mapping = Mapping::compile(&first.interfaces);
            mapping.patch(&changed.before.mapping, &changed.after.mapping);
            prop_assert_eq!(mapping, Mapping::compile(&second.interfaces));
        }

        #[test]
        fn what_is_taken_back_never_was(first in networks(), second in networks(), keep in any::<u8>()) {
            let second = mostly(&first, &second, keep);
            let mut indexed = IndexedNetwork::new(first.clone());
            let undo = indexed.change(NetworkChange::between(&first, &second)).undo;
            indexed.undo(undo);
            let fresh = IndexedNetwork::new(first);
            prop_assert_eq!(format!("{indexed:?}"), format!("{fresh:?}"));
        }

        #[test]
        fn a_change_of_nothing_touches_nothing(network in networks()) {
            let mut indexed = IndexedNetwork::new(network);
            let changed = indexed.change(NetworkChange::default());
            prop_assert_eq!(changed.before.network, Network::default());
            prop_assert_eq!(changed.after.network, Network::default());
        }
    }
}
