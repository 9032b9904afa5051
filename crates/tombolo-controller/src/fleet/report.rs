//! What a supervisor reports, as a fleet's event.

use tombolo_domain::fleet::{EventCode, FleetStatus, MAX_MESSAGE};
use tombolo_domain::id::InstanceId;

use crate::{Ended, Failure, Happening};

/// An event of the fleet.
pub(super) struct Report {
    pub(super) code: EventCode,
    pub(super) message: String,
    /// Whether the fleet fails by it.
    pub(super) is_fatal: bool,
}

/// `None` for what only says that all is well.
pub(super) fn report(
    instance: &InstanceId,
    event: &Happening,
    status: FleetStatus,
) -> Option<Report> {
    let is_starting = status.is_starting();
    // The others of a fleet that has failed fail by the same, of which the first has told.
    let is_over = !status.has_instances();
    let (code, message, is_fatal) = match event {
        Happening::LaunchPathNotFound { .. }
        | Happening::LaunchFailed { .. }
        | Happening::ExitedAtOnce(_)
            if is_over =>
        {
            return None;
        }
        Happening::LaunchPathNotFound {
            process,
            launch_path,
        } => (
            match is_starting {
                true => EventCode::FleetValidationLaunchPathNotFound,
                // The runtime configuration was changed since.
                false => EventCode::ServerProcessInvalidPath,
            },
            format!(
                "Server process {process} of instance {instance}: the launch path {launch_path} \
                 was not found in the build."
            ),
            is_starting,
        ),
        Happening::LaunchFailed {
            process,
            error,
            is_final,
        } => (
            match is_starting {
                true => EventCode::FleetValidationExecutableRuntimeFailure,
                // GameLift has no code for a program that was found and cannot be run.
                false => EventCode::ServerProcessCrashed,
            },
            format!("Server process {process} of instance {instance} could not be run: {error}."),
            is_starting && *is_final,
        ),
        Happening::ExitedAtOnce(ended) if is_starting => (
            EventCode::FleetValidationExecutableRuntimeFailure,
            message(instance, ended, "exited at once", None),
            true,
        ),
        Happening::ExitedAtOnce(ended) | Happening::Crashed(ended) => (
            EventCode::ServerProcessCrashed,
            message(instance, ended, "ended", Some(ended.restart_in_ms)),
            false,
        ),
        Happening::ForceTerminated { process } => (
            EventCode::ServerProcessForceTerminated,
            format!(
                "Server process {process} of instance {instance} did not end within its grace \
                 after SIGTERM and was killed."
            ),
            false,
        ),
        Happening::InstallFailed(ended) => (
            EventCode::FleetCreationFailedInstaller,
            outcome("The build's install.sh failed", ended, None),
            true,
        ),
        Happening::InstallNotKept { error } => (
            EventCode::FleetCreationFailedInstaller,
            format!(
                "The build's install.sh succeeded, and what it changed cannot be kept: {error}."
            ),
            true,
        ),
        Happening::Running | Happening::Other => return None,
    };
    Some(Report {
        code,
        message,
        is_fatal,
    })
}

/// Why a fleet fails whose build's `install.sh`, run as `instance`, reported `event`; `None` for what
/// is no end of it.
pub fn installer_failure(instance: &InstanceId, event: &Happening) -> Option<Failure> {
    let report = report(instance, event, FleetStatus::Building)?;
    report.is_fatal.then_some(Failure {
        code: EventCode::FleetCreationFailedInstaller,
        message: report.message,
    })
}

/// What became of a server process.
fn message(instance: &InstanceId, ended: &Ended, what: &str, restart_in_ms: Option<u64>) -> String {
    let process = &ended.process;
    let what = format!("Server process {process} of instance {instance} {what}");
    outcome(&what, ended, restart_in_ms)
}

