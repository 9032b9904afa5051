//! The connection's states against a table of which step leads from where to where.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tombolo_domain::Scope;
use tombolo_domain::id::{AccountId, FleetId, IdSource, Region};
use tombolo_domain::peering::{Authorization, Connection, End, FailureReason, State, Step};
use tombolo_domain::vpc::{Vpc, VpcAttributes, VpcNumber};

/// Every step that is allowed, in the API's words. Nothing follows `failed` and `deleted`.
const ALLOWED: [(&str, &str, &str); 10] = [
    ("initiating-request", "deliver", "pending-acceptance"),
    ("initiating-request", "fail", "failed"),
    ("initiating-request", "delete", "deleting"),
    ("pending-acceptance", "accept", "provisioning"),
    ("pending-acceptance", "fail", "failed"),
    ("pending-acceptance", "delete", "deleting"),
    ("provisioning", "provisioned", "active"),
    ("provisioning", "delete", "deleting"),
    ("active", "delete", "deleting"),
    ("deleting", "removed", "deleted"),
];

struct Same;

impl IdSource for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

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

fn new_connection(now: Timestamp) -> Connection {
    let region: Region = "us-west-2".parse().unwrap();
    let backend: AccountId = "444455556666".parse().unwrap();
    let peer = vpc(backend, "vpc-0123456789abcdef0", "10.0.0.0/16");
    let given = Authorization::issue(region.clone(), studio(), backend, peer.id.clone(), now);
    let fleets = vpc(studio(), "vpc-0fedcba9876543210", "100.64.0.0/24");
    Connection::request(
        given.consent(now).unwrap(),
        region,
        FleetId::generate(&Same),
        End::of(&fleets),
        &peer,
        now,
        &Same,
    )
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::Deliver => "deliver",
        Step::Accept => "accept",
        Step::Provisioned => "provisioned",
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
        1 => Just(Step::Fail(FailureReason::VpcDeleted)),
        1 => Just(Step::Fail(FailureReason::ConsentWithdrawn)),
        1 => Just(Step::Delete(studio())),
        2 => Just(Step::Removed),
    ];
    proptest::collection::vec((step, 0..10_000i64), 0..40)
}

proptest! {
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
            let taken = connection.take(step.clone(), now);
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
            let over = code == "failed" || code == "deleted";
            prop_assert_eq!(connection.state.is_live(), !over && code != "deleting");
            let forgotten = over.then(|| entered + SignedDuration::from_hours(2));
            prop_assert_eq!(connection.forgotten_at(), forgotten);
            prop_assert_eq!(
                connection.is_visible(now),
                forgotten.is_none_or(|forgotten| now < forgotten)
            );
        }
    }
}

#[test]
fn the_end_says_who_and_why() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let mut failed = new_connection(now);
    let reason = FailureReason::OverlappingCidr {
        fleet: "10.0.0.0/24".parse().unwrap(),
        other: "10.0.0.0/16".parse().unwrap(),
    };
    failed.take(Step::Fail(reason.clone()), now).unwrap();
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
    deleted.take(Step::Delete(studio()), now).unwrap();
    deleted.take(Step::Removed, now).unwrap();
    assert_eq!(deleted.state, State::Deleted { by: studio() });
}
