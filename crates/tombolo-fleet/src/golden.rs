//! The files and messages of `tests/golden`, which other releases write, are read as what they say.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::control::{PROTOCOL, Request};
use crate::api::format::InstanceFile;
use crate::api::incarnation::SupervisorState;
use crate::cgroup::Groups;
use crate::{
    Ended, Event, Exit, Incarnation, InstanceSpec, InstanceStatus, Limits, NumberedEvent,
    ProcessState, ProcessStatus, RestartPolicy, Sandbox, ServerProcess, Usage, Work,
};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

/// The versions that there are files of.
fn versions() -> BTreeSet<u32> {
    let names = fs::read_dir(DIRECTORY).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name != "README.md")
        .map(|name| name.parse().expect("a folder is named by its version"))
        .collect()
}

/// The names of the files that there are of version `version`.
fn files(version: u32) -> BTreeSet<String> {
    let entries = fs::read_dir(Path::new(DIRECTORY).join(version.to_string())).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn read(version: u32, name: &str) -> String {
    fs::read_to_string(Path::new(DIRECTORY).join(format!("{version}/{name}"))).unwrap()
}

fn server_processes() -> Vec<ServerProcess> {
    [
        ("/local/game/server", "-port 4000 -map 'Dust II'", 2),
        ("/local/game/bin/chat.x86_64", "", 1),
    ]
    .map(
        |(launch_path, parameters, concurrent_executions)| ServerProcess {
            launch_path: launch_path.into(),
            parameters: parameters.into(),
            concurrent_executions,
        },
    )
    .to_vec()
}

fn spec(work: Work) -> InstanceSpec {
    let fleet = "fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa";
    let instance = "i-0a1b2c3d4e5f60718";
    let data = Path::new("/var/lib/tombolo");
    InstanceSpec {
        instance: instance.parse().unwrap(),
        fleet: fleet.parse().unwrap(),
        network_namespace: Some("/run/netns/tmb-0a1b2c3d-0123456789abcdef0".into()),
        build: data.join("builds/build-1111aaaa-22bb-33cc-44dd-5555eeee66ff"),
        directory: data.join("instances").join(instance),
        logs: data.join("logs").join(fleet).join(instance),
        hidden: vec![data.into()],
        installed: Some(data.join("installed").join(fleet)),
        work,
        restart: RestartPolicy {
            first_delay_ms: 50,
            longest_delay_ms: 30_000,
            reset_after_ms: 60_000,
            healthy_after_ms: 1_000,
            grace_ms: 30_000,
        },
        sandbox: Sandbox {
            first_user: Some(1_879_048_192),
            limits: Limits {
                memory_bytes: Some(2 << 30),
                processes: Some(512),
                cpu_millis: Some(1500),
            },
            root: Some("/srv/root".into()),
            tmp_bytes: 256 << 20,
            install_bytes: 1 << 30,
        },
        log_paths: vec!["/local/game/logs".into(), "/tmp/server.log".into()],
    }
}

fn installation() -> Work {
    let into = "/var/lib/tombolo/installed/fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa";
    Work::Install { into: into.into() }
}

fn incarnation() -> Incarnation {
    Incarnation {
        pid: 4711,
        start_ticks: 123_456_789,
        boot_id: "3f0c7e3a-5a0d-4c1b-9d9c-0b6f7b8f2a11".into(),
    }
}

fn requests() -> Vec<Request> {
    vec![
        Request::ResumeAfter(41),
        Request::Acknowledge(57),
        Request::Configure(server_processes()),
        Request::Configure(Vec::new()),
        Request::Status,
        Request::Stop { grace_ms: 5000 },
    ]
}

/// One of each kind; between the fifth and the sixth seven were lost.
fn events() -> Vec<NumberedEvent> {
    let process = || "server-1".to_owned();
    let ended = |exit, restart_in_ms| Ended {
        process: process(),
        exit,
        ran_ms: 5000,
        last_lines: vec!["loading map".into(), "ünïcode \u{1f600} \"quoted\"".into()],
        restart_in_ms,
        out_of_memory: false,
        out_of_time: false,
    };
    let events = [
        Event::ProcessStarted {
            process: process(),
            pid: 17,
        },
        Event::LaunchPathNotFound {
            process: process(),
            launch_path: "/local/game/server".into(),
        },
        Event::LaunchFailed {
            process: process(),
            error: "/local/game/server: Exec format error (os error 8)".into(),
            restart_in_ms: None,
        },
        Event::LaunchFailed {
            process: process(),
            error: "/local/game/server: Text file busy (os error 26)".into(),
            restart_in_ms: Some(80),
        },
        Event::ExitedAtOnce(ended(Exit::Code(3), 25)),
        Event::Crashed(ended(Exit::Signal(11), 50)),
        Event::Crashed(Ended {
            out_of_memory: true,
            ..ended(Exit::Signal(9), 100)
        }),
        Event::ProcessStopped { process: process() },
        Event::ForceTerminated { process: process() },
        Event::Running,
        Event::Installed,
        Event::InstallFailed(Ended {
            out_of_time: true,
            ..ended(Exit::Signal(9), 0)
        }),
        Event::InstallNotKept {
            error: "/local/game/bin: No space left on device (os error 28)".into(),
        },
        Event::Stopped,
    ];
    let numbered = events
        .into_iter()
        .zip(1..)
        .map(|(event, at)| NumberedEvent {
            seq: if at > 5 { at + 7 } else { at },
            unix_ms: 1_795_000_000_000 + at,
            lost: if at == 6 { 7 } else { 0 },
            running: 2,
            event,
        });
    numbered.collect()
}

fn statuses() -> Vec<InstanceStatus> {
    let status = |name: &str, pid, state, last_exit| ProcessStatus {
        name: name.into(),
        launch_path: "/local/game/server".into(),
        pid,
        state,
        since_unix_ms: 1_795_000_000_123,
        restarts: 4,
        last_exit,
        cpu_usec: 2_150_000,
        memory_bytes: 1_228_800,
    };
    vec![
        InstanceStatus {
            processes: vec![
                status("server-1", Some(17), ProcessState::Starting, None),
                status(
                    "server-2",
                    Some(18),
                    ProcessState::Healthy,
                    Some(Exit::Code(0)),
                ),
                status(
                    "server-3",
                    None,
                    ProcessState::Waiting,
                    Some(Exit::Signal(6)),
                ),
                status("server-4", Some(19), ProcessState::Ending, None),
                status("server-5", None, ProcessState::GivenUp, None),
            ],
            usage: Some(Usage {
                cpu_usec: Some(7),
                memory_bytes: Some(8),
                memory_limit: Some(9),
                processes: Some(10),
                processes_limit: None,
            }),
        },
        InstanceStatus {
            processes: Vec::new(),
            usage: None,
        },
    ]
}

/// Holds that the lines of the file are those messages, in both directions.
fn check_lines<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str, expected: &[T]) {
    let read: Vec<T> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(read, expected);
    let written: Vec<_> = expected
        .iter()
        .map(|message| serde_json::to_string(message).unwrap())
        .collect();
    assert_eq!(written, text.lines().collect::<Vec<_>>());
}

