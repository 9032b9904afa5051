//! What nodes report of an instance, written into the store: exactly once across crashes.

use tombolo_domain::fleet::{EventCode, Fleet, FleetStatus, Instance};
use tombolo_domain::id::HostId;
use tombolo_domain::reported::{EventPosition, ReportedInstance};
use tombolo_store::StoreError;
use tombolo_store::keys::{self, Key, ReportedInstanceKey};
use tombolo_store::typed::{Transaction, transact};

use super::record::Record;
use super::report::{Report, report};
use super::{instance_set, ports};
use crate::{Context, Failure, FleetAt, Happening, InstanceAt, InstanceEvent};

/// Writes events of one run of an instance's supervisor, in order, together with the note that they
/// are written, and whatever follows from them: one that is the last to run makes its fleet ACTIVE.
/// `incarnation` is which run; the first events of a new one say that the instance was started again.
pub(crate) async fn events(
    context: &Context,
    host: &HostId,
    at: &InstanceAt,
    incarnation: &str,
    events: &[InstanceEvent],
) -> Result<(), StoreError> {
    let record = &super::record(context, &at.fleet);
    let written = transact(record.store(), async |tx| {
        let mut written = Written::default();
        let Some(mut instance) = of_host(record, tx, host, at).await? else {
            return Ok(written);
        };
        let Some(mut fleet) = tx.get(&record.key()).await? else {
            return Ok(written);
        };
        let stood = instance.clone();
        let last = tx.get(&reported_key(record, at)).await?;
        let position = last.as_ref().map(|last| last.last_event.clone());
        let position = position.or(instance.earlier_position.take());
        let is_same_run = position
            .as_ref()
            .is_some_and(|position| position.incarnation == incarnation);
        let mut reported = ReportedInstance {
            scope: record.scope.clone(),
            fleet: record.id.clone(),
            instance: at.id.clone(),
            host: host.clone(),
            last_event: EventPosition {
                incarnation: incarnation.to_owned(),
                number: position.as_ref().map_or(0, |position| position.number),
            },
            running: instance.running,
            active_processes: instance.active_processes,
        };
        if !is_same_run {
            reported.last_event.number = 0;
            reported.running = false;
            reported.active_processes = 0;
        }
        if let Some(first) = events.first()
            && !is_same_run
            && position.is_some()
        {
            written.recycled = true;
            write_recycled(record, tx, at, first)?;
        }
        for event in events {
            if event.seq <= reported.last_event.number {
                continue;
            }
            if let Some(fatal) = write(record, tx, &instance, &mut reported, &fleet, event)? {
                record.write_failure(tx, &mut fleet, &fatal).await?;
                written.status = Some(FleetStatus::Error);
            } else if matches!(
                event.what,
                Happening::Crashed(_) | Happening::ExitedAtOnce(_)
            ) {
                written.crashes += 1;
            }
        }
        let is_first_to_run = reported.running && !instance.running;
        instance.running = reported.running;
        instance.active_processes = reported.active_processes;
        if instance != stood {
            tx.put(&instance)?;
        }
        if last.as_ref() != Some(&reported) {
            tx.put(&reported)?;
        }
        if is_first_to_run && instance_set::may_be_active(record, tx, &fleet).await? {
            record.write_status(tx, &mut fleet, FleetStatus::Active)?;
            written.status = Some(FleetStatus::Active);
        }
        Ok(written)
    })
    .await?;
    metrics::counter!("tombolo_server_process_crashes_total").increment(written.crashes);
    metrics::counter!("tombolo_instances_recycled_total").increment(written.recycled.into());
    if let Some(status) = written.status {
        record.log(status);
    }
    Ok(())
}

/// The record of an instance that is placed on `host`. Another host's reports of it say nothing: it
/// belongs to one host for its life.
async fn of_host(
    record: &Record,
    tx: &mut Transaction,
    host: &HostId,
    at: &InstanceAt,
) -> Result<Option<Instance>, StoreError> {
    let key = keys::instance(&record.scope, &record.id, &at.id);
    let instance = tx.get(&key).await?;
    Ok(instance.filter(|instance| instance.is_on(host)))
}

