//! The connection's states against a table of which step leads from where to where.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tombolo_domain::Scope;
use tombolo_domain::id::{AccountId, FleetId, Region, VpcCidrAssociationId};
use tombolo_domain::peering::{
    Authorization, Connection, End, FailureReason, REQUEST_LIFETIME, State, Step,
};
use tombolo_domain::testing::SeededIds;
use tombolo_domain::vpc::{CidrAssociation, Vpc, VpcAttributes, VpcNumber};

/// Every step that is allowed, in the API's words. Nothing follows the states in [`OVER`].
const ALLOWED: [(&str, &str, &str); 16] = [
    ("initiating-request", "deliver", "pending-acceptance"),
    ("initiating-request", "expire", "expired"),
    ("initiating-request", "fail", "failed"),
    ("initiating-request", "no room", "failed"),
    ("initiating-request", "delete", "deleting"),
    ("pending-acceptance", "accept", "provisioning"),
    ("pending-acceptance", "reject", "rejected"),
    ("pending-acceptance", "expire", "expired"),
    ("pending-acceptance", "fail", "failed"),
    ("pending-acceptance", "no room", "failed"),
    ("pending-acceptance", "delete", "deleting"),
    ("provisioning", "provisioned", "active"),
    ("provisioning", "no room", "failed"),
    ("provisioning", "delete", "deleting"),
    ("active", "delete", "deleting"),
    ("deleting", "removed", "deleted"),
];
const OVER: [&str; 4] = ["rejected", "expired", "failed", "deleted"];

fn studio() -> AccountId {
    "111122223333".parse().unwrap()
}

fn vpc(account: AccountId, id: &str, cidr: &str) -> Vpc {
    Vpc {
        scope: Scope {
            account,
            region: "us-west-2".parse().unwrap(),
        },
        id: id.parse().unwrap(),
        number: VpcNumber(1),
        cidr: cidr.parse().unwrap(),
        secondary_cidrs: Vec::new(),
        attributes: VpcAttributes::default(),
        fleet: None,
        created: Timestamp::UNIX_EPOCH,
    }
}

fn backend() -> AccountId {
    "444455556666".parse().unwrap()
}

/// What a fleet asks for.
fn new_connection(now: Timestamp) -> Connection {
    let region: Region = "us-west-2".parse().unwrap();
    let peer = vpc(backend(), "vpc-0123456789abcdef0", "10.0.0.0/16");
    let given = Authorization::issue(region.clone(), studio(), backend(), peer.id.clone(), now);
    let fleets = vpc(studio(), "vpc-0fedcba9876543210", "100.64.0.0/24");
    let ids = SeededIds::new(0);
    Connection::request(
        given.consent(now).unwrap(),
        region,
        FleetId::generate(&ids),
        End::of(&fleets),
        &peer,
        now,
        &ids,
    )
}

/// What the studio asks `accepter` for, between two VPCs.
fn new_request(accepter: AccountId, now: Timestamp) -> Connection {
    let own = vpc(studio(), "vpc-0fedcba9876543210", "10.1.0.0/16");
    let other = "vpc-0123456789abcdef0".parse().unwrap();
    Connection::request_between(&own, (accepter, other), now, &SeededIds::new(0))
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::Deliver => "deliver",
        Step::Accept => "accept",
        Step::Reject(_) => "reject",
        Step::Expire => "expire",
        Step::Provisioned => "provisioned",
        Step::Fail(FailureReason::NoRoom { .. }) => "no room",
        Step::Fail(_) => "fail",
        Step::Delete(_) => "delete",
        Step::Removed => "removed",
    }
}

