//! Route tables.

use ipnet::Ipv4Net;

use crate::Scope;
use crate::id::{RouteTableAssociationId, RouteTableId, SubnetId, VpcId, VpcPeeringConnectionId};
use crate::vpc::{RouteTableNumber, VpcNumber};

/// Where packets of a VPC's subnets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTable {
    /// The owner.
    pub scope: Scope,
    /// The id.
    pub id: RouteTableId,
    /// The VPC.
    pub vpc: VpcId,
    /// The number in the data path. `None` for the table that came with the VPC, which has the
    /// VPC's own, also when another has become the main one.
    pub number: Option<RouteTableNumber>,
    /// The association that makes it the VPC's main route table.
    pub main: Option<RouteTableAssociationId>,
    /// The subnets that use this table instead of the main one.
    pub associations: Vec<RouteTableAssociation>,
    /// The routes. The local ones, one for each block of the VPC, come first and cannot be removed.
    pub routes: Vec<Route>,
    /// The token of the request that made it, so that the request can be repeated.
    pub client_token: Option<String>,
}

impl RouteTable {
    /// Its number in the data path, `vpc` being that of its VPC.
    pub fn number_in(&self, vpc: VpcNumber) -> RouteTableNumber {
        self.number.unwrap_or(RouteTableNumber(vpc.0))
    }

    /// Its number of routes without the local ones: what a quota counts.
    pub fn routes_beyond_local(&self) -> usize {
        let beyond = self
            .routes
            .iter()
            .filter(|route| route.target != RouteTarget::Local);
        beyond.count()
    }

    /// Keeps packets to `block`, which the VPC has now, within the VPC.
    pub fn add_local(&mut self, block: Ipv4Net) {
        let local = |route: &Route| route.target == RouteTarget::Local;
        let behind_local = self.routes.iter().take_while(|route| local(route)).count();
        self.routes.insert(behind_local, Route::local(block));
    }

    /// Takes the local route of a block away that the VPC has no more.
    pub fn remove_local(&mut self, block: Ipv4Net) {
        self.routes.retain(|route| *route != Route::local(block));
    }

    /// Whether `id` is one of its associations, the main one among them.
    pub fn has_association(&self, id: &RouteTableAssociationId) -> bool {
        self.main.as_ref() == Some(id) || self.associations.iter().any(|one| one.id == *id)
    }

    /// Takes an association away, and says what uses another table from now on; `None` if it is
    /// none of this table's.
    pub fn disassociate(&mut self, id: &RouteTableAssociationId) -> Option<RouteTableUser> {
        if self.main.as_ref() == Some(id) {
            self.main = None;
            return Some(RouteTableUser::Vpc);
        }
        let at = self.associations.iter().position(|one| one.id == *id)?;
        Some(RouteTableUser::Subnet(self.associations.remove(at).subnet))
    }

    /// Associates the table under a new id.
    pub fn associate(&mut self, id: RouteTableAssociationId, user: RouteTableUser) {
        match user {
            RouteTableUser::Vpc => self.main = Some(id),
            RouteTableUser::Subnet(subnet) => {
                self.associations.push(RouteTableAssociation { id, subnet });
            }
        }
    }

    /// Takes away the routes that `connection` made. Others, also those that a person pointed at
    /// it, stay.
    pub fn remove_routes_of(&mut self, connection: &VpcPeeringConnectionId) {
        self.routes
            .retain(|route| route.made_by.as_ref() != Some(connection));
    }
}

/// What an association is with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTableUser {
    /// The VPC: the table is the main one, for all subnets without one of their own.
    Vpc,
    /// One subnet.
    Subnet(SubnetId),
}

/// A subnet that uses a route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTableAssociation {
    /// The id, by which it is changed and taken away.
    pub id: RouteTableAssociationId,
    /// The subnet. It has one such association at most.
    pub subnet: SubnetId,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which packets it takes; the longest prefix wins.
    pub destination: Ipv4Net,
    /// Where they go.
    pub target: RouteTarget,
    /// The connection that made this route and will take it back, if a person did not.
    pub made_by: Option<VpcPeeringConnectionId>,
}

impl Route {
    /// The local route of one of the VPC's blocks.
    pub fn local(destination: Ipv4Net) -> Self {
        Route {
            destination,
            target: RouteTarget::Local,
            made_by: None,
        }
    }
}

/// Where a route's packets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// Within the VPC.
    Local,
    /// Through a peering connection.
    Peering(VpcPeeringConnectionId),
}
