//! Rules as requests describe them: IpPermissions, and the older form with one rule's members side
//! by side.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::Ipv4Net;
use serde::Deserialize;
use tombolo_domain::cidr;
use tombolo_domain::id::AccountId;
use tombolo_domain::vpc::{Protocol, RuleDirection, SecurityGroupRule};

use super::parameter;
use super::protocol::{self, ProtocolAndPorts};
use super::source::{GroupReference, Source};
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::{invalid, unsupported};
use crate::error::CommonError;
use crate::operation::format::shorten;

/// One rule, by what it says.
#[derive(Debug)]
pub(super) struct Permission {
    pub(super) protocol: Protocol,
    pub(super) source: Source,
    pub(super) description: Option<String>,
}

impl Permission {
    /// Whether `rule`, of a group of `account`, says this. Descriptions do not count.
    pub(super) fn is(&self, rule: &SecurityGroupRule, account: AccountId) -> bool {
        self.protocol == rule.protocol && self.source.names(&rule.peer, account)
    }
}

/// In the words of EC2's errors.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"peer: {}, {}, ALLOW\"",
            shorten(&self.source.to_string()),
            protocol::error_text(self.protocol)
        )
    }
}

/// EC2's IpPermission: rules that have the protocol and the ports in common.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IpPermission {
    #[serde(flatten)]
    protocol: ProtocolAndPorts,
    #[serde(default)]
    ip_ranges: Vec<IpRange>,
    #[serde(default)]
    user_id_group_pairs: Vec<UserIdGroupPair>,
    #[serde(default)]
    ipv6_ranges: Vec<Ipv6Range>,
    #[serde(default)]
    prefix_list_ids: Vec<PrefixList>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IpRange {
    cidr_ip: Option<String>,
    description: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ipv6Range {
    cidr_ipv6: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PrefixList {
    prefix_list_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserIdGroupPair {
    user_id: Option<String>,
    group_id: Option<String>,
    group_name: Option<String>,
    vpc_id: Option<String>,
    vpc_peering_connection_id: Option<String>,
    description: Option<String>,
}

impl IpPermission {
    /// Adds its rules to `parsed`.
    fn parse(self, parsed: &mut Vec<Permission>) -> Result<()> {
        let protocol = self.protocol.parse()?;
        let sources = self.sources()?;
        if sources.is_empty() {
            return Err(Error::new(
                Ec2Error::InvalidPermissionMalformed,
                "A permission names neither addresses nor a security group. Give it IpRanges or \
                 UserIdGroupPairs.",
            ));
        }
        for (source, description) in sources {
            parsed.push(Permission {
                protocol,
                source,
                description: parameter::rule_description(description)?,
            });
        }
        Ok(())
    }

    /// Each source with what is said about it.
    fn sources(self) -> Result<Vec<(Source, Option<String>)>> {
        let mut sources = Vec::new();
        for range in self.ip_ranges {
            let cidr = address_range(range.cidr_ip.as_deref())?;
            sources.push((Source::Cidr(cidr), range.description));
        }
        for pair in self.user_id_group_pairs {
            sources.push((Source::Group(pair.group()?), pair.description));
        }
        for Ipv6Range { cidr_ipv6: cidr } in self.ipv6_ranges {
            let cidr = cidr.ok_or_else(|| Error::missing_parameter("cidrIpv6"))?;
            sources.push((Source::Ipv6(cidr), None));
        }
        for PrefixList { prefix_list_id: id } in self.prefix_list_ids {
            let id = id.ok_or_else(|| Error::missing_parameter("prefixListId"))?;
            sources.push((Source::PrefixList(id), None));
        }
        Ok(sources)
    }
}

impl UserIdGroupPair {
    fn group(&self) -> Result<GroupReference> {
        match (self.group_id.as_deref(), &self.group_name) {
            (Some(id), _) => GroupReference::parse(
                self.user_id.as_deref(),
                id,
                self.vpc_id.as_deref(),
                self.vpc_peering_connection_id.as_deref(),
            ),
            (None, Some(_)) => Err(unsupported(
                "GroupName names a security group of a default VPC, and Tombolo makes none. Use \
                 GroupId in UserIdGroupPairs.",
            )),
            (None, None) => Err(Error::new(
                CommonError::MissingParameter.into(),
                "Source group ID missing. Give each of UserIdGroupPairs a GroupId.",
            )),
        }
    }
}

/// The addresses of a rule. Host bits are cleared, as EC2 documents it for rules too.
pub(super) fn address_range(text: Option<&str>) -> Result<Ipv4Net> {
    let text = text.ok_or_else(|| Error::missing_parameter("cidrIp"))?;
    cidr::parse_any(text).map_err(|_| {
        invalid(format!(
            "CIDR block {} is malformed. Write it as 10.0.0.0/16, or 10.0.0.7/32 for one address.",
            shorten(text)
        ))
    })
}

/// Everything that describes rules in a request to authorize or to revoke some.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Permissions {
    #[serde(default)]
    ip_permissions: Vec<IpPermission>,
    #[serde(flatten)]
    protocol: ProtocolAndPorts,
    cidr_ip: Option<String>,
    source_security_group_name: Option<String>,
    source_security_group_owner_id: Option<String>,
}

impl Permissions {
    /// Whether the request describes no rule.
    pub(super) fn is_empty(&self) -> bool {
        self.ip_permissions.is_empty() && self.side_by_side().is_none()
    }

    /// The rules.
    ///
    /// # Errors
    /// The first that is wrong with any of them; that there are none, or that they come in both
    /// forms.
    pub(super) fn parse(self, direction: RuleDirection) -> Result<Vec<Permission>> {
        match self.side_by_side() {
            None => parse_all(self.ip_permissions),
            Some(given) if !self.ip_permissions.is_empty() => Err(Error::new(
                Ec2Error::InvalidParameterCombination,
                format!(
                    "The parameter 'ipPermissions' may not be used in combination with '{given}'"
                ),
            )),
            Some(given) if direction == RuleDirection::Egress => Err(unsupported(format!(
                "The parameter {given} is not supported for outbound rules. Use IpPermissions."
            ))),
            Some("sourceSecurityGroupName" | "sourceSecurityGroupOwnerId") => Err(unsupported(
                "SourceSecurityGroupName names a security group of a default VPC, and Tombolo \
                 makes none. Use IpPermissions with UserIdGroupPairs.",
            )),
            Some(_) => Ok(vec![Permission {
                protocol: self.protocol.parse()?,
                source: Source::Cidr(address_range(self.cidr_ip.as_deref())?),
                description: None,
            }]),
        }
    }

    /// The first member of the older form that the request has.
    fn side_by_side(&self) -> Option<&'static str> {
        let groups = [
            (
                "sourceSecurityGroupName",
                self.source_security_group_name.is_some(),
            ),
            (
                "sourceSecurityGroupOwnerId",
                self.source_security_group_owner_id.is_some(),
            ),
            ("cidrIp", self.cidr_ip.is_some()),
        ];
        let given = groups.into_iter().find(|(_, given)| *given);
        given
            .map(|(name, _)| name)
            .or_else(|| self.protocol.given())
    }
}

/// The rules of all IpPermissions of a request, which must be some and differ.
pub(super) fn parse_all(all: Vec<IpPermission>) -> Result<Vec<Permission>> {
    if all.is_empty() {
        return Err(Error::missing_parameter("ipPermissions"));
    }
    let mut parsed = Vec::new();
    for permission in all {
        permission.parse(&mut parsed)?;
    }
    let mut seen = BTreeSet::new();
    for permission in &parsed {
        let key = (permission.protocol, permission.source.to_string());
        if !seen.insert(key) {
            return Err(invalid(
                "The same permission must not appear multiple times",
            ));
        }
    }
    Ok(parsed)
}
