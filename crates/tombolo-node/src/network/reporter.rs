//! Reports what became of the network, beside the loop that gives it to the engine: no packet waits for
//! a commit.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::sleep;
use tombolo_controller::{NetworkApplied, NetworkRefused, Reports};
use tombolo_store::StoreError;
use tombolo_tasks::{Reason, reason_to_run};

use super::outbox::{Outbox, Report};
use super::{RESYNC, RETRY, repair};
use crate::{Context, host};

/// The loop's name.
pub(super) const TASK: &str = "node/reports";

/// Makes the reports of `outbox`, and tells `counts` after them to count the entries of the tables.
pub(super) async fn run(
    context: Context,
    reports: Arc<dyn Reports>,
    outbox: Arc<Outbox>,
    counts: watch::Sender<()>,
) {
    let purpose = "reports what the network engine has put in force";
    let task = context.tasks.task(TASK, purpose, RESYNC);
    let mut wakes = outbox.wakes();
    let mut reporter = Reporter {
        context,
        reports,
        outbox,
        is_known: false,
    };
    loop {
        let mut reason = reason_to_run(&mut wakes, RESYNC).await;
        loop {
            let reported = task.run(reason, reporter.report()).await;
            if reporter.outbox.take_uncounted() {
                counts.send_replace(());
            }
            if reported.is_ok() {
                break;
            }
            sleep(RETRY).await;
            reason = Reason::Again;
        }
    }
}

struct Reporter {
    context: Context,
    reports: Arc<dyn Reports>,
    outbox: Arc<Outbox>,
    /// Whether this host has reported itself.
    is_known: bool,
}

impl Reporter {
    /// Makes the reports that are waiting. What comes meanwhile wakes the loop again.
    async fn report(&mut self) -> Result<(), StoreError> {
        for _ in 0..self.outbox.len() {
            let Some(report) = self.outbox.first() else {
                break;
            };
            self.make(&report).await?;
            self.outbox.heard(&report);
        }
        Ok(())
    }

    async fn make(&mut self, report: &Report) -> Result<(), StoreError> {
        match report {
            Report::Repaired(repairs) => {
                let repaired = repair::reported(repairs);
                self.reports.network_repaired(repaired).await
            }
            Report::InForce {
                revision,
                provisioned,
                removed,
            } => {
                if !self.is_known {
                    let boot = &self.context.host.boot;
                    self.reports.host(&host::label().await, boot).await?;
                    self.is_known = true;
                }
                let applied = NetworkApplied {
                    revision: *revision,
                    provisioned: provisioned.clone(),
                    removed: removed.clone(),
                };
                self.reports.network_applied(applied).await
            }
            Report::Refused {
                revision,
                full,
                provisioning,
            } => {
                let refused = NetworkRefused {
                    revision: *revision,
                    table: full.table.clone(),
                    capacity: full.capacity,
                    provisioning: provisioning.clone(),
                };
                self.reports.network_refused(refused).await
            }
        }
    }
}
