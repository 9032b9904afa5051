//! Events that the operations themselves write.

use jiff::SignedDuration;
use tombolo_domain::fleet::{EventCode, Fleet, FleetEvent};

use crate::operation::Call;

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
