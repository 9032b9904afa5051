//! Peering authorizations: for 24 hours, the owner of a VPC lets one account connect its fleets
//! to that VPC, and disconnect them.
//!
//! AWS: CreateVpcPeeringAuthorization in the Amazon GameLift API reference. That issuing again
//! renews, that use does not consume, and that an authorization is bound to no fleet are decisions
//! of ours or inferences; the user docs list them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::id::{AccountId, Region, VpcId};

/// How long an authorization is valid.
pub const VALIDITY: SignedDuration = SignedDuration::from_hours(24);

/// How long after its end an authorization is remembered.
const MEMORY: SignedDuration = SignedDuration::from_hours(24);

/// How many authorizations of an account in a Region that have ended are remembered, the latest, within
/// that time.
pub const MAX_ENDED_AUTHORIZATIONS: usize = 1_000;

/// A permission that was given. Whether it still counts is asked with [`Authorization::consent`],
/// which takes `now`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// The Region of the VPC, and so of the fleets.
    pub region: Region,
    /// The account that manages the fleets (`GameLiftAwsAccountId`).
    pub fleet_account: AccountId,
    /// The account that owns the VPC and gave the permission (`PeerVpcAwsAccountId`).
    pub peer_account: AccountId,
    /// The VPC.
    pub peer_vpc: VpcId,
    /// When it was given, in milliseconds.
    pub created: Timestamp,
    /// When it ends: 24 hours later, to the whole second, as in AWS's sample.
    pub expires: Timestamp,
    /// When it was taken back before that.
    pub cancelled: Option<Timestamp>,
}

/// Proof that an authorization was valid when it was asked. Asking for a connection takes one, so
/// that it cannot be written without the question.
#[derive(Debug, Clone, Copy)]
pub struct Consent<'a> {
    authorization: &'a Authorization,
}

impl Consent<'_> {
    /// The VPC whose owner consents.
    pub fn peer_vpc(&self) -> &VpcId {
        &self.authorization.peer_vpc
    }

    /// The owner of that VPC.
    pub fn peer_account(&self) -> AccountId {
        self.authorization.peer_account
    }

    /// The account that may connect.
    pub fn fleet_account(&self) -> AccountId {
        self.authorization.fleet_account
    }
}

/// Why there is no consent, as far as the account that wants to connect may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// None was given to this account, or too long ago to be kept.
    None,
    /// It ended by itself.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// The VPC's owner took it back.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

impl Authorization {
    /// Gives permission now.
    pub fn issue(
        region: Region,
        fleet_account: AccountId,
        peer_account: AccountId,
        peer_vpc: VpcId,
        now: Timestamp,
    ) -> Self {
        let created = floor_to(now, 1_000_000);
        let expires = floor_to(now, 1_000_000_000)
            .saturating_add(VALIDITY)
            .unwrap_or(Timestamp::MAX);
        Authorization {
            region,
            fleet_account,
            peer_account,
            peer_vpc,
            created,
            expires,
            cancelled: None,
        }
    }

    /// The account that gave it, in the VPC's Region.
    pub fn owner(&self) -> Scope {
        Scope {
            account: self.peer_account,
            region: self.region.clone(),
        }
    }

    /// The account whose fleets it is for, in the VPC's Region.
    pub fn fleets(&self) -> Scope {
        Scope {
            account: self.fleet_account,
            region: self.region.clone(),
        }
    }

    /// Whether the owner's permission counts now. From the second of `expires` on it does not.
    pub fn consent(&self, now: Timestamp) -> Result<Consent<'_>, Missing> {
        match self.cancelled {
            Some(at) => Err(Missing::Cancelled { at }),
            None if now >= self.expires => Err(Missing::Expired { at: self.expires }),
            None => Ok(Consent {
                authorization: self,
            }),
        }
    }

    /// [`consent`](Authorization::consent) of the latest authorization there is, if there is one.
    pub fn consent_of(latest: Option<&Self>, now: Timestamp) -> Result<Consent<'_>, Missing> {
        latest.ok_or(Missing::None)?.consent(now)
    }

    /// Takes the permission back.
    pub fn cancel(&mut self, now: Timestamp) {
        self.cancelled.get_or_insert(now);
    }

    /// When it ends or has ended.
    pub fn ends(&self) -> Timestamp {
        self.cancelled.unwrap_or(self.expires).min(self.expires)
    }

    /// When the record may be removed: a day after the authorization's end, so that a refusal
    /// within that day can still say that it expired or was deleted.
    pub fn forgotten_at(&self) -> Timestamp {
        self.ends().saturating_add(MEMORY).unwrap_or(Timestamp::MAX)
    }
}

/// The last whole number of `nanoseconds` up to `at`.
pub(super) fn floor_to(at: Timestamp, nanoseconds: i128) -> Timestamp {
    let floored = at.as_nanosecond().div_euclid(nanoseconds) * nanoseconds;
    Timestamp::from_nanosecond(floored).unwrap_or(at)
}
