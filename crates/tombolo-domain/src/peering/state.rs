//! The states of a connection, and what leads from one to the next: one machine for every kind of
//! peering.
//!
//! ```text
//! initiating-request ─> pending-acceptance ─> provisioning ─> active ─> deleting ─> deleted
//!          │                   ├──> rejected
//!          ├───────────────────┼──> expired
//!          └───────────────────┴──> failed <── provisioning, where the data path has no room
//! ```
//!
//! The states and messages are EC2's (`VpcPeeringConnectionStateReason`), which GameLift's API has
//! too. `deleting` can also follow from the states before `active`: whoever may disconnect need not
//! wait for the connection first.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::FailureReason;
use crate::id::{AccountId, VpcPeeringConnectionId};

/// Where a connection stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "code")]
pub enum State {
    /// Asked for.
    InitiatingRequest,
    /// It waits for the accepter's consent: an authorization if a fleet asked, or
    /// AcceptVpcPeeringConnection.
    PendingAcceptance,
    /// Accepted; the data path is being changed.
    Provisioning,
    /// Packets pass.
    Active,
    /// The accepter does not want it.
    Rejected {
        /// Who said so.
        by: AccountId,
    },
    /// Nobody accepted it in time.
    Expired,
    /// It never came to be.
    Failed {
        /// Why.
        reason: FailureReason,
    },
    /// Somebody who may ended it; the data path is being changed.
    Deleting {
        /// Who.
        by: AccountId,
    },
    /// No packet passes any more.
    Deleted {
        /// Who ended it.
        by: AccountId,
    },
}

/// A state, and when it was entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The state.
    #[serde(flatten)]
    pub state: State,
    /// When.
    pub at: Timestamp,
}

/// What moves a connection from a state to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The request reached the accepter.
    Deliver,
    /// The accepter consents.
    Accept,
    /// The accepter refuses.
    Reject(AccountId),
    /// The time for accepting it is over.
    Expire,
    /// The data path lets packets through.
    Provisioned,
    /// It cannot be. Once accepted it has routes and rules, which only [`Step::Delete`] and
    /// [`FailureReason::NoRoom`] take back.
    Fail(FailureReason),
    /// Somebody who may ends it.
    Delete(AccountId),
    /// The data path lets nothing through any more.
    Removed,
}

/// A step that the connection's state does not allow: another writer has changed the state since it
/// was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("VPC peering connection {id} is {code}: {step:?} does not follow", code = .state.code())]
pub struct InvalidStep {
    /// The connection.
    pub id: VpcPeeringConnectionId,
    /// Its state.
    pub state: State,
    /// The step.
    pub step: Step,
}

impl State {
    /// The state that `step` leads to, if this one allows it.
    pub(super) fn after(&self, step: &Step) -> Option<State> {
        Some(match (self, step) {
            (State::InitiatingRequest, Step::Deliver) => State::PendingAcceptance,
            (State::PendingAcceptance, Step::Accept) => State::Provisioning,
            (State::PendingAcceptance, Step::Reject(by)) => State::Rejected { by: *by },
            (State::Provisioning, Step::Provisioned) => State::Active,
            (state, Step::Expire) if state.is_request() => State::Expired,
            (state, Step::Fail(reason)) if state.is_request() => State::Failed {
                reason: reason.clone(),
            },
            (State::Provisioning, Step::Fail(reason @ FailureReason::NoRoom { .. })) => {
                State::Failed {
                    reason: reason.clone(),
                }
            }
            (state, Step::Delete(by)) if state.is_live() => State::Deleting { by: *by },
            (State::Deleting { by }, Step::Removed) => State::Deleted { by: *by },
            _ => return None,
        })
    }

    /// Every code that there is.
    pub const CODES: [&'static str; 9] = [
        "initiating-request",
        "pending-acceptance",
        "provisioning",
        "active",
        "rejected",
        "expired",
        "failed",
        "deleting",
        "deleted",
    ];

    /// Status.Code.
    pub fn code(&self) -> &'static str {
        match self {
            State::InitiatingRequest => "initiating-request",
            State::PendingAcceptance => "pending-acceptance",
            State::Provisioning => "provisioning",
            State::Active => "active",
            State::Rejected { .. } => "rejected",
            State::Expired => "expired",
            State::Failed { .. } => "failed",
            State::Deleting { .. } => "deleting",
            State::Deleted { .. } => "deleted",
        }
    }

    /// Asked for, and neither accepted nor over.
    pub fn is_request(&self) -> bool {
        matches!(self, State::InitiatingRequest | State::PendingAcceptance)
    }

    /// On the way to `active`.
    pub fn is_pending(&self) -> bool {
        self.is_request() || *self == State::Provisioning
    }

    /// `active`, or on the way to it: such a connection is the only one between its two VPCs.
    pub fn is_live(&self) -> bool {
        self.is_pending() || *self == State::Active
    }

    /// Whether the data path should let packets through.
    pub fn carries_packets(&self) -> bool {
        matches!(self, State::Provisioning | State::Active)
    }

    /// Whether nothing follows any more.
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            State::Rejected { .. } | State::Expired | State::Failed { .. } | State::Deleted { .. }
        )
    }
}
