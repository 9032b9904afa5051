//! The other side of a rule, as a request names it.

use std::fmt;

use ipnet::Ipv4Net;
use tombolo_domain::id::{AccountId, SecurityGroupId, VpcId, VpcPeeringConnectionId};
use tombolo_domain::vpc::{Peer, PeeredGroup, SecurityGroup};

use super::peering::ActivePeerings;
use crate::ec2::error::{Error, Result};
use crate::ec2::parameter::{ResourceId, invalid_value, parse_id, unsupported};
use crate::lookup::ScopedTransaction;

/// The source of a rule for inbound packets, or the destination of one for outbound packets.
#[derive(Debug)]
pub(super) enum Source {
    /// IPv4 addresses.
    Cidr(Ipv4Net),
    /// A group.
    Group(GroupReference),
    /// IPv6 addresses, which no rule of Tombolo's has. They are parsed because tools revoke such a
    /// rule of every new group, and expect the error that it does not exist.
    Ipv6(String),
    /// A prefix list, which Tombolo does not have.
    PrefixList(String),
}

/// A group, and what else the request says about it.
#[derive(Debug)]
pub(super) struct GroupReference {
    group: SecurityGroupId,
    account: Option<AccountId>,
    vpc: Option<VpcId>,
    connection: Option<VpcPeeringConnectionId>,
}

impl GroupReference {
    /// Reads the members of a UserIdGroupPair. `group` is an id, or as the VPC Peering Guide writes
    /// a peer's: `ACCOUNT/sg-…`.
    pub(super) fn parse(
        account: Option<&str>,
        group: &str,
        vpc: Option<&str>,
        connection: Option<&str>,
    ) -> Result<Self> {
        let (owner, group) = match group.split_once('/') {
            Some((owner, group)) => (Some(owner), group),
            None => (None, group),
        };
        if let (Some(account), Some(owner)) = (account, owner)
            && account != owner
        {
            return Err(invalid_value(
                "userId",
                account,
                "The security group is written with another account.",
            ));
        }
        let account = account.or(owner).map(|text| {
            text.parse()
                .map_err(|error| invalid_value("userId", text, &format!("{error}.")))
        });
        Ok(GroupReference {
            group: parse_id(group)?,
            account: account.transpose()?,
            vpc: vpc.map(parse_id).transpose()?,
            connection: connection.map(parse_id).transpose()?,
        })
    }

    /// Whether a group of `account` in `vpc` may be meant.
    fn may_be_in(&self, account: AccountId, vpc: &VpcId) -> bool {
        self.account.is_none_or(|wanted| wanted == account)
            && self.vpc.as_ref().is_none_or(|wanted| wanted == vpc)
    }
}

impl Source {
    /// Whether this is how a group of `account` names `peer`. What a reply says about a peered
    /// group besides its id and its owner may have changed since, and does not count.
    pub(super) fn names(&self, peer: &Peer, account: AccountId) -> bool {
        match (self, peer) {
            (Source::Cidr(wanted), Peer::Cidr(cidr)) => wanted == cidr,
            (Source::Group(wanted), Peer::Group(group)) => {
                wanted.group == *group && wanted.account.is_none_or(|owner| owner == account)
            }
            (Source::Group(wanted), Peer::PeeredGroup(peered)) => {
                wanted.group == peered.group
                    && wanted.account.is_none_or(|owner| owner == peered.account)
            }
            _ => false,
        }
    }
}

/// One text for one source.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Cidr(cidr) => cidr.fmt(f),
            Source::Group(reference) => reference.group.fmt(f),
            Source::Ipv6(text) | Source::PrefixList(text) => text.fmt(f),
        }
    }
}

/// Finds what the rules of one group may name: addresses, groups of its VPC, and groups of VPCs
/// that its VPC is peered with at the moment.
pub(super) struct SourceResolver<'g> {
    group: &'g SecurityGroup,
    peerings: Option<ActivePeerings>,
}

impl<'g> SourceResolver<'g> {
    /// For the rules of `group`.
    pub(super) fn new(group: &'g SecurityGroup) -> Self {
        SourceResolver {
            group,
            peerings: None,
        }
    }

    /// What `source` is. The commit depends on its being there.
    ///
    /// # Errors
    /// [`NotFound`](crate::ec2::error::Ec2Error::NotFound) for a group that is in neither place, in the
    /// same words whether or not it is somewhere; and what Tombolo has no rules for.
    pub(super) async fn resolve(
        &mut self,
        tx: &mut ScopedTransaction<'_>,
        source: &Source,
    ) -> Result<Peer> {
        let wanted = match source {
            Source::Cidr(cidr) => return Ok(Peer::Cidr(*cidr)),
            Source::Group(wanted) => wanted,
            Source::Ipv6(_) => {
                return Err(unsupported(
                    "IPv6 ranges are not supported: Tombolo's networks carry no IPv6. Leave them \
                     out.",
                ));
            }
            Source::PrefixList(_) => {
                return Err(unsupported(
                    "Prefix lists are not supported: Tombolo has none. Use IPv4 ranges.",
                ));
            }
        };
        if self.is_in_vpc(tx, wanted).await? {
            return Ok(Peer::Group(wanted.group.clone()));
        }
        let found = self.in_peered_vpc(tx, wanted).await?;
        found
            .map(Peer::PeeredGroup)
            .ok_or_else(|| Error::no_such(SecurityGroupId::KIND, &wanted.group))
    }

    async fn is_in_vpc(
        &self,
        tx: &mut ScopedTransaction<'_>,
        wanted: &GroupReference,
    ) -> Result<bool> {
        let SecurityGroup { scope, vpc, .. } = self.group;
        if !wanted.may_be_in(scope.account, vpc) || wanted.connection.is_some() {
            return Ok(false);
        }
        let found = tx.security_group_in(self.group, &wanted.group).await?;
        Ok(found.is_some())
    }

    async fn in_peered_vpc(
        &mut self,
        tx: &mut ScopedTransaction<'_>,
        wanted: &GroupReference,
    ) -> Result<Option<PeeredGroup>> {
        let peerings = match self.peerings.take() {
            Some(peerings) => peerings,
            None => ActivePeerings::of_vpc(tx, self.group).await?,
        };
        let peerings = self.peerings.insert(peerings);
        for (connection, end) in peerings.from(&self.group.vpc) {
            let id = &connection.id;
            let by_wanted_way = wanted.connection.as_ref().is_none_or(|wanted| wanted == id);
            if !by_wanted_way || !wanted.may_be_in(end.account, &end.vpc) {
                continue;
            }
            let is_there = tx.has_peered_group(connection, &end.vpc, &wanted.group);
            if is_there.await? {
                return Ok(Some(PeeredGroup {
                    account: end.account,
                    vpc: end.vpc.clone(),
                    group: wanted.group.clone(),
                    connection: id.clone(),
                }));
            }
        }
        Ok(None)
    }

    /// The connections of the group's VPC, as far as they were needed.
    pub(super) fn into_peerings(self) -> ActivePeerings {
        self.peerings.unwrap_or_default()
    }
}
