//! Scaling, against a model that tries every number of instances and remembers everything.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tombolo_domain::fleet::{Capacity, Load, SCALE_IN_AFTER, Scaler, needed};

/// The first number of instances with enough that is available.
fn naive(load: Load, target: u32) -> u32 {
    let enough = |instances: u64| {
        let all = instances * u64::from(load.per_instance);
        // 100 * available / all >= target, without a division.
        all >= u64::from(load.busy) && 100 * (all - u64::from(load.busy)) >= u64::from(target) * all
    };
    (0..).find(|instances| enough(*instances)).unwrap() as u32
}

fn load() -> impl Strategy<Value = Load> {
    (0..2000u32, 1..=50u32).prop_map(|(busy, per_instance)| Load { busy, per_instance })
}

fn capacity() -> impl Strategy<Value = Capacity> {
    (0..20u32, 0..20u32, 0..20u32).prop_map(|(a, b, c)| {
        let mut sorted = [a, b, c];
        sorted.sort_unstable();
        let [minimum, desired, maximum] = sorted;
        Capacity {
            desired,
            minimum,
            maximum,
        }
    })
}

proptest! {
    #[test]
    fn as_few_instances_as_keep_the_target(load in load(), target in 1..100u32) {
        prop_assert_eq!(needed(load, f64::from(target)), naive(load, target));
    }

    /// A fleet over time: busy server processes come and go, somebody looks now and then.
    #[test]
    fn a_fleet_grows_at_once_and_shrinks_when_fewer_were_enough_for_a_while(
        start in capacity(),
        targets in proptest::collection::vec(1..100u32, 1..3),
        looks in proptest::collection::vec((1..40i64, 0..60u32), 1..60),
    ) {
        let mut scaler = Scaler::default();
        let mut capacity = start;
        let mut now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut history: Vec<(Timestamp, u32)> = Vec::new();
        let fewest = start.minimum.max(1).min(start.maximum);
        for (seconds, busy) in looks {
            now += SignedDuration::from_secs(seconds);
            let load = Load { busy, per_instance: 4 };
            let needs = targets.iter().map(|target| naive(load, *target)).max().unwrap();
            let needs = needs.clamp(fewest, start.maximum);
            history.push((now, needs));
            // What held at some time within the last while: a look holds until the next.
            let held = |at: usize| {
                let until = history.get(at + 1).map_or(now, |(next, _)| *next);
                now.duration_since(until) < SCALE_IN_AFTER
            };
            let known_long = now.duration_since(history[0].0) >= SCALE_IN_AFTER;
            let most = (0..history.len()).filter(|at| held(*at)).map(|at| history[at].1).max();
            let expected = if needs >= capacity.desired {
                needs
            } else if known_long {
                capacity.desired.min(most.unwrap())
            } else {
                capacity.desired
            };
            let targets = targets.iter().map(|target| f64::from(*target));
            let desired = scaler.desired(now, capacity, load, targets);
            prop_assert_eq!(desired, expected, "{:?}", history);
            prop_assert!(desired <= start.maximum.max(capacity.desired));
            capacity.desired = desired;
        }
    }
}

#[test]
fn without_a_policy_nothing_changes() {
    let capacity = Capacity {
        desired: 3,
        minimum: 0,
        maximum: 10,
    };
    let load = Load {
        busy: 100,
        per_instance: 1,
    };
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    assert_eq!(Scaler::default().desired(now, capacity, load, []), 3);
}
