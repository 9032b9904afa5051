//! Group commit: everything that waits becomes durable together, for the price of one.

use std::error::Error;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tombolo_domain::error_chain;

use crate::batch::{Batch, Evaluated, Writes};
use crate::shared::SharedState;
use crate::store::{Revision, StoreError, Txn, TxnOutcome};

/// Transactions in one commit at most, so that the first of them does not wait without bound.
const BATCH: usize = 256;

/// A transaction, and who waits for its outcome.
pub(super) struct Request {
    pub(super) txn: Txn,
    pub(super) answer: oneshot::Sender<Result<TxnOutcome, StoreError>>,
}

/// Where a batch becomes durable.
pub(super) trait Journal {
    /// Makes `writes` durable, all or none; `revision` is the store's from then on.
    fn commit(&mut self, writes: &Writes, revision: Revision) -> Result<(), CommitError>;
}

/// Why a batch was not acknowledged.
#[derive(Debug)]
pub(super) enum CommitError {
    /// Nothing of it stands: the next batch may be tried.
    RolledBack(Arc<dyn Error + Send + Sync>),
    /// It may stand on the disk or not. To write on would build on a guess.
    OutcomeUnknown(Arc<dyn Error + Send + Sync>),
}

/// The one that writes: evaluates, commits, applies, answers, in this order.
pub(super) struct Writer<J> {
    shared: Arc<SharedState>,
    journal: J,
}

/// What is left of a [`Request`] once it is evaluated.
struct Evaluation {
    outcome: TxnOutcome,
    answer: oneshot::Sender<Result<TxnOutcome, StoreError>>,
}

impl<J: Journal> Writer<J> {
    pub(super) fn new(shared: Arc<SharedState>, journal: J) -> Self {
        Self { shared, journal }
    }

    /// Writes until all senders are gone and everything accepted is answered, or until the
    /// journal's state is unknown: the store is closed then. Blocks; for a thread of its own.
    pub(super) fn run(mut self, mut accepted: mpsc::Receiver<Request>) {
        let mut waiting = Vec::with_capacity(BATCH);
        while gather(&mut accepted, &mut waiting) {
            if self.commit(waiting.drain(..)).is_err() {
                return;
            }
        }
    }

    /// # Errors
    /// The store cannot go on.
    fn commit(&mut self, requests: impl Iterator<Item = Request>) -> Result<(), StoreError> {
        let (evaluations, evaluated) = self.evaluate(requests)?;
        // Without a write nothing in the batch rests on anything but committed state.
        let committed = match evaluated.writes.is_empty() {
            true => Ok(()),
            false => self.journal.commit(&evaluated.writes, evaluated.revision),
        };
        match committed {
            Ok(()) => {
                self.shared.apply(evaluated);
                evaluations
                    .into_iter()
                    .for_each(|e| answer(e.answer, Ok(e.outcome)));
                Ok(())
            }
            Err(CommitError::RolledBack(source)) => {
                tracing::error!(
                    error = error_chain(&*source),
                    transactions = evaluations.len(),
                    "a commit failed and was rolled back; the store goes on without it"
                );
                refuse(evaluations, &source);
                Ok(())
            }
            Err(CommitError::OutcomeUnknown(source)) => {
                tracing::error!(
                    error = error_chain(&*source),
                    transactions = evaluations.len(),
                    "a commit failed and may stand or not: the store is closed; restart to read \
                     what the disk holds"
                );
                self.shared.close();
                refuse(evaluations, &source);
                Err(StoreError::Closed)
            }
        }
    }

    fn evaluate(
        &self,
        requests: impl Iterator<Item = Request>,
    ) -> Result<(Vec<Evaluation>, Evaluated), StoreError> {
        self.shared.read(|state| {
            let mut batch = Batch::new(state);
            let evaluations = requests
                .map(|Request { txn, answer }| Evaluation {
                    outcome: batch.evaluate(txn),
                    answer,
                })
                .collect();
            (evaluations, batch.finish())
        })
    }
}

