//! What the wanted network is made from, decoded once and kept up by the store's watch, so that a
//! change of the store is compiled to the change of the network that it means without a look at the
//! rest.
//!
//! The records and the network stand at one revision of the store. What depends on what:
//!
//! | record | what of the network |
//! | --- | --- |
//! | VPC | itself, and all that is in it or leads to it, when it comes or goes |
//! | route table | itself; the interfaces of subnets that begin or cease to use it |
//! | security group | itself; groups whose rules name it and interfaces that carry it, when it comes or goes |
//! | subnet | its interfaces |
//! | interface | itself; the groups that it is the first or the last to carry |
//! | connection | its peering; the rules of either VPC that name groups of the other |
//! | instance, fleet | the instance's interface, and those of all instances |

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use futures::FutureExt;
use tombolo_domain::fleet::{Fleet, Instance};
use tombolo_domain::host::{HostBoot, Locality};
use tombolo_domain::id::{
    FleetId, InstanceId, NetworkInterfaceId, RouteTableId, SecurityGroupId, SubnetId, VpcId,
    VpcPeeringConnectionId,
};
use tombolo_domain::index::Index;
use tombolo_domain::peering::{Connection, State};
use tombolo_domain::vpc::{self, Attachment, NetworkInterface, Peer};
use tombolo_network::{
    Interface, Network, NetworkChange, Outside, Peering, RouteTable, RouteTableNumber,
    SecurityGroup, SecurityGroupNumber, Subnet, VpcNumber,
};
use tombolo_store::keys::{AnyKey, KeyParts};
use tombolo_store::{Event, StoreError, Watch, WatchError};

use super::wanted::{self, Records};
#[cfg(debug_assertions)]
use super::whole;
use crate::Context;

/// The records, and the network that they want.
pub(super) struct Mirror {
    host: HostBoot,
    /// The MTU of interfaces that have none of their own.
    mtu: u16,
    vpcs: BTreeMap<VpcId, vpc::Vpc>,
    subnets: BTreeMap<SubnetId, vpc::Subnet>,
    tables: BTreeMap<RouteTableId, vpc::RouteTable>,
    groups: BTreeMap<SecurityGroupId, vpc::SecurityGroup>,
    interfaces: BTreeMap<NetworkInterfaceId, NetworkInterface>,
    connections: BTreeMap<VpcPeeringConnectionId, Connection>,
    fleets: BTreeMap<FleetId, Fleet>,
    instances: BTreeMap<InstanceId, Instance>,
    /// The connections whose next step is their being in force, or their being so no more.
    provisioning: BTreeSet<VpcPeeringConnectionId>,
    deleting: BTreeSet<VpcPeeringConnectionId>,
    indexes: Indexes,
    /// The network as it was last taken.
    network: Network,
    /// What each record is called in it.
    vpc_numbers: BTreeMap<VpcId, VpcNumber>,
    table_numbers: BTreeMap<RouteTableId, RouteTableNumber>,
    group_numbers: BTreeMap<SecurityGroupId, SecurityGroupNumber>,
    /// The groups of the interfaces in it.
    carried: BTreeMap<NetworkInterfaceId, Vec<SecurityGroupId>>,
    /// What of it may be otherwise now.
    dirty: Dirty,
}

/// Where records are that belong together.
#[derive(Default)]
struct Indexes {
    tables_of: Index<VpcId, RouteTableId>,
    groups_of: Index<VpcId, SecurityGroupId>,
    interfaces_of: Index<VpcId, NetworkInterfaceId>,
    connections_of: Index<VpcId, VpcPeeringConnectionId>,
    interfaces_in: Index<SubnetId, NetworkInterfaceId>,
    interfaces_with: Index<SecurityGroupId, NetworkInterfaceId>,
    /// The table that a subnet uses of its own.
    table_of: Index<SubnetId, RouteTableId>,
    /// The main tables of VPCs.
    main_of: Index<VpcId, RouteTableId>,
    /// Groups whose rules name a group.
    naming: Index<SecurityGroupId, SecurityGroupId>,
    /// Groups whose rules name groups of another VPC: by their own VPC, and then the other.
    across: Index<(VpcId, VpcId), SecurityGroupId>,
    /// The connections that carry packets, by both their VPCs, each way round.
    carrying: Index<(VpcId, VpcId), VpcPeeringConnectionId>,
    /// The interfaces in the network that carry a group.
    carriers: Index<SecurityGroupId, NetworkInterfaceId>,
    instance_of: Index<NetworkInterfaceId, InstanceId>,
    instances_of: Index<FleetId, InstanceId>,
}