/// What happened, and the last lines of the output that fit: the last one tells most.
fn outcome(what: &str, ended: &Ended, restart_in_ms: Option<u64>) -> String {
    let Ended {
        exit,
        ran_ms,
        last_lines,
        out_of_memory,
        out_of_time,
        ..
    } = ended;
    let mut text = format!("{what} with {exit} after {ran_ms} ms.");
    if *out_of_memory {
        text += " The instance had used up the memory that it may use, and the kernel killed it.";
    }
    if *out_of_time {
        text += " It took too long and was killed.";
    }
    if let Some(wait) = restart_in_ms {
        text += &format!(" It is started again in {wait} ms.");
    }
    if last_lines.is_empty() {
        return text + " It wrote nothing.";
    }
    text += " Its last output: ";
    let mut room = MAX_MESSAGE.saturating_sub(text.chars().count());
    let mut kept = Vec::new();
    for line in last_lines.iter().rev() {
        let length = line.chars().count() + SEPARATOR.len();
        if length > room {
            break;
        }
        room -= length;
        kept.push(line.as_str());
    }
    kept.reverse();
    if let ([], Some(last)) = (kept.as_slice(), last_lines.last()) {
        // A line that is longer than all the room there is: its beginning, cut by the event.
        kept.push(last);
    }
    text + &kept.join(SEPARATOR)
}

const SEPARATOR: &str = " | ";

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(last_lines: Vec<String>) -> Ended {
        Ended {
            process: "server-1".to_owned(),
            exit: "exit code 1".to_owned(),
            ran_ms: 12,
            last_lines,
            restart_in_ms: 100,
            out_of_memory: false,
            out_of_time: false,
        }
    }

    fn instance() -> InstanceId {
        "i-0123456789abcdef0".parse().unwrap()
    }

    #[test]
    fn the_last_line_survives_when_not_all_fit() {
        let mut lines = vec!["x".repeat(500); 5];
        lines.push("panicked: no database".to_owned());
        let report = report(
            &instance(),
            &Happening::ExitedAtOnce(ended(lines)),
            FleetStatus::Activating,
        );
        let report = report.unwrap();
        assert!(report.is_fatal);
        assert!(
            report.message.ends_with("panicked: no database"),
            "{}",
            report.message
        );
        assert!(report.message.chars().count() <= MAX_MESSAGE);
        assert!(!report.message.contains("started again"), "the fleet fails");
    }

    #[test]
    fn a_crash_of_an_active_fleet_says_when_it_is_started_again() {
        let report = report(
            &instance(),
            &Happening::Crashed(ended(vec![])),
            FleetStatus::Active,
        );
        let report = report.unwrap();
        assert!(!report.is_fatal);
        assert!(
            report.message.contains("started again in 100 ms"),
            "{}",
            report.message
        );
    }

    #[test]
    fn a_program_that_cannot_be_run_fails_the_validation_of_fleets_on_their_way_only() {
        let event = Happening::LaunchFailed {
            process: "server-1".to_owned(),
            error: "/local/game/server: Permission denied".to_owned(),
            is_final: true,
        };
        for (status, code, is_fatal) in [
            (
                FleetStatus::Activating,
                EventCode::FleetValidationExecutableRuntimeFailure,
                true,
            ),
            (FleetStatus::Active, EventCode::ServerProcessCrashed, false),
        ] {
            let report = report(&instance(), &event, status).unwrap();
            assert_eq!((report.code, report.is_fatal), (code, is_fatal));
        }
    }

    #[test]
    fn an_installer_that_failed_fails_the_fleet_and_says_why() {
        let failed = Ended {
            out_of_time: true,
            exit: "signal 9 (SIGKILL)".to_owned(),
            ..ended(vec!["downloading".to_owned()])
        };
        let event = Happening::InstallFailed(failed);
        let report = report(&instance(), &event, FleetStatus::Building).unwrap();
        assert!(report.is_fatal);
        assert_eq!(
            report.message,
            "The build's install.sh failed with signal 9 (SIGKILL) after 12 ms. It took too long \
             and was killed. Its last output: downloading"
        );
    }

    #[test]
    fn memory_that_was_used_up_is_named_as_the_cause() {
        let killed = Ended {
            out_of_memory: true,
            exit: "signal 9 (SIGKILL)".to_owned(),
            ..ended(vec![])
        };
        let event = Happening::Crashed(killed);
        let report = report(&instance(), &event, FleetStatus::Active).unwrap();
        assert!(
            report.message.contains("used up the memory"),
            "{}",
            report.message
        );
    }
}
