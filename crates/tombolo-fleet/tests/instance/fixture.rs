//! A place for one instance, which takes everything away again, also when a test fails.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, Uid};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tombolo_fleet::{
    Event, Events, Incarnation, Instance, InstanceSpec, NumberedEvent, RestartPolicy, Sandbox,
    ServerProcess, Work,
};

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The user of an instance's first server process, above those of the fleets on this machine.
pub(crate) const FIRST_USER: u32 = 2_140_000_000;

/// The program that becomes the supervisor.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_fleet-test-support");

/// A build, a directory and a log directory for one instance.
pub(crate) struct Fixture {
    place: TempDir,
    processes: Vec<ServerProcess>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        assert!(
            Uid::effective().is_root(),
            "instances with network namespaces take root: run `cargo xtask test` as root"
        );
        let place = tempfile::Builder::new()
            .prefix("tmb-fleet-")
            .tempdir()
            .unwrap();
        fs::create_dir(place.path().join("build")).unwrap();
        Fixture {
            place,
            processes: Vec::new(),
        }
    }

    /// With one server process, the shell script `body`, whose first argument is this place.
    pub(crate) fn with_server(body: &str) -> Self {
        let mut fixture = Self::new();
        fixture.file("server", &format!("#!/bin/sh\n{body}\n"), 0o755);
        let place = fixture.path("").display().to_string();
        fixture.run("/local/game/server", &place, 1);
        fixture
    }

    /// A path in this place.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Adds a file to the build.
    pub(crate) fn file(&self, name: &str, text: &str, mode: u32) {
        let path = self.path("build").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// Adds a pipe `control` to the build, by which a server process hears of its test.
    pub(crate) fn pipe(&self) {
        let path = self.path("build/control");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }

    /// The pipe, once a server process waits for a line.
    pub(crate) async fn waiting(&self) -> tokio::fs::File {
        let mut pipe = tokio::fs::File::options();
        let opened = pipe.write(true).open(self.path("build/control"));
        let opened = tokio::time::timeout(DEADLINE, opened).await;
        opened.expect("the server reads").unwrap()
    }

    /// Writes a line to the pipe, once a server process waits for it.
    pub(crate) async fn order(&self, order: &str) {
        let mut pipe = self.waiting().await;
        pipe.write_all(format!("{order}\n").as_bytes())
            .await
            .unwrap();
        pipe.flush().await.unwrap();
    }

    /// Adds an entry to the runtime configuration.
    pub(crate) fn run(&mut self, launch_path: &str, parameters: &str, concurrent_executions: u32) {
        self.processes.push(ServerProcess {
            launch_path: launch_path.into(),
            parameters: parameters.into(),
            concurrent_executions,
        });
    }

    /// The instance, with processes that are healthy after 50 ms, so that tests are quick.
    pub(crate) fn spec(&self) -> InstanceSpec {
        InstanceSpec {
            instance: "i-0a1b2c3d4e5f60718".parse().unwrap(),
            fleet: "fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa"
                .parse()
                .unwrap(),
            network_namespace: None,
            build: self.path("build"),
            directory: self.path("instance"),
            logs: self.path("logs"),
            hidden: vec![self.path("hidden")],
            installed: None,
            work: Work::Serve(self.processes.clone()),
            sandbox: Sandbox {
                first_user: Some(FIRST_USER),
                ..Sandbox::default()
            },
            log_paths: Vec::new(),
            restart: RestartPolicy {
                healthy_after_ms: 50,
                ..RestartPolicy::default()
            },
        }
    }

    pub(crate) async fn start(&self) -> Instance {
        Instance::start(Path::new(BINARY), &self.spec())
            .await
            .unwrap()
    }

    /// Starts it, with processes that exit at once however slow the machine is just now.
    pub(crate) async fn start_to_exit(&self) -> Instance {
        let mut spec = self.spec();
        spec.restart.healthy_after_ms = 10_000;
        Instance::start(Path::new(BINARY), &spec).await.unwrap()
    }

    pub(crate) async fn attach(&self) -> Option<Instance> {
        Instance::attach(&self.path("instance")).await.unwrap()
    }

    /// Starts it, and waits until every process is healthy.
    pub(crate) async fn start_healthy(&self) -> (Instance, Events) {
        let instance = self.start().await;
        let mut events = instance.events(0).await.unwrap();
        until(&mut events, |event| *event == Event::Running).await;
        (instance, events)
    }

    /// What `process` has written, without the supervisor's own lines.
    pub(crate) fn log(&self, process: &str) -> Vec<String> {
        let log = fs::read_to_string(self.path("logs").join(format!("{process}.log"))).unwrap();
        log.lines()
            .filter(|line| !line.starts_with("--- tombolo: "))
            .map(str::to_owned)
            .collect()
    }

    /// What the server has written, once it has written the line `last`, which is left out.
    pub(crate) async fn log_until(&self, last: &str) -> Vec<String> {
        let first = match self.processes.first() {
            Some(process) => process.launch_path.rsplit('/').next().unwrap(),
            None => panic!("no server process"),
        };
        self.log_of_until(&format!("{first}-1"), last).await
    }

    /// What `process` has written, once it has written the line `last`, which is left out.
    pub(crate) async fn log_of_until(&self, process: &str, last: &str) -> Vec<String> {
        let path = self.path("logs").join(format!("{process}.log"));
        let is_written = || path.exists() && self.log(process).last().is_some_and(|it| it == last);
        let deadline = Instant::now() + DEADLINE;
        let mut look_again = tokio::time::interval(Duration::from_millis(5));
        while !is_written() {
            let log = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "no {last:?} in {DEADLINE:?}:\n{log}"
            );
            look_again.tick().await;
        }
        let mut lines = self.log(process);
        lines.pop();
        lines
    }

    /// The names of the instance's processes, as the host sees them.
    pub(crate) fn processes(&self) -> Vec<String> {
        let processes = self.process_ids().into_iter();
        processes.map(|(_, name)| name).collect()
    }

    /// The instance's processes, with their ids and names as the host sees them: those that have
    /// this place's build among their mounts.
    pub(crate) fn process_ids(&self) -> Vec<(i32, String)> {
        let place = self
            .path("")
            .components()
            .next_back()
            .unwrap()
            .as_os_str()
            .to_owned();
        let build = format!("{}/build ", place.display());
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .filter(|pid: &i32| {
                // A process that is no more has no mounts.
                let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo"));
                mounts.unwrap_or_default().contains(&build)
            })
            .filter_map(|pid| {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
                Some((pid, name.trim_end().to_owned()))
            })
            .collect()
    }

    /// That nothing of the instance is left but its logs and its files.
    pub(crate) fn assert_nothing_is_left(&self) {
        assert_eq!(self.processes(), Vec::<String>::new());
        assert!(!self.path("instance/control.sock").exists());
        assert!(!self.path("instance/supervisor.json").exists());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            !mounts.contains(self.path("").to_str().unwrap()),
            "{mounts}"
        );
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let state = fs::read(self.path("instance/supervisor.json"));
        let incarnation = state
            .ok()
            .and_then(|state| serde_json::from_slice(&state).ok());
        if let Some(Incarnation { pid, .. }) = incarnation {
            // The whole PID namespace dies with its first process.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let deadline = Instant::now() + DEADLINE;
        // A test that failed may have left one that was just coming up, or has another directory.
        loop {
            let left = self.process_ids();
            if left.is_empty() || Instant::now() >= deadline {
                break;
            }
            for (pid, _) in left {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            std::thread::yield_now();
        }
        let note = fs::read(self.path("instance/cgroups.json"));
        let groups = note
            .ok()
            .and_then(|note| serde_json::from_slice(&note).ok());
        let Groups { groups } = groups.unwrap_or_default();
        for group in groups {
            // Busy until the kernel is done with the processes.
            while fs::remove_dir(&group).is_err() && group.exists() && Instant::now() < deadline {
                std::thread::yield_now();
            }
        }
    }
}

/// What `cgroups.json` says.
#[derive(Default, serde::Deserialize)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<PathBuf>,
}

/// The next event, within the deadline.
pub(crate) async fn next(events: &mut Events) -> NumberedEvent {
    let next = tokio::time::timeout(DEADLINE, events.next()).await;
    next.expect("an event within the deadline")
        .unwrap()
        .expect("the supervisor lives")
}

/// The events up to the first that `wanted` accepts, with it.
pub(crate) async fn until(
    events: &mut Events,
    wanted: impl Fn(&Event) -> bool,
) -> Vec<NumberedEvent> {
    let mut seen = Vec::new();
    loop {
        let event = next(events).await;
        let found = wanted(&event.event);
        seen.push(event);
        if found {
            return seen;
        }
    }
}

/// Waits until `condition` holds, and fails when it does not in time.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    let mut look_again = tokio::time::interval(Duration::from_millis(5));
    while !condition() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        look_again.tick().await;
    }
}
