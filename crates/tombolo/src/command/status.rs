//! `tombolo status`.

use std::time::Duration;

use anyhow::Result;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{ListTasks, TaskDescription};

use crate::cli::StatusArguments;
use crate::output;

pub(super) async fn run(arguments: StatusArguments) -> Result<()> {
    let server = AdminClient::new(&arguments.server.dir);
    let reading = server.send(&ListTasks {}).await?;
    if arguments.format.json {
        return output::json(&reading);
    }
    let headings = [
        "TASK", "LOOPS", "LAST RUN", "WHY", "TOOK", "FAILURES", "RESULT",
    ];
    output::table(headings, reading.tasks.iter().map(row))
}

fn row(task: &TaskDescription) -> [String; 7] {
    let none = || "-".to_owned();
    let last = task.last.as_ref();
    let error = last.and_then(|last| last.error.clone());
    [
        task.name.clone(),
        task.members.to_string(),
        last.map_or_else(none, |last| format!("{:.0}", last.started)),
        last.map_or_else(none, |last| last.reason.clone()),
        last.map_or_else(none, |last| elapsed(last.took_seconds)),
        format!("{} of {}", task.failures, task.runs),
        match (&task.trouble, error, task.running_for_seconds) {
            (Some(trouble), ..) => trouble.clone(),
            (None, Some(error), _) => error,
            (None, None, Some(running)) => format!("running for {}", elapsed(running)),
            (None, None, None) if last.is_some() => "ok".to_owned(),
            (None, None, None) => none(),
        },
    ]
}

/// `0.3 ms`, `4.2 s`, and longer ones as [`output::duration`] has them.
fn elapsed(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time >= Duration::from_secs(120) => output::duration(time.as_secs()),
        Ok(time) if time >= Duration::from_secs(1) => format!("{seconds:.1} s"),
        _ => format!("{:.1} ms", seconds * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_is_told_in_seconds_and_minutes_and_a_short_one_in_milliseconds() {
        let told = [0.000_31, 0.9, 59.965_5, 119.9, 150.0, 10_000.0].map(elapsed);
        let expected = ["0.3 ms", "900.0 ms", "60.0 s", "119.9 s", "2 min", "2 h"];
        assert_eq!(told, expected);
    }
}
