//! Taking more than one's share: processes, memory, CPU time.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tombolo_fleet::{Ended, Event, Events, Exit, Instance, StartError};

use super::{Fixture, Limits, until};
use crate::fixture::{BINARY, Groups, eventually, next};

/// Starts the fixture's instance within `limits`.
async fn limited(fixture: &Fixture, limits: Limits) -> Instance {
    let mut spec = fixture.spec();
    spec.sandbox.limits = limits;
    Instance::start(Path::new(BINARY), &spec).await.unwrap()
}

fn memory(bytes: u64) -> Limits {
    Limits {
        memory_bytes: Some(bytes),
        ..Limits::default()
    }
}

/// The control groups of the instance, while it runs.
fn groups(fixture: &Fixture) -> Vec<PathBuf> {
    let note = fs::read(fixture.path("instance/cgroups.json")).unwrap();
    serde_json::from_slice::<Groups>(&note).unwrap().groups
}

async fn first_end(events: &mut Events) -> Ended {
    let is_end = |event: &Event| matches!(event, Event::ExitedAtOnce(_) | Event::Crashed(_));
    match until(events, is_end).await.pop().map(|last| last.event) {
        Some(Event::ExitedAtOnce(ended) | Event::Crashed(ended)) => ended,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_fork_bomb_is_bounded_and_hurts_nobody_else() {
    let mut fixture = Fixture::attempting(
        r#"
children = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(1000)
        children += 1
except OSError as error:
    say(name(error.errno), children < 40)
"#,
    );
    fixture.attempt("neighbour", "");
    let limits = Limits {
        processes: Some(40),
        ..Limits::default()
    };
    let instance = limited(&fixture, limits).await;
    let said = fixture.log_until("done").await;
    assert_eq!(said, ["EAGAIN True"]);
    // Another instance starts, and the supervisor of this one answers and starts again who ends.
    let other = Fixture::attempting("");
    let (_, other_instance) = other.outcome().await;
    let status = instance.status().await.unwrap();
    let usage = status.usage.unwrap();
    assert_eq!(
        (usage.processes, usage.processes_limit),
        (Some(40), Some(40))
    );
    instance.kill().await.unwrap();
    other_instance.kill().await.unwrap();
}

#[tokio::test]
async fn a_memory_bomb_is_ended_and_told_and_comes_back() {
    let fixture = Fixture::attempting(
        r#"
kept = []
while True:
    kept.append(bytearray(b"x" * (1 << 20)))
"#,
    );
    let instance = limited(&fixture, memory(64 << 20)).await;
    let mut events = instance.events(0).await.unwrap();
    let ended = first_end(&mut events).await;
    assert_eq!((ended.exit, ended.out_of_memory), (Exit::Signal(9), true));
    until(&mut events, |event| {
        matches!(event, Event::ProcessStarted { .. })
    })
    .await;
    assert!(instance.is_alive());
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn who_is_killed_with_memory_to_spare_did_not_run_out_of_it() {
    let fixture = Fixture::attempting("os.kill(os.getpid(), 9)");
    let instance = limited(&fixture, memory(256 << 20)).await;
    let ended = first_end(&mut instance.events(0).await.unwrap()).await;
    assert_eq!((ended.exit, ended.out_of_memory), (Exit::Signal(9), false));
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn files_in_memory_count_as_memory() {
    let fixture = Fixture::attempting(
        r#"
with open("/tmp/big", "wb", buffering=0) as file:
    for _ in range(200):
        file.write(bytes(1 << 20))
"#,
    );
    let instance = limited(&fixture, memory(64 << 20)).await;
    let ended = first_end(&mut instance.events(0).await.unwrap()).await;
    assert!(ended.out_of_memory, "{ended:?}");
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn cpu_time_is_counted_out() {
    let fixture = Fixture::attempting(
        r#"
begin, used = time.monotonic(), time.process_time()
while time.process_time() - used < 0.3:
    pass
say(time.monotonic() - begin > 0.9)
"#,
    );
    let limits = Limits {
        cpu_millis: Some(200),
        ..Limits::default()
    };
    let instance = limited(&fixture, limits).await;
    let said = fixture.log_until("done").await;
    assert_eq!(said, ["True"]);
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn no_control_group_is_left_by_a_stop_or_a_kill() {
    let all = Limits {
        memory_bytes: Some(256 << 20),
        processes: Some(40),
        cpu_millis: Some(2000),
    };
    for is_killed in [false, true] {
        let fixture = Fixture::attempting("");
        let instance = limited(&fixture, all.clone()).await;
        fixture.log_until("done").await;
        let groups = groups(&fixture);
        assert!(!groups.is_empty() && groups.iter().all(|group| group.is_dir()));
        if is_killed {
            let pid = instance.incarnation().pid;
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            instance.ended().await.unwrap();
            // Nobody is there, and nothing either once somebody has looked.
            assert!(fixture.attach().await.is_none());
        } else {
            instance
                .stop(std::time::Duration::from_secs(5))
                .await
                .unwrap();
        }
        for group in groups {
            assert!(!group.exists(), "{group:?}");
        }
        assert!(!fixture.path("instance/cgroups.json").exists());
    }
}

#[tokio::test]
async fn the_supervisor_is_in_no_group_that_its_processes_can_fill() {
    let fixture = Fixture::attempting("");
    let instance = limited(&fixture, memory(256 << 20)).await;
    let mut events = instance.events(0).await.unwrap();
    next(&mut events).await;
    let pid = instance.incarnation().pid;
    let supervisor = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(!supervisor.contains("tombolo-i-"), "{supervisor}");
    let procs = groups(&fixture)[0].join("cgroup.procs");
    let is_in = || fs::read_to_string(&procs).is_ok_and(|procs| procs.lines().count() == 1);
    eventually("the server process is in its group", is_in).await;
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn a_limit_that_cannot_be_had_is_refused() {
    let fixture = Fixture::attempting("");
    let mut spec = fixture.spec();
    // More processes than the kernel can count.
    spec.sandbox.limits.processes = Some(u64::MAX);
    let error = Instance::start(Path::new(BINARY), &spec).await.unwrap_err();
    let StartError::Supervisor { reason } = error else {
        panic!("{error:?}");
    };
    assert!(reason.contains("pids.max: "), "{reason}");
    assert!(reason.contains("hint: `tombolo doctor` says"), "{reason}");
    assert!(!fixture.path("instance/cgroups.json").exists());
}
