//! Peering connections: a fleet's VPC with another, or two customer VPCs.

use std::fmt;

use ipnet::Ipv4Net;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::authorization::floor_to;
use super::{Consent, FailureReason, InvalidStep, State, Step, Transition};
use crate::Scope;
use crate::cidr;
use crate::id::{AccountId, FleetId, IdSource, Region, VpcId, VpcPeeringConnectionId};
use crate::vpc::Vpc;

/// How long a request between two VPCs waits for its acceptance (Amazon VPC Peering Guide).
pub const REQUEST_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many connections that are over are remembered of those that an account asked for in a Region,
/// the latest, within the time that they are shown.
pub const MAX_ENDED_CONNECTIONS: usize = 1_000;

/// A connection between two VPCs: a fleet's and another, with the owner's authorization in place
/// of an acceptance, or two customer VPCs.
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
    /// When a request that nobody accepts ends, to the whole second; `None` for a fleet's, whose
    /// authorization has a time of its own.
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
    /// Its primary block; `None` before a request between two VPCs is delivered, since whoever asks
    /// cannot see the other's VPC.
    pub cidr: Option<Ipv4Net>,
    /// Its other blocks. They follow the VPC's for as long as the connection lives.
    pub secondary_cidrs: Vec<Ipv4Net>,
    /// What ModifyVpcPeeringConnectionOptions changes.
    pub options: PeeringOptions,
}

impl End {
    /// The end at `vpc`.
    pub fn of(vpc: &Vpc) -> Self {
        let mut end = End::named(vpc.scope.account, vpc.id.clone());
        end.follow(vpc);
        end
    }

    /// The end at a VPC that is only named, and need not exist.
    fn named(account: AccountId, vpc: VpcId) -> Self {
        End {
            account,
            vpc,
            cidr: None,
            secondary_cidrs: Vec::new(),
            options: PeeringOptions::default(),
        }
    }

    /// Takes over the blocks that `vpc`, which is the one at this end, has now.
    pub fn follow(&mut self, vpc: &Vpc) {
        debug_assert_eq!(vpc.id, self.vpc);
        self.cidr = Some(vpc.cidr);
        self.secondary_cidrs = vpc.cidrs().skip(1).collect();
    }

    /// Every block, the primary one first.
    pub fn cidrs(&self) -> impl Iterator<Item = Ipv4Net> + '_ {
        let secondary = self.secondary_cidrs.iter().copied();
        self.cidr.into_iter().chain(secondary)
    }
}

impl fmt::Display for End {
    /// The VPC and its blocks: `vpc-0123456789abcdef0 (10.0.0.0/16, 10.1.0.0/16)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.vpc.fmt(f)?;
        for (position, cidr) in self.cidrs().enumerate() {
            let before = if position == 0 { " (" } else { ", " };
            write!(f, "{before}{cidr}")?;
        }
        f.write_str(if self.cidr.is_some() { ")" } else { "" })
    }
}

/// One side's options. Tombolo has no DNS server of a VPC: they are kept and shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringOptions {
    /// AllowDnsResolutionFromRemoteVpc
    pub dns_resolution_from_remote: bool,
}

/// What asked for a connection: the part of its key that says under what it is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requester {
    /// A fleet.
    Fleet(FleetId),
    /// A VPC that a person owns.
    Vpc(VpcId),
}

impl fmt::Display for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Requester::Fleet(fleet) => fleet.fmt(f),
            Requester::Vpc(vpc) => vpc.fmt(f),
        }
    }
}

impl Connection {
    /// The account that asked, in the Region of both VPCs.
    pub fn requester_scope(&self) -> Scope {
        self.scope_of(&self.requester)
    }

    /// The account that was asked, in the Region of both VPCs.
    pub fn accepter_scope(&self) -> Scope {
        self.scope_of(&self.accepter)
    }

    fn scope_of(&self, end: &End) -> Scope {
        Scope {
            account: end.account,
            region: self.region.clone(),
        }
    }

