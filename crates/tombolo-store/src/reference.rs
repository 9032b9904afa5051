//! References: values that name the record which another key stands for.
//!
//! The key space has them as values, and their records are made of them, so that they need neither.

use tombolo_domain::Scope;
use tombolo_domain::id::{AccountId, FleetId, InstanceId};
use tombolo_domain::peering::{Connection, Requester};

/// Where a connection that is known from its peer VPC is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRef {
    /// The account that asked for it.
    pub account: AccountId,
    /// What it asked for it with.
    pub requester: Requester,
}

impl ConnectionRef {
    /// Where `connection` is kept.
    pub fn of(connection: &Connection) -> Self {
        ConnectionRef {
            account: connection.requester.account,
            requester: connection.requested_by(),
        }
    }
}

/// Where the instance is kept that a public port leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRef {
    /// The fleet's owner.
    pub scope: Scope,
    /// The fleet.
    pub fleet: FleetId,
    /// The instance.
    pub instance: InstanceId,
}
