//! Route tables.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::id::{RouteTableAssociationId, RouteTableId, SubnetId, VpcId, VpcPeeringConnectionId};
use crate::vpc::{RouteTableNumber, VpcNumber};

/// Where packets of a VPC's subnets go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// The owner.
    pub scope: Scope,
    /// The id.
    pub id: RouteTableId,
    /// The VPC.
    pub vpc: VpcId,
    /// The number in the data path. `None` for the table that came with the VPC, which has the
    /// VPC's own, also when another has become the main one.
    #[serde(default)]
    pub number: Option<RouteTableNumber>,
    /// The association that makes it the VPC's main route table.
    pub main: Option<RouteTableAssociationId>,
    /// The subnets that use this table instead of the main one.
    #[serde(default)]
    pub associations: Vec<RouteTableAssociation>,
    /// The routes. The local route comes first and cannot be removed.
    pub routes: Vec<Route>,
}

impl RouteTable {
    /// Its number in the data path, `vpc` being that of its VPC.
    pub fn number_in(&self, vpc: VpcNumber) -> RouteTableNumber {
        self.number.unwrap_or(RouteTableNumber(vpc.0))
    }

    /// Takes away the routes that `connection` made. Others, also those that a person pointed at
    /// it, stay.
    pub fn remove_routes_of(&mut self, connection: &VpcPeeringConnectionId) {
        self.routes
            .retain(|route| route.made_by.as_ref() != Some(connection));
    }
}

/// A subnet that uses a route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTableAssociation {
    /// The id, by which it is changed and taken away.
    pub id: RouteTableAssociationId,
    /// The subnet. It has one such association at most.
    pub subnet: SubnetId,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Which packets it takes; the longest prefix wins.
    pub destination: Ipv4Net,
    /// Where they go.
    pub target: RouteTarget,
    /// The connection that made this route and will take it back, if a person did not.
    pub made_by: Option<VpcPeeringConnectionId>,
}

/// Where a route's packets go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTarget {
    /// Within the VPC.
    Local,
    /// Through a peering connection.
    Peering(VpcPeeringConnectionId),
}
