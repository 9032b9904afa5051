//! Quotas: how much of everything an account may have.
//!
//! AWS raises its quotas on request; here they are the operator's: for all accounts in the
//! configuration, for one by `tombolo account quota`. The values without an adjustment are AWS's where
//! AWS has one for an account that can be met by a studio (Amazon VPC User Guide, "Amazon VPC quotas";
//! Amazon VPC Peering Guide, "Quotas"; "Amazon GameLift Servers endpoints and quotas"; "Amazon S3
//! endpoints and quotas"; IAM User Guide, "IAM and AWS STS quotas"), and else so large that no game
//! meets them and so small that one account cannot fill the memory of all.
//!
//! What each counts is in the key space: the bound of a kind of records names its quota
//! (`tombolo-store/src/keys/bound.rs`). Six are of the parts of one record, and count in the
//! operation that changes it ([`Quota::is_within_a_record`]).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::id::AccountId;

/// The largest value of a quota: there are as many numbers in the data path, of which whatever is in
/// the network has one.
pub const MAX_QUOTA: usize = (1 << 24) - 1;

/// The most accounts of a server, which only its operator makes.
pub const MAX_ACCOUNTS: usize = 10_000;

macro_rules! quotas {
    ($($(#[$doc:meta])* $name:ident, $quota:ident = $default:literal, $things:literal;)*) => {
        /// The most that there may be of each. One that is used up is refused by name and changes
        /// nothing; lowering one leaves what is there. 0 is none at all.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Quotas {
            $($(#[$doc])* pub $name: usize,)*
        }

        impl Default for Quotas {
            fn default() -> Self {
                Quotas { $($name: $default,)* }
            }
        }

        /// A quota, by its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Quota {
            $($(#[$doc])* $quota,)*
        }

        impl Quota {
            /// Every quota, in the order of the configuration.
            pub const ALL: &[Quota] = &[$(Quota::$quota),*];

            /// Its name in the configuration.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Quota::$quota => stringify!($name),)*
                }
            }

            /// What it counts, in the plural.
            pub const fn things(self) -> &'static str {
                match self {
                    $(Quota::$quota => $things,)*
                }
            }
        }

        impl Quotas {
            /// The value of one.
            pub const fn get(&self, quota: Quota) -> usize {
                match quota {
                    $(Quota::$quota => self.$name,)*
                }
            }

            /// Sets one.
            pub const fn set(&mut self, quota: Quota, value: usize) {
                match quota {
                    $(Quota::$quota => self.$name = value,)*
                }
            }
        }
    };
}

quotas! {
    /// Rules of a security group, counted for each direction by itself.
    rules_per_security_group, RulesPerSecurityGroup = 60, "rules of a security group";
    /// Security groups that a network interface carries.
    security_groups_per_interface, SecurityGroupsPerInterface = 5, "security groups of a network interface";
    /// Security groups that an account has in a Region, those of fleets' hidden VPCs apart.
    security_groups_per_region, SecurityGroupsPerRegion = 2500, "security groups";
    /// Routes of a route table, without the local ones.
    routes_per_table, RoutesPerTable = 50, "routes of a route table";
    /// Route tables of a VPC, the main one among them.
    route_tables_per_vpc, RouteTablesPerVpc = 200, "route tables";
    /// IPv4 blocks of a VPC, the primary one among them.
    cidr_blocks_per_vpc, CidrBlocksPerVpc = 5, "CIDR blocks of a VPC";
    /// Active peering connections of a VPC.
    active_peerings_per_vpc, ActivePeeringsPerVpc = 50, "active peering connections of a VPC";
    /// Requests for a peering connection that an account made and nobody has answered.
    outstanding_peering_requests, OutstandingPeeringRequests = 25, "unanswered requests for a peering connection";
    /// VPCs that an account has in a Region, those that fleets hide apart.
    vpcs_per_region, VpcsPerRegion = 1000, "VPCs";
    /// Subnets of a VPC.
    subnets_per_vpc, SubnetsPerVpc = 200, "subnets";
    /// Network interfaces that an account has in a Region, those of instances apart.
    interfaces_per_region, InterfacesPerRegion = 5000, "network interfaces";
    /// Valid authorizations that an account has given in a Region.
    authorizations_per_region, AuthorizationsPerRegion = 10_000, "VPC peering authorizations";
    /// Peering connections that an account has asked for in a Region and that are not over.
    live_peerings_per_region, LivePeeringsPerRegion = 1000, "live VPC peering connections";
    /// Fleets that an account has in a Region and that are not being deleted.
    fleets_per_region, FleetsPerRegion = 100, "fleets";
    /// Builds that an account has in a Region.
    builds_per_region, BuildsPerRegion = 1000, "builds";
    /// Credentials for uploading a build that an account was given in a Region; they count until an
    /// hour after their expiry.
    upload_credentials_per_region, UploadCredentialsPerRegion = 5000, "upload credentials";
    /// Buckets that an account has in a Region.
    buckets_per_region, BucketsPerRegion = 100, "buckets";
    /// Objects that an account has in a Region, in all buckets together.
    objects_per_region, ObjectsPerRegion = 100_000, "objects";
    /// Multipart uploads under way of an account in a Region.
    multipart_uploads_per_region, MultipartUploadsPerRegion = 1000, "multipart uploads";
    /// Parts of all multipart uploads under way of an account in a Region.
    uploaded_parts_per_region, UploadedPartsPerRegion = 100_000, "uploaded parts";
    /// Users of an account.
    users_per_account, UsersPerAccount = 5000, "users";
    /// Access keys of an account's users.
    access_keys_per_account, AccessKeysPerAccount = 10_000, "access keys";
}

impl Quota {
    /// Whether it counts the parts of one record, or connections by their state at one VPC: the
    /// operation that changes it counts them.
    pub const fn is_within_a_record(self) -> bool {
        matches!(
            self,
            Quota::RulesPerSecurityGroup
                | Quota::SecurityGroupsPerInterface
                | Quota::RoutesPerTable
                | Quota::CidrBlocksPerVpc
                | Quota::ActivePeeringsPerVpc
                | Quota::OutstandingPeeringRequests
        )
    }

    /// The values that it can have. A network interface of the data path has room for `groups`
    /// security groups.
    const fn values(self, groups: usize) -> (usize, usize) {
        match self {
            Quota::SecurityGroupsPerInterface => (1, groups),
            _ => (0, MAX_QUOTA),
        }
    }

    /// Checks a value that somebody wants it to have.
    ///
    /// # Errors
    /// It is out of the quota's range.
    pub fn check(self, value: usize, groups: usize) -> Result<(), QuotaOutOfRange> {
        let (least, most) = self.values(groups);
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(QuotaOutOfRange {
            quota: self,
            value,
            least,
            most,
        })
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Quota {
    type Err = UnknownQuota;

    fn from_str(name: &str) -> Result<Self, UnknownQuota> {
        let mut all = Quota::ALL.iter().copied();
        all.find(|quota| quota.name() == name)
            .ok_or_else(|| UnknownQuota {
                name: name.to_owned(),
            })
    }
}

/// A name that no quota has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no quota {name:?}; there are {}", Quota::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", "))]
pub struct UnknownQuota {
    name: String,
}

/// A value that a quota cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{quota} = {value}: must be from {least} to {most}")]
pub struct QuotaOutOfRange {
    /// The quota.
    pub quota: Quota,
    value: usize,
    least: usize,
    most: usize,
}

impl Quotas {
    /// Checks every value; `groups` is how many security groups the data path looks at.
    ///
    /// # Errors
    /// The first one that is out of its range.
    pub fn check(&self, groups: usize) -> Result<(), QuotaOutOfRange> {
        let mut all = Quota::ALL.iter();
        all.try_for_each(|quota| quota.check(self.get(*quota), groups))
    }
}

/// The quotas that one account has instead of the configuration's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountQuotas {
    /// The account.
    pub account: AccountId,
    /// The values by the quotas' names. A name that this version does not know is kept and means
    /// nothing.
    pub overrides: BTreeMap<String, u64>,
}

impl AccountQuotas {
    /// None of its own.
    pub fn new(account: AccountId) -> Self {
        AccountQuotas {
            account,
            overrides: BTreeMap::new(),
        }
    }

    /// The account's own value of one, if it has one.
    pub fn get(&self, quota: Quota) -> Option<usize> {
        let value = self.overrides.get(quota.name())?;
        Some(usize::try_from(*value).unwrap_or(usize::MAX))
    }

    /// Gives the account a value of its own, or takes that away.
    pub fn set(&mut self, quota: Quota, value: Option<usize>) {
        let name = quota.name().to_owned();
        match value {
            Some(value) => self.overrides.insert(name, value as u64),
            None => self.overrides.remove(&name),
        };
    }

    /// What the account may have where all others may have `quotas`.
    pub fn over(&self, quotas: &Quotas) -> Quotas {
        let mut quotas = *quotas;
        for quota in Quota::ALL {
            if let Some(value) = self.get(*quota) {
                quotas.set(*quota, value);
            }
        }
        quotas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_found_by_its_name_and_has_its_own_value() {
        let mut quotas = Quotas::default();
        for (value, quota) in Quota::ALL.iter().enumerate() {
            quotas.set(*quota, value);
            assert_eq!(quota.name().parse(), Ok(*quota));
        }
        for (value, quota) in Quota::ALL.iter().enumerate() {
            assert_eq!(quotas.get(*quota), value, "{quota}");
        }
        let unknown = "vpcs".parse::<Quota>().unwrap_err().to_string();
        assert!(unknown.contains("vpcs_per_region"), "{unknown}");
    }

    #[test]
    fn the_defaults_are_in_range_and_absurd_values_are_not() {
        assert_eq!(Quotas::default().check(5), Ok(()));
        let refused = |quota: Quota, value| quota.check(value, 5).unwrap_err().to_string();
        assert_eq!(Quota::VpcsPerRegion.check(0, 5), Ok(()));
        assert_eq!(
            refused(Quota::VpcsPerRegion, MAX_QUOTA + 1),
            "vpcs_per_region = 16777216: must be from 0 to 16777215"
        );
        assert_eq!(
            refused(Quota::SecurityGroupsPerInterface, 0),
            "security_groups_per_interface = 0: must be from 1 to 5"
        );
    }

    #[test]
    fn an_account_has_its_own_value_where_it_has_one() {
        let mut own = AccountQuotas::new("111122223333".parse().unwrap());
        own.set(Quota::VpcsPerRegion, Some(7));
        own.set(Quota::FleetsPerRegion, Some(8));
        own.set(Quota::FleetsPerRegion, None);
        own.overrides.insert("of_a_later_version".to_owned(), 9);
        let expected = Quotas {
            vpcs_per_region: 7,
            ..Quotas::default()
        };
        assert_eq!(own.over(&Quotas::default()), expected);
    }
}
