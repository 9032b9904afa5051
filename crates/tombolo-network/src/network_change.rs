//! What is other in a [`Network`] than it was.

use std::collections::BTreeMap;

use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};

use crate::difference::only_in;
use crate::network::{
    Interface, Network, Peering, RouteTable, RouteTableNumber, SecurityGroup, SecurityGroupNumber,
    Vpc, VpcNumber,
};

/// Of each map of a [`Network`] the entries that are others now; `None` stands for one that went.
/// What it does not name is as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkChange {
    /// Of [`Network::vpcs`].
    pub vpcs: BTreeMap<VpcNumber, Option<Vpc>>,
    /// Of [`Network::route_tables`].
    pub route_tables: BTreeMap<RouteTableNumber, Option<RouteTable>>,
    /// Of [`Network::security_groups`].
    pub security_groups: BTreeMap<SecurityGroupNumber, Option<SecurityGroup>>,
    /// Of [`Network::interfaces`]. One that is named as it was is tried again if it could not be made.
    pub interfaces: BTreeMap<NetworkInterfaceId, Option<Interface>>,
    /// Of [`Network::peerings`].
    pub peerings: BTreeMap<VpcPeeringConnectionId, Option<Peering>>,
}

impl NetworkChange {
    /// What makes `after` of `before`. It looks at all of both.
    pub fn between(before: &Network, after: &Network) -> Self {
        NetworkChange {
            vpcs: entries(&before.vpcs, &after.vpcs),
            route_tables: entries(&before.route_tables, &after.route_tables),
            security_groups: entries(&before.security_groups, &after.security_groups),
            interfaces: entries(&before.interfaces, &after.interfaces),
            peerings: entries(&before.peerings, &after.peerings),
        }
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.vpcs.is_empty()
            && self.route_tables.is_empty()
            && self.security_groups.is_empty()
            && self.interfaces.is_empty()
            && self.peerings.is_empty()
    }
}

impl Network {
    /// Makes the change, and returns the one that takes it back.
    pub fn change(&mut self, change: NetworkChange) -> NetworkChange {
        NetworkChange {
            vpcs: replace(&mut self.vpcs, change.vpcs),
            route_tables: replace(&mut self.route_tables, change.route_tables),
            security_groups: replace(&mut self.security_groups, change.security_groups),
            interfaces: replace(&mut self.interfaces, change.interfaces),
            peerings: replace(&mut self.peerings, change.peerings),
        }
    }
}

fn entries<K: Ord + Clone, V: PartialEq + Clone>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
) -> BTreeMap<K, Option<V>> {
    let gone = only_in(before, after).map(|(key, _)| (key.clone(), None));
    let mut entries: BTreeMap<K, Option<V>> = gone.collect();
    let come = only_in(after, before);
    entries.extend(come.map(|(key, value)| (key.clone(), Some(value.clone()))));
    entries
}

fn replace<K: Ord + Clone, V>(
    of: &mut BTreeMap<K, V>,
    by: BTreeMap<K, Option<V>>,
) -> BTreeMap<K, Option<V>> {
    let replaced = by.into_iter().map(|(key, value)| {
        let before = match value {
            Some(value) => of.insert(key.clone(), value),
            None => of.remove(&key),
        };
        (key, before)
    });
    replaced.collect()
}