    /// What asked for it.
    pub fn requested_by(&self) -> Requester {
        match &self.fleet {
            Some(fleet) => Requester::Fleet(fleet.clone()),
            None => Requester::Vpc(self.requester.vpc.clone()),
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
        Connection {
            fleet: Some(fleet),
            ..Connection::asked(region, requester, accepter, now, ids)
        }
    }

    /// Asks for a connection between two customer VPCs. The accepter's is only named:
    /// whether it exists, and with which blocks, is found out when the request is delivered, so
    /// that nothing of it can show before.
    pub fn request_between(
        requester: &Vpc,
        (account, vpc): (AccountId, VpcId),
        now: Timestamp,
        ids: &dyn IdSource,
    ) -> Self {
        let region = requester.scope.region.clone();
        let (requester, accepter) = (End::of(requester), End::named(account, vpc));
        let expires = floor_to(now, 1_000_000_000).saturating_add(REQUEST_LIFETIME);
        Connection {
            expires: Some(expires.unwrap_or(Timestamp::MAX)),
            ..Connection::asked(region, requester, accepter, now, ids)
        }
    }

    fn asked(
        region: Region,
        requester: End,
        accepter: End,
        now: Timestamp,
        ids: &dyn IdSource,
    ) -> Self {
        let state = State::InitiatingRequest;
        Connection {
            id: VpcPeeringConnectionId::generate(ids),
            region,
            fleet: None,
            requester,
            accepter,
            expires: None,
            state: state.clone(),
            history: vec![Transition { state, at: now }],
        }
    }

    /// The step that a new request between two VPCs takes, `found` being the VPC of that id that
    /// the named account shows to EC2's operations, if it has one.
    ///
    /// A missing VPC is answered like overlapping blocks, and at the same step, so that a requester
    /// cannot find out which VPCs another account has.
    pub fn delivery(&mut self, found: Option<&Vpc>) -> Step {
        let Some(vpc) = found else {
            return Step::Fail(FailureReason::NoSuchVpc);
        };
        self.accepter.follow(vpc);
        self.refused_for_overlap().unwrap_or(Step::Deliver)
    }

    /// The step of a request between two VPCs that share addresses by now.
    pub fn refused_for_overlap(&self) -> Option<Step> {
        let (requester, accepter) = self.overlap()?;
        Some(Step::Fail(FailureReason::OverlappingVpcs {
            requester,
            accepter,
        }))
    }

    /// Applies `step`. Where the state does not allow it, this is an error and changes nothing.
    pub fn apply(&mut self, step: Step, now: Timestamp) -> Result<(), InvalidStep> {
        let Some(next) = self.state.after(&step) else {
            return Err(InvalidStep {
                id: self.id.clone(),
                state: self.state.clone(),
                step,
            });
        };
        self.enter(next, now);
        Ok(())
    }

    /// The connection as it stands at `now`: a request past its expiry has expired, even if
    /// the controller has not written that yet.
    pub fn as_of(mut self, now: Timestamp) -> Self {
        if let Some(expires) = self.expires.filter(|expires| now >= *expires)
            && let Some(expired) = self.state.after(&Step::Expire)
        {
            self.enter(expired, expires);
        }
        self
    }

    fn enter(&mut self, state: State, at: Timestamp) {
        self.state = state.clone();
        self.history.push(Transition { state, at });
    }

    /// Whether it is between these two VPCs, whichever of them asked.
    pub fn joins(&self, one: &VpcId, other: &VpcId) -> bool {
        let ends = (&self.requester.vpc, &self.accepter.vpc);
        ends == (one, other) || ends == (other, one)
    }

    /// Whether the accepter's owner has consented, by an authorization or by accepting.
    pub fn has_consent(&self) -> bool {
        let mut passed = self.history.iter();
        self.fleet.is_some() || passed.any(|then| then.state == State::Provisioning)
    }

    /// A block of the requester and one of the accepter that share addresses, if any do: such VPCs
    /// cannot be peered.
    pub fn overlap(&self) -> Option<(Ipv4Net, Ipv4Net)> {
        let mut pairs = self
            .requester
            .cidrs()
            .flat_map(|one| self.accepter.cidrs().map(move |other| (one, other)));
        pairs.find(|(one, other)| cidr::overlap(*one, *other))
    }

    /// When the present state was entered.
    pub fn since(&self) -> Timestamp {
        // The first transition is written with the request and nothing removes one.
        self.history
            .last()
            .map_or(Timestamp::MIN, |transition| transition.at)
    }

    /// Status.Message, in EC2's words.
    pub fn message(&self) -> String {
        match &self.state {
            State::InitiatingRequest => format!("Initiating Request to {}", self.accepter.account),
            State::PendingAcceptance => format!("Pending Acceptance by {}", self.accepter.account),
            State::Provisioning => "Provisioning".to_owned(),
            State::Active => "Active".to_owned(),
            State::Rejected { by } => format!("Rejected by {by}"),
            State::Expired => "Expired".to_owned(),
            State::Failed { reason } if reason.is_of_the_request() => {
                "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range".to_owned()
            }
            State::Failed { reason } => format!("Failed: {reason}"),
            State::Deleting { by } => format!("Deleting by {by}"),
            State::Deleted { by } => format!("Deleted by {by}"),
        }
    }
}
