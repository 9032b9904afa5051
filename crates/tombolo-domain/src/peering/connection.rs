//! Peering connections and their states: one machine for every kind of peering.
//!
//! ```text
//! initiating-request ─> pending-acceptance ─> provisioning ─> active ─> deleting ─> deleted
//!          └───────────────────┴──> failed
//! ```
//!
//! The states and messages are EC2's (`VpcPeeringConnectionStateReason`), as GameLift's API has
//! them. `deleting` can also follow from the states before `active`: whoever may disconnect need
//! not wait for the connection first.

use std::fmt;

use ipnet::Ipv4Net;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, FleetId, IdSource, Region, VpcId, VpcPeeringConnectionId};
use crate::peering::Consent;
use crate::vpc::Vpc;

/// How long a failed or deleted connection can still be seen (EC2: 2 hours for the requester).
pub const RECORD_RETENTION: SignedDuration = SignedDuration::from_hours(2);

/// How long a request between two VPCs waits for its acceptance (Amazon VPC Peering Guide).
pub const REQUEST_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A connection between two VPCs: a fleet's and another, with the owner's authorization in place
/// of an acceptance, or two that people own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The id.
    pub id: VpcPeeringConnectionId,
    /// The Region of both VPCs.
    pub region: Region,
    /// The fleet whose VPC asked; `None` when a person asked for a VPC of theirs.
    pub fleet: Option<FleetId>,
    /// The end that asked.
    pub requester: End,
    /// The other end, whose owner consents.
    pub accepter: End,
    /// When a request that nobody accepts ends; `None` for a fleet's, whose authorization has a
    /// time of its own.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// Where it stands.
    pub state: State,
    /// What it went through, the present state last.
    pub history: Vec<Transition>,
}

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The owner.
    pub account: AccountId,
    /// The VPC.
    pub vpc: VpcId,
    /// Its primary block.
    pub cidr: Ipv4Net,
    /// Its other blocks. They follow the VPC's for as long as the connection lives.
    #[serde(default)]
    pub secondary_cidrs: Vec<Ipv4Net>,
    /// What ModifyVpcPeeringConnectionOptions changes.
    #[serde(default)]
    pub options: PeeringOptions,
}

impl End {
    /// The end at `vpc`.
    pub fn of(vpc: &Vpc) -> Self {
        End {
            account: vpc.scope.account,
            vpc: vpc.id.clone(),
            cidr: vpc.cidr,
            secondary_cidrs: vpc.cidrs().skip(1).collect(),
            options: PeeringOptions::default(),
        }
    }

    /// Every block, the primary one first.
    pub fn cidrs(&self) -> impl Iterator<Item = Ipv4Net> + '_ {
        std::iter::once(self.cidr).chain(self.secondary_cidrs.iter().copied())
    }
}

/// One side's options. Tombolo has no DNS server of a VPC: they are kept and shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringOptions {
    /// AllowDnsResolutionFromRemoteVpc
    pub dns_resolution_from_remote: bool,
}

/// What asked for a connection: the part of its key that says under what it is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Asker {
    /// A fleet.
    Fleet(FleetId),
    /// A VPC that a person owns.
    Vpc(VpcId),
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asker::Fleet(fleet) => fleet.fmt(f),
            Asker::Vpc(vpc) => vpc.fmt(f),
        }
    }
}

/// Where a connection stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "code")]
pub enum State {
    /// Asked for.
    InitiatingRequest,
    /// The request is checked against the accepter's consent.
    PendingAcceptance,
    /// Accepted; the data path is being changed.
    Provisioning,
    /// Packets pass.
    Active,
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

/// Why a connection failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum FailureReason {
    /// The fleet and the peer VPC share addresses.
    OverlappingCidr {
        /// The fleet's block.
        fleet: Ipv4Net,
        /// The peer VPC's block.
        other: Ipv4Net,
    },
    /// The peer VPC reaches the fleet's addresses through another connection already.
    TakenInPeer {
        /// The fleet's block.
        fleet: Ipv4Net,
        /// The block that is taken; `None` if it is another account's, which the fleet's owner is
        /// not told.
        other: Option<Ipv4Net>,
    },
    /// The fleet reaches the peer VPC's addresses through another connection already.
    TakenInFleet {
        /// The peer VPC's block.
        peer: Ipv4Net,
        /// The block that is taken.
        other: Ipv4Net,
    },
    /// The VPC went away before the connection was made.
    VpcDeleted,
    /// The fleet ended before the connection was made.
    FleetEnded,
    /// The consent was taken back before the connection was made.
    ConsentWithdrawn,
}

impl FailureReason {
    fn is_overlap(&self) -> bool {
        matches!(
            self,
            FailureReason::OverlappingCidr { .. }
                | FailureReason::TakenInPeer { .. }
                | FailureReason::TakenInFleet { .. }
        )
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureReason::OverlappingCidr { fleet, other } => write!(
                f,
                "overlapping CIDR range: the fleet's VPC has {fleet}, the peer VPC has {other}; \
                 use a VPC with another CIDR block, or another fleet"
            ),
            FailureReason::TakenInPeer { fleet, other } => {
                write!(
                    f,
                    "overlapping CIDR range: the fleet's VPC has {fleet}, and the peer VPC is \
                     connected to "
                )?;
                match other {
                    Some(other) => write!(f, "{other} already; ")?,
                    None => {
                        f.write_str("another network with some of these addresses already; ")?
                    }
                }
                f.write_str("delete that connection, or use another fleet")
            }
            FailureReason::TakenInFleet { peer, other } => write!(
                f,
                "overlapping CIDR range: the peer VPC has {peer}, and the fleet is connected to \
                 {other} already; delete that connection, or use a VPC with another CIDR block"
            ),
            FailureReason::VpcDeleted => f.write_str("the peer VPC was deleted"),
            FailureReason::FleetEnded => f.write_str("the fleet did not become active"),
            FailureReason::ConsentWithdrawn => {
                f.write_str("the peering authorization was cancelled or expired meanwhile")
            }
        }
    }
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
    /// The accepter's consent covers it.
    Accept,
    /// The data path lets packets through.
    Provisioned,
    /// It cannot be. Once accepted it has routes and rules, which only [`Step::Delete`] takes back.
    Fail(FailureReason),
    /// Somebody who may ends it.
    Delete(AccountId),
    /// The data path lets nothing through any more.
    Removed,
}

