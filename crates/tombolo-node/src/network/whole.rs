//! The wanted network compiled from all records at once: what [`Mirror`](super::mirror::Mirror) is
//! held against after every change, in builds with debug assertions.

use std::collections::{BTreeMap, BTreeSet};

use tombolo_domain::host::{HostBoot, Locality};
use tombolo_domain::id::{
    FleetId, NetworkInterfaceId, SecurityGroupId, SubnetId, VpcId, VpcPeeringConnectionId,
};
use tombolo_domain::peering::End;
use tombolo_domain::vpc::{self, Attachment, NetworkInterface, Peer, RouteTarget, VpcNumber};
use tombolo_network::{
    Interface, Network, Outside, Peering, PeeringEnd, Route, RouteTable, RouteTableNumber, Rule,
    RulePeer, SecurityGroup, SecurityGroupNumber, ShareGroup, Subnet, Vpc,
};

use super::wanted::Records;

fn numbers(records: &Records) -> BTreeMap<&VpcId, VpcNumber> {
    let vpcs = records.vpcs.iter();
    vpcs.map(|vpc| (&vpc.id, vpc.number)).collect()
}

/// What is to be on `host`. `mtu` is that of interfaces that have none of their own.
pub(super) fn compile(records: &Records, host: &HostBoot, mtu: u16) -> Network {
    let numbers = numbers(records);
    let vpcs = records.vpcs.iter().map(|vpc| {
        let of_vpc = Vpc {
            cidrs: vpc.cidrs().collect(),
            // An account's VPCs have one share of the flow table together.
            share_group: ShareGroup(vpc.scope.account.number()),
        };
        (vpc.number, of_vpc)
    });
    let mut network = Network {
        vpcs: vpcs.collect(),
        peerings: peerings(records, &numbers),
        ..Network::default()
    };
    let tables = RouteTables::new(records, &numbers);
    for table in &records.tables {
        if let Some(&vpc) = numbers.get(&table.vpc) {
            let routes = routes(table);
            let number = table.number_in(vpc);
            network
                .route_tables
                .insert(number, RouteTable { vpc, routes });
        }
    }
    let groups = GroupNumbers::new(records, &numbers);
    let joined = joined(records);
    let subnets: BTreeMap<&SubnetId, &vpc::Subnet> = records
        .subnets
        .iter()
        .map(|subnet| (&subnet.id, subnet))
        .collect();
    let outside = outside(records);
    let elsewhere: BTreeSet<&NetworkInterfaceId> = records
        .instances
        .iter()
        .filter(|instance| !instance.is_on(&host.host))
        .map(|instance| &instance.interface)
        .collect();
    let is_here = |interface: &NetworkInterface| match &interface.attachment {
        Some(Attachment::Instance { .. }) => !elsewhere.contains(&interface.id),
        Some(Attachment::Program { boot, .. }) => {
            host.locality_of(boot.as_ref()) != Locality::OtherHost
        }
        None => false,
    };
    let mut carried = BTreeSet::new();
    let attached = records.interfaces.iter().filter(|one| is_here(one));
    for interface in attached {
        let (Some(&vpc), Some(subnet)) =
            (numbers.get(&interface.vpc), subnets.get(&interface.subnet))
        else {
            continue;
        };
        let Some(route_table) = tables.of(subnet) else {
            continue;
        };
        let wanted = Interface {
            vpc,
            address: interface.address,
            mac: interface.mac,
            subnet: Subnet(subnet.cidr),
            route_table,
            security_groups: groups.of(&interface.groups),
            mtu: interface.mtu.unwrap_or(mtu),
            outside: outside.get(&interface.id).cloned(),
        };
        carried.extend(interface.groups.iter());
        network.interfaces.insert(interface.id.clone(), wanted);
    }
    // The rules of a group that no live interface carries decide about nothing.
    for group in records
        .groups
        .iter()
        .filter(|group| carried.contains(&group.id))
    {
        if let Some(&number) = groups.0.get(&group.id) {
            let rules = rules(group, &groups, &joined);
            network
                .security_groups
                .insert(number, SecurityGroup { rules });
        }
    }
    network
}

/// What the interfaces of fleets' instances have to do with addresses outside of every VPC.
fn outside(records: &Records) -> BTreeMap<&NetworkInterfaceId, Outside> {
    let managed = records.fleets.iter();
    let allowed: BTreeSet<&FleetId> = managed
        .filter(|fleet| fleet.managed().is_some_and(|managed| managed.internet))
        .map(|fleet| &fleet.id)
        .collect();
    let all = records.instances.iter().map(|instance| {
        let outside = Outside {
            ports: instance.ports.clone(),
            internet: allowed.contains(&instance.fleet),
        };
        (&instance.interface, outside)
    });
    all.filter(|(_, outside)| *outside != Outside::default())
        .collect()
}

