//! DescribeFleetEvents: what happened to a fleet, the newest first; and the events that operations
//! write.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tombolo_domain::Timestamp;
use tombolo_domain::fleet::{EventCode, Fleet, FleetEvent};
use tombolo_domain::id::{EventId, FleetId};

use crate::gamelift::error::{Error, Result};
use crate::gamelift::page::Window;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::{from_seconds, seconds};

/// Times are shown in milliseconds, so a window that ends with a shown time has to reach to the
/// end of its millisecond to include what happened then.
const REST_OF_MILLISECOND: SignedDuration = SignedDuration::from_nanos(999_999);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    fleet_id: String,
    start_time: Option<f64>,
    end_time: Option<f64>,
    limit: Option<u64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    events: Vec<Event>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    event_id: EventId,
    resource_id: FleetId,
    event_code: EventCode,
    message: String,
    #[serde(serialize_with = "seconds")]
    event_time: Timestamp,
    count: u64,
}

impl From<FleetEvent> for Event {
    fn from(event: FleetEvent) -> Self {
        Event {
            event_id: event.id,
            resource_id: event.fleet,
            event_code: event.code,
            message: event.message,
            event_time: event.at,
            count: 1,
        }
    }
}

/// The events of one fleet from StartTime to EndTime, both included.
pub(crate) async fn describe_fleet_events(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    let start = time("startTime", input.start_time)?;
    let end = time("endTime", input.end_time)?;
    if let (Some(start), Some(end)) = (start, end)
        && start > end
    {
        return Err(Error::invalid_request(format!(
            "StartTime {start} is after EndTime {end}."
        )));
    }

    let from = end.map(|end| {
        let end = end.saturating_add(REST_OF_MILLISECOND).unwrap_or(end);
        tx.events_from(&fleet, end)
    });
    let events = tx.events_of(&fleet);
    let mut window = Window::new(&events, input.limit, input.next_token.as_deref())?;
    if let Some(from) = from {
        window = window.not_before(from);
    }
    let since_start = |event: &FleetEvent| start.is_none_or(|start| event.at >= start);
    let page = window.read(events, |_| true, since_start).await?;
    Ok(Described {
        events: page.records.into_iter().map(Into::into).collect(),
        next_token: page.next_token,
    })
}

fn time(member: &str, seconds: Option<f64>) -> Result<Option<Timestamp>> {
    let parse = |seconds| {
        from_seconds(seconds).ok_or_else(|| {
            Error::invalid_request(format!(
                "Value '{seconds}' at '{member}' is not a time: it is outside of the years -9999 \
                 to 9999."
            ))
        })
    };
    seconds.map(parse).transpose()
}

/// What happens to a fleet at the time of the request.
pub(super) fn event(
    call: &Call<'_>,
    fleet: &Fleet,
    code: EventCode,
    message: String,
) -> FleetEvent {
    FleetEvent::new(
        fleet.scope.clone(),
        fleet.id.clone(),
        code,
        message,
        call.now,
        call.ids,
    )
}

/// The same event, a moment later: events are ordered by time, and this is a request's second.
pub(super) fn moment_later(mut event: FleetEvent) -> FleetEvent {
    let later = event.at.saturating_add(SignedDuration::from_nanos(1));
    event.at = later.unwrap_or(event.at);
    event
}