/// A step that its state does not allow. It says that somebody else was faster: read again.
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

impl Connection {
    /// What asked for it.
    pub fn asker(&self) -> Asker {
        match &self.fleet {
            Some(fleet) => Asker::Fleet(fleet.clone()),
            None => Asker::Vpc(self.requester.vpc.clone()),
        }
    }

    /// Asks for a connection that `consent` permits. Overlapping blocks do not stop it here: as
    /// with EC2, the request is made and then fails.
    pub fn request(
        consent: Consent<'_>,
        region: Region,
        fleet: FleetId,
        requester: End,
        accepter_vpc: &Vpc,
        now: Timestamp,
        ids: &dyn IdSource,
    ) -> Self {
        let accepter = End::of(accepter_vpc);
        debug_assert_eq!(consent.peer_vpc(), &accepter.vpc);
        let state = State::InitiatingRequest;
        Connection {
            id: VpcPeeringConnectionId::generate(ids),
            region,
            fleet: Some(fleet),
            requester,
            accepter,
            expires: None,
            state: state.clone(),
            history: vec![Transition { state, at: now }],
        }
    }

    /// Takes `step`, or says that the state does not allow it and changes nothing.
    pub fn take(&mut self, step: Step, now: Timestamp) -> Result<(), InvalidStep> {
        let next = match (&self.state, &step) {
            (State::InitiatingRequest, Step::Deliver) => State::PendingAcceptance,
            (State::PendingAcceptance, Step::Accept) => State::Provisioning,
            (State::Provisioning, Step::Provisioned) => State::Active,
            (State::InitiatingRequest | State::PendingAcceptance, Step::Fail(reason)) => {
                State::Failed {
                    reason: reason.clone(),
                }
            }
            (state, Step::Delete(by)) if state.is_live() => State::Deleting { by: *by },
            (State::Deleting { by }, Step::Removed) => State::Deleted { by: *by },
            (state, _) => {
                let state = state.clone();
                return Err(InvalidStep {
                    id: self.id.clone(),
                    state,
                    step,
                });
            }
        };
        self.state = next.clone();
        self.history.push(Transition {
            state: next,
            at: now,
        });
        Ok(())
    }

    /// Whether it is between these two VPCs, whichever of them asked.
    pub fn joins(&self, one: &VpcId, other: &VpcId) -> bool {
        let ends = (&self.requester.vpc, &self.accepter.vpc);
        ends == (one, other) || ends == (other, one)
    }

    /// When the present state was entered.
    pub fn since(&self) -> Timestamp {
        // `request` writes the first transition and nothing removes one.
        self.history
            .last()
            .map_or(Timestamp::MIN, |transition| transition.at)
    }

    /// From when on a connection that ended is no longer shown; `None` while it has not ended.
    pub fn forgotten_at(&self) -> Option<Timestamp> {
        let ended = matches!(self.state, State::Failed { .. } | State::Deleted { .. });
        ended.then(|| {
            self.since()
                .saturating_add(RECORD_RETENTION)
                .unwrap_or(Timestamp::MAX)
        })
    }

    /// Whether operations still show it.
    pub fn is_visible(&self, now: Timestamp) -> bool {
        self.forgotten_at().is_none_or(|at| now < at)
    }

    /// Status.Message, in EC2's words.
    pub fn message(&self) -> String {
        match &self.state {
            State::InitiatingRequest => format!("Initiating Request to {}", self.accepter.account),
            State::PendingAcceptance => format!("Pending Acceptance by {}", self.accepter.account),
            State::Provisioning => "Provisioning".to_owned(),
            State::Active => "Active".to_owned(),
            State::Failed { reason } if reason.is_overlap() => {
                "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range".to_owned()
            }
            State::Failed { reason } => format!("Failed: {reason}"),
            State::Deleting { by } => format!("Deleting by {by}"),
            State::Deleted { by } => format!("Deleted by {by}"),
        }
    }
}

impl State {
    /// Status.Code.
    pub fn code(&self) -> &'static str {
        match self {
            State::InitiatingRequest => "initiating-request",
            State::PendingAcceptance => "pending-acceptance",
            State::Provisioning => "provisioning",
            State::Active => "active",
            State::Failed { .. } => "failed",
            State::Deleting { .. } => "deleting",
            State::Deleted { .. } => "deleted",
        }
    }

    /// On the way to `active`.
    pub fn is_pending(&self) -> bool {
        matches!(
            self,
            State::InitiatingRequest | State::PendingAcceptance | State::Provisioning
        )
    }

    /// `active`, or on the way to it: such a connection is the only one between its two VPCs.
    pub fn is_live(&self) -> bool {
        self.is_pending() || *self == State::Active
    }

    /// Whether the data path should let packets through.
    pub fn carries_packets(&self) -> bool {
        matches!(self, State::Provisioning | State::Active)
    }
}
