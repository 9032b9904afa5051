//! Quotas of accounts.

use std::fmt;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::AccountId;

/// Lists an account's quotas.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListQuotas {
    /// The account, by name or id.
    pub account: String,
}

/// Gives an account a quota of its own, or takes that away.
#[derive(Debug, Serialize, Deserialize)]
pub struct SetQuota {
    /// The account, by name or id.
    pub account: String,
    /// The quota's name in the configuration.
    pub quota: String,
    /// How many of it the account may have; `None` is as many as every account.
    pub value: Option<u64>,
}

/// A quota of an account.
#[derive(Debug, Serialize, Deserialize)]
pub struct QuotaDescription {
    /// Its name in the configuration.
    pub quota: String,
    /// How many the account may have.
    pub value: u64,
    /// How many every account may have that has no value of its own.
    pub default: u64,
    /// Whether the account has a value of its own.
    pub is_own: bool,
}

/// Lists what accounts have more of than they may.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListExcesses {}

/// More of something than there may be. Nothing of it is taken away, and no more is made.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExcessDescription {
    /// The account.
    pub account: Option<AccountId>,
    /// The Region, if it is counted by that.
    pub region: Option<String>,
    /// The VPC that has them, if it is counted by that.
    pub parent: Option<String>,
    /// The kind of records.
    pub kind: String,
    /// The quota's name in the configuration.
    pub quota: Option<String>,
    /// How many there may be.
    pub most: u64,
    /// How many there are.
    pub count: u64,
}

impl fmt::Display for ExcessDescription {
    /// `account 111122223333 has 1200 of vpc in us-west-2, and vpcs_per_region is 1000`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.account {
            Some(account) => write!(f, "account {account} has ")?,
            None => f.write_str("the server has ")?,
        }
        write!(f, "{} of {}", self.count, self.kind)?;
        for place in [&self.region, &self.parent].into_iter().flatten() {
            write!(f, " in {place}")?;
        }
        let quota = self.quota.as_deref().unwrap_or("the bound");
        write!(f, ", and {quota} is {}", self.most)
    }
}
