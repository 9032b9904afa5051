//! Group commit: everything that waits becomes durable together, for the price of one.

use std::error::Error;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::batch::{Batch, Evaluated, Writes};
use crate::shared::SharedState;
use crate::store::{Revision, StoreError, Txn, TxnOutcome};

/// Transactions in one commit at most, so that the first of them does not wait without bound.
const BATCH: usize = 256;

/// A transaction, and who waits for its outcome.
#[derive(Debug)]
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
#[derive(Debug)]
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
        while accepted.blocking_recv_many(&mut waiting, BATCH) > 0 {
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
                    error = chain(&*source),
                    transactions = evaluations.len(),
                    "a commit failed and was rolled back; the store goes on without it"
                );
                refuse(evaluations, &source);
                Ok(())
            }
            Err(CommitError::OutcomeUnknown(source)) => {
                tracing::error!(
                    error = chain(&*source),
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

/// An error and its causes on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
