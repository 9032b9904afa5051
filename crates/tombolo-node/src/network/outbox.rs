//! What is to be reported of the network, in order, until it was heard.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tombolo_domain::peering::Connection;
use tombolo_network::Repairs;
use tombolo_store::Revision;

use super::applier::FullTable;

/// Repairs of so many rounds wait for a report: about as many as are kept of those that were reported.
const MAX_REPAIRS: usize = 10;

/// A report.
#[derive(Debug)]
pub(super) enum Report {
    /// These things were found changed by somebody else, and were put right.
    Repaired(Repairs),
    /// The network of this revision is in force.
    InForce {
        revision: Revision,
        /// The connections that were being made: their packets pass.
        provisioned: Vec<Connection>,
        /// Those that were being taken away: none of their packets passes any more.
        removed: Vec<Connection>,
    },
    /// The network of this revision does not fit, and nothing of it is in force.
    Refused {
        revision: Revision,
        full: FullTable,
        /// The connections in it that are being made.
        provisioning: Vec<Connection>,
    },
}

/// The reports that were not heard yet. How many there can be is bounded, however long nobody hears them:
///
/// - What is in force says it of everything, so the newest takes the place of the earlier ones. It
///   takes the place of refusals as well: what had no room then has it now, and must not fail.
/// - A refusal takes the place of the one before it, and waits for what was in force before, which the
///   controller then does not take for what has no room.
/// - Repairs are all reported, unless those of too many rounds wait.
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    wake: watch::Sender<()>,
}

#[derive(Default)]
struct Waiting {
    reports: VecDeque<Arc<Report>>,
    /// Whether the engine has changed something since the entries of its tables were last counted.
    uncounted: bool,
}

impl Outbox {
    /// An empty one.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Outbox {
            waiting: Mutex::default(),
            wake: watch::Sender::default(),
        })
    }

    /// Changes with each report that is to be made.
    pub(super) fn wakes(&self) -> watch::Receiver<()> {
        self.wake.subscribe()
    }

    /// Adds a report.
    pub(super) fn push(&self, report: Report) {
        self.waiting().push(report);
        self.wake.send_replace(());
    }

    /// The entries of the tables are to be counted after the next report.
    pub(super) fn count_tables(&self) {
        self.waiting().uncounted = true;
    }

    /// Whether they are to be counted, which is then done.
    pub(super) fn take_uncounted(&self) -> bool {
        std::mem::take(&mut self.waiting().uncounted)
    }

    /// How many reports are to be made.
    pub(super) fn len(&self) -> usize {
        self.waiting().reports.len()
    }

    /// The report that is to be made next.
    pub(super) fn first(&self) -> Option<Arc<Report>> {
        self.waiting().reports.front().cloned()
    }

    /// A report was heard.
    pub(super) fn heard(&self, report: &Arc<Report>) {
        let reports = &mut self.waiting().reports;
        // Another one may have taken its place meanwhile.
        reports.retain(|waiting| !Arc::ptr_eq(waiting, report));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Each change is whole, so a panic elsewhere leaves no half-made state.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push(&mut self, report: Report) {
        match &report {
            Report::Repaired(_) => {
                let is_repair = |one: &Arc<Report>| matches!(**one, Report::Repaired(_));
                let repairs = self.reports.iter().filter(|one| is_repair(one));
                if repairs.count() >= MAX_REPAIRS
                    && let Some(oldest) = self.reports.iter().position(is_repair)
                {
                    tracing::warn!(forgotten = ?self.reports[oldest], "repairs were not reported");
                    self.reports.remove(oldest);
                }
            }
            Report::InForce { .. } => self
                .reports
                .retain(|one| matches!(**one, Report::Repaired(_))),
            Report::Refused { .. } => self
                .reports
                .retain(|one| !matches!(**one, Report::Refused { .. })),
        }
        self.reports.push_back(Arc::new(report));
    }
}

#[cfg(test)]
mod tests {
    use tombolo_network::{Repair, RepairKind};

    use super::*;

    fn in_force(revision: u64) -> Report {
        Report::InForce {
            revision: Revision(revision),
            provisioned: Vec::new(),
            removed: Vec::new(),
        }
    }

    fn refused(revision: u64) -> Report {
        Report::Refused {
            revision: Revision(revision),
            full: FullTable {
                table: "admissions".to_owned(),
                capacity: 1,
            },
            provisioning: Vec::new(),
        }
    }

    fn repaired(found: usize) -> Report {
        Report::Repaired(Repairs {
            listed: vec![Repair {
                what: RepairKind::Interface,
                found: format!("link {found}"),
            }],
            unlisted: 0,
        })
    }

    fn waiting(outbox: &Outbox) -> Vec<String> {
        let waiting = outbox.waiting();
        let names = waiting.reports.iter().map(|report| match &**report {
            Report::Repaired(repairs) => repairs.listed[0].found.clone(),
            Report::InForce { revision, .. } => format!("in force {}", revision.0),
            Report::Refused { revision, .. } => format!("refused {}", revision.0),
        });
        names.collect()
    }

    #[test]
    fn what_is_in_force_now_is_reported_in_place_of_all_before_it() {
        let outbox = Outbox::new();
        for report in [in_force(1), refused(2), refused(3)] {
            outbox.push(report);
        }
        assert_eq!(waiting(&outbox), ["in force 1", "refused 3"]);
        outbox.push(in_force(4));
        assert_eq!(waiting(&outbox), ["in force 4"]);
    }

    #[test]
    fn a_report_that_was_replaced_while_it_was_made_leaves_the_newer_one() {
        let outbox = Outbox::new();
        outbox.push(in_force(1));
        let made = outbox.first().unwrap();
        outbox.push(refused(2));
        assert_eq!(outbox.len(), 2);
        outbox.heard(&made);
        let made = outbox.first().unwrap();
        outbox.push(in_force(3));
        outbox.heard(&made);
        assert_eq!(waiting(&outbox), ["in force 3"]);
    }

    #[test]
    fn repairs_wait_beside_the_rest_and_are_bounded() {
        let outbox = Outbox::new();
        for round in 0..MAX_REPAIRS + 2 {
            outbox.push(repaired(round));
            outbox.push(in_force(round as u64));
        }
        let mut expected: Vec<_> = (2..MAX_REPAIRS + 2).map(|n| format!("link {n}")).collect();
        expected.push(format!("in force {}", MAX_REPAIRS + 1));
        assert_eq!(waiting(&outbox), expected);
    }

    #[test]
    fn tables_are_counted_once_for_what_was_done_until_then() {
        let outbox = Outbox::new();
        assert!(!outbox.take_uncounted());
        outbox.count_tables();
        outbox.count_tables();
        assert!(outbox.take_uncounted());
        assert!(!outbox.take_uncounted());
    }
}