fn reported_key(record: &Record, at: &InstanceAt) -> Key<ReportedInstanceKey> {
    keys::reported_instance(&record.scope, &record.id, &at.id)
}

/// Writes what keeps an instance from running: the end of a fleet that starts, and an event of one
/// that is ACTIVE, since there it is tried again and again.
pub(crate) async fn hindered(
    context: &Context,
    fleet: &FleetAt,
    message: String,
) -> Result<(), StoreError> {
    let failure = Failure {
        code: EventCode::FleetInitializationFailed,
        message,
    };
    super::record(context, fleet).report_problem(failure).await
}

/// Deletes the interface of an instance without processes, so that the network lets go of it.
pub(crate) async fn ended(
    context: &Context,
    host: &HostId,
    at: &InstanceAt,
) -> Result<(), StoreError> {
    let record = &super::record(context, &at.fleet);
    transact(record.store(), async |tx| {
        let Some(instance) = of_host(record, tx, host, at).await? else {
            return Ok(());
        };
        let fleet = tx.get(&record.key()).await?;
        if let Some(vpc) = fleet.as_ref().and_then(|fleet| fleet.vpc()) {
            let key = keys::interface(&record.scope, vpc, &instance.interface);
            if let Some(interface) = tx.get(&key).await? {
                tx.remove(&interface);
            }
        }
        Ok(())
    })
    .await
}

/// Removes the record of an instance without an interface, which is the last of it.
pub(crate) async fn released(
    context: &Context,
    host: &HostId,
    at: &InstanceAt,
) -> Result<(), StoreError> {
    let record = &super::record(context, &at.fleet);
    transact(record.store(), async |tx| {
        if let Some(instance) = of_host(record, tx, host, at).await? {
            ports::give_back(tx, &instance);
            tx.remove(&instance);
            tx.delete(&reported_key(record, at));
            let message = format!("Instance {} was taken away.", instance.id);
            tx.put(&record.event(EventCode::GenericEvent, message))?;
        }
        Ok(())
    })
    .await
}

/// What was written.
#[derive(Default)]
struct Written {
    /// What the fleet has come to by it.
    status: Option<FleetStatus>,
    crashes: u64,
    recycled: bool,
}

/// Writes that the instance was started again, as the `first` event of another run of its supervisor
/// tells.
fn write_recycled(
    record: &Record,
    tx: &mut Transaction,
    at: &InstanceAt,
    first: &InstanceEvent,
) -> Result<(), StoreError> {
    let message = format!(
        "Instance {} had ended and was started again with all its server processes.",
        at.id
    );
    let time = record.context.clock.at(first.at);
    tx.put(&record.event_at(time, EventCode::InstanceRecycled, message))
}

/// Writes one event. The failure is that of the fleet, if it fails by it.
fn write(
    record: &Record,
    tx: &mut Transaction,
    instance: &Instance,
    reported: &mut ReportedInstance,
    fleet: &Fleet,
    event: &InstanceEvent,
) -> Result<Option<Failure>, StoreError> {
    let at = record.context.clock.at(event.at);
    reported.last_event.number = event.seq;
    reported.active_processes = event.running;
    if event.what == Happening::Running && !reported.running {
        reported.running = true;
        let message = format!(
            "Instance {} runs all its server processes.{}",
            instance.id,
            ports::reachable_at(&record.context, instance)
        );
        tx.put(&record.event_at(at, EventCode::GenericEvent, message))?;
    }
    if event.lost > 0 {
        let message = format!(
            "{} events of instance {} were dropped, since the server was away too long.",
            event.lost, instance.id
        );
        tx.put(&record.event_at(at, EventCode::GenericEvent, message))?;
    }
    let Some(Report {
        code,
        message,
        is_fatal,
    }) = report(&instance.id, &event.what, fleet.status)
    else {
        return Ok(None);
    };
    if is_fatal {
        return Ok(Some(Failure { code, message }));
    }
    tx.put(&record.event_at(at, code, message))?;
    Ok(None)
}