#[derive(Default)]
struct Dirty {
    vpcs: BTreeSet<VpcId>,
    tables: BTreeSet<RouteTableId>,
    groups: BTreeSet<SecurityGroupId>,
    interfaces: BTreeSet<NetworkInterfaceId>,
    connections: BTreeSet<VpcPeeringConnectionId>,
}

/// A change of the network.
pub(super) struct Taken {
    pub(super) change: NetworkChange,
    /// What takes it back.
    pub(super) undo: NetworkChange,
}

impl Mirror {
    fn new(host: HostBoot, mtu: u16) -> Self {
        Mirror {
            host,
            mtu,
            vpcs: BTreeMap::new(),
            subnets: BTreeMap::new(),
            tables: BTreeMap::new(),
            groups: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            connections: BTreeMap::new(),
            fleets: BTreeMap::new(),
            instances: BTreeMap::new(),
            provisioning: BTreeSet::new(),
            deleting: BTreeSet::new(),
            indexes: Indexes::default(),
            network: Network::default(),
            vpc_numbers: BTreeMap::new(),
            table_numbers: BTreeMap::new(),
            group_numbers: BTreeMap::new(),
            carried: BTreeMap::new(),
            dirty: Dirty::default(),
        }
    }

    /// The network as it was last taken.
    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    /// The connections that are being made.
    pub(super) fn provisioning(&self) -> Vec<Connection> {
        self.named(&self.provisioning)
    }

    /// The connections that are being taken away.
    pub(super) fn deleting(&self) -> Vec<Connection> {
        self.named(&self.deleting)
    }

    fn named(&self, ids: &BTreeSet<VpcPeeringConnectionId>) -> Vec<Connection> {
        let found = ids.iter().filter_map(|id| self.connections.get(id));
        found.cloned().collect()
    }

    /// What a group is called outside of the network.
    pub(super) fn group_id(&self, number: SecurityGroupNumber) -> Option<&SecurityGroupId> {
        let mut groups = self.group_numbers.iter();
        groups.find(|(_, of)| **of == number).map(|(id, _)| id)
    }

    /// Takes note of a change of the store.
    fn hear(&mut self, event: &Event) -> Result<(), StoreError> {
        let value = event.value.as_deref();
        match AnyKey::parse(&event.key)? {
            AnyKey::Vpc(key) => self.set_vpc(key.vpc.clone(), decode(&key, event, value)?),
            AnyKey::Subnet(key) => self.set_subnet(key.subnet.clone(), decode(&key, event, value)?),
            AnyKey::RouteTable(key) => {
                self.set_table(key.table.clone(), decode(&key, event, value)?);
            }
            AnyKey::SecurityGroup(key) => {
                self.set_group(key.group.clone(), decode(&key, event, value)?);
            }
            AnyKey::NetworkInterface(key) => {
                self.set_interface(key.interface.clone(), decode(&key, event, value)?);
            }
            AnyKey::Connection(key) => {
                self.set_connection(key.connection.clone(), decode(&key, event, value)?);
            }
            AnyKey::Fleet(key) => self.set_fleet(key.fleet.clone(), decode(&key, event, value)?),
            AnyKey::Instance(key) => {
                self.set_instance(key.instance.clone(), decode(&key, event, value)?);
            }
            _ => {}
        }
        Ok(())
    }