fn steps() -> impl Strategy<Value = Vec<(Step, i64)>> {
    let step = prop_oneof![
        4 => Just(Step::Deliver),
        4 => Just(Step::Accept),
        4 => Just(Step::Provisioned),
        1 => Just(Step::Reject(backend())),
        1 => Just(Step::Expire),
        1 => Just(Step::Fail(FailureReason::VpcDeleted)),
        1 => Just(Step::Fail(FailureReason::ConsentWithdrawn)),
        1 => Just(Step::Fail(FailureReason::NoRoom { table: "routes".to_owned(), capacity: 1 })),
        1 => Just(Step::Delete(studio())),
        2 => Just(Step::Removed),
    ];
    proptest::collection::vec((step, 0..10_000i64), 0..40)
}

proptest! {
    #[test]
    fn every_state_has_one_of_the_codes_that_there_are(steps in steps()) {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut connection = new_request(backend(), now);
        for (step, _) in steps {
            let _refused = connection.apply(step, now);
            prop_assert!(State::CODES.contains(&connection.state.code()));
        }
    }

    #[test]
    fn a_connection_goes_where_the_table_says_and_nowhere_else(steps in steps()) {
        let mut now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut connection = new_connection(now);
        let mut code = "initiating-request";
        let mut entered = now;
        let mut codes = vec![code];
        for (step, seconds) in steps {
            now += SignedDuration::from_secs(seconds);
            let row = ALLOWED.iter().find(|(from, by, _)| *from == code && *by == name(&step));
            let before = connection.clone();
            let taken = connection.apply(step.clone(), now);
            match row {
                Some((_, _, to)) => {
                    prop_assert!(taken.is_ok());
                    (code, entered) = (to, now);
                    codes.push(to);
                }
                None => {
                    let error = taken.unwrap_err();
                    prop_assert_eq!(&error.state, &before.state);
                    prop_assert_eq!(&error.step, &step);
                    prop_assert_eq!(&connection, &before);
                }
            }
            prop_assert_eq!(connection.state.code(), code);
            prop_assert_eq!(connection.since(), entered);
            let history = connection.history.iter().map(|then| then.state.code());
            prop_assert_eq!(history.collect::<Vec<_>>(), codes.clone());

            // Packets pass only after the consent was checked and until somebody ends it.
            prop_assert_eq!(
                connection.state.carries_packets(),
                code == "provisioning" || code == "active"
            );
            let over = OVER.contains(&code);
            prop_assert_eq!(connection.state.is_over(), over);
            prop_assert_eq!(connection.state.is_live(), !over && code != "deleting");
            prop_assert_eq!(connection.forgotten_at().is_some(), over);
        }
    }

    /// Who sees what is over, and for how long: the Amazon VPC Peering Guide's table, and two hours
    /// for what is a fleet's.
    #[test]
    fn what_is_over_is_seen_for_as_long_as_the_guide_says(
        steps in steps(),
        of_fleet: bool,
        within_one_account: bool,
    ) {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut connection = match (of_fleet, within_one_account) {
            (true, _) => new_connection(now),
            (false, true) => new_request(studio(), now),
            (false, false) => new_request(backend(), now),
        };
        for (step, _) in steps {
            let _refused = connection.apply(step, now);
        }
        let accepter = connection.accepter.account;
        let hours = |of_requester: i64, of_accepter: i64| [of_requester, of_accepter];
        let expected = match (&connection.state, of_fleet, within_one_account) {
            (State::Expired, _, _) => hours(48, 48),
            (state, true, _) | (state, _, true) if state.is_over() => hours(2, 2),
            (State::Failed { .. }, _, _) if connection.has_consent() => hours(2, 2),
            (State::Failed { .. }, _, _) => hours(2, 0),
            (State::Rejected { .. }, _, _) => hours(48, 2),
            (State::Deleted { by }, _, _) if *by == studio() => hours(2, 48),
            (State::Deleted { .. }, _, _) => hours(48, 2),
            _ => {
                prop_assert_eq!(connection.forgotten_at(), None);
                return Ok(());
            }
        };
        for (viewer, hours) in [studio(), accepter].into_iter().zip(expected) {
            let until = now + SignedDuration::from_hours(hours);
            prop_assert_eq!(connection.visible_until(viewer), Some(until));
            let just_before = until - SignedDuration::from_nanos(1);
            prop_assert!(connection.is_visible_to(viewer, just_before));
            prop_assert!(!connection.is_visible_to(viewer, until));
        }
        let longest = expected.into_iter().max().unwrap();
        let forgotten = now + SignedDuration::from_hours(longest);
        prop_assert_eq!(connection.forgotten_at(), Some(forgotten));
    }
}

