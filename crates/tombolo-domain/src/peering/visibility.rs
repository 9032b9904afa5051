//! How long a connection that is over can still be seen, and by whom.
//!
//! Amazon VPC Peering Guide, "VPC peering connection lifecycle":
//!
//! | state | the requester sees it for | the accepter sees it for |
//! | --- | --- | --- |
//! | `failed` | 2 hours | never, or 2 hours if it had accepted it |
//! | `expired` | 2 days | 2 days |
//! | `rejected` | 2 days | 2 hours |
//! | `deleted` | 2 hours if it deleted it, else 2 days | the same |
//!
//! and 2 hours if both are one account. A fleet's connection is GameLift's, of which AWS says
//! nothing: both owners see it for 2 hours.

use jiff::{SignedDuration, Timestamp};

use super::{Connection, State};
use crate::id::AccountId;

const TWO_HOURS: SignedDuration = SignedDuration::from_hours(2);
const TWO_DAYS: SignedDuration = SignedDuration::from_hours(48);

impl Connection {
    /// From when on `viewer`, the owner of one end or of both, no longer sees a connection that is
    /// over; `None` while it is not over.
    pub fn visible_until(&self, viewer: AccountId) -> Option<Timestamp> {
        let (requester, accepter) = (self.requester.account, self.accepter.account);
        let is_one_accounts = requester == accepter;
        let visible = match &self.state {
            state if !state.is_over() => return None,
            State::Expired => TWO_DAYS,
            _ if self.fleet.is_some() || is_one_accounts => TWO_HOURS,
            State::Failed { .. } if viewer != requester && !self.has_consent() => {
                SignedDuration::ZERO
            }
            State::Rejected { .. } if viewer == requester => TWO_DAYS,
            State::Deleted { by } if *by != viewer => TWO_DAYS,
            _ => TWO_HOURS,
        };
        Some(
            self.since()
                .saturating_add(visible)
                .unwrap_or(Timestamp::MAX),
        )
    }

    /// Whether operations still show it to `viewer`, the owner of one of its ends.
    pub fn is_visible_to(&self, viewer: AccountId, now: Timestamp) -> bool {
        self.visible_until(viewer).is_none_or(|until| now < until)
    }

    /// From when on nobody sees a connection that is over; `None` while it is not over.
    pub fn forgotten_at(&self) -> Option<Timestamp> {
        let ends = [&self.requester, &self.accepter];
        // `None` sorts first, and either both have a time or neither.
        ends.map(|end| self.visible_until(end.account))
            .into_iter()
            .max()
            .flatten()
    }
}
