//! What a machine can do: `tombolo doctor`, and `--network auto` that goes by the same.

use std::fs::{self, File};
use std::process::{Command, Output};

use serde_json::Value;
use tombolo_tests::binary;
use tombolo_tests::nobody::Nobody;
use tombolo_tests::program::Program;

#[test]
fn where_everything_is_there_packets_flow() {
    let output = doctor(Command::new(binary::tombolo()).args(["doctor", "--json"]));
    let diagnosis = diagnosis(&output);
    assert!(output.status.success(), "{diagnosis:#}");
    assert_eq!(diagnosis["network"], "ebpf");
    for finding in diagnosis["findings"].as_array().unwrap() {
        assert_eq!(finding["ok"], true, "{finding}");
        assert_eq!(finding.get("mend"), None, "{finding}");
    }

    let shown = doctor(Command::new(binary::tombolo()).arg("doctor"));
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("ok       data path"), "{shown}");
    assert!(shown.ends_with("packets flow.\n"), "{shown}");
}

#[test]
fn without_root_it_fails_and_names_the_command_that_mends_it() {
    let nobody = Nobody::new();
    let output = doctor(&mut nobody.command(&["doctor", "--json"]));
    let diagnosis = diagnosis(&output);
    assert_eq!(output.status.code(), Some(1), "{diagnosis:#}");
    assert_eq!(diagnosis["network"], "simulated");
    for what in ["root", "data path"] {
        let finding = finding(&diagnosis, what);
        assert_eq!(finding["ok"], false, "{finding}");
        assert_eq!(finding["mend"], "sudo tombolo dev", "{finding}");
    }

    let shown = doctor(&mut nobody.command(&["doctor"]));
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("MISSING  root"), "{shown}");
    assert!(shown.ends_with("NO packets flow.\n"), "{shown}");
}

/// As in a container without `--privileged`.
#[test]
fn a_root_that_may_not_load_a_program_is_told_where_to_look() {
    let mut command = Command::new("setpriv");
    command
        .args(["--bounding-set", "-bpf", "--"])
        .arg(binary::tombolo())
        .args(["doctor", "--json"]);
    let output = doctor(&mut command);
    let diagnosis = diagnosis(&output);
    assert_eq!(output.status.code(), Some(1), "{diagnosis:#}");
    assert_eq!(finding(&diagnosis, "root")["ok"], true);
    let data_path = finding(&diagnosis, "data path");
    let seen = data_path["seen"].as_str().unwrap();
    assert!(seen.contains("CAP_BPF"), "{seen}");
    let mend = data_path["mend"].as_str().unwrap();
    assert!(mend.contains("/boot/config-"), "{mend}");
    assert!(mend.contains("--privileged"), "{mend}");
}

#[test]
fn auto_falls_back_to_simulated_and_says_so() {
    let nobody = Nobody::new();
    let log = nobody.directory().join("log");
    let mut dev = nobody.command(&["dev", "--json", "--listen", "127.0.0.1:0"]);
    let dev = Program::start(dev.stderr(File::create(&log).unwrap()));
    let ready: Value = serde_json::from_str(&dev.until_it_prints("{")).unwrap();
    assert_eq!(ready["network"], "simulated");
    let log = fs::read_to_string(&log).unwrap();
    let warning = log.lines().find(|line| line.contains("WARN"));
    let warning = warning.unwrap_or_else(|| panic!("no warning in {log}"));
    assert!(warning.contains("no packets will flow"), "{warning}");
    assert!(warning.contains("CAP_BPF"), "{warning}");
}

#[test]
fn only_who_fell_back_is_sent_to_the_doctor() {
    let nobody = Nobody::new();
    for (network, told) in [
        ("auto", "`tombolo doctor` says why"),
        ("simulated", "simulated, as asked for: NO packets flow"),
    ] {
        let arguments = ["dev", "--listen", "127.0.0.1:0", "--network", network];
        let dev = Program::start(&mut nobody.command(&arguments));
        let greeting = dev.until_it_prints("Tombolo is ready");
        assert!(greeting.contains(told), "{greeting}");
        assert_eq!(greeting.contains("doctor"), network == "auto", "{greeting}");
    }
}

fn doctor(command: &mut Command) -> Output {
    command.env_remove("TOMBOLO_DIR").output().unwrap()
}

fn diagnosis(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn finding<'a>(diagnosis: &'a Value, what: &str) -> &'a Value {
    let mut findings = diagnosis["findings"].as_array().unwrap().iter();
    findings.find(|finding| finding["what"] == what).unwrap()
}
