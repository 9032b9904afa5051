//! Server processes that end, and come back.

use std::fs;

use tombolo_fleet::{Event, Exit};

use crate::fixture::{Fixture, eventually, next, until};

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
    let fixture = Fixture::with_server("sleep 1000 &\nread order < control");
    fixture.pipe();
    let (instance, mut events) = fixture.start_healthy().await;
    fixture.order("end").await;
    until(&mut events, |event| *event == Event::Running).await;
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