    fn set_vpc(&mut self, id: VpcId, after: Option<vpc::Vpc>) {
        let is_there = after.is_some();
        let before = put(&mut self.vpcs, &id, after);
        if before.is_some() != is_there {
            let dirty = &mut self.dirty;
            dirty
                .tables
                .extend(self.indexes.tables_of.get(&id).cloned());
            dirty
                .interfaces
                .extend(self.indexes.interfaces_of.get(&id).cloned());
            dirty
                .connections
                .extend(self.indexes.connections_of.get(&id).cloned());
            let groups: Vec<_> = self.indexes.groups_of.get(&id).cloned().collect();
            for group in groups {
                self.group_comes_or_goes(&group);
                self.dirty.groups.insert(group);
            }
        }
        self.dirty.vpcs.insert(id);
    }

    fn set_subnet(&mut self, id: SubnetId, after: Option<vpc::Subnet>) {
        put(&mut self.subnets, &id, after);
        let interfaces = self.indexes.interfaces_in.get(&id).cloned();
        self.dirty.interfaces.extend(interfaces);
    }

    fn set_table(&mut self, id: RouteTableId, after: Option<vpc::RouteTable>) {
        let before = self.tables.get(&id).map(uses);
        let uses_now = after.as_ref().map(uses);
        if before != uses_now {
            for (uses, add) in [(&before, false), (&uses_now, true)] {
                let Some((vpc, is_main, subnets)) = uses else {
                    continue;
                };
                self.indexes.tables_of.change(vpc, &id, add);
                if *is_main {
                    self.indexes.main_of.change(vpc, &id, add);
                    let all = self.indexes.interfaces_of.get(vpc).cloned();
                    self.dirty.interfaces.extend(all);
                }
                for subnet in subnets {
                    self.indexes.table_of.change(subnet, &id, add);
                    let all = self.indexes.interfaces_in.get(subnet).cloned();
                    self.dirty.interfaces.extend(all);
                }
            }
        }
        put(&mut self.tables, &id, after);
        self.dirty.tables.insert(id);
    }

    fn set_group(&mut self, id: SecurityGroupId, after: Option<vpc::SecurityGroup>) {
        let is_there = after.is_some();
        if let Some(before) = self.groups.get(&id) {
            index_group(&mut self.indexes, before, false);
        }
        if let Some(after) = &after {
            index_group(&mut self.indexes, after, true);
        }
        let before = put(&mut self.groups, &id, after);
        if before.is_some() != is_there {
            self.group_comes_or_goes(&id);
        }
        self.dirty.groups.insert(id);
    }

    fn group_comes_or_goes(&mut self, id: &SecurityGroupId) {
        let naming = self.indexes.naming.get(id).cloned();
        self.dirty.groups.extend(naming);
        let carrying = self.indexes.interfaces_with.get(id).cloned();
        self.dirty.interfaces.extend(carrying);
    }

    fn set_interface(&mut self, id: NetworkInterfaceId, after: Option<NetworkInterface>) {
        for (interface, add) in [(self.interfaces.get(&id), false), (after.as_ref(), true)] {
            let Some(interface) = interface else {
                continue;
            };
            let indexes = &mut self.indexes;
            indexes.interfaces_of.change(&interface.vpc, &id, add);
            indexes.interfaces_in.change(&interface.subnet, &id, add);
            for group in &interface.groups {
                indexes.interfaces_with.change(group, &id, add);
            }
        }
        put(&mut self.interfaces, &id, after);
        self.dirty.interfaces.insert(id);
    }

    fn set_connection(&mut self, id: VpcPeeringConnectionId, after: Option<Connection>) {
        let before = self.connections.get(&id);
        for (connection, add) in [(before, false), (after.as_ref(), true)] {
            let Some(connection) = connection else {
                continue;
            };
            let [one, other] = [&connection.requester.vpc, &connection.accepter.vpc];
            let indexes = &mut self.indexes;
            indexes.connections_of.change(one, &id, add);
            indexes.connections_of.change(other, &id, add);
            if connection.state.carries_packets() {
                for pair in [(one, other), (other, one)] {
                    let pair = (pair.0.clone(), pair.1.clone());
                    indexes.carrying.change(&pair, &id, add);
                    self.dirty.groups.extend(indexes.across.get(&pair).cloned());
                }
            }
        }
        let state = after.as_ref().map(|connection| &connection.state);
        let is_provisioning = state.is_some_and(|state| *state == State::Provisioning);
        let is_deleting = state.is_some_and(|state| matches!(state, State::Deleting { .. }));
        for (set, is_in) in [
            (&mut self.provisioning, is_provisioning),
            (&mut self.deleting, is_deleting),
        ] {
            match is_in {
                true => set.insert(id.clone()),
                false => set.remove(&id),
            };
        }
        put(&mut self.connections, &id, after);
        self.dirty.connections.insert(id);
    }

