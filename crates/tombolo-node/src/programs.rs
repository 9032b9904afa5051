//! Interfaces of programs that have ended without saying so, and what still runs on them.
//!
//! Only this host's programs are judged: another one's pid means nothing here.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tombolo_controller::Reports;
use tombolo_domain::host::Locality;
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_domain::vpc::{Attachment, NetworkInterface};
use tombolo_fleet::{end_namespace_processes, process_runs};
use tombolo_store::StoreError;
use tombolo_store::keys;
use tombolo_store::model::Term;
use tombolo_store::typed::Transaction;
use tombolo_tasks::Reason;

use crate::Context;

/// How often to look.
const PERIOD: Duration = Duration::from_secs(1);
/// How long what a program has left running may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// The loop's name.
pub(crate) const TASK: &str = "node/programs";

/// Looks for programs that have ended, and reports them once nothing is left of them.
pub(crate) async fn run(context: Context, reports: Arc<dyn Reports>) {
    let purpose = "takes away the interfaces of programs that have ended";
    let task = context.tasks.task(TASK, purpose, PERIOD);
    loop {
        // What failed is looked at again.
        let _ = task.run(Reason::Period, look(&context, &*reports)).await;
        sleep(PERIOD).await;
    }
}

async fn look(context: &Context, reports: &dyn Reports) -> Result<(), StoreError> {
    let mut tx = Transaction::new(context.store.clone());
    for interface in tx
        .find(Term::ProgramInterface, &keys::all_interfaces())
        .await?
    {
        let NetworkInterface { id, attachment, .. } = &*interface;
        let Some(Attachment::Program {
            pid,
            start_time,
            boot,
        }) = attachment
        else {
            continue;
        };
        let has_ended = match context.host.locality_of(boot.as_ref()) {
            Locality::OtherHost => false,
            Locality::EarlierBoot => true,
            Locality::ThisBoot => !process_runs(*pid, *start_time),
        };
        if has_ended {
            tracing::info!(interface = %id, pid, "the program of an interface has ended");
            // Once the interface is gone, nobody knows any more where those processes are.
            if let Err(error) = end_what_is_left(context, id).await {
                tracing::error!(
                    interface = %id,
                    error = &*error,
                    "the interface of a program that has ended stays, since processes are on it"
                );
                continue;
            }
            reports.program_ended(&interface).await?;
        }
    }
    Ok(())
}

/// Ends the processes in the network namespace of an interface.
async fn end_what_is_left(
    context: &Context,
    interface: &NetworkInterfaceId,
) -> Result<(), Box<dyn std::error::Error + 'static>> {
    if let Some(netns) = context.engine.namespace(interface) {
        let ended = spawn_blocking(move || end_namespace_processes(&netns, GRACE)).await??;
        if ended > 0 {
            tracing::info!(%interface, ended, "processes that a program had left were ended");
        }
    }
    Ok(())
}
