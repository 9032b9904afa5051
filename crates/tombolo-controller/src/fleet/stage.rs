//! What follows from how far a node has come with a fleet.

use std::collections::BTreeSet;

use tombolo_domain::fleet::{EventCode, FleetStatus, ManagedCompute};
use tombolo_domain::id::{HostId, InstanceId, VpcId};
use tombolo_domain::reported::{FleetProgress, ReportedFleet};
use tombolo_store::typed::{Transaction, transact};
use tombolo_store::{StoreError, keys};

use super::instance_set::{self, Busy};
use super::record::Record;
use crate::{Context, FleetAt, FleetReport};

/// Writes what follows from `report`.
pub(crate) async fn reported(
    context: &Context,
    host: &HostId,
    fleet: &FleetAt,
    report: FleetReport,
) -> Result<(), StoreError> {
    let record = super::record(context, fleet);
    let kept = |progress| ReportedFleet {
        scope: fleet.scope.clone(),
        fleet: fleet.id.clone(),
        host: host.clone(),
        progress,
    };
    match report {
        FleetReport::Downloaded => {
            let kept = kept(FleetProgress::Downloaded);
            record.advance(FleetStatus::Downloading, Some(&kept)).await
        }
        FleetReport::Validated => {
            let kept = kept(FleetProgress::Validated);
            record.advance(FleetStatus::Validating, Some(&kept)).await
        }
        FleetReport::Installing => {
            let message = "The build's install.sh is being run.";
            let code = EventCode::FleetCreationRunningInstaller;
            let kept = kept(FleetProgress::Installing);
            record.record_event_once(code, message, &kept).await
        }
        FleetReport::Built { installed } => {
            let kept = kept(FleetProgress::Built { installed });
            built(&record, installed, &kept).await
        }
        FleetReport::Connected(instances) => {
            let kept = kept(FleetProgress::Connected);
            connected(&record, &instances, &kept).await
        }
        FleetReport::Failed { during, failure } => {
            let kept = kept(FleetProgress::Failed {
                during,
                code: failure.code,
                message: failure.message.clone(),
            });
            record.fail(during, &failure, Some(&kept)).await
        }
        FleetReport::Released => released(&record).await,
    }
}

/// Makes the instances of a fleet whose build is there.
async fn built(record: &Record, installed: bool, report: &ReportedFleet) -> Result<(), StoreError> {
    if installed {
        let message = "The build's install.sh succeeded, and what it changed is kept.";
        let code = EventCode::FleetCreationCompletedInstaller;
        record.record_event_once(code, message, report).await?;
    }
    match instance_set::balance(record, &Busy::new(), Some(report)).await? {
        Ok(()) => Ok(()),
        Err(failure) => record.fail(FleetStatus::Building, &failure, None).await,
    }
}

/// Takes the fleet on if these are all instances that it is to have.
async fn connected(
    record: &Record,
    ready: &BTreeSet<InstanceId>,
    report: &ReportedFleet,
) -> Result<(), StoreError> {
    let mut tx = Transaction::new(record.store().clone());
    let Some(fleet) = tx.get(&record.key()).await? else {
        return Ok(());
    };
    let Some(managed) = fleet.managed() else {
        return Ok(());
    };
    let instances = tx
        .peek(&keys::instances_of(&record.scope, &record.id))
        .await?;
    let are_ready = instance_set::is_balanced(&record.context, managed, &instances)
        && instance_set::staying(&instances).all(|instance| ready.contains(&instance.id));
    match are_ready {
        true => record.advance(FleetStatus::Building, Some(report)).await,
        false => Ok(()),
    }
}

/// Removes the fleet's VPC once no instance is left in it and no connection holds it, which is the end
/// of the fleet. A host says only that it has nothing of the fleet any more; another one may have, and
/// says so again when its last instance's record has gone.
async fn released(record: &Record) -> Result<(), StoreError> {
    let removed = transact(record.store(), async |tx| {
        let instances = keys::instances_of(&record.scope, &record.id);
        if !tx.list(&instances).await?.is_empty() {
            return Ok(false);
        }
        let connections = tx
            .list(&keys::connections_of_fleet(&record.scope, &record.id))
            .await?;
        if connections
            .iter()
            .any(|connection| connection.forgotten_at().is_none())
        {
            return Ok(false);
        }
        let Some(mut fleet) = tx.get(&record.key()).await? else {
            return Ok(false);
        };
        if fleet.status != FleetStatus::Deleting {
            return Ok(false);
        }
        if let Some(ManagedCompute { vpc, .. }) = fleet.managed() {
            let vpc: VpcId = vpc.clone();
            tx.remove_vpc(&record.scope, &vpc).await?;
        }
        let reports = keys::reports_of_fleet(&record.scope, &record.id);
        for report in tx.list(&reports).await? {
            tx.remove(&report);
        }
        record.write_status(tx, &mut fleet, FleetStatus::Terminated)?;
        Ok(true)
    })
    .await?;
    if removed {
        record.log(FleetStatus::Terminated);
    }
    Ok(())
}
