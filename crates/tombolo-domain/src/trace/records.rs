//! The records of networks that a path is walked over.

use std::net::Ipv4Addr;

use crate::id::{RouteTableId, SecurityGroupId, SubnetId, VpcId, VpcPeeringConnectionId};
use crate::peering::Connection;
use crate::vpc::{NetworkInterface, RouteTable, SecurityGroup, Subnet, Vpc};

/// The records of networks, of all accounts: a path may lead from one's to another's.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// The VPCs.
    pub vpcs: Vec<Vpc>,
    /// The subnets.
    pub subnets: Vec<Subnet>,
    /// The route tables.
    pub route_tables: Vec<RouteTable>,
    /// The security groups.
    pub security_groups: Vec<SecurityGroup>,
    /// The network interfaces.
    pub interfaces: Vec<NetworkInterface>,
    /// The peering connections, in whichever state.
    pub connections: Vec<Connection>,
}

impl Records {
    /// The interface that has an address in a VPC.
    pub fn interface_at(&self, vpc: &VpcId, address: Ipv4Addr) -> Option<&NetworkInterface> {
        self.interfaces
            .iter()
            .find(|interface| interface.vpc == *vpc && interface.address == address)
    }

    pub(super) fn vpc(&self, id: &VpcId) -> Option<&Vpc> {
        self.vpcs.iter().find(|vpc| vpc.id == *id)
    }

    pub(super) fn group(&self, id: &SecurityGroupId) -> Option<&SecurityGroup> {
        self.security_groups.iter().find(|group| group.id == *id)
    }

    pub(super) fn connection(&self, id: &VpcPeeringConnectionId) -> Option<&Connection> {
        self.connections.iter().find(|found| found.id == *id)
    }

    pub(super) fn table(&self, id: &RouteTableId) -> Option<&RouteTable> {
        self.route_tables.iter().find(|table| table.id == *id)
    }

    /// The table that a subnet uses: its own, or else its VPC's main one.
    pub(super) fn table_of(&self, vpc: &VpcId, subnet: &SubnetId) -> Option<&RouteTable> {
        let of_vpc = || self.route_tables.iter().filter(|table| table.vpc == *vpc);
        let own = of_vpc().find(|table| {
            let mut associations = table.associations.iter();
            associations.any(|one| one.subnet == *subnet)
        });
        own.or_else(|| of_vpc().find(|table| table.main.is_some()))
    }

    /// The connections of a VPC that let packets through.
    pub(super) fn carrying_of(&self, vpc: &VpcId) -> impl Iterator<Item = &Connection> {
        self.connections.iter().filter(move |found| {
            let has_end = found.requester.vpc == *vpc || found.accepter.vpc == *vpc;
            has_end && self.carries(found)
        })
    }

    /// Those between two VPCs.
    pub(super) fn carrying<'r>(
        &'r self,
        one: &'r VpcId,
        other: &'r VpcId,
    ) -> impl Iterator<Item = &'r Connection> {
        self.carrying_of(one)
            .filter(move |found| found.joins(one, other))
    }

    /// Whether packets pass through a connection. One whose VPC has just been deleted carries
    /// nothing.
    pub(super) fn carries(&self, connection: &Connection) -> bool {
        connection.state.carries_packets()
            && self.vpc(&connection.requester.vpc).is_some()
            && self.vpc(&connection.accepter.vpc).is_some()
    }
}