    fn set_fleet(&mut self, id: FleetId, after: Option<Fleet>) {
        let internet = after.as_ref().is_some_and(wanted::may_reach_the_internet);
        let before = put(&mut self.fleets, &id, after);
        if before.is_some_and(|before| wanted::may_reach_the_internet(&before)) != internet {
            for instance in self.indexes.instances_of.get(&id) {
                let interface = self.instances.get(instance).map(|one| &one.interface);
                self.dirty.interfaces.extend(interface.cloned());
            }
        }
    }

    fn set_instance(&mut self, id: InstanceId, after: Option<Instance>) {
        // What its supervisor reports does not concern the network.
        let of_network = |one: &Instance| {
            (
                one.interface.clone(),
                one.fleet.clone(),
                one.ports.clone(),
                one.host.clone(),
            )
        };
        let before = self.instances.get(&id).map(of_network);
        let is = after.as_ref().map(of_network);
        if before != is {
            for (instance, add) in [(before, false), (is, true)] {
                let Some((interface, fleet, ..)) = instance else {
                    continue;
                };
                self.indexes.instance_of.change(&interface, &id, add);
                self.indexes.instances_of.change(&fleet, &id, add);
                self.dirty.interfaces.insert(interface);
            }
        }
        put(&mut self.instances, &id, after);
    }

    /// The change of the network that has come together since the last time.
    pub(super) fn take(&mut self) -> Taken {
        let dirty = mem::take(&mut self.dirty);
        let mut change = NetworkChange::default();
        for id in dirty.vpcs {
            let after = self.vpcs.get(&id).map(|vpc| (vpc.number, wanted::vpc(vpc)));
            let numbers = &mut self.vpc_numbers;
            replace(&mut change.vpcs, &self.network.vpcs, numbers, id, after);
        }
        for id in dirty.tables {
            let after = self.table(&id);
            let (tables, numbers) = (&self.network.route_tables, &mut self.table_numbers);
            replace(&mut change.route_tables, tables, numbers, id, after);
        }
        let mut groups = dirty.groups;
        for id in dirty.interfaces {
            let after = self.interface(&id);
            let now = after.as_ref().and_then(|_| self.interfaces.get(&id));
            let now = now.map(|interface| interface.groups.clone());
            let before = match now.clone() {
                Some(now) => self.carried.insert(id.clone(), now),
                None => self.carried.remove(&id),
            };
            if before != now {
                for (carried, add) in [(before, false), (now, true)] {
                    for group in carried.into_iter().flatten() {
                        self.indexes.carriers.change(&group, &id, add);
                        groups.insert(group);
                    }
                }
            }
            if self.network.interfaces.get(&id) != after.as_ref() {
                change.interfaces.insert(id, after);
            }
        }
        for id in groups {
            let after = self.group(&id);
            let (all, numbers) = (&self.network.security_groups, &mut self.group_numbers);
            replace(&mut change.security_groups, all, numbers, id, after);
        }
        for id in dirty.connections {
            let after = self.peering(&id);
            if self.network.peerings.get(&id) != after.as_ref() {
                change.peerings.insert(id, after);
            }
        }
        let undo = self.network.change(change.clone());
        #[cfg(debug_assertions)]
        assert_eq!(
            self.network,
            whole::compile(&self.records(), &self.host, self.mtu),
            "the network that came of changes is not what all records compile to"
        );
        Taken { change, undo }
    }

