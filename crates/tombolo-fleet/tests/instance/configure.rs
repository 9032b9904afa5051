//! Another runtime configuration, while the instance runs.

use std::collections::BTreeSet;
use std::path::Path;

use tombolo_fleet::{
    ConfigureError, Event, Instance, InstanceSpec, InstanceStatus, NumberedEvent, ProcessState,
    ServerProcess, Work,
};

use crate::fixture::{BINARY, DEADLINE, Fixture, next, until};

const IGNORES_SIGTERM: &str = "trap '' TERM; while :; do sleep 1000; done";

fn server(parameters: &str, concurrent_executions: u32) -> ServerProcess {
    ServerProcess {
        launch_path: "/local/game/server".into(),
        parameters: parameters.into(),
        concurrent_executions,
    }
}

fn pids(status: &InstanceStatus) -> Vec<(&str, Option<i32>)> {
    let processes = status.processes.iter();
    processes.map(|one| (one.name.as_str(), one.pid)).collect()
}

/// What happened, by the processes' names, with how many ran after it.
fn told(events: &[NumberedEvent]) -> Vec<(String, u32)> {
    let name = |event: &Event| match event {
        Event::ProcessStarted { process, .. } => format!("started {process}"),
        Event::ProcessStopped { process } => format!("stopped {process}"),
        Event::ForceTerminated { process } => format!("killed {process}"),
        Event::Running => "running".to_owned(),
        other => panic!("{other:?}"),
    };
    let events = events.iter();
    events.map(|one| (name(&one.event), one.running)).collect()
}

#[tokio::test]
async fn what_is_wanted_still_runs_on_and_the_rest_is_exchanged() {
    let mut fixture = Fixture::new();
    fixture.file("server", "#!/bin/sh\necho $1\nexec sleep 1000\n", 0o755);
    fixture.run("/local/game/server", "one", 2);
    fixture.run("/local/game/server", "two", 1);
    let (instance, mut events) = fixture.start_healthy().await;
    let before = instance.status().await.unwrap();

    // One of the first two, the third, and a new one before it.
    let wanted = vec![server("one", 1), server("three", 1), server("two", 1)];
    instance.configure(wanted.clone()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.push(next(&mut events).await);
    }
    let mut seen = told(&seen);
    // Whether the old one has ended before the new one was seen to be healthy is a matter of time.
    seen.sort();
    let expected = [
        ("running", 3),
        ("started server-4", 3),
        ("stopped server-2", 3),
    ];
    assert_eq!(
        seen,
        expected.map(|(what, running)| (what.to_owned(), running))
    );

    let after = instance.status().await.unwrap();
    let (before, after) = (pids(&before), pids(&after));
    assert_eq!(after.len(), 3);
    assert_eq!((after[0], after[2]), (before[0], before[2]));
    assert_eq!(after[1].0, "server-4");
    assert_eq!(fixture.log("server-4"), ["three"]);

    // Again the same: nothing happens, also not to the next supervisor's orders.
    instance.configure(wanted.clone()).await.unwrap();
    assert_eq!(pids(&instance.status().await.unwrap()), after);
    let spec = std::fs::read(fixture.path("instance/spec.json")).unwrap();
    let spec: InstanceSpec = serde_json::from_slice(&spec).unwrap();
    assert_eq!(spec.work, Work::Serve(wanted));
    instance.stop(DEADLINE).await.unwrap();
    assert_eq!(next(&mut events).await.event, Event::Stopped);
}

#[tokio::test]
async fn who_ignores_the_end_of_its_time_is_killed_and_that_is_told() {
    let fixture = Fixture::with_server(IGNORES_SIGTERM);
    let mut spec = fixture.spec();
    spec.restart.grace_ms = 20;
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let mut events = instance.events(0).await.unwrap();
    until(&mut events, |event| *event == Event::Running).await;

    instance.configure(Vec::new()).await.unwrap();
    let stopped = |event: &Event| matches!(event, Event::ProcessStopped { .. });
    let mut seen = told(&until(&mut events, stopped).await);
    seen.retain(|(what, _)| what != "running");
    let expected = [("killed server-1", 0), ("stopped server-1", 0)];
    assert_eq!(
        seen,
        expected.map(|(what, running)| (what.to_owned(), running))
    );
    assert!(instance.status().await.unwrap().processes.is_empty());
    assert_eq!(fixture.processes(), ["fleet-test-supp"]);
    instance.stop(DEADLINE).await.unwrap();
}

#[tokio::test]
async fn as_many_as_there_can_be_are_exchanged_for_as_many_others() {
    let mut fixture = Fixture::new();
    fixture.file("server", &format!("#!/bin/sh\n{IGNORES_SIGTERM}\n"), 0o755);
    fixture.run("/local/game/server", "old", 50);
    let mut spec = fixture.spec();
    // Long enough for the test to look in between.
    spec.restart.grace_ms = 1000;
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let mut events = instance.events(0).await.unwrap();
    until(&mut events, |event| *event == Event::Running).await;

    instance.configure(vec![server("new", 50)]).await.unwrap();
    let status = instance.status().await.unwrap();
    let ending = |one: &&tombolo_fleet::ProcessStatus| one.state == ProcessState::Ending;
    let names: BTreeSet<_> = status.processes.iter().map(|one| &one.name).collect();
    assert_eq!(
        names.len(),
        status.processes.len(),
        "each has a place of its own"
    );
    assert_eq!(status.processes.len(), 64, "no more than there are places");
    assert_eq!(status.processes.iter().filter(ending).count(), 50);

    let seen = until(&mut events, |event| *event == Event::Running).await;
    let count = |what: fn(&Event) -> bool| seen.iter().filter(|one| what(&one.event)).count();
    assert_eq!(
        count(|event| matches!(event, Event::ForceTerminated { .. })),
        50
    );
    assert_eq!(
        count(|event| matches!(event, Event::ProcessStopped { .. })),
        50
    );
    assert_eq!(
        count(|event| matches!(event, Event::ProcessStarted { .. })),
        50
    );
    assert_eq!(seen.last().unwrap().running, 50);
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn a_configuration_that_can_never_run_changes_nothing() {
    let fixture = Fixture::with_server("exec sleep 1000");
    let (instance, mut events) = fixture.start_healthy().await;
    let before = std::fs::read(fixture.path("instance/spec.json")).unwrap();
    for refused in [server("", 51), server("-name 'Dust", 1)] {
        let error = instance.configure(vec![refused]).await.unwrap_err();
        assert!(matches!(error, ConfigureError::Spec(_)), "{error:?}");
    }
    let after = std::fs::read(fixture.path("instance/spec.json")).unwrap();
    assert_eq!(before, after);
    instance.stop(DEADLINE).await.unwrap();
    assert_eq!(next(&mut events).await.event, Event::Stopped);
}
