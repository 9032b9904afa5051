//! The command line as people meet it: helps, and what a wrong call is told.

#![allow(clippy::unwrap_used, reason = "this is how a test fails")]

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use tombolo_store::{SqliteStore, Store, Txn};

fn tombolo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tombolo"))
        .args(arguments)
        .env_remove("TOMBOLO_DIR")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Every command and every group of commands, as its words, the hidden ones left out.
fn commands(command: &clap::Command, words: Vec<String>, found: &mut Vec<Vec<String>>) {
    for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        let words = [words.clone(), vec![one.get_name().to_owned()]].concat();
        commands(one, words, found);
    }
    found.push(words);
}

#[test]
fn every_command_has_a_help_with_an_example() {
    let mut found = Vec::new();
    commands(&tombolo::command_line(), Vec::new(), &mut found);
    let groups = ["account", "access-key", "build", "clock", "peering"];
    for group in groups {
        assert!(found.contains(&vec![group.to_owned()]), "{found:?}");
    }
    for words in found {
        let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        arguments.push("--help");
        let output = tombolo(&arguments);
        assert!(output.status.success(), "{words:?}");
        let example = format!("tombolo {}", words.join(" "));
        let (_, examples) = stdout(&output).split_once("Example").expect(&example);
        assert!(examples.contains(&example), "{words:?}: {examples}");
    }
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    tombolo::command_line().debug_assert();
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = tombolo(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        assert!(stdout(&output).contains("access-key"), "{shell}");
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let output = tombolo(&["account", "list", "--dir", path]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert_eq!(
        stderr(&output),
        format!(
            "error: no server answers in {path}: No such file or directory (os error 2)\n\
             hint: start one with `tombolo dev --dir DIR`, or name its directory with --dir or \
             TOMBOLO_DIR\n"
        )
    );
}

#[test]
fn the_directory_must_be_named() {
    let output = tombolo(&["account", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("--dir <DIR>"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn ids_and_durations_are_checked_before_anything_is_asked() {
    for (arguments, told) in [
        (
            &["logs", "--dir", "/", "fleet-1"][..],
            "\"fleet-1\" is not a fleet id",
        ),
        (
            &[
                "run",
                "--dir",
                "/",
                "--account",
                "a",
                "--vpc",
                "vpc-1",
                "--",
                "true",
            ],
            "\"vpc-1\" is not a VPC id (vpc- and 17 hexadecimal digits)",
        ),
        (
            &["clock", "advance", "--dir", "/", "--", "-1h"],
            "the clock only goes forward",
        ),
        (
            &["clock", "advance", "--dir", "/", "soon"],
            "not a duration; write 24h or 90m",
        ),
        (
            &["clock", "advance", "--dir", "/", "1000000h"],
            "at most ten years at a time",
        ),
        (
            &["dev", "--region", "nowhere"],
            "\"nowhere\" is not a Region",
        ),
        (
            &["build", "import", "--dir", "/", "--name", &"n".repeat(1025)],
            "it has 1025 characters, and a build's name or version has 1 to 1024",
        ),
        (
            &["build", "import", "--dir", "/", "--build-version", ""],
            "it has 0 characters, and a build's name or version has 1 to 1024",
        ),
        (
            &["account", "create", "--dir", "/", "--name", "a b"],
            "\"a b\" is not an account's name",
        ),
        (
            &[
                "account",
                "quota",
                "set",
                "--account",
                "a",
                "--dir",
                "/",
                "vpcs_per_region",
                "-1",
            ],
            "it is a whole number from 0 to 16777215",
        ),
        (
            &[
                "account",
                "quota",
                "set",
                "--account",
                "a",
                "--dir",
                "/",
                "vpcs_per_region",
                "1e9",
            ],
            "it is a whole number from 0 to 16777215",
        ),
        (
            &[
                "account",
                "quota",
                "reset",
                "--account",
                "a",
                "--dir",
                "/",
                "vpcs",
            ],
            "there is no quota \"vpcs\"; there are rules_per_security_group",
        ),
    ] {
        let output = tombolo(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            stderr(&output).contains(told),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn teardown_refuses_a_directory_that_is_no_server_s() {
    let directory = tempfile::tempdir().unwrap();
    let output = tombolo(&["teardown", "--dir", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("is not the data directory of a server"));
    assert_eq!(
        directory.path().read_dir().unwrap().count(),
        0,
        "nothing was made there"
    );
}

#[test]
fn a_configuration_that_cannot_be_read_names_the_file() {
    let output = tombolo(&["serve", "--config", "/nonexistent.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.starts_with("error: cannot read the configuration /nonexistent.toml\n"),
        "{told}"
    );
    assert!(
        told.ends_with("hint: docs/tombolo.example.toml is one to start from\n"),
        "{told}"
    );
}

/// A data directory whose store has one entry, and the configuration of a server of it.
fn served(key: &'static str, value: &'static str) -> (TempDir, PathBuf, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("lock"), "").unwrap();
    let txn = Txn {
        puts: vec![(Bytes::from(key), Bytes::from(value))],
        ..Txn::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let store = SqliteStore::open(data.join("store.db")).unwrap();
    runtime.unwrap().block_on(store.txn(txn)).unwrap();
    drop(store);
    let configuration = root.path().join("tombolo.toml");
    let text = format!(
        "directory = {data:?}\nlisten = \"127.0.0.1:0\"\nregions = [\"us-west-2\"]\n\
         network = \"simulated\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n"
    );
    fs::write(&configuration, text).unwrap();
    (root, data, configuration)
}

/// The names of the files of a directory, and what is in them.
fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(directory).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let contents = files.into_iter().map(|path| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    });
    contents.collect()
}

fn serve(configuration: &Path) -> Output {
    tombolo(&["serve", "--config", configuration.to_str().unwrap()])
}

const CUT_OFF: (&str, &str) = (
    "interface/us-west-2/111122223333/vpc-0123456789abcdef0/eni-0123456789abcdef0",
    "\u{2}{\"id\":\"eni-01",
);

#[test]
fn a_server_does_not_start_on_a_damaged_store_and_changes_nothing() {
    let (_root, data, configuration) = served(CUT_OFF.0, CUT_OFF.1);
    let before = contents(&data);
    let output = serve(&configuration);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    let named = format!("the value of key {} is not readable", CUT_OFF.0);
    assert!(told.contains(&named), "{told}");
    assert!(
        told.contains("restore the data directory from a backup"),
        "{told}"
    );
    assert!(contents(&data) == before, "a file has changed");
}

#[test]
fn a_teardown_passes_over_a_damaged_store_and_says_so() {
    let (_root, data, _) = served(CUT_OFF.0, CUT_OFF.1);
    // As a server that was killed left it.
    let socket = data.join("admin.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let before = fs::read(data.join("store.db")).unwrap();
    let teardown = ["teardown", "--delete-data", "--dir", data.to_str().unwrap()];
    let output = tombolo(&teardown);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains("error: not everything of the store could be read"),
        "{told}"
    );
    assert!(told.contains(CUT_OFF.0), "{told}");
    assert!(!socket.exists(), "it ended before its end");
    assert_eq!(fs::read(data.join("store.db")).unwrap(), before);

    fs::write(data.join("store.db"), "dear diary, ".repeat(1_000)).unwrap();
    drop(UnixListener::bind(&socket).unwrap());
    let output = tombolo(&teardown);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("file is not a database"), "{told}");
    assert!(!socket.exists(), "it ended before its end");
}

#[test]
fn a_directory_that_has_lost_its_store_is_not_started_anew() {
    let (_root, data, configuration) = served("vpc-number", "\u{1}7");
    fs::write(
        data.join("host-id"),
        "host-00000000-0000-4000-8000-000000000001\n",
    )
    .unwrap();
    fs::remove_file(data.join("store.db")).unwrap();
    // A start that was refused must not be what lets the next one through.
    for _ in 0..2 {
        let before = contents(&data);
        let output = serve(&configuration);
        assert_eq!(output.status.code(), Some(1));
        let told = stderr(&output);
        assert!(told.contains("is missing or empty"), "{told}");
        assert!(told.contains("restore it from a backup"), "{told}");
        assert!(contents(&data) == before, "a file has changed");
    }
}

#[test]
fn a_server_that_keeps_real_time_leaves_a_directory_of_moved_time_alone() {
    let (_root, data, configuration) = served("clock-offset", "\u{1}3600");
    let before = contents(&data);
    let output = serve(&configuration);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains("was moved by `tombolo clock advance`"),
        "{told}"
    );
    assert!(contents(&data) == before, "a file has changed");
}

#[test]
fn a_server_that_does_not_answer_as_one_is_found_by_the_doctor() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let tasks = || {
        let output = tombolo(&["doctor", "--json", "--dir", path]);
        let diagnosis: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = diagnosis["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|one| one["what"] == "tasks")
    };
    assert_eq!(tasks(), None, "no server has ever run here");

    let listener = UnixListener::bind(directory.path().join("admin.sock")).unwrap();
    let answering = listener.try_clone().unwrap();
    // Ends with the test's process.
    thread::spawn(move || answering.incoming().for_each(drop));
    let found = tasks().expect("a server that hangs up is one");
    assert_eq!(found["ok"], false);
    let seen = found["seen"].as_str().unwrap();
    assert!(seen.starts_with("asking the server: "), "{seen}");
    assert!(
        found["mend"].as_str().unwrap().contains("tombolo status"),
        "{found}"
    );
}

#[test]
fn a_socket_that_a_killed_server_left_is_nothing_to_the_doctor() {
    let directory = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(directory.path().join("admin.sock")).unwrap());
    let path = directory.path().to_str().unwrap();
    let output = tombolo(&["doctor", "--json", "--dir", path]);
    assert!(!stdout(&output).contains("\"tasks\""));
}