    #[cfg(debug_assertions)]
    fn records(&self) -> Records {
        fn all<K, V: Clone>(records: &BTreeMap<K, V>) -> Vec<V> {
            records.values().cloned().collect()
        }
        Records {
            vpcs: all(&self.vpcs),
            subnets: all(&self.subnets),
            tables: all(&self.tables),
            groups: all(&self.groups),
            interfaces: all(&self.interfaces),
            connections: all(&self.connections),
            fleets: all(&self.fleets),
            instances: all(&self.instances),
        }
    }

    fn number(&self, vpc: &VpcId) -> Option<VpcNumber> {
        self.vpcs.get(vpc).map(|vpc| vpc.number)
    }

    fn table(&self, id: &RouteTableId) -> Option<(RouteTableNumber, RouteTable)> {
        let table = self.tables.get(id)?;
        let vpc = self.number(&table.vpc)?;
        Some((table.number_in(vpc), wanted::route_table(table, vpc)))
    }

    fn group_number(&self, id: &SecurityGroupId) -> Option<SecurityGroupNumber> {
        let group = self.groups.get(id)?;
        Some(group.number_in(self.number(&group.vpc)?))
    }

    /// A group, unless no interface carries it: then its rules decide about nothing.
    fn group(&self, id: &SecurityGroupId) -> Option<(SecurityGroupNumber, SecurityGroup)> {
        self.indexes.carriers.get(id).next()?;
        let (group, number) = (self.groups.get(id)?, self.group_number(id)?);
        let rules = wanted::rules(
            group,
            |id| self.group_number(id),
            |peer| {
                let pair = (group.vpc.clone(), peer.clone());
                self.indexes.carrying.get(&pair).next().is_some()
            },
        );
        Some((number, SecurityGroup { rules }))
    }

    fn interface(&self, id: &NetworkInterfaceId) -> Option<Interface> {
        let interface = self.interfaces.get(id)?;
        let instances = self.indexes.instance_of.get(id);
        let instances: Vec<_> = instances.filter_map(|id| self.instances.get(id)).collect();
        let is_here = match &interface.attachment {
            Some(Attachment::Instance { .. }) => {
                instances.iter().all(|one| one.is_on(&self.host.host))
            }
            Some(Attachment::Program { boot, .. }) => {
                self.host.locality_of(boot.as_ref()) != Locality::OtherHost
            }
            None => false,
        };
        if !is_here {
            return None;
        }
        let vpc = self.number(&interface.vpc)?;
        let subnet = self.subnets.get(&interface.subnet)?;
        let outside = instances.last().map(|instance| {
            let fleet = self.fleets.get(&instance.fleet);
            wanted::outside(instance, fleet.is_some_and(wanted::may_reach_the_internet))
        });
        Some(Interface {
            vpc,
            address: interface.address,
            mac: interface.mac,
            subnet: Subnet(subnet.cidr),
            route_table: self.table_of(subnet)?,
            security_groups: wanted::carried(interface, |id| self.group_number(id)),
            mtu: interface.mtu.unwrap_or(self.mtu),
            outside: outside.filter(|outside| *outside != Outside::default()),
        })
    }

    /// The table that a subnet uses: its own, or else its VPC's main one.
    fn table_of(&self, subnet: &vpc::Subnet) -> Option<RouteTableNumber> {
        let own = self.indexes.table_of.get(&subnet.id);
        let main = self.indexes.main_of.get(&subnet.vpc);
        own.chain(main).find_map(|id| {
            let table = self.tables.get(id)?;
            Some(table.number_in(self.number(&table.vpc)?))
        })
    }

    fn peering(&self, id: &VpcPeeringConnectionId) -> Option<Peering> {
        let connection = self.connections.get(id)?;
        wanted::peering(connection, |vpc| self.number(vpc))
    }
}

/// How a table is used: in which VPC, whether as the main one, and by which subnets.
fn uses(table: &vpc::RouteTable) -> (VpcId, bool, Vec<SubnetId>) {
    let subnets = table.associations.iter().map(|one| one.subnet.clone());
    (table.vpc.clone(), table.main.is_some(), subnets.collect())
}

