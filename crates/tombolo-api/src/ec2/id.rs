//! Ids in requests: parsed, or refused in EC2's words.

use std::fmt::Display;
use std::str::FromStr;

use tombolo_domain::id::{
    NetworkAclId, NetworkInterfaceId, RouteTableAssociationId, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, SubnetId, VpcCidrAssociationId, VpcId, VpcPeeringConnectionId,
};

use crate::ec2::error::{Error, Resource, Result};
use crate::lookup::{LookupError, NotFound};
use crate::operation::text::shorten;

/// An id that EC2's error codes have a name for.
pub(super) trait ResourceId: FromStr + Display + Ord {
    /// Whose id it is.
    const KIND: Resource;
    /// What it starts with.
    const START: &'static str;
}

/// An id of something that may have tags.
pub(super) trait TaggedId: ResourceId {
    /// The ResourceType of its tags.
    const TYPE: &'static str;
}

macro_rules! resource_ids {
    ($($id:ident: $kind:ident;)*) => {
        $(impl ResourceId for $id {
            const KIND: Resource = Resource::$kind;
            const START: &'static str = $id::PREFIX;
        })*
    };
}

macro_rules! tagged_ids {
    ($($id:ident: $kind:ident, $type:literal;)*) => {
        resource_ids! { $($id: $kind;)* }

        $(impl TaggedId for $id {
            const TYPE: &'static str = $type;
        })*

        /// The ResourceType of an id of whatever kind, if it is one of EC2's that Tombolo has.
        pub(super) fn resource_type(id: &str) -> Option<&'static str> {
            $(if id.starts_with($id::PREFIX) {
                return Some($type);
            })*
            None
        }
    };
}

tagged_ids! {
    VpcId: Vpc, "vpc";
    SubnetId: Subnet, "subnet";
    NetworkInterfaceId: NetworkInterface, "network-interface";
    RouteTableId: RouteTable, "route-table";
    SecurityGroupId: SecurityGroup, "security-group";
    SecurityGroupRuleId: SecurityGroupRule, "security-group-rule";
    VpcPeeringConnectionId: VpcPeeringConnection, "vpc-peering-connection";
}

resource_ids! {
    RouteTableAssociationId: RouteTableAssociation;
    VpcCidrAssociationId: VpcCidrAssociation;
    NetworkAclId: NetworkAcl;
}

/// Parses an id.
///
/// EC2's older ids have 8 digits. Tombolo never gave one out, so such a one is well-formed and
/// unknown.
pub(super) fn parse<I: ResourceId>(text: &str) -> Result<I> {
    text.parse().map_err(|_| match text.strip_prefix(I::START) {
        Some(digits) if digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Error::no_such(I::KIND, text)
        }
        _ => Error::malformed_id(I::KIND, shorten(text), I::START),
    })
}

impl<I: ResourceId> From<LookupError<I>> for Error {
    fn from(error: LookupError<I>) -> Self {
        match error {
            LookupError::NotFound(NotFound { name, .. }) => match parse::<I>(&name) {
                Ok(id) => Error::no_such(I::KIND, id),
                Err(malformed) => malformed,
            },
            LookupError::Failed(failed) => failed.into(),
        }
    }
}