#[test]
fn a_request_between_two_vpcs_expires_by_the_clock_after_seven_days() {
    let asked = Timestamp::from_second(1_800_000_000).unwrap();
    let expires = asked + REQUEST_LIFETIME;
    let just_before = expires - SignedDuration::from_nanos(1);
    let later = expires + SignedDuration::from_hours(5);
    let request = new_request(backend(), asked);
    let mut delivered = request.clone();
    delivered.apply(Step::Deliver, asked).unwrap();
    for request in [request, delivered] {
        assert_eq!(request.clone().as_of(just_before), request);
        let expired = request.as_of(later);
        assert_eq!(expired.state, State::Expired);
        assert_eq!(expired.since(), expires, "not when somebody looked");
        assert_eq!(expired.clone().as_of(later), expired, "once");
    }

    // What was accepted in time stays, and so does a fleet's, which has no such time.
    let mut accepted = new_request(backend(), asked);
    accepted.apply(Step::Deliver, asked).unwrap();
    accepted.apply(Step::Accept, asked).unwrap();
    for unending in [accepted, new_connection(asked)] {
        assert_eq!(unending.clone().as_of(later), unending);
    }
}

#[test]
fn a_request_between_two_vpcs_knows_nothing_of_the_other_ones_blocks() {
    let request = new_request(backend(), Timestamp::UNIX_EPOCH);
    assert_eq!(request.accepter.cidrs().count(), 0);
    assert_eq!(request.accepter.to_string(), "vpc-0123456789abcdef0");
    assert_eq!(request.overlap(), None);
}

#[test]
fn any_two_blocks_that_share_addresses_overlap() {
    let mut request = new_request(backend(), Timestamp::UNIX_EPOCH);
    let mut other = vpc(backend(), "vpc-0123456789abcdef0", "10.0.0.0/16");
    request.accepter.follow(&other);
    assert_eq!(request.overlap(), None);

    other.secondary_cidrs.push(CidrAssociation {
        id: VpcCidrAssociationId::generate(&SeededIds::new(0)),
        cidr: "10.1.2.0/24".parse().unwrap(),
    });
    request.accepter.follow(&other);
    let shared = ("10.1.0.0/16", "10.1.2.0/24");
    let shared = (shared.0.parse().unwrap(), shared.1.parse().unwrap());
    assert_eq!(request.overlap(), Some(shared));
    assert_eq!(
        request.accepter.to_string(),
        "vpc-0123456789abcdef0 (10.0.0.0/16, 10.1.2.0/24)"
    );
}

#[test]
fn the_end_says_who_and_why() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let mut failed = new_connection(now);
    let reason = FailureReason::OverlappingCidr {
        fleet: "10.0.0.0/24".parse().unwrap(),
        other: "10.0.0.0/16".parse().unwrap(),
    };
    failed.apply(Step::Fail(reason.clone()), now).unwrap();
    assert_eq!(
        failed.state,
        State::Failed {
            reason: reason.clone()
        }
    );
    assert_eq!(
        reason.to_string(),
        "overlapping CIDR range: the fleet's VPC has 10.0.0.0/24, the peer VPC has 10.0.0.0/16; \
         use a VPC with another CIDR block, or another fleet"
    );

    let mut deleted = new_connection(now);
    deleted.apply(Step::Delete(studio()), now).unwrap();
    deleted.apply(Step::Removed, now).unwrap();
    assert_eq!(deleted.state, State::Deleted { by: studio() });
}
