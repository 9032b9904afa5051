//! Supervisors that other releases started, by what `tests/golden` has of them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tombolo_fleet::{Event, Instance, InstanceSpec, ServerProcess, Work, start_ticks};

use crate::fixture::DEADLINE;

const VERSIONS: [u32; 2] = [0, 1];

fn golden(version: u32, name: &str) -> String {
    let path = format!("tests/golden/{version}/{name}");
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn lines(version: u32, name: &str) -> Vec<String> {
    golden(version, name).lines().map(str::to_owned).collect()
}

/// An instance's directory as another release left it, whose supervisor answers what that release
/// answers.
struct Earlier {
    directory: TempDir,
    /// Stands for the supervisor's process.
    process: Arc<Mutex<Child>>,
    /// Every line that it was sent.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Earlier {
    fn new(version: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let process = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(process.id()).unwrap();
        let mut state: Value = serde_json::from_str(&golden(version, "supervisor.json")).unwrap();
        state["pid"] = pid.into();
        state["start_ticks"] = start_ticks(pid).unwrap().into();
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        state["boot_id"] = boot_id.trim_end().into();
        fs::write(
            directory.path().join("supervisor.json"),
            serde_json::to_vec(&state).unwrap(),
        )
        .unwrap();
        let mut spec: Value = serde_json::from_str(&golden(version, "spec-serve.json")).unwrap();
        spec["directory"] = directory.path().to_str().unwrap().into();
        fs::write(
            directory.path().join("spec.json"),
            serde_json::to_vec_pretty(&spec).unwrap(),
        )
        .unwrap();
        let earlier = Earlier {
            process: Arc::new(Mutex::new(process)),
            heard: Arc::default(),
            directory,
        };
        let listener = UnixListener::bind(earlier.path("control.sock")).unwrap();
        let (process, heard) = (earlier.process.clone(), earlier.heard.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                answer(version, client.unwrap(), &process, &heard);
            }
        });
        earlier
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn attach(&self) -> Instance {
        let attached = Instance::attach(self.directory.path()).await;
        attached.unwrap().expect("its process runs")
    }
}

impl Drop for Earlier {
    fn drop(&mut self) {
        let mut process = self.process.lock().unwrap();
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// One connection, as `control.rs` describes it.
fn answer(
    version: u32,
    mut client: UnixStream,
    process: &Mutex<Child>,
    heard: &Mutex<Vec<String>>,
) {
    let mut line = String::new();
    BufReader::new(client.try_clone().unwrap())
        .read_line(&mut line)
        .unwrap();
    let line = line.trim_end().to_owned();
    heard.lock().unwrap().push(line.clone());
    if line.contains("resume_after") {
        client
            .write_all(golden(version, "events.jsonl").as_bytes())
            .unwrap();
    } else if line == "\"status\"" {
        let status = format!("{}\n", lines(version, "status.jsonl")[0]);
        client.write_all(status.as_bytes()).unwrap();
    } else if line.contains("stop") {
        process.lock().unwrap().kill().unwrap();
    }
}

#[tokio::test]
async fn a_supervisor_of_each_earlier_release_is_taken_over_and_told_what_it_understands() {
    for version in VERSIONS {
        let earlier = Earlier::new(version);
        let instance = earlier.attach().await;

        let mut events = instance.events(41).await.unwrap();
        let mut seen = Vec::new();
        while let Some(event) = events.next().await.unwrap() {
            seen.push(serde_json::to_string(&event).unwrap());
        }
        assert_eq!(seen, lines(version, "events.jsonl"));
        let last: Value = serde_json::from_str(seen.last().unwrap()).unwrap();
        assert_eq!(last["event"], serde_json::to_value(Event::Stopped).unwrap());

        instance.acknowledge(57).await.unwrap();
        let spec: Value = serde_json::from_str(&golden(version, "spec-serve.json")).unwrap();
        let processes: Vec<ServerProcess> =
            serde_json::from_value(spec["work"]["serve"].clone()).unwrap();
        let before = fs::read(earlier.path("spec.json")).unwrap();
        instance.configure(processes).await.unwrap();
        // What it runs already leaves its file alone.
        assert_eq!(fs::read(earlier.path("spec.json")).unwrap(), before);
        instance.configure(Vec::new()).await.unwrap();
        let after = fs::read(earlier.path("spec.json")).unwrap();
        let spec: InstanceSpec = serde_json::from_slice(&after).unwrap();
        assert_eq!(spec.work, Work::Serve(Vec::new()));
        assert_eq!(spec.log_paths, ["/local/game/logs", "/tmp/server.log"]);
        let after: Value = serde_json::from_slice(&after).unwrap();
        assert_eq!(after["version"], 1, "it is written in the newest version");

        let status = instance.status().await.unwrap();
        let status = serde_json::to_string(&status).unwrap();
        assert_eq!(status, lines(version, "status.jsonl")[0]);

        instance.stop(Duration::from_secs(5)).await.unwrap();
        assert_eq!(
            *earlier.heard.lock().unwrap(),
            lines(version, "requests.jsonl")
        );
        for name in ["supervisor.json", "control.sock"] {
            assert!(!earlier.path(name).exists(), "{name}");
        }
    }
}

#[tokio::test]
async fn what_a_later_release_left_is_refused_and_stays_as_it_is() {
    let later = Earlier::new(1);
    let write = |name: &str, text: &str| fs::write(later.path(name), text).unwrap();
    let state = fs::read_to_string(later.path("supervisor.json")).unwrap();
    let spec = fs::read_to_string(later.path("spec.json")).unwrap();

    write(
        "supervisor.json",
        &state.replace("\"protocol\":1", "\"protocol\":9"),
    );
    let error = attach_error(later.directory.path()).await;
    assert!(
        error.contains("speaks version 9 of the control protocol"),
        "{error}"
    );
    let other = state.replace("\"version\":1", "\"version\":9");
    write("supervisor.json", &other);
    let error = attach_error(later.directory.path()).await;
    assert!(
        error.contains("supervisor.json is of version 9 of its format"),
        "{error}"
    );
    assert_eq!(
        fs::read_to_string(later.path("supervisor.json")).unwrap(),
        other
    );

    write("supervisor.json", &state);
    let instance = later.attach().await;
    for (text, reason) in [
        (
            spec.replace("\"version\": 1", "\"version\": 9"),
            "spec.json is of version 9",
        ),
        (
            "{".to_owned(),
            "spec.json cannot be parsed; end the instance",
        ),
    ] {
        write("spec.json", &text);
        let error = instance.configure(Vec::new()).await.unwrap_err();
        let error = chain(&error);
        assert!(error.contains(reason), "{error}");
        assert_eq!(fs::read_to_string(later.path("spec.json")).unwrap(), text);
    }
    assert!(later.heard.lock().unwrap().is_empty(), "nothing was sent");

    write("supervisor.json", "{}");
    let error = attach_error(later.directory.path()).await;
    assert!(
        error.contains("supervisor.json cannot be parsed"),
        "{error}"
    );
    tokio::time::timeout(DEADLINE, instance.kill())
        .await
        .unwrap()
        .unwrap();
}

async fn attach_error(directory: &Path) -> String {
    chain(&Instance::attach(directory).await.unwrap_err())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}
