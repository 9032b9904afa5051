//! Authorizations against a list of who said what when, in whole milliseconds.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tombolo_domain::id::{AccountId, Region, VpcId};
use tombolo_domain::peering::{Authorization, Missing};

const DAY: i64 = 86_400_000;

#[derive(Debug, Clone)]
enum Act {
    Issue,
    Cancel,
    Wait(i64),
}

/// Waits of any length, and such that end just before, at and after the end of validity.
fn acts() -> impl Strategy<Value = Vec<Act>> {
    let wait = prop_oneof![
        0..2_000i64,
        (0..3i64).prop_map(|days| days * DAY),
        (-1_100..1_100i64).prop_map(|off| DAY + off),
    ];
    let act = prop_oneof![
        2 => Just(Act::Issue),
        1 => Just(Act::Cancel),
        4 => wait.prop_map(Act::Wait),
    ];
    proptest::collection::vec(act, 0..40)
}

/// What ended the latest permission, if there was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    NeverGiven,
    Valid,
    Expired(i64),
    Cancelled(i64),
}

/// Reads the whole list again each time.
fn expected(said: &[(i64, Act)], now: i64) -> Expected {
    let mut state = Expected::NeverGiven;
    let mut expires = 0;
    for (at, act) in said {
        match act {
            Act::Issue => {
                state = Expected::Valid;
                expires = at / 1000 * 1000 + DAY;
            }
            // As the operation does: only what is valid can be cancelled.
            Act::Cancel if state == Expected::Valid && *at < expires => {
                state = Expected::Cancelled(*at);
            }
            _ => {}
        }
    }
    match state {
        Expected::Valid if now >= expires => Expected::Expired(expires),
        state => state,
    }
}

fn milliseconds(at: Timestamp) -> i64 {
    at.as_millisecond()
}

proptest! {
    #[test]
    fn consent_is_what_the_list_says(start in 0..DAY, acts in acts()) {
        let region: Region = "us-west-2".parse().unwrap();
        let studio: AccountId = "111122223333".parse().unwrap();
        let backend: AccountId = "444455556666".parse().unwrap();
        let vpc: VpcId = "vpc-0123456789abcdef0".parse().unwrap();

        let mut now = Timestamp::from_millisecond(start).unwrap();
        let mut latest: Option<Authorization> = None;
        let mut said = Vec::new();
        for act in acts {
            match act {
                Act::Issue => {
                    latest = Some(Authorization::issue(
                        region.clone(), studio, backend, vpc.clone(), now,
                    ));
                }
                Act::Cancel => {
                    let valid = latest.as_mut().filter(|latest| latest.consent(now).is_ok());
                    if let Some(valid) = valid {
                        valid.cancel(now);
                    }
                }
                Act::Wait(wait) => now += SignedDuration::from_millis(wait.max(0)),
            }
            said.push((milliseconds(now), act));

            let actual = match Authorization::consent_of(latest.as_ref(), now) {
                Ok(consent) => {
                    prop_assert_eq!(consent.peer_vpc(), &vpc);
                    prop_assert_eq!(consent.peer_account(), backend);
                    prop_assert_eq!(consent.fleet_account(), studio);
                    Expected::Valid
                }
                Err(Missing::None) => Expected::NeverGiven,
                Err(Missing::Expired { at }) => Expected::Expired(milliseconds(at)),
                Err(Missing::Cancelled { at }) => Expected::Cancelled(milliseconds(at)),
            };
            prop_assert_eq!(actual, expected(&said, milliseconds(now)));

            // What can still be said about the end is kept for a day after it.
            if let (Expected::Expired(end) | Expected::Cancelled(end), Some(latest)) =
                (actual, &latest)
            {
                prop_assert_eq!(milliseconds(latest.forgotten_at()), end + DAY);
            }
        }
    }
}