/// Holds that a file of any version says `expected`, and one of the newest what would be written.
fn check_file<F: InstanceFile + PartialEq + Debug>(version: u32, text: &str, expected: &F) {
    assert_eq!(F::parse(text.as_bytes()).unwrap(), *expected);
    if version == F::VERSION {
        let directory = tempfile::tempdir().unwrap();
        expected.write(directory.path()).unwrap();
        let written = fs::read_to_string(F::path_in(directory.path())).unwrap();
        assert_eq!(
            written,
            text,
            "{} is written otherwise than its version {version} has it: a change of the format \
             takes a new version",
            F::NAME
        );
    }
}

#[test]
fn every_file_is_read_as_what_it_says() {
    for version in versions() {
        for name in files(version) {
            check(version, &name);
        }
    }
}

fn check(version: u32, name: &str) {
    let text = read(version, name);
    match name {
        "spec-serve.json" => check_file(version, &text, &spec(Work::Serve(server_processes()))),
        "spec-install.json" => check_file(version, &text, &spec(installation())),
        "supervisor.json" => {
            let state = SupervisorState {
                incarnation: incarnation(),
                protocol: version,
            };
            check_file(version, &text, &state);
        }
        "cgroups.json" => {
            let name = "tombolo-i-0a1b2c3d4e5f60718-4711";
            let groups = ["memory", "pids"]
                .map(|controller| Path::new("/sys/fs/cgroup").join(controller).join(name));
            let groups = groups.to_vec();
            check_file(version, &text, &Groups { groups });
        }
        "incarnation.txt" => assert_eq!(text, incarnation().to_string()),
        "requests.jsonl" => check_lines(&text, &requests()),
        "events.jsonl" => check_lines(&text, &events()),
        "status.jsonl" => check_lines(&text, &statuses()),
        unknown => panic!("no code reads tests/golden/{version}/{unknown}"),
    }
}

#[test]
fn there_are_files_of_every_version_that_there_has_been() {
    let written = [
        InstanceSpec::VERSION,
        SupervisorState::VERSION,
        Groups::VERSION,
        PROTOCOL,
    ];
    let newest = written.into_iter().max().unwrap();
    assert_eq!(versions(), (0..=newest).collect());
    for version in versions() {
        assert_eq!(files(version), files(0), "version {version}");
    }
}
