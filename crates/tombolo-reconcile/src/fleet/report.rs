//! What a supervisor reports, as a fleet's event.

use tombolo_domain::fleet::{EventCode, FleetStatus};
use tombolo_domain::id::InstanceId;
use tombolo_fleet::{Ended, Event};

/// An event of the fleet.
pub(super) struct Report {
    pub(super) code: EventCode,
    pub(super) message: String,
    /// Whether a fleet that is still starting fails by it.
    pub(super) is_fatal: bool,
}

/// `None` for what only says that all is well.
pub(super) fn report(instance: &InstanceId, event: &Event, status: FleetStatus) -> Option<Report> {
    let (code, message) = match event {
        Event::LaunchPathNotFound {
            process,
            launch_path,
        } => (
            EventCode::FleetValidationLaunchPathNotFound,
            format!(
                "Server process {process} of instance {instance}: the launch path {launch_path} \
                 was not found in the build."
            ),
        ),
        Event::LaunchFailed { process, error, .. } => (
            EventCode::FleetValidationExecutableRuntimeFailure,
            format!("Server process {process} of instance {instance} could not be run: {error}."),
        ),
        Event::ExitedAtOnce(ended) if status.is_starting() => (
            EventCode::FleetValidationExecutableRuntimeFailure,
            message(instance, ended, "exited at once"),
        ),
        Event::ExitedAtOnce(ended) | Event::Crashed(ended) => (
            EventCode::ServerProcessCrashed,
            message(instance, ended, "ended"),
        ),
        Event::ProcessStarted { .. } | Event::Running | Event::Stopped => return None,
    };
    let is_fatal = !matches!(event, Event::Crashed(_));
    Some(Report {
        code,
        message,
        is_fatal,
    })
}

fn message(instance: &InstanceId, ended: &Ended, what: &str) -> String {
    let Ended {
        process,
        exit,
        ran_ms,
        last_lines,
        restart_in_ms,
    } = ended;
    let output = match last_lines.as_slice() {
        [] => "It wrote nothing.".to_owned(),
        lines => format!("Its last output: {}", lines.join(" | ")),
    };
    format!(
        "Server process {process} of instance {instance} {what} with {exit} after {ran_ms} ms and \
         is started again in {restart_in_ms} ms. {output}"
    )
}