impl<J> Drop for Writer<J> {
    /// However the writer ends, nobody may go on reading a state that can no longer change.
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Takes everything that waits into `waiting`; `false` once nothing can come any more.
///
/// Callers that were answered together tend to return together. As long as giving way to them
/// brings more, the batch grows: a commit's price is its fsync, not its size. A lone caller pays
/// one `sched_yield` for that, about a microsecond.
fn gather(accepted: &mut mpsc::Receiver<Request>, waiting: &mut Vec<Request>) -> bool {
    let mut arrived = accepted.blocking_recv_many(waiting, BATCH);
    while arrived > 0 && waiting.len() < BATCH {
        std::thread::yield_now();
        let before = waiting.len();
        waiting.extend(std::iter::from_fn(|| accepted.try_recv().ok()).take(BATCH - before));
        arrived = waiting.len() - before;
    }
    !waiting.is_empty()
}

fn refuse(evaluations: Vec<Evaluation>, source: &Arc<dyn Error + Send + Sync>) {
    for evaluation in evaluations {
        let source = Box::new(Arc::clone(source));
        let failed = StoreError::Failed {
            doing: "committing a transaction",
            source,
        };
        answer(evaluation.answer, Err(failed));
    }
}

fn answer(
    to: oneshot::Sender<Result<TxnOutcome, StoreError>>,
    outcome: Result<TxnOutcome, StoreError>,
) {
    // The caller may have stopped waiting; its transaction stands all the same.
    let _ = to.send(outcome);
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "this is how a test fails"
)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};
    use std::io;

    use bytes::Bytes;
    use futures::FutureExt;

    use super::*;
    use crate::history::Limits;
    use crate::state::State;
    use crate::store::{Compare, WatchError};

    /// Answers as it was told to, then succeeds; counts the batches it was given.
    #[derive(Default)]
    struct Scripted {
        failures: VecDeque<CommitError>,
        commits: usize,
    }

    impl Journal for Scripted {
        fn commit(&mut self, _: &Writes, _: Revision) -> Result<(), CommitError> {
            self.commits += 1;
            self.failures.pop_front().map_or(Ok(()), Err)
        }
    }

    fn writer(failures: impl IntoIterator<Item = CommitError>) -> Writer<Scripted> {
        let state = State::new(BTreeMap::new(), Revision(0), Limits::DEFAULT);
        let failures = failures.into_iter().collect();
        Writer::new(
            SharedState::new(state),
            Scripted {
                failures,
                commits: 0,
            },
        )
    }

    fn put(key: &'static str) -> Txn {
        Txn {
            puts: vec![(Bytes::from(key), Bytes::new())],
            ..Txn::default()
        }
    }

    fn create(key: &'static str) -> Txn {
        let absent = Compare::Unchanged {
            key: Bytes::from(key),
            modified: Revision(0),
        };
        Txn {
            compares: vec![absent],
            ..put(key)
        }
    }

    /// Commits `txns` as one batch: what each was answered, and whether the writer can go on.
    fn commit<const N: usize>(
        writer: &mut Writer<Scripted>,
        txns: [Txn; N],
    ) -> ([Result<TxnOutcome, StoreError>; N], bool) {
        let (requests, answers): (Vec<_>, Vec<_>) = txns
            .into_iter()
            .map(|txn| {
                let (answer, outcome) = oneshot::channel();
                (Request { txn, answer }, outcome)
            })
            .unzip();
        let goes_on = writer.commit(requests.into_iter()).is_ok();
        let answers: Vec<_> = answers
            .into_iter()
            .map(|mut answer| answer.try_recv().unwrap())
            .collect();
        (answers.try_into().unwrap(), goes_on)
    }

    fn failure() -> Arc<dyn Error + Send + Sync> {
        Arc::new(io::Error::other("the disk is on fire"))
    }

    #[test]
    fn a_conflict_does_not_poison_its_batch() {
        let mut writer = writer([]);
        let (answers, _) = commit(&mut writer, [create("a"), create("a"), create("b")]);
        let outcomes = answers.map(Result::unwrap);
        let expected = [
            TxnOutcome::Committed(Revision(1)),
            TxnOutcome::Conflict,
            TxnOutcome::Committed(Revision(2)),
        ];
        assert_eq!(outcomes, expected);
        assert_eq!(writer.journal.commits, 1, "one commit for all");
        assert_eq!(writer.shared.revision(), Revision(2));
    }

    #[test]
    fn a_batch_that_writes_nothing_does_not_touch_the_disk() {
        let mut writer = writer([]);
        let _ = commit(&mut writer, [put("a")]);
        let (answers, _) = commit(&mut writer, [create("a"), Txn::default()]);
        let outcomes = answers.map(Result::unwrap);
        assert_eq!(
            outcomes,
            [TxnOutcome::Conflict, TxnOutcome::Committed(Revision(1))]
        );
        assert_eq!(writer.journal.commits, 1);
    }

    #[test]
    fn nothing_is_told_of_a_batch_that_was_rolled_back() {
        let mut writer = writer([CommitError::RolledBack(failure())]);
        // The second one's conflict would rest on the first one's write, which does not stand.
        let (answers, goes_on) = commit(&mut writer, [create("a"), create("a")]);
        for answer in answers {
            let error = answer.unwrap_err();
            assert_eq!(
                error.to_string(),
                "the store failed while committing a transaction"
            );
            assert_eq!(error.source().unwrap().to_string(), "the disk is on fire");
        }
        assert!(goes_on);
        assert_eq!(writer.shared.read(|state| state.get(b"a")).unwrap(), None);

        let ([answer], _) = commit(&mut writer, [create("a")]);
        assert_eq!(answer.unwrap(), TxnOutcome::Committed(Revision(1)));
    }

    #[test]
    fn a_commit_of_unknown_outcome_closes_the_store() {
        let mut writer = writer([CommitError::OutcomeUnknown(failure())]);
        let shared = Arc::clone(&writer.shared);
        let mut watch = shared.watch(b"", Revision(0));
        let ([answer], goes_on) = commit(&mut writer, [put("a")]);
        assert!(
            matches!(answer, Err(StoreError::Failed { .. })),
            "{answer:?}"
        );
        assert!(!goes_on);
        assert!(matches!(
            shared.read(|state| state.get(b"a")),
            Err(StoreError::Closed)
        ));
        assert_eq!(watch.next().now_or_never(), Some(Err(WatchError::Closed)));
    }

    #[test]
    fn who_waits_behind_a_failure_is_told_that_the_store_is_closed() {
        let writer = writer([CommitError::OutcomeUnknown(failure())]);
        let (requests, accepted) = mpsc::channel(BATCH + 1);
        let waiting: Vec<_> = (0..=BATCH)
            .map(|_| {
                let (answer, outcome) = oneshot::channel();
                requests
                    .try_send(Request {
                        txn: put("a"),
                        answer,
                    })
                    .unwrap();
                outcome
            })
            .collect();
        writer.run(accepted);
        assert!(requests.is_closed());
        let mut answers = waiting.into_iter().map(|mut outcome| outcome.try_recv());
        assert!(
            answers
                .by_ref()
                .take(BATCH)
                .all(|answer| matches!(answer, Ok(Err(_))))
        );
        // Never evaluated: its sender is gone, which the store reads as closed.
        assert!(answers.next().unwrap().is_err());
    }
}
