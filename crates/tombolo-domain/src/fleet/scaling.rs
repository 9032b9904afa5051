//! How many instances a fleet needs for its scaling policies, and when it gets fewer.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::Capacity;

/// How long fewer instances must have been enough before there are fewer.
pub const SCALE_IN_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// What a fleet's server processes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How many have players.
    pub busy: u32,
    /// How many each instance runs, at least 1.
    pub per_instance: u32,
}

/// The fewest instances of whose server processes at least `target` percent are available: run, and
/// have no players. `target` is above 0 and below 100.
pub fn needed(load: Load, target: f64) -> u32 {
    // In percent, so that the targets that people write are whole numbers.
    let share = 100.0 - target;
    let wanted = 100.0 * f64::from(load.busy) / (share * f64::from(load.per_instance.max(1)));
    // What is a whole number but for rounding is that number.
    let whole = (wanted - 1e-9).ceil().max(0.0);
    // A cast to an integer saturates.
    whole as u32
}

/// Remembers what was needed, so that a fleet grows at once and shrinks only once fewer instances
/// have been enough for [`SCALE_IN_AFTER`].
#[derive(Debug, Clone, Default)]
pub struct Scaler {
    /// When it was looked, and what was needed: all of the last [`SCALE_IN_AFTER`], and the last
    /// look before, which holds until the next.
    looks: VecDeque<(Timestamp, u32)>,
}

impl Scaler {
    /// How many instances there are to be, with these targets of the fleet's policies. Without any,
    /// as many as there are.
    pub fn desired(
        &mut self,
        now: Timestamp,
        capacity: Capacity,
        load: Load,
        targets: impl IntoIterator<Item = f64>,
    ) -> u32 {
        let targets = targets.into_iter();
        let Some(needed) = targets.map(|target| needed(load, target)).max() else {
            self.looks.clear();
            return capacity.desired;
        };
        // One instance stays, so that there is something whose players can be counted.
        let fewest = capacity.minimum.max(1).min(capacity.maximum);
        let needed = needed.clamp(fewest, capacity.maximum);
        self.look(now, needed);
        if needed >= capacity.desired {
            return needed;
        }
        match self.enough_since(now) {
            Some(enough) => capacity.desired.min(enough),
            None => capacity.desired,
        }
    }

    fn look(&mut self, now: Timestamp, needed: u32) {
        // A clock that was put back has shown nothing yet.
        if self.looks.back().is_some_and(|(last, _)| *last > now) {
            self.looks.clear();
        }
        self.looks.push_back((now, needed));
        while self
            .looks
            .get(1)
            .is_some_and(|(second, _)| now.duration_since(*second) >= SCALE_IN_AFTER)
        {
            self.looks.pop_front();
        }
    }

    /// How many were enough all the time since [`SCALE_IN_AFTER`] ago; `None` before that.
    fn enough_since(&self, now: Timestamp) -> Option<u32> {
        let (first, _) = self.looks.front()?;
        let is_long = now.duration_since(*first) >= SCALE_IN_AFTER;
        let most = self.looks.iter().map(|(_, needed)| *needed).max();
        most.filter(|_| is_long)
    }
}
