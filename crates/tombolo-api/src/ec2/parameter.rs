//! What requests say, parsed: ids and blocks of addresses, and the refusals that all operations share.
//!
//! What EC2 has and Tombolo does not is refused rather than ignored, so that no client relies on what
//! was never made.

use std::fmt::Display;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::Deserialize;
use serde_json::{Map, Value};
use tombolo_domain::cidr::{self, CidrError};
use tombolo_domain::id::{
    NetworkAclId, NetworkInterfaceId, RouteTableAssociationId, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, SubnetId, VpcCidrAssociationId, VpcId, VpcPeeringConnectionId,
};

use crate::ec2::error::{Ec2Error, Error, Resource, Result};
use crate::lookup::{LookupError, NotFound};
use crate::model::Document;
use crate::operation::format::shorten;

/// The members of an input that its handler does not name.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct OtherParameters(Map<String, Value>);

impl OtherParameters {
    /// How many there are, also of those that change nothing.
    pub(super) fn count(&self) -> usize {
        let asked = self.0.iter();
        asked
            .filter(|(name, value)| *name != "DryRun" && !value.is_null())
            .count()
    }

    /// Refuses any that asks for something.
    pub(super) fn refuse(&self) -> Result<()> {
        // DryRun is every operation's, and looked at when the handler has run.
        let asked = self
            .0
            .iter()
            .find(|(name, value)| *name != "DryRun" && !asks_for_nothing(value));
        match asked {
            None => Ok(()),
            Some((name, _)) => Err(unsupported(format!(
                "Tombolo does not have the parameter {name}; leave it out."
            ))),
        }
    }
}

/// Refuses to carry out what would succeed, if the request asks only whether it would.
pub(super) fn dry_run(input: &Document) -> Result<()> {
    match input.get("DryRun").and_then(Document::as_bool) {
        Some(true) => Err(Error::dry_run()),
        Some(false) | None => Ok(()),
    }
}

/// Whether EC2 would do the same without the value.
fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.values().all(asks_for_nothing),
        Value::Bool(true) | Value::String(_) => false,
    }
}

/// [`Ec2Error::UnsupportedOperation`].
pub(super) fn unsupported(message: impl Into<String>) -> Error {
    Error::new(Ec2Error::UnsupportedOperation, message)
}

/// [`Ec2Error::InvalidParameterValue`].
pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Ec2Error::InvalidParameterValue, message)
}

/// [`invalid`] in EC2's words. `parameter` is spelled as EC2's messages have it: `cidrBlock`.
pub(super) fn invalid_value(parameter: &str, value: &str, why: &str) -> Error {
    invalid(format!(
        "Value ({}) for parameter {parameter} is invalid. {why}",
        shorten(value)
    ))
}

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
pub(super) fn parse_id<I: ResourceId>(text: &str) -> Result<I> {
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
            LookupError::NotFound(NotFound { name, .. }) => match parse_id::<I>(&name) {
                Ok(id) => Error::no_such(I::KIND, id),
                Err(malformed) => malformed,
            },
            LookupError::Failed(failed) => failed.into(),
        }
    }
}

/// Parses the CidrBlock of a VPC or a subnet. `out_of_range` is the resource's own kind of error
/// for a block of a size or at a place that EC2 does not allow.
pub(super) fn parse_cidr(text: Option<&str>, out_of_range: Ec2Error) -> Result<Ipv4Net> {
    let text = text.ok_or_else(|| Error::missing_parameter("cidrBlock"))?;
    cidr::parse(text).map_err(|error| match error {
        CidrError::Malformed(_) => {
            invalid_value("cidrBlock", text, "This is not a valid CIDR block.")
        }
        CidrError::Size(_) | CidrError::Reserved(..) => Error::new(
            out_of_range,
            format!("The CIDR '{text}' is invalid: {error}."),
        ),
    })
}

/// Parses the destination of a route: a block of any size, its host bits cleared.
pub(super) fn parse_destination(text: Option<&str>) -> Result<Ipv4Net> {
    let text = text.ok_or_else(|| Error::missing_parameter("destinationCidrBlock"))?;
    cidr::parse_any(text).map_err(|_| {
        let why = "This is not a valid CIDR block.";
        invalid_value("destinationCidrBlock", text, why)
    })
}
