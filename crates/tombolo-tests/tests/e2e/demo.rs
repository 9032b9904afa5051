//! `tombolo demo`, as the people do who want to see it once.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tombolo_tests::nobody::Nobody;
use tombolo_tests::program::Program;
use tombolo_tests::{binary, leftovers, tools, wait};

#[test]
fn real_packets_prove_each_turn_of_the_story_and_nothing_is_left() {
    let place = Place::new();
    let mut demo = Program::start(&mut place.demo(&[]));
    let namespaces = place.namespaces();
    let status = demo.until_it_ends();
    let shown = demo.lines();
    assert!(status.success(), "{status}: {shown:#?}");

    for turn in ["not connected:", "connection deleted:"] {
        let [answered, ..] = row(&shown, turn);
        let (answered, sent) = answered.split_once(" of ").expect("N of M");
        assert_eq!(answered, "0", "{shown:#?}");
        assert!(sent.parse::<u32>().unwrap() >= 5, "{shown:#?}");
    }
    for measured in ["p50", "p99", "TCP throughput"] {
        let [peered, bare, ratio] = row(&shown, measured);
        assert!(number(&peered) > 0.0 && number(&bare) > 0.0, "{shown:#?}");
        assert!(number(&ratio) > 0.0, "{shown:#?}");
    }
    place.assert_nothing_is_left(&namespaces);
}

#[test]
fn kept_it_runs_on_connected_until_it_is_ended() {
    let place = Place::new();
    let mut demo = Program::start(&mut place.demo(&["--keep"]));
    let namespaces = place.namespaces();
    let config = demo.until_it_prints("  export AWS_CONFIG_FILE=");
    let (_, config) = config.split_once('=').unwrap();
    assert!(Path::new(config).exists(), "{config}");
    let directory = demo.until_it_prints("  export TOMBOLO_DIR=");
    let (_, directory) = directory.split_once('=').unwrap();
    demo.until_it_prints("Ctrl-C ends it.");
    let list = ["peering", "list", "--account", "studio", "--dir", directory];
    let listed = tools::succeeds(Command::new(binary::tombolo()).args(list));
    assert!(listed.contains(" active "), "{listed}");

    demo.signal(Signal::SIGTERM);
    assert!(demo.until_it_ends().success());
    place.assert_nothing_is_left(&namespaces);
}

#[test]
fn simulated_on_purpose_it_is_content_and_says_that_no_packet_flowed() {
    let place = Place::new();
    let output = place.demo(&["--network", "simulated"]).output().unwrap();
    let shown = text(&output);
    assert!(output.status.success(), "{shown}");
    assert_says_that_no_packet_flowed(&output);
    place.assert_nothing_is_left(&[]);
}

#[test]
fn without_root_it_proves_nothing_and_fails_with_a_hint() {
    let nobody = Nobody::new();
    let output = nobody.command(&["demo"]).output().unwrap();
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert_says_that_no_packet_flowed(&output);
    assert!(shown.contains("error: this machine cannot show real packets"));
    assert!(shown.contains("hint: run it as root"), "{shown}");
    let name = nobody.directory().file_name().unwrap().to_string_lossy();
    assert_eq!(leftovers::processes_in(&name), Vec::<u32>::new());
    // The copy of the binary.
    assert_eq!(nobody.directory().read_dir().unwrap().count(), 1);
}

/// A place for the temporary files of one demo, by which its processes are known too.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = tempfile::Builder::new().prefix("tmb-demo-").tempdir();
        Place(place.unwrap())
    }

    fn demo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary::tombolo());
        command
            .arg("demo")
            .args(arguments)
            .env("TMPDIR", self.0.path())
            .env_remove("TOMBOLO_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn processes(&self) -> Vec<u32> {
        let name = self.0.path().file_name().unwrap().to_string_lossy();
        leftovers::processes_in(&name)
    }

    /// The network namespaces of the demo, as soon as its database is in one.
    fn namespaces(&self) -> Vec<String> {
        let database = wait::until("the demo's database", || {
            let databases = leftovers::processes_with("demo-database --listen");
            let here = self.processes();
            // `tombolo run` has the words too, and is in the machine's own namespace.
            let is_inside = |pid: &u32| !leftovers::processes_with(" run --account").contains(pid);
            databases
                .into_iter()
                .find(|pid| here.contains(pid) && is_inside(pid))
        });
        leftovers::namespaces_beside(database)
    }

    #[track_caller]
    fn assert_nothing_is_left(&self, namespaces: &[String]) {
        assert_eq!(self.processes(), Vec::<u32>::new());
        let directory = self.0.path();
        assert_eq!(leftovers::mounts_in(directory), Vec::<String>::new());
        assert_eq!(directory.read_dir().unwrap().count(), 0);
        let left = leftovers::namespaces();
        let left: Vec<_> = namespaces.iter().filter(|one| left.contains(one)).collect();
        assert!(left.is_empty(), "the namespaces {left:?} are left");
    }
}

/// The columns of the closing table's row that has `title` in its first: peered, bare, ratio.
#[track_caller]
fn row(shown: &[String], title: &str) -> [String; 3] {
    let line = shown.iter().find(|line| line.contains(title));
    let line = line.unwrap_or_else(|| panic!("no row {title:?} in {shown:#?}"));
    let columns: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    [1, 2, 3].map(|column| columns[column].to_owned())
}

fn number(text: &str) -> f64 {
    let digits = text.split(' ').next().unwrap();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("no number: {text:?}"))
}

#[track_caller]
fn assert_says_that_no_packet_flowed(output: &Output) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("SIMULATED"), "{stdout}");
    assert!(stdout.contains("NO packet flowed"), "{stdout}");
    assert!(!stdout.contains("ratio"), "a table of nothing: {stdout}");
}

fn text(output: &Output) -> String {
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{stdout}\n{stderr}")
}
