//! Ends of instances: nothing is left.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tombolo_fleet::Event;

use crate::fixture::{DEADLINE, Fixture, next};

#[tokio::test]
async fn a_stop_lets_servers_say_goodbye() {
    let fixture = Fixture::with_server(
        "trap 'echo bye; exit 0' TERM\necho ready\nwhile :; do sleep 1000 & wait; done",
    );
    let (instance, mut events) = fixture.start_healthy().await;
    fixture.log_until("ready").await;
    instance.stop(DEADLINE).await.unwrap();
    assert_eq!(fixture.log("server-1"), ["ready", "bye"]);
    assert_eq!(next(&mut events).await.event, Event::Stopped);
    assert!(events.next().await.unwrap().is_none());
    assert!(!instance.is_alive());
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn a_stop_kills_what_does_not_go_daemons_too() {
    // The server ignores SIGTERM, and so does a daemon that left its session and its parent.
    let fixture = Fixture::with_server(
        "trap '' TERM\n\
         (setsid sh -c 'trap \"\" TERM; echo daemon; while :; do sleep 1000; done' &)\n\
         while :; do sleep 1000; done",
    );
    let (instance, mut events) = fixture.start_healthy().await;
    fixture.log_until("daemon").await;
    assert!(
        fixture.processes().contains(&"sh".to_owned()),
        "{:?}",
        fixture.processes()
    );
    instance.stop(Duration::from_millis(50)).await.unwrap();
    fixture.assert_nothing_is_left();
    let process = "server-1".to_owned();
    assert_eq!(
        next(&mut events).await.event,
        Event::ForceTerminated { process }
    );
    let stopped = next(&mut events).await;
    assert_eq!((stopped.event, stopped.running), (Event::Stopped, 0));
    assert!(fixture.attach().await.is_none());
}

#[tokio::test]
async fn a_kill_leaves_nothing_and_another_start_begins_anew() {
    let fixture = Fixture::with_server("exec sleep 1000");
    let (instance, _events) = fixture.start_healthy().await;
    let first = instance.incarnation().clone();
    instance.kill().await.unwrap();
    fixture.assert_nothing_is_left();
    assert!(fixture.attach().await.is_none());

    let instance = fixture.start().await;
    assert_ne!(*instance.incarnation(), first);
    assert_eq!(next(&mut instance.events(0).await.unwrap()).await.seq, 1);
    instance.kill().await.unwrap();
    // Once more, on what is gone.
    instance.kill().await.unwrap();
    instance.stop(DEADLINE).await.unwrap();
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn a_supervisor_that_was_killed_by_someone_else_is_noticed() {
    let fixture = Fixture::with_server("exec sleep 1000");
    let (instance, _events) = fixture.start_healthy().await;
    kill(Pid::from_raw(instance.incarnation().pid), Signal::SIGKILL).unwrap();
    tokio::time::timeout(DEADLINE, instance.ended())
        .await
        .unwrap()
        .unwrap();
    assert!(!instance.is_alive());
    assert!(fixture.attach().await.is_none());
    assert_eq!(fixture.processes(), Vec::<String>::new());
    // Its socket and state are still there, and are no obstacle.
    assert!(fixture.path("instance/control.sock").exists());
    let (instance, _events) = fixture.start_healthy().await;
    instance.stop(DEADLINE).await.unwrap();
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn a_machine_that_shuts_down_stops_it() {
    let fixture = Fixture::with_server("exec sleep 1000");
    let (instance, mut events) = fixture.start_healthy().await;
    kill(Pid::from_raw(instance.incarnation().pid), Signal::SIGTERM).unwrap();
    assert_eq!(next(&mut events).await.event, Event::Stopped);
    tokio::time::timeout(DEADLINE, instance.ended())
        .await
        .unwrap()
        .unwrap();
    fixture.assert_nothing_is_left();
}
