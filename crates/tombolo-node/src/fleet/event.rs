//! What a supervisor says, as it is reported.

use jiff::Timestamp;
use tombolo_controller::{Ended, Happening, InstanceEvent};
use tombolo_fleet::{Event, NumberedEvent};

/// An event as it is reported.
pub(super) fn reported(event: NumberedEvent) -> InstanceEvent {
    let milliseconds = i64::try_from(event.unix_ms).unwrap_or(i64::MAX);
    InstanceEvent {
        seq: event.seq,
        at: Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX),
        lost: event.lost,
        running: event.running,
        what: happening(event.event),
    }
}

/// What happened.
pub(super) fn happening(event: Event) -> Happening {
    match event {
        Event::Running => Happening::Running,
        Event::LaunchPathNotFound {
            process,
            launch_path,
        } => Happening::LaunchPathNotFound {
            process,
            launch_path,
        },
        Event::LaunchFailed {
            process,
            error,
            restart_in_ms,
        } => Happening::LaunchFailed {
            process,
            error,
            is_final: restart_in_ms.is_none(),
        },
        Event::ExitedAtOnce(process) => Happening::ExitedAtOnce(ended(process)),
        Event::Crashed(process) => Happening::Crashed(ended(process)),
        Event::ForceTerminated { process } => Happening::ForceTerminated { process },
        Event::InstallFailed(installer) => Happening::InstallFailed(ended(installer)),
        Event::InstallNotKept { error } => Happening::InstallNotKept { error },
        Event::ProcessStarted { .. }
        | Event::ProcessStopped { .. }
        | Event::Installed
        | Event::Stopped => Happening::Other,
    }
}

fn ended(process: tombolo_fleet::Ended) -> Ended {
    let tombolo_fleet::Ended {
        process,
        exit,
        ran_ms,
        last_lines,
        restart_in_ms,
        out_of_memory,
        out_of_time,
    } = process;
    Ended {
        process,
        exit: exit.to_string(),
        ran_ms,
        last_lines,
        restart_in_ms,
        out_of_memory,
        out_of_time,
    }
}
