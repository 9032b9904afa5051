//! Blocks of addresses in requests.

use ipnet::Ipv4Net;
use tombolo_domain::cidr::{self, CidrError};

use super::refuse::invalid_value;
use crate::ec2::error::{Ec2Error, Error, Result};

/// Parses the CidrBlock of a VPC or a subnet. `out_of_range` is the resource's own kind of error
/// for a block of a size or at a place that EC2 does not allow.
pub(super) fn parse(text: Option<&str>, out_of_range: Ec2Error) -> Result<Ipv4Net> {
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
pub(super) fn destination(text: Option<&str>) -> Result<Ipv4Net> {
    let text = text.ok_or_else(|| Error::missing_parameter("destinationCidrBlock"))?;
    cidr::parse_any(text).map_err(|_| {
        let why = "This is not a valid CIDR block.";
        invalid_value("destinationCidrBlock", text, why)
    })
}
