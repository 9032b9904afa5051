//! The recent changes, kept so that a watch can start in the past and never miss one.

use std::collections::VecDeque;

use crate::store::{Event, Revision, WatchError};

/// What one transaction changed.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) revision: Revision,
    pub(crate) events: Vec<Event>,
}

/// How much a [`History`] keeps. The newest change is kept whatever its size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) events: usize,
    /// Of keys and values, in bytes. Most values are shared with the state itself, so this bounds
    /// what overwritten and deleted values cost.
    pub(crate) bytes: usize,
}

impl Limits {
    /// Minutes of a busy server, and little beside its 20 MiB.
    pub(crate) const DEFAULT: Self = Self {
        events: 8_192,
        bytes: 4 << 20,
    };
}

/// The last changes in order, without gaps: `changes[i]` is revision `floor + 1 + i`.
pub(crate) struct History {
    limits: Limits,
    /// The revision before the oldest change kept.
    floor: Revision,
    changes: VecDeque<Change>,
    events: usize,
    bytes: usize,
}

impl History {
    /// Starts empty, behind `floor`.
    pub(crate) fn new(floor: Revision, limits: Limits) -> Self {
        Self {
            limits,
            floor,
            changes: VecDeque::new(),
            events: 0,
            bytes: 0,
        }
    }

    /// Adds the change of the next revision and forgets the oldest ones beyond the limits.
    pub(crate) fn push(&mut self, change: Change) {
        debug_assert_eq!(
            change.revision.0,
            self.floor.0 + self.changes.len() as u64 + 1
        );
        self.events += change.events.len();
        self.bytes += size(&change);
        self.changes.push_back(change);
        while self.changes.len() > 1
            && (self.events > self.limits.events || self.bytes > self.limits.bytes)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.changes.pop_front() {
            self.events -= oldest.events.len();
            self.bytes -= size(&oldest);
            self.floor = oldest.revision;
        }
    }

    /// All changes after revision `after`, oldest first.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] if some of them were forgotten.
    pub(crate) fn after(
        &self,
        after: Revision,
    ) -> Result<impl Iterator<Item = &Change>, WatchError> {
        let seen = after
            .0
            .checked_sub(self.floor.0)
            .ok_or(WatchError::Compacted(after))?;
        let seen = usize::try_from(seen).unwrap_or(usize::MAX);
        Ok(self.changes.iter().skip(seen))
    }
}

fn size(change: &Change) -> usize {
    let size = |event: &Event| event.key.len() + event.value.as_ref().map_or(0, |v| v.len());
    change.events.iter().map(size).sum()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn change(revision: u64, bytes: usize) -> Change {
        let event = Event {
            key: Bytes::from_static(b"k"),
            value: Some(Bytes::from(vec![0; bytes - 1])),
            revision: Revision(revision),
        };
        Change {
            revision: Revision(revision),
            events: vec![event],
        }
    }

    fn kept(history: &History, after: u64) -> Result<Vec<u64>, WatchError> {
        Ok(history
            .after(Revision(after))?
            .map(|change| change.revision.0)
            .collect())
    }

    #[test]
    fn forgets_the_oldest_beyond_its_number_of_events() {
        let mut history = History::new(
            Revision(7),
            Limits {
                events: 2,
                bytes: 1_000,
            },
        );
        (8..=10).for_each(|revision| history.push(change(revision, 10)));
        assert_eq!(kept(&history, 7), Err(WatchError::Compacted(Revision(7))));
        assert_eq!(kept(&history, 8), Ok(vec![9, 10]));
        assert_eq!(kept(&history, 10), Ok(vec![]));
    }

    #[test]
    fn forgets_the_oldest_beyond_its_bytes_but_never_the_newest() {
        let mut history = History::new(
            Revision(0),
            Limits {
                events: 100,
                bytes: 25,
            },
        );
        (1..=3).for_each(|revision| history.push(change(revision, 10)));
        assert_eq!(kept(&history, 0), Err(WatchError::Compacted(Revision(0))));
        assert_eq!(kept(&history, 1), Ok(vec![2, 3]));
        history.push(change(4, 10_000));
        assert_eq!(kept(&history, 3), Ok(vec![4]));
    }

    #[test]
    fn a_revision_of_the_future_has_no_changes_yet() {
        let mut history = History::new(Revision(0), Limits::DEFAULT);
        history.push(change(1, 10));
        assert_eq!(kept(&history, 900), Ok(vec![]));
    }
}
