//! The control plane comes and goes; the instance stays.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::timeout;
use tombolo_fleet::{Event, Instance, NumberedEvent, StartError};

use crate::fixture::{BINARY, DEADLINE, Fixture, next, until};

#[tokio::test]
async fn a_control_plane_that_was_killed_finds_its_instances_again() {
    let mut fixture = Fixture::with_server("exec sleep 1000");
    fixture.run("/local/game/server", "", 2);
    let spec = fixture.path("for-control-plane.json");
    std::fs::write(&spec, serde_json::to_vec(&fixture.spec()).unwrap()).unwrap();

    let mut control_plane = Command::new(BINARY)
        .arg("control-plane")
        .arg(spec)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(control_plane.stdout.take().unwrap()).lines();
    let mut seen_by_it: Vec<NumberedEvent> = Vec::new();
    while seen_by_it.len() < 4 {
        let line = timeout(DEADLINE, lines.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        seen_by_it.push(serde_json::from_str(&line).unwrap());
    }
    assert_eq!(seen_by_it[3].event, Event::Running);
    let before = fixture.processes();
    control_plane.kill().await.unwrap();

    let instance = fixture.attach().await.expect("the instance outlives it");
    assert_eq!(fixture.processes(), before, "the same processes");
    let error = Instance::start(Path::new(BINARY), &fixture.spec())
        .await
        .unwrap_err();
    assert!(
        matches!(error, StartError::AlreadyRunning { .. }),
        "{error:?}"
    );
    // It had acknowledged the first event; the others are told again, each once, the same.
    let mut events = instance.events(0).await.unwrap();
    let again = until(&mut events, |event| *event == Event::Running).await;
    assert_eq!(again, seen_by_it[1..]);
    let mut events = instance.events(3).await.unwrap();
    assert_eq!(next(&mut events).await, seen_by_it[3]);
    instance.acknowledge(4).await.unwrap();
    instance.stop(DEADLINE).await.unwrap();
    let stopped = next(&mut events).await;
    assert_eq!((stopped.seq, stopped.event), (5, Event::Stopped));
    assert!(
        timeout(DEADLINE, events.next())
            .await
            .unwrap()
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn of_many_that_start_it_at_once_one_does() {
    let fixture = Fixture::with_server("exec sleep 1000");
    let spec = fixture.spec();
    let start = || Instance::start(Path::new(BINARY), &spec);
    let (a, b, c, d) = tokio::join!(start(), start(), start(), start());
    let mut started = Vec::new();
    for result in [a, b, c, d] {
        match result {
            Ok(instance) => started.push(instance),
            Err(StartError::AlreadyRunning { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(started.len(), 1);
    until(&mut started[0].events(0).await.unwrap(), |event| {
        *event == Event::Running
    })
    .await;
    let mut processes = fixture.processes();
    processes.sort();
    assert_eq!(processes, ["fleet-test-supp", "sleep"]);
    started[0].kill().await.unwrap();
}

#[tokio::test]
async fn two_readers_see_the_same_events() {
    let fixture = Fixture::with_server("exec sleep 1000");
    let instance = fixture.start().await;
    let mut one = instance.events(0).await.unwrap();
    let mut other = fixture.attach().await.unwrap().events(0).await.unwrap();
    let is_running = |event: &Event| *event == Event::Running;
    assert_eq!(
        until(&mut one, is_running).await,
        until(&mut other, is_running).await
    );
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn what_is_no_request_is_hung_up_on_and_harms_nobody() {
    let fixture = Fixture::with_server("exec sleep 1000");
    let (instance, _events) = fixture.start_healthy().await;
    let socket = fixture.path("instance/control.sock");
    let endless = "x".repeat(2 << 20);
    let nested = format!("{}\n", "[".repeat(4000));
    for nonsense in ["\n", "{}\n", "{\"stop\":1}\n", "\u{0}\n", &nested, &endless] {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        // The supervisor may hang up before it has taken all of it.
        let _ = stream.write_all(nonsense.as_bytes()).await;
        let mut reply = Vec::new();
        let _ = timeout(DEADLINE, stream.read_to_end(&mut reply))
            .await
            .expect("it hangs up");
        assert_eq!(reply, b"");
    }
    // Twenty that say nothing are more than are served, and no obstacle once they are gone.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(UnixStream::connect(&socket).await.unwrap());
    }
    drop(silent);
    assert_eq!(next(&mut instance.events(0).await.unwrap()).await.seq, 1);
    instance.stop(DEADLINE).await.unwrap();
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn only_the_owner_may_read_the_spec_and_speak_to_the_supervisor() {
    use std::os::unix::fs::MetadataExt;
    let fixture = Fixture::with_server("exec sleep 1000");
    let (instance, _events) = fixture.start_healthy().await;
    let mode = |name| std::fs::metadata(fixture.path(name)).unwrap().mode() & 0o777;
    assert_eq!(mode("instance"), 0o700);
    assert_eq!(mode("instance/spec.json"), 0o600);
    assert_eq!(mode("instance/control.sock"), 0o600);
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn a_deep_data_directory_is_no_obstacle_to_the_socket() {
    let fixture = Fixture::with_server("exec sleep 1000");
    let mut spec = fixture.spec();
    spec.directory = fixture.path(&"deep/".repeat(40)).join("instance");
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    assert_eq!(next(&mut instance.events(0).await.unwrap()).await.seq, 1);
    instance.stop(DEADLINE).await.unwrap();
}
