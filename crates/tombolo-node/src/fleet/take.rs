//! What a supervisor reported, written into the store: once, whatever is killed when.

use jiff::Timestamp;
use tombolo_domain::fleet::{EventCode, Fleet, FleetStatus, Instance};
use tombolo_domain::id::InstanceId;
use tombolo_fleet::{Event, NumberedEvent};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use super::ports;
use super::record::{Failure, Record};
use super::report::{Report, report};
use crate::transact::transact;

/// Writes events of one run of an instance's supervisor, in order, together with the note that they
/// are written. `incarnation` is which run; the first events of a new one say that the instance was
/// started again.
pub(super) async fn take(
    record: &Record,
    id: &InstanceId,
    incarnation: &str,
    events: &[NumberedEvent],
) -> Result<(), StoreError> {
    let Written {
        failed,
        crashes,
        recycled,
    } = transact(record.store(), async |tx| {
        let mut written = Written::default();
        let key = keys::instance(&record.scope, &record.id, id);
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
            } else if matches!(event.event, Event::Crashed(_) | Event::ExitedAtOnce(_)) {
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
    first: &NumberedEvent,
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
        let at = record.context.clock.at(happened(first));
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
    event: &NumberedEvent,
) -> Result<Option<Failure>, StoreError> {
    let at = record.context.clock.at(happened(event));
    instance.seen = event.seq;
    instance.active_processes = event.running;
    if event.event == Event::Running && !instance.running {
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
    }) = report(&instance.id, &event.event, fleet.status)
    else {
        return Ok(None);
    };
    if is_fatal {
        return Ok(Some(Failure { code, message }));
    }
    tx.put(&record.event_at(at, code, message))?;
    Ok(None)
}

/// When an event happened, by the machine's clock.
fn happened(event: &NumberedEvent) -> Timestamp {
    let milliseconds = i64::try_from(event.unix_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}
