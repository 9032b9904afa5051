//! `tombolo status`.

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
        last.map_or_else(none, |last| milliseconds(last.took_seconds)),
        format!("{} of {}", task.failures, task.runs),
        match (&task.trouble, error, task.running_for_seconds) {
            (Some(trouble), ..) => trouble.clone(),
            (None, Some(error), _) => error,
            (None, None, Some(running)) => format!("running for {}", milliseconds(running)),
            (None, None, None) if last.is_some() => "ok".to_owned(),
            (None, None, None) => none(),
        },
    ]
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}