fn index_group(indexes: &mut Indexes, group: &vpc::SecurityGroup, add: bool) {
    indexes.groups_of.change(&group.vpc, &group.id, add);
    for rule in &group.rules {
        match &rule.peer {
            Peer::Cidr(_) => {}
            Peer::Group(named) => indexes.naming.change(named, &group.id, add),
            Peer::PeeredGroup(peered) => {
                indexes.naming.change(&peered.group, &group.id, add);
                let pair = (group.vpc.clone(), peered.vpc.clone());
                indexes.across.change(&pair, &group.id, add);
            }
        }
    }
}

/// Puts a record, or takes it away; returns the one before.
fn put<K: Ord + Clone, V>(records: &mut BTreeMap<K, V>, id: &K, record: Option<V>) -> Option<V> {
    match record {
        Some(record) => records.insert(id.clone(), record),
        None => records.remove(id),
    }
}

/// Says in `change` what has become of the thing `id`, which `numbers` knows by its number, if it is
/// other than in `network`.
fn replace<I: Ord, K: Ord + Copy, V: PartialEq>(
    change: &mut BTreeMap<K, Option<V>>,
    network: &BTreeMap<K, V>,
    numbers: &mut BTreeMap<I, K>,
    id: I,
    after: Option<(K, V)>,
) {
    let before = numbers.remove(&id);
    let Some((number, value)) = after else {
        if let Some(number) = before
            && !change.contains_key(&number)
        {
            change.insert(number, None);
        }
        return;
    };
    numbers.insert(id, number);
    if network.get(&number) != Some(&value) {
        change.insert(number, Some(value));
    }
}

fn decode<K: KeyParts>(
    _: &K,
    event: &Event,
    value: Option<&[u8]>,
) -> Result<Option<K::Value>, StoreError> {
    value.map(|value| K::decode(&event.key, value)).transpose()
}

/// A mirror that follows the store.
pub(super) struct Following {
    pub(super) mirror: Mirror,
    watch: Box<dyn Watch>,
}

impl Following {
    /// Reads all there is, of one revision. The watch begins before it: what was written in between is heard
    /// once more, which changes nothing.
    pub(super) async fn start(context: &Context) -> Result<Self, StoreError> {
        let revision = context.store.revision().await?;
        let watch = context.store.watch(b"", revision).await?;
        let mut mirror = Mirror::new(context.host.clone(), context.mtu);
        mirror.set_all(Records::read(context).await?);
        Ok(Following { mirror, watch })
    }

    /// Hears what the store has acknowledged by now.
    pub(super) fn catch_up(&mut self) -> Result<(), HearError> {
        while let Some(events) = self.watch.next().now_or_never() {
            self.hear(events)?;
        }
        Ok(())
    }

    /// Waits for the next changes, and hears them.
    pub(super) async fn next(&mut self) -> Result<(), HearError> {
        let events = self.watch.next().await;
        self.hear(events)
    }

    fn hear(&mut self, events: Result<Vec<Event>, WatchError>) -> Result<(), HearError> {
        for event in events? {
            self.mirror.hear(&event)?;
        }
        Ok(())
    }
}

/// Why a mirror knows no more what there is: it is to be made anew.
#[derive(Debug, thiserror::Error)]
pub(super) enum HearError {
    #[error("following the store's changes")]
    Watch(#[from] WatchError),
    #[error("reading a change of the store")]
    Store(#[from] StoreError),
}

impl Mirror {
    fn set_all(&mut self, records: Records) {
        for vpc in records.vpcs {
            self.set_vpc(vpc.id.clone(), Some(vpc));
        }
        for subnet in records.subnets {
            self.set_subnet(subnet.id.clone(), Some(subnet));
        }
        for table in records.tables {
            self.set_table(table.id.clone(), Some(table));
        }
        for group in records.groups {
            self.set_group(group.id.clone(), Some(group));
        }
        for fleet in records.fleets {
            self.set_fleet(fleet.id.clone(), Some(fleet));
        }
        for instance in records.instances {
            self.set_instance(instance.id.clone(), Some(instance));
        }
        for interface in records.interfaces {
            self.set_interface(interface.id.clone(), Some(interface));
        }
        for connection in records.connections {
            self.set_connection(connection.id.clone(), Some(connection));
        }
    }
}
