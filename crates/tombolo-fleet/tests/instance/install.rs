//! A build's `install.sh`.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tombolo_fleet::{Event, Events, Exit, Instance, InstanceSpec, Work};

use crate::fixture::{BINARY, DEADLINE, Fixture, eventually, next, until};

/// The installation of a build.
struct Installing {
    fixture: Fixture,
}

impl Installing {
    fn of(script: &str) -> Self {
        let fixture = Fixture::with_server("cat level config 2>&1; ls; echo done; exec sleep 1000");
        fixture.file("install.sh", &format!("#!/bin/sh\n{script}\n"), 0o755);
        fixture.file("level", "from the build\n", 0o644);
        fixture.file("config", "from the build\n", 0o644);
        Installing { fixture }
    }

    fn spec(&self) -> InstanceSpec {
        InstanceSpec {
            work: Work::Install {
                into: self.fixture.path("installed/fleet-1"),
            },
            ..self.fixture.spec()
        }
    }

    async fn start(&self) -> (Instance, Events) {
        let instance = Instance::start(Path::new(BINARY), &self.spec()).await;
        let instance = instance.unwrap();
        let events = instance.events(0).await.unwrap();
        (instance, events)
    }

    /// Whether anything is at the place where it is kept, or on its way there.
    fn is_kept(&self) -> bool {
        self.fixture.path("installed/fleet-1").exists()
    }
}

/// The events from the first that says how it ended, acknowledged, to the last.
async fn end(instance: &Instance, events: &mut Events) -> Vec<Event> {
    let started = |event: &Event| matches!(event, Event::ProcessStarted { .. });
    let mut seen = Vec::new();
    while seen.last() != Some(&Event::Stopped) {
        let event = next(events).await;
        // It may be gone before it can say that it has taken note.
        let _ = instance.acknowledge(event.seq).await;
        seen.push(event.event);
    }
    tokio::time::timeout(DEADLINE, instance.ended())
        .await
        .unwrap()
        .unwrap();
    seen.retain(|event| !started(event));
    seen
}

#[tokio::test]
async fn what_the_script_changes_is_kept_and_seen_by_servers() {
    let installing = Installing::of(
        "id -u; pwd; echo installed > config; rm level; mkdir -m 700 data; umask 077; \
         echo map > data/map; cp /bin/true tool; setsid sleep 1000 &",
    );
    let (instance, mut events) = installing.start().await;
    let seen = end(&instance, &mut events).await;
    assert_eq!(seen, [Event::Installed, Event::Stopped]);
    let fixture = &installing.fixture;
    fixture.assert_nothing_is_left();
    let wrote = fixture.log("install.sh-1");
    assert_ne!(wrote[0], "0", "it is not root");
    assert_eq!(wrote[1], "/local/game");
    let unchanged = fs::read_to_string(fixture.path("build/config")).unwrap();
    assert_eq!(unchanged, "from the build\n");

    let mut spec = fixture.spec();
    spec.installed = Some(fixture.path("installed/fleet-1"));
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let seen = fixture.log_until("done").await;
    assert!(seen[0].contains("No such file"), "{seen:?}");
    let expected = [
        "installed",
        "config",
        "data",
        "install.sh",
        "server",
        "tool",
    ];
    assert_eq!(seen[1..], expected);
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn a_script_that_fails_is_told_with_its_last_words_and_leaves_nothing() {
    let installing = Installing::of("touch half; echo no space >&2; exit 3");
    let (instance, mut events) = installing.start().await;
    let seen = end(&instance, &mut events).await;
    let [Event::InstallFailed(ended), Event::Stopped] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    assert_eq!((ended.exit, ended.restart_in_ms), (Exit::Code(3), 0));
    assert_eq!(ended.last_lines, ["no space"]);
    assert!(!installing.is_kept());
    installing.fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn a_script_may_not_make_more_files_than_there_is_room_for_empty_ones_too() {
    let installing = Installing::of("set -e; for n in $(seq 1 1000); do : > file-$n; done");
    let mut spec = installing.spec();
    spec.sandbox.install_bytes = 1 << 20;
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let mut events = instance.events(0).await.unwrap();
    let seen = end(&instance, &mut events).await;
    let [Event::InstallFailed(ended), Event::Stopped] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    let last = ended.last_lines.last().unwrap();
    assert!(last.contains("No space left on device"), "{last}");
    assert!(!installing.is_kept());
    installing.fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn a_script_that_cannot_be_run_is_told_once() {
    let installing = Installing::of("");
    installing.fixture.file("install.sh", "#!/bin/sh\n", 0o644);
    let (instance, mut events) = installing.start().await;
    let seen = end(&instance, &mut events).await;
    let [Event::LaunchFailed { error, .. }, Event::Stopped] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    assert!(error.contains("Permission denied"), "{error}");
    assert!(!installing.is_kept());
}

#[tokio::test]
async fn a_control_plane_that_was_away_hears_how_it_ended() {
    let installing = Installing::of("touch new");
    let instance = Instance::start(Path::new(BINARY), &installing.spec()).await;
    drop(instance.unwrap());
    eventually("it is kept", || installing.is_kept()).await;
    let instance = installing.fixture.attach().await.expect("it waits");
    let mut events = instance.events(0).await.unwrap();
    let seen = end(&instance, &mut events).await;
    assert_eq!(seen, [Event::Installed, Event::Stopped]);

    // Asked for again, it is there, and the script does not run again.
    let before = installing.fixture.log("install.sh-1");
    let (instance, mut events) = installing.start().await;
    let seen = end(&instance, &mut events).await;
    assert_eq!(seen, [Event::Installed, Event::Stopped]);
    assert_eq!(installing.fixture.log("install.sh-1"), before);
}

#[tokio::test]
async fn a_stop_in_the_middle_keeps_nothing() {
    let installing = Installing::of("echo begun; exec sleep 1000");
    let (instance, mut events) = installing.start().await;
    until(&mut events, |event| {
        matches!(event, Event::ProcessStarted { .. })
    })
    .await;
    instance.stop(DEADLINE).await.unwrap();
    assert_eq!(next(&mut events).await.event, Event::Stopped);
    assert!(!installing.is_kept());
    installing.fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn killed_at_any_moment_it_is_there_whole_or_not_at_all() {
    let installing = Installing::of("for n in $(seq 1 300); do echo $n > file-$n; done");
    let mut kills = 0;
    // Each time a little later, so that the kills meet every moment of it.
    loop {
        let (instance, mut events) = installing.start().await;
        let later = std::time::Duration::from_millis(3 * kills);
        let ended = tokio::time::timeout(later, end(&instance, &mut events)).await;
        if let Ok(seen) = ended {
            assert_eq!(seen, [Event::Installed, Event::Stopped]);
            break;
        }
        let _ = kill(Pid::from_raw(instance.incarnation().pid), Signal::SIGKILL);
        tokio::time::timeout(DEADLINE, instance.ended())
            .await
            .unwrap()
            .unwrap();
        kills += 1;
        if installing.is_kept() {
            let kept = fs::read_dir(installing.fixture.path("installed/fleet-1")).unwrap();
            assert_eq!(kept.count(), 300);
        }
    }
    assert!(kills > 3, "{kills}");
    let last = installing.fixture.path("installed/fleet-1/file-300");
    assert_eq!(fs::read_to_string(last).unwrap(), "300\n");
    installing.fixture.assert_nothing_is_left();
}
