//! Evaluates transactions in order, each seeing what those before it in the batch would write.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::history::Change;
use crate::state::{State, Versioned, within};
use crate::store::{Compare, Event, KeyRange, Revision, StoreError, Txn, TxnOutcome};

/// The last write of each key, in key order; `None` deletes.
pub(crate) type Writes = BTreeMap<Bytes, Option<Versioned>>;

/// What a batch changes, ready to be made durable and applied.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub(crate) writes: Writes,
    /// One for each transaction that changed something, in order.
    pub(crate) changes: Vec<Change>,
    /// The store's revision after the batch.
    pub(crate) revision: Revision,
}

/// Transactions being evaluated: the committed state, and over it what is not yet durable.
///
/// Nothing that it tells may be told on before the batch is durable, not even a conflict: it may
/// come from a write that is yet to fail.
pub(crate) struct Batch<'a> {
    committed: &'a State,
    pending: Writes,
    changes: Vec<Change>,
    revision: Revision,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(committed: &'a State) -> Self {
        let revision = committed.revision();
        Self {
            committed,
            pending: Writes::new(),
            changes: Vec::new(),
            revision,
        }
    }

    /// Takes `txn` into the batch if its comparisons hold.
    pub(crate) fn evaluate(&mut self, txn: Txn) -> TxnOutcome {
        if !txn.compares.iter().all(|compare| self.holds(compare)) {
            return TxnOutcome::Conflict;
        }
        let revision = Revision(self.revision.0 + 1);
        let mut events = Vec::with_capacity(txn.puts.len() + txn.deletes.len());
        for (key, value) in txn.puts {
            let versioned = Versioned {
                value: value.clone(),
                modified: revision,
            };
            self.pending.insert(key.clone(), Some(versioned));
            events.push(Event {
                key,
                value: Some(value),
                revision,
            });
        }
        for key in txn.deletes {
            if self.modified(&key) != Revision(0) {
                self.pending.insert(key.clone(), None);
                events.push(Event {
                    key,
                    value: None,
                    revision,
                });
            }
        }
        if !events.is_empty() {
            self.revision = revision;
            self.changes.push(Change { revision, events });
        }
        TxnOutcome::Committed(self.revision)
    }

    pub(crate) fn finish(self) -> Evaluated {
        Evaluated {
            writes: self.pending,
            changes: self.changes,
            revision: self.revision,
        }
    }

    fn holds(&self, compare: &Compare) -> bool {
        match compare {
            Compare::Unchanged { key, modified } => self.modified(key) == *modified,
            Compare::NothingNewer { range, revision } => self.nothing_newer(range, *revision),
        }
    }

    fn modified(&self, key: &[u8]) -> Revision {
        match self.pending.get(key) {
            Some(written) => written
                .as_ref()
                .map_or(Revision(0), |versioned| versioned.modified),
            None => self.committed.modified(key),
        }
    }

    fn nothing_newer(&self, range: &KeyRange, revision: Revision) -> bool {
        let older = |versioned: &Versioned| versioned.modified <= revision;
        let pending_older =
            || within(&self.pending, range).all(|(_, written)| written.as_ref().is_none_or(older));
        // A committed entry that the batch writes again, or deletes, no longer counts.
        let counts = |key: &[u8]| !self.pending.contains_key(key);
        let committed_older = || !self.committed.has_newer(range, revision, counts);
        // What was read at the newest revision needs no scan: the common case, and O(1).
        (self.revision <= revision || pending_older())
            && (self.committed.revision() <= revision || committed_older())
    }
}

/// A transaction that breaks [`Txn`]'s own rule.
#[derive(Debug, thiserror::Error)]
#[error("key {key} is put or deleted twice in one transaction; name each key once")]
struct RepeatedKey {
    key: String,
}

