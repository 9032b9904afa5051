//! What the store wants of the network engine, record by record.

use tombolo_domain::fleet::{Fleet, Instance};
use tombolo_domain::id::{SecurityGroupId, VpcId};
use tombolo_domain::peering::{Connection, End};
use tombolo_domain::vpc::{self, NetworkInterface, Peer, RouteTarget, VpcNumber};
use tombolo_network::{
    Outside, Peering, PeeringEnd, Route, RouteTable, Rule, RulePeer, SecurityGroupNumber,
    ShareGroup, Vpc,
};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use crate::Context;

/// What the network is made from.
#[derive(Default)]
pub(super) struct Records {
    pub(super) vpcs: Vec<vpc::Vpc>,
    pub(super) subnets: Vec<vpc::Subnet>,
    pub(super) tables: Vec<vpc::RouteTable>,
    pub(super) groups: Vec<vpc::SecurityGroup>,
    pub(super) interfaces: Vec<NetworkInterface>,
    pub(super) connections: Vec<Connection>,
    pub(super) fleets: Vec<Fleet>,
    pub(super) instances: Vec<Instance>,
}

impl Records {
    /// Reads all there is, of one revision of the read model. A store without one gives each kind as it is
    /// then.
    pub(super) async fn read(context: &Context) -> Result<Records, StoreError> {
        let mut tx = Transaction::new(context.store.clone());
        Ok(Records {
            connections: tx.peek(&keys::all_connections()).await?,
            vpcs: tx.peek(&keys::all_vpcs()).await?,
            tables: tx.peek(&keys::all_route_tables()).await?,
            groups: tx.peek(&keys::all_security_groups()).await?,
            subnets: tx.peek(&keys::all_subnets()).await?,
            interfaces: tx.peek(&keys::all_interfaces()).await?,
            fleets: tx.peek(&keys::all_fleets()).await?,
            instances: tx.peek(&keys::all_instances()).await?,
        })
    }
}

/// A VPC.
pub(super) fn vpc(vpc: &vpc::Vpc) -> Vpc {
    Vpc {
        cidrs: vpc.cidrs().collect(),
        // An account's VPCs have one share of the flow table together.
        share_group: ShareGroup(vpc.scope.account.number()),
    }
}

/// A table of the VPC with that number: its routes to peerings, also to those that carry no packets,
/// which are black holes.
pub(super) fn route_table(table: &vpc::RouteTable, vpc: VpcNumber) -> RouteTable {
    let routes = table.routes.iter().filter_map(|route| match &route.target {
        RouteTarget::Peering(peering) => Some(Route {
            destination: route.destination,
            peering: peering.clone(),
        }),
        RouteTarget::Local => None,
    });
    RouteTable {
        vpc,
        routes: routes.collect(),
    }
}

/// The groups that an interface carries, of those that have a number.
pub(super) fn carried(
    interface: &NetworkInterface,
    number: impl Fn(&SecurityGroupId) -> Option<SecurityGroupNumber>,
) -> Vec<SecurityGroupNumber> {
    interface.groups.iter().filter_map(number).collect()
}

/// A group's rules, without the stale ones: `joined` says of another VPC whether a connection joins
/// the group's with it.
pub(super) fn rules(
    group: &vpc::SecurityGroup,
    number: impl Fn(&SecurityGroupId) -> Option<SecurityGroupNumber>,
    joined: impl Fn(&VpcId) -> bool,
) -> Vec<Rule> {
    let peer = |peer: &Peer| match peer {
        Peer::Cidr(cidr) => Some(RulePeer::Cidr(*cidr)),
        Peer::Group(id) => number(id).map(RulePeer::Group),
        Peer::PeeredGroup(peered) => number(&peered.group)
            .filter(|_| joined(&peered.vpc))
            .map(RulePeer::Group),
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

/// What an instance's interface has to do with addresses outside of every VPC.
pub(super) fn outside(instance: &Instance, internet: bool) -> Outside {
    Outside {
        ports: instance.ports.clone(),
        internet,
    }
}

/// Whether a fleet's instances may begin flows to the outside.
pub(super) fn may_reach_the_internet(fleet: &Fleet) -> bool {
    fleet.managed().is_some_and(|managed| managed.internet)
}

/// The peering of a connection that carries packets. One whose VPC has just been deleted carries
/// nothing.
pub(super) fn peering(
    connection: &Connection,
    number: impl Fn(&VpcId) -> Option<VpcNumber>,
) -> Option<Peering> {
    let end = |end: &End| {
        Some(PeeringEnd {
            vpc: number(&end.vpc)?,
            cidrs: end.cidrs().collect(),
        })
    };
    if !connection.state.carries_packets() {
        return None;
    }
    Some(Peering {
        requester: end(&connection.requester)?,
        accepter: end(&connection.accepter)?,
    })
}
