//! What nodes report of an instance, written into the store: exactly once across crashes.

use tombolo_domain::fleet::{EventCode, Fleet, FleetStatus, Instance};
use tombolo_store::typed::{Transaction, transact};
use tombolo_store::{StoreError, keys};

use super::ports;
use super::record::Record;
use super::report::{Report, report};
use crate::{Context, Failure, FleetAt, Happening, InstanceAt, InstanceEvent};

/// Writes events of one run of an instance's supervisor, in order, together with the note that they
/// are written. `incarnation` is which run; the first events of a new one say that the instance was
/// started again.
pub(crate) async fn events(
    context: &Context,
    at: &InstanceAt,
    incarnation: &str,
    events: &[InstanceEvent],
) -> Result<(), StoreError> {
    let record = &super::record(context, &at.fleet);
    let Written {
        failed,
        crashes,
        recycled,
    } = transact(record.store(), async |tx| {
        let mut written = Written::default();
        let key = keys::instance(&record.scope, &record.id, &at.id);
        let Some(mut instance) = tx.get(&key).await? else {
            return Ok(written);
        };
        let Some(mut fleet) = tx.get(&record.key()).await? else {
            return Ok(written);
        };
        if let Some(first) = events.first() {
            written.recycled = begin(record, tx, &mut instance, incarnation, first)?;
        }
        for event in events {
            if event.seq <= instance.seen {
                continue;
            }
            if let Some(fatal) = write(record, tx, &mut instance, &fleet, event)? {
                record.write_failure(tx, &mut fleet, &fatal).await?;
                written.failed = true;
            } else if matches!(
                event.what,
                Happening::Crashed(_) | Happening::ExitedAtOnce(_)
            ) {
                written.crashes += 1;
            }
        }
        tx.put(&instance)?;
        Ok(written)
    })
    .await?;
    metrics::counter!("tombolo_server_process_crashes_total").increment(crashes);
    metrics::counter!("tombolo_instances_recycled_total").increment(recycled.into());
    if failed {
        record.log(FleetStatus::Error);
    }
    Ok(())
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
    super::record(context, fleet).trouble(failure).await
}

/// Deletes the interface of an instance without processes, so that the network lets go of it.
pub(crate) async fn ended(context: &Context, at: &InstanceAt) -> Result<(), StoreError> {
    let record = &super::record(context, &at.fleet);
    transact(record.store(), async |tx| {
        let key = keys::instance(&record.scope, &record.id, &at.id);
        let Some(instance) = tx.get(&key).await? else {
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
pub(crate) async fn released(context: &Context, at: &InstanceAt) -> Result<(), StoreError> {
    let record = &super::record(context, &at.fleet);
    transact(record.store(), async |tx| {
        let key = keys::instance(&record.scope, &record.id, &at.id);
        if let Some(instance) = tx.get(&key).await? {
            ports::give_back(tx, &instance);
            tx.delete(&key);
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
    /// Whether the fleet has failed by it.
    failed: bool,
    crashes: u64,
    recycled: bool,
}

/// Notes that events count anew, if they are of another run of the supervisor than the last ones;
/// whether the instance was started again.
fn begin(
    record: &Record,
    tx: &mut Transaction,
    instance: &mut Instance,
    incarnation: &str,
    first: &InstanceEvent,
) -> Result<bool, StoreError> {
    if instance.supervisor.as_deref() == Some(incarnation) {
        return Ok(false);
    }
    let again = instance
        .supervisor
        .replace(incarnation.to_owned())
        .is_some();
    instance.seen = 0;
    instance.running = false;
    instance.active_processes = 0;
    if again {
        let message = format!(
            "Instance {} had ended and was started again with all its server processes.",
            instance.id
        );
        let at = record.context.clock.at(first.at);
        tx.put(&record.event_at(at, EventCode::InstanceRecycled, message))?;
    }
    Ok(again)
}

/// Writes one event. The failure is that of the fleet, if it fails by it.
fn write(
    record: &Record,
    tx: &mut Transaction,
    instance: &mut Instance,
    fleet: &Fleet,
    event: &InstanceEvent,
) -> Result<Option<Failure>, StoreError> {
    let at = record.context.clock.at(event.at);
    instance.seen = event.seq;
    instance.active_processes = event.running;
    if event.what == Happening::Running && !instance.running {
        instance.running = true;
        let message = format!(
            "Instance {} runs all its server processes.{}",
            instance.id,
            ports::told(&record.context, instance)
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