/// Refuses a transaction that writes a key twice, since engines would disagree on which wins.
pub(crate) fn require_distinct_keys(txn: &Txn) -> Result<(), StoreError> {
    let mut seen = BTreeSet::new();
    let mut keys = txn.puts.iter().map(|(key, _)| key).chain(&txn.deletes);
    match keys.find(|key| !seen.insert(*key)) {
        None => Ok(()),
        Some(key) => Err(StoreError::Failed {
            doing: "checking a transaction",
            source: Box::new(RepeatedKey {
                key: key.escape_ascii().to_string(),
            }),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail that way")]
mod tests {
    use super::*;
    use crate::history::Limits;

    fn key(key: &'static str) -> Bytes {
        Bytes::from_static(key.as_bytes())
    }

    fn put(name: &'static str) -> Txn {
        Txn {
            puts: vec![(key(name), key("value"))],
            ..Txn::default()
        }
    }

    fn delete(name: &'static str) -> Txn {
        Txn {
            deletes: vec![key(name)],
            ..Txn::default()
        }
    }

    fn if_nothing_newer_in_a_to_c(revision: u64) -> Txn {
        let range = KeyRange {
            start: key("a"),
            end: key("c"),
        };
        let compare = Compare::NothingNewer {
            range,
            revision: Revision(revision),
        };
        Txn {
            compares: vec![compare],
            ..put("z")
        }
    }

    /// `a` put at revision 1, `b` at 2.
    fn state() -> State {
        let mut state = State::new(BTreeMap::new(), Revision(0), Limits::DEFAULT);
        let mut batch = Batch::new(&state);
        batch.evaluate(put("a"));
        batch.evaluate(put("b"));
        let evaluated = batch.finish();
        state.apply(evaluated);
        state
    }

    #[test]
    fn a_transaction_sees_the_writes_before_it_in_the_batch() {
        let state = state();
        let mut batch = Batch::new(&state);
        let create = || Txn {
            compares: vec![Compare::Unchanged {
                key: key("c"),
                modified: Revision(0),
            }],
            ..put("c")
        };
        assert_eq!(batch.evaluate(create()), TxnOutcome::Committed(Revision(3)));
        assert_eq!(batch.evaluate(create()), TxnOutcome::Conflict);
        assert_eq!(
            batch.evaluate(delete("c")),
            TxnOutcome::Committed(Revision(4))
        );
        assert_eq!(batch.evaluate(create()), TxnOutcome::Committed(Revision(5)));
    }

    #[test]
    fn a_put_in_the_range_earlier_in_the_batch_is_newer() {
        let state = state();
        let mut batch = Batch::new(&state);
        batch.evaluate(put("c"));
        let holds = batch.evaluate(if_nothing_newer_in_a_to_c(2));
        assert_eq!(
            holds,
            TxnOutcome::Committed(Revision(4)),
            "c is behind the range"
        );
        batch.evaluate(put("aa"));
        assert_eq!(
            batch.evaluate(if_nothing_newer_in_a_to_c(2)),
            TxnOutcome::Conflict
        );
    }

    #[test]
    fn a_deletion_earlier_in_the_batch_takes_a_newer_put_away() {
        let state = state();
        let mut batch = Batch::new(&state);
        assert_eq!(
            batch.evaluate(if_nothing_newer_in_a_to_c(1)),
            TxnOutcome::Conflict
        );
        batch.evaluate(delete("b"));
        let holds = batch.evaluate(if_nothing_newer_in_a_to_c(1));
        assert_eq!(holds, TxnOutcome::Committed(Revision(4)));
    }

    #[test]
    fn deleting_what_does_not_exist_changes_nothing() {
        let state = state();
        let mut batch = Batch::new(&state);
        assert_eq!(
            batch.evaluate(delete("nowhere")),
            TxnOutcome::Committed(Revision(2))
        );
        let evaluated = batch.finish();
        assert!(evaluated.writes.is_empty() && evaluated.changes.is_empty());
    }

    #[test]
    fn a_key_written_twice_is_named() {
        let txn = Txn {
            deletes: vec![key("a\n")],
            puts: vec![(key("a\n"), key("1"))],
            ..put("b")
        };
        let error = require_distinct_keys(&txn).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            source.starts_with(r"key a\n is put or deleted twice"),
            "{source}"
        );
    }
}
