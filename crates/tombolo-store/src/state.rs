//! The ordered map that both engines answer from, as the last acknowledged transaction left it.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::batch::Evaluated;
use crate::history::{History, Limits};
use crate::store::{Entry, Event, KeyRange, Page, Revision, WatchError};

/// How many changes are looked through rather than a range, which may hold many more entries.
const FEW_CHANGES: u64 = 256;

/// A value and the revision that put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versioned {
    pub(crate) value: Bytes,
    pub(crate) modified: Revision,
}

/// Committed entries, their revision, and the recent changes.
pub(crate) struct State {
    entries: BTreeMap<Bytes, Versioned>,
    revision: Revision,
    history: History,
}

impl State {
    /// The state of `entries` at `revision`. Watches can start there, not before.
    pub(crate) fn new(
        entries: BTreeMap<Bytes, Versioned>,
        revision: Revision,
        limits: Limits,
    ) -> Self {
        Self {
            entries,
            revision,
            history: History::new(revision, limits),
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Entry> {
        self.entries.get_key_value(key).map(entry)
    }

    /// The revision that last changed `key`; 0 if it does not exist.
    pub(crate) fn modified(&self, key: &[u8]) -> Revision {
        self.entries
            .get(key)
            .map_or(Revision(0), |versioned| versioned.modified)
    }

    /// The first `limit` entries of `range`, at least one if there is any.
    pub(crate) fn page(&self, range: &KeyRange, limit: usize) -> Page {
        let mut found = within(&self.entries, range);
        let entries = found.by_ref().take(limit.max(1)).map(entry).collect();
        Page {
            entries,
            more: found.next().is_some(),
            revision: self.revision,
        }
    }

    pub(crate) fn within(&self, range: &KeyRange) -> impl Iterator<Item = (&Bytes, &Versioned)> {
        within(&self.entries, range)
    }

    /// Whether an entry of `range`, of those whose key `counts`, was put after `revision`.
    pub(crate) fn has_newer(
        &self,
        range: &KeyRange,
        revision: Revision,
        counts: impl Fn(&[u8]) -> bool,
    ) -> bool {
        // Mostly little has happened since a transaction read, whatever the range holds.
        if self.revision.0.saturating_sub(revision.0) <= FEW_CHANGES
            && let Ok(changes) = self.history.after(revision)
        {
            let mut events = changes.flat_map(|change| &change.events);
            return events.any(|Event { key, value, .. }| {
                // What was put and then deleted is no entry any more.
                let is_newer = || value.is_some() && self.modified(key) > revision;
                range.start <= *key && *key < range.end && counts(key) && is_newer()
            });
        }
        self.within(range)
            .any(|(key, versioned)| versioned.modified > revision && counts(key))
    }

    /// Takes over what a batch changed. The batch must have been evaluated against this state.
    pub(crate) fn apply(&mut self, evaluated: Evaluated) {
        for (key, written) in evaluated.writes {
            match written {
                Some(versioned) => self.entries.insert(key, versioned),
                None => self.entries.remove(&key),
            };
        }
        for change in evaluated.changes {
            self.revision = change.revision;
            self.history.push(change);
        }
    }

    /// The events under `prefix` after revision `after`, oldest first.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] if some of them are no longer kept.
    pub(crate) fn events(&self, prefix: &[u8], after: Revision) -> Result<Vec<Event>, WatchError> {
        let events = self.history.after(after)?.flat_map(|change| &change.events);
        Ok(events
            .filter(|event| event.key.starts_with(prefix))
            .cloned()
            .collect())
    }
}

/// The part of `map` in `range`; nothing of a range that ends before it starts, which
/// [`BTreeMap::range`] would panic at.
pub(crate) fn within<'a, V>(
    map: &'a BTreeMap<Bytes, V>,
    range: &KeyRange,
) -> impl Iterator<Item = (&'a Bytes, &'a V)> {
    let end = range.end.as_ref().max(&range.start);
    map.range::<[u8], _>((Bound::Included(range.start.as_ref()), Bound::Excluded(end)))
}

fn entry((key, versioned): (&Bytes, &Versioned)) -> Entry {
    Entry {
        key: key.clone(),
        value: versioned.value.clone(),
        modified: versioned.modified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::store::Txn;

    fn key(number: u64) -> Bytes {
        format!("k{number:02}").into()
    }

    /// A store after puts and deletions of a few keys.
    fn after_changes(limits: Limits) -> State {
        let mut state = State::new(BTreeMap::new(), Revision(0), limits);
        for number in 0..600 {
            let mut txn = Txn::default();
            // Some are put and deleted within a few changes, some stay.
            match number % 3 {
                2 if number % 2 == 0 => txn.deletes.push(key((number - 1) * 7 % 40)),
                _ => txn.puts.push((key(number * 7 % 40), Bytes::new())),
            }
            let mut batch = Batch::new(&state);
            batch.evaluate(txn);
            let evaluated = batch.finish();
            state.apply(evaluated);
        }
        state
    }

    #[test]
    fn what_is_newer_is_the_same_by_the_changes_and_by_the_entries() {
        let kept = |events| Limits {
            events,
            bytes: usize::MAX,
        };
        // A history that has all, and one whose floor is among the few changes.
        for limits in [kept(10_000), kept(100)] {
            let state = after_changes(limits);
            let newest = state.revision.0;
            assert!(newest > 2 * FEW_CHANGES);
            for (from, to) in [(0, 40), (0, 3), (7, 9), (13, 14), (39, 40), (5, 5)] {
                let range = KeyRange {
                    start: key(from),
                    end: key(to),
                };
                let counted = |key: &[u8]| key != b"k08";
                let entries: Vec<_> = state.page(&range, usize::MAX).entries;
                for revision in (0..=newest).map(Revision) {
                    let mut newer = entries.iter().filter(|one| one.modified > revision);
                    let expected = newer.any(|one| counted(&one.key));
                    let found = state.has_newer(&range, revision, counted);
                    assert_eq!(found, expected, "{range:?} after {revision:?}");
                }
            }
        }
    }
}
