//! How many instances a fleet is to have, as its scaling policies want it.

use std::collections::BTreeMap;

use tombolo_domain::fleet::{
    EventCode, FleetStatus, Instance, Load, ManagedCompute, Scaler, ScalingPolicy,
};
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_store::typed::{Transaction, transact};
use tombolo_store::{StoreError, keys};

use super::instance_set::{Busy, staying};
use super::record::Record;

/// How many server processes of each instance have players: each that has them has a port with a
/// flow from outside, and none has them that does not run.
pub(super) fn busy(
    active_ports: &BTreeMap<NetworkInterfaceId, u32>,
    instances: &[Instance],
) -> Busy {
    let counted = instances.iter().filter_map(|instance| {
        let ports = *active_ports.get(&instance.interface)?;
        let busy = ports.min(instance.active_processes);
        Some((instance.interface.clone(), busy))
    });
    counted.collect::<BTreeMap<_, _>>()
}

/// Writes how many instances there are to be, if that is another number than now.
pub(super) async fn scale(
    record: &Record,
    scaler: &mut Scaler,
    policies: &[ScalingPolicy],
    managed: &ManagedCompute,
    instances: &[Instance],
    busy: &Busy,
) -> Result<(), StoreError> {
    let load = load(managed, instances, busy);
    let capacity = managed.capacity;
    let now = record.context.clock.now();
    let targets = policies.iter().map(|policy| policy.target);
    let desired = scaler.desired(now, capacity, load, targets);
    if desired == capacity.desired {
        return Ok(());
    }
    transact(record.store(), async |tx| {
        let fleet = tx.get(&record.key()).await?;
        let Some(mut fleet) = fleet.filter(|fleet| fleet.status == FleetStatus::Active) else {
            return Ok(());
        };
        // What somebody else has changed meanwhile is looked at again.
        let Some(managed) = fleet
            .managed_mut()
            .filter(|managed| managed.capacity == capacity && !managed.scaling_is_stopped)
        else {
            return Ok(());
        };
        managed.capacity.desired = desired;
        let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
        let message = format!(
            "Scaling by {} changed the desired instances from {} to {desired}: {} server processes \
             have players, of {} an instance.",
            names.join(", "),
            capacity.desired,
            load.busy,
            load.per_instance
        );
        tx.put(&record.event(EventCode::FleetScalingEvent, message))?;
        tx.put(&fleet)
    })
    .await
}

/// The policies of the fleet that decide, which is none while scaling is stopped.
pub(super) async fn policies(
    record: &Record,
    managed: &ManagedCompute,
) -> Result<Vec<ScalingPolicy>, StoreError> {
    if managed.scaling_is_stopped {
        return Ok(Vec::new());
    }
    Transaction::new(record.store().clone())
        .peek(&keys::scaling_policies(&record.scope, &record.id))
        .await
}

fn load(managed: &ManagedCompute, instances: &[Instance], busy: &Busy) -> Load {
    let of_each = staying(instances).map(|one| busy.get(&one.interface).copied().unwrap_or(0));
    let processes = managed.runtime.server_processes.iter();
    Load {
        busy: of_each.sum(),
        per_instance: processes.map(|process| process.concurrent_executions).sum(),
    }
}
