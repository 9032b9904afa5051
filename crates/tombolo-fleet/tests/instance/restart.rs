//! Server processes that end, and come back.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tombolo_fleet::{Event, Exit, Instance};

use crate::fixture::{BINARY, DEADLINE, Fixture, eventually, next, until};

/// A server that does what the lines written to the pipe `control` tell it.
const OBEDIENT: &str = "echo up; while read order < control; do $order; done";

impl Fixture {
    fn obedient() -> Self {
        let fixture = Self::with_server(OBEDIENT);
        fixture.pipe();
        fixture
    }
}

#[tokio::test]
async fn a_crashed_process_comes_back_as_another() {
    let fixture = Fixture::obedient();
    let instance = fixture.start().await;
    let mut events = instance.events(0).await.unwrap();
    let Event::ProcessStarted { pid: first, .. } = next(&mut events).await.event else {
        panic!()
    };
    assert_eq!(next(&mut events).await.event, Event::Running);

    fixture.order("exit 7").await;
    let Event::Crashed(ended) = next(&mut events).await.event else {
        panic!()
    };
    assert_eq!(
        (ended.exit, ended.last_lines),
        (Exit::Code(7), vec!["up".to_owned()])
    );
    assert!(ended.ran_ms >= 50 && (25..=50).contains(&ended.restart_in_ms));
    let Event::ProcessStarted { pid: second, .. } = next(&mut events).await.event else {
        panic!()
    };
    assert_ne!(first, second);
    assert_eq!(next(&mut events).await.event, Event::Running);

    fixture.order("kill -9 0").await;
    let Event::Crashed(ended) = next(&mut events).await.event else {
        panic!()
    };
    assert_eq!(ended.exit, Exit::Signal(9));
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn a_process_that_keeps_failing_waits_longer_each_time() {
    let fixture = Fixture::with_server("exit 1");
    let instance = fixture.start_to_exit().await;
    let mut events = instance.events(0).await.unwrap();
    let mut longest = 50;
    for _ in 0..4 {
        let seen = until(&mut events, |event| matches!(event, Event::ExitedAtOnce(_))).await;
        let Some(Event::ExitedAtOnce(ended)) = seen.last().map(|last| &last.event) else {
            panic!()
        };
        assert!(
            (longest / 2..=longest).contains(&ended.restart_in_ms),
            "{ended:?}"
        );
        longest *= 2;
    }
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn what_a_dead_server_left_in_its_group_does_not_outlive_it() {
    // The shell has another name until it has become the sleep.
    let fixture = Fixture::with_server(
        "sleep 1000 &\n\
         until [ \"$(cat /proc/$!/comm)\" = sleep ]; do :; done\n\
         echo asleep\n\
         read order < control",
    );
    fixture.pipe();
    let (instance, mut events) = fixture.start_healthy().await;
    let asleep = || {
        let lines = fixture.log("server-1");
        lines.iter().filter(|line| *line == "asleep").count()
    };
    eventually("the first sleeps", || asleep() == 1).await;
    fixture.order("end").await;
    until(&mut events, |event| *event == Event::Running).await;
    eventually("the second sleeps", || asleep() == 2).await;
    let sleeping = fixture
        .processes()
        .iter()
        .filter(|name| *name == "sleep")
        .count();
    assert_eq!(sleeping, 1, "the sleep of the first run is gone");
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn each_start_is_a_line_in_the_log() {
    let fixture = Fixture::obedient();
    let (instance, mut events) = fixture.start_healthy().await;
    fixture.order("exit 0").await;
    until(&mut events, |event| *event == Event::Running).await;
    eventually("it is up again", || fixture.log("server-1").len() == 2).await;
    let log = fs::read_to_string(fixture.path("logs/server-1.log")).unwrap();
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 4, "{log}");
    for start in [0, 2] {
        assert!(lines[start].starts_with("--- tombolo: 20"), "{log}");
        assert!(
            lines[start].ends_with("Z starting /local/game/server"),
            "{log}"
        );
        assert_eq!(lines[start + 1], "up");
    }
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn helpers_that_fork_all_the_time_end_with_their_server() {
    let mut fixture = Fixture::new();
    let server = r#"#!/usr/bin/python3
import ctypes, os
# Without what Python does around a fork, which takes longer.
library = ctypes.PyDLL(None)
order = open("/local/game/control").readline().strip()
for _ in range(16):
    if os.fork() == 0:
        os.setsid()
        # Each one is there only until it has another.
        while library.fork() == 0:
            pass
        library._exit(0)
print(order, flush=True)
open("/local/game/control").readline()
os._exit(1)
"#;
    fixture.file("server", server, 0o755);
    fixture.pipe();
    fixture.run("/local/game/server", "", 1);
    let mut spec = fixture.spec();
    spec.sandbox.limits.processes = Some(500);
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let mut events = instance.events(0).await.unwrap();
    until(&mut events, |event| *event == Event::Running).await;
    for round in 0..3 {
        let order = format!("round-{round}");
        fixture.order(&order).await;
        fixture.log_until(&order).await;
        fixture.order("end").await;
        let has_started = |event: &Event| matches!(event, Event::ProcessStarted { .. });
        until(&mut events, has_started).await;
        // By the kernel's count: whoever looks at one after the other misses some.
        let deadline = Instant::now() + DEADLINE;
        let mut look_again = tokio::time::interval(Duration::from_millis(5));
        loop {
            let usage = instance.status().await.unwrap().usage.unwrap();
            if usage.processes == Some(1) {
                break;
            }
            assert!(Instant::now() < deadline, "{:?} processes", usage.processes);
            look_again.tick().await;
        }
    }
    instance.kill().await.unwrap();
    fixture.assert_nothing_is_left();
}
