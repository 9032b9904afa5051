//! How full the data path's tables are, which the API looks at before it takes what fills them.
//!
//! Counting the entries takes longer than making them, so it comes after what was done to them was
//! reported, and in nobody's way.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tombolo_domain::table_capacity::TableCapacity;
use tombolo_network::{EngineError, TableUsage};
use tombolo_tasks::{Reason, reason_to_run};

use super::{RESYNC, RETRY};
use crate::Context;

/// How often the entries are counted at most.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// The loop's name.
pub(super) const TASK: &str = "node/tables";

/// Counts whenever `changed` does. What comes while it was counted a moment ago is counted when that
/// moment is over.
pub(super) async fn run(context: Context, mut changed: watch::Receiver<()>) {
    let purpose = "counts the entries of the data path's tables";
    let task = context.tasks.task(TASK, purpose, RESYNC);
    loop {
        let mut reason = reason_to_run(&mut changed, RESYNC).await;
        while task.run(reason, count(&context)).await.is_err() {
            sleep(RETRY).await;
            reason = Reason::Again;
        }
        sleep(COUNT_EVERY).await;
    }
}

async fn count(context: &Context) -> Result<(), EngineError> {
    let tables = context.engine.tables().await?.into_iter();
    let counted = tables.map(|(name, TableUsage { used, capacity })| (name, used, capacity));
    let counted = TableCapacity::new(counted);
    context.table_capacity.send_replace(counted);
    Ok(())
}
