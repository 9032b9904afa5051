//! How much of everything there may be.
//!
//! AWS raises its quotas on request; here they are the operator's. The values without an adjustment
//! are AWS's: Amazon VPC User Guide, "Amazon VPC quotas", and Amazon VPC Peering Guide, "Quotas".

use serde::Deserialize;

/// The most that there may be of each. One that is used up is refused by name and changes nothing;
/// lowering one leaves what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Rules of a security group, counted for each direction by itself.
    pub rules_per_security_group: usize,
    /// Security groups that a network interface carries.
    pub security_groups_per_interface: usize,
    /// Security groups that an account has in a Region.
    pub security_groups_per_region: usize,
    /// Routes of a route table, without the local ones.
    pub routes_per_table: usize,
    /// Route tables of a VPC, the main one among them.
    pub route_tables_per_vpc: usize,
    /// IPv4 blocks of a VPC, the primary one among them.
    pub cidr_blocks_per_vpc: usize,
    /// Active peering connections of a VPC.
    pub active_peerings_per_vpc: usize,
    /// Requests for a peering connection that an account made and nobody has answered.
    pub outstanding_peering_requests: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas {
            rules_per_security_group: 60,
            security_groups_per_interface: 5,
            security_groups_per_region: 2500,
            routes_per_table: 50,
            route_tables_per_vpc: 200,
            cidr_blocks_per_vpc: 5,
            active_peerings_per_vpc: 50,
            outstanding_peering_requests: 25,
        }
    }
}