/// The peerings that carry packets. One whose VPC has just been deleted carries nothing.
fn peerings(
    records: &Records,
    numbers: &BTreeMap<&VpcId, VpcNumber>,
) -> BTreeMap<VpcPeeringConnectionId, Peering> {
    let end = |end: &End| {
        Some(PeeringEnd {
            vpc: *numbers.get(&end.vpc)?,
            cidrs: end.cidrs().collect(),
        })
    };
    let carrying = records
        .connections
        .iter()
        .filter(|connection| connection.state.carries_packets());
    carrying
        .filter_map(|connection| {
            let peering = Peering {
                requester: end(&connection.requester)?,
                accepter: end(&connection.accepter)?,
            };
            Some((connection.id.clone(), peering))
        })
        .collect()
}

/// A table's routes to peerings, also to those that carry no packets: these are black holes.
fn routes(table: &vpc::RouteTable) -> Vec<Route> {
    let routes = table.routes.iter().filter_map(|route| match &route.target {
        RouteTarget::Peering(peering) => Some(Route {
            destination: route.destination,
            peering: peering.clone(),
        }),
        RouteTarget::Local => None,
    });
    routes.collect()
}

/// Which route table each subnet uses: its own, or else its VPC's main one.
struct RouteTables<'r> {
    main: BTreeMap<&'r VpcId, RouteTableNumber>,
    own: BTreeMap<&'r SubnetId, RouteTableNumber>,
}

impl<'r> RouteTables<'r> {
    fn new(records: &'r Records, numbers: &BTreeMap<&VpcId, VpcNumber>) -> Self {
        let mut tables = RouteTables {
            main: BTreeMap::new(),
            own: BTreeMap::new(),
        };
        for table in &records.tables {
            let Some(vpc) = numbers.get(&table.vpc) else {
                continue;
            };
            let number = table.number_in(*vpc);
            if table.main.is_some() {
                tables.main.insert(&table.vpc, number);
            }
            let subnets = table.associations.iter().map(|one| (&one.subnet, number));
            tables.own.extend(subnets);
        }
        tables
    }

    fn of(&self, subnet: &vpc::Subnet) -> Option<RouteTableNumber> {
        let own = self.own.get(&subnet.id);
        own.or_else(|| self.main.get(&subnet.vpc)).copied()
    }
}

/// The numbers of the security groups.
struct GroupNumbers<'r>(BTreeMap<&'r SecurityGroupId, SecurityGroupNumber>);

impl<'r> GroupNumbers<'r> {
    fn new(records: &'r Records, numbers: &BTreeMap<&VpcId, VpcNumber>) -> Self {
        let groups = records.groups.iter().filter_map(|group| {
            let vpc = numbers.get(&group.vpc)?;
            Some((&group.id, group.number_in(*vpc)))
        });
        GroupNumbers(groups.collect())
    }

    fn of(&self, groups: &[SecurityGroupId]) -> Vec<SecurityGroupNumber> {
        let numbers = groups.iter().filter_map(|group| self.0.get(group));
        numbers.copied().collect()
    }
}

/// The VPCs that connections join, each pair both ways round.
fn joined(records: &Records) -> BTreeSet<(&VpcId, &VpcId)> {
    let connections = records.connections.iter();
    let carrying = connections.filter(|connection| connection.state.carries_packets());
    let pairs = carrying.map(|connection| (&connection.requester.vpc, &connection.accepter.vpc));
    pairs
        .flat_map(|(one, other)| [(one, other), (other, one)])
        .collect()
}

/// A group's rules, without the stale ones.
fn rules(
    group: &vpc::SecurityGroup,
    groups: &GroupNumbers<'_>,
    joined: &BTreeSet<(&VpcId, &VpcId)>,
) -> Vec<Rule> {
    let peer = |peer: &Peer| match peer {
        Peer::Cidr(cidr) => Some(RulePeer::Cidr(*cidr)),
        Peer::Group(id) => groups.0.get(id).copied().map(RulePeer::Group),
        Peer::PeeredGroup(peered) => {
            let connected = joined.contains(&(&group.vpc, &peered.vpc));
            let number = groups.0.get(&peered.group).filter(|_| connected);
            number.copied().map(RulePeer::Group)
        }
    };
    let rules = group.rules.iter().filter_map(|rule| {
        Some(Rule {
            direction: rule.direction,
            protocol: rule.protocol,
            peer: peer(&rule.peer)?,
        })
    });
    rules.collect()
}
