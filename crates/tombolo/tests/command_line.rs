//! The command line as people meet it: helps, and what a wrong call is told.

#![allow(clippy::unwrap_used, reason = "this is how a test fails")]

use std::process::{Command, Output};

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
            &["account", "create", "--dir", "/", "--name", "a b"],
            "\"a b\" is not an account's name",
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
