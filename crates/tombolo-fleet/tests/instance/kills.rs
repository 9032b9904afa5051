//! `kill -9`, again and again, while there is other work.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tombolo_fleet::{Event, Exit, Instance, RestartPolicy, ServerProcess, StartError};

use crate::fixture::{BINARY, DEADLINE, Fixture, eventually, next, until};

/// Keeps every processor of this machine busy until it is dropped.
struct Load {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn on_all_processors() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let processors = std::thread::available_parallelism().unwrap().get();
        let burn = || {
            let is_over = is_over.clone();
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let threads = (0..processors).map(|_| burn()).collect();
        Load { is_over, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The process ids, on this machine, of what runs as `name` in the instance.
fn pids(fixture: &Fixture, name: &str) -> Vec<i32> {
    let processes = fixture.process_ids().into_iter();
    processes
        .filter(|(_, other)| other == name)
        .map(|(pid, _)| pid)
        .collect()
}

#[tokio::test]
async fn a_game_that_is_killed_in_a_loop_comes_back_and_the_events_count_right() {
    let _load = Load::on_all_processors();
    let fixture = Fixture::with_server("exec sleep 1000");
    let mut spec = fixture.spec();
    spec.restart = RestartPolicy {
        longest_delay_ms: 50,
        healthy_after_ms: 0,
        ..spec.restart
    };
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let mut events = instance.events(0).await.unwrap();
    let (mut starts, mut ends, mut running) = (0, 0, 0);
    for kills in 1..=30 {
        until(&mut events, |event| *event == Event::Running).await;
        starts += 1;
        let mut found = Vec::new();
        // What was told to have started may not have become another program yet.
        eventually("it runs", || pids(&fixture, "sleep").len() == 1).await;
        found.extend(pids(&fixture, "sleep"));
        kill(Pid::from_raw(found[0]), Signal::SIGKILL).unwrap();
        let crashed = next(&mut events).await;
        let Event::Crashed(ended) = &crashed.event else {
            panic!("{crashed:?}");
        };
        assert_eq!((ended.exit, ended.out_of_memory), (Exit::Signal(9), false));
        assert_eq!(crashed.running, 0);
        ends += 1;
        running = crashed.seq;
        assert_eq!((starts, ends), (kills, kills));
    }
    // Started, healthy and ended, thirty times, and nothing else.
    assert_eq!(running, 90);
    let status = instance.status().await.unwrap();
    assert!((29..=30).contains(&status.processes[0].restarts));
    instance.kill().await.unwrap();
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn a_supervisor_that_is_killed_in_a_loop_leaves_nothing_and_is_never_twice() {
    let _load = Load::on_all_processors();
    let mut fixture = Fixture::with_server("setsid sleep 1000 & exec sleep 1000");
    fixture.run("/local/game/server", "", 2);
    let spec = fixture.spec();
    for round in 0..20 {
        // Two control planes, of which one was thought to be dead.
        let start = || Instance::start(Path::new(BINARY), &spec);
        let (one, other) = tokio::join!(start(), start());
        let instance = match (one, other) {
            (Ok(instance), Err(StartError::AlreadyRunning { .. }))
            | (Err(StartError::AlreadyRunning { .. }), Ok(instance)) => instance,
            other => panic!("{other:?}"),
        };
        if round % 2 == 0 {
            let mut events = instance.events(0).await.unwrap();
            until(&mut events, |event| *event == Event::Running).await;
        }
        kill(Pid::from_raw(instance.incarnation().pid), Signal::SIGKILL).unwrap();
        tokio::time::timeout(DEADLINE, instance.ended())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(fixture.processes(), Vec::<String>::new());
        assert!(fixture.attach().await.is_none());
    }
    let (instance, _events) = fixture.start_healthy().await;
    instance.stop(DEADLINE).await.unwrap();
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn events_that_nobody_reads_are_kept_or_counted() {
    let _load = Load::on_all_processors();
    let fixture = Fixture::new();
    let instance = fixture.start().await;
    // That nothing is to run is an event, and then there are fifty of each configuration: fifty-one
    // more than are kept.
    for round in 0..21 {
        let missing = ServerProcess {
            launch_path: format!("/local/game/missing-{round}"),
            parameters: String::new(),
            concurrent_executions: 50,
        };
        instance.configure(vec![missing]).await.unwrap();
    }
    // The control plane that did so is gone, and never read one.
    drop(instance);
    let instance = fixture.attach().await.unwrap();
    let mut events = instance.events(0).await.unwrap();
    let first = next(&mut events).await;
    assert_eq!((first.seq, first.lost), (52, 51));
    for seq in 53..=1051 {
        let event = next(&mut events).await;
        assert_eq!((event.seq, event.lost), (seq, 0));
    }
    instance.kill().await.unwrap();
}
