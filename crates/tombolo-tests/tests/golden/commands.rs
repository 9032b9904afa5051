//! What the commands print, over the recorded data directory: every table, its JSON, and the errors with
//! their hints. What a command is to do is tested elsewhere; this is how it says it.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::json;
use tombolo_tests::scenario::{self, text};

use crate::directory::{self, world};
use crate::expect::expect;
use crate::transcript::{Protocol, Transcript};

/// The recorded directory that they are run over.
const FORMAT: &str = "1";

#[test]
fn what_commands_print() {
    let mut t = Transcript::with(directory::settled(FORMAT), Protocol::AwsJson);
    for list in [
        &["account", "list"][..],
        &["access-key", "list", "--account", "auditor"],
        &["build", "list", "--account", "studio"],
        &["build", "list", "--account", "backend"],
        &["peering", "list", "--account", "studio"],
        &["peering", "list", "--account", "backend"],
        &["peering", "list", "--account", "auditor"],
        &["repairs"],
        &["clock", "show"],
    ] {
        in_both_forms(&mut t, list);
    }
    builds(&mut t);
    peerings(&mut t);
    fleets(&mut t);
    traces(&mut t);
    top(&mut t);
    changes(&mut t);
    expect("commands/printed.txt", t.text());
}

/// As a table, and as JSON.
fn in_both_forms(t: &mut Transcript, arguments: &[&str]) {
    t.command(arguments, tidy);
    t.command(&[arguments, &["--json"]].concat(), tidy);
}

/// What a screen measures, the clock's distance, and a secret.
static MEASURED: LazyLock<Regex> = LazyLock::new(|| {
    let parts = [
        r"[0-9.]+ [KMG]iB(?: of [0-9.]+ [KMG]iB)?",
        r"\b[0-9.]+ (?:s|min|h)\b",
        r"\b0\.[0-9] %",
        r"\(.* ahead of the real time\)",
        r"(?m)secret_access_key = .*$",
    ];
    Regex::new(&parts.join("|")).unwrap()
});

/// Puts a word in the place of what is measured; where there is any, columns are as wide as it was.
fn tidy(printed: &str) -> String {
    let tidied = MEASURED.replace_all(printed, "<measured>");
    match tidied.contains("<measured>") {
        true => COLUMNS.replace_all(&tidied, "$1  ").into_owned(),
        false => tidied.into_owned(),
    }
}

/// What separates columns.
static COLUMNS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(\S) {2,}").unwrap());

fn builds(t: &mut Transcript) {
    let found = t.server().studio().gamelift("ListBuilds", &json!({}));
    let mut builds = found.expect("ListBuilds")["Builds"].take();
    for build in builds.as_array_mut().unwrap() {
        let id = text(&build["BuildId"]);
        in_both_forms(t, &["build", "show", "--account", "studio", &id]);
    }
}

fn peerings(t: &mut Transcript) {
    let found = t
        .server()
        .backend()
        .ec2("DescribeVpcPeeringConnections", &[]);
    for id in found.unwrap().all("vpcPeeringConnectionId") {
        in_both_forms(t, &["peering", "show", "--account", "backend", &id]);
    }
}

fn fleets(t: &mut Transcript) {
    let found = t.server().studio().gamelift("ListFleets", &json!({}));
    let fleets: Vec<String> = found.expect("ListFleets")["FleetIds"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    for fleet in fleets {
        in_both_forms(t, &["fleet", "--once", "--interval", "0.1", &fleet]);
        t.command(&["logs", &fleet], tidy);
    }
}

/// Without the fleet that came up with this server: its interface has an id of its own each time, by
/// which the rows are sorted.
fn top(t: &mut Transcript) {
    let studio = t.server().studio();
    let mut found = studio
        .gamelift("DescribeFleetAttributes", &json!({}))
        .unwrap();
    for fleet in found["FleetAttributes"].as_array_mut().unwrap() {
        let fleet = text(&fleet["FleetId"]);
        let of_fleet = json!({ "FleetId": fleet });
        let runs = studio.gamelift("DescribeRuntimeConfiguration", &of_fleet);
        let is_new = runs.is_ok_and(|runs| runs.to_string().contains(world::COMING));
        if is_new {
            studio.gamelift("DeleteFleet", &of_fleet).unwrap();
            scenario::fleet_is(&studio, &fleet, "TERMINATED");
        }
    }
    in_both_forms(t, &["top", "--once", "--interval", "0.1"]);
}

fn traces(t: &mut Transcript) {
    for (from, to) in [
        ("100.64.0.4", "10.2.1.9:5432"),
        ("100.64.0.4", "10.2.1.9"),
        ("10.2.1.9", "100.64.0.4:7777"),
        ("10.2.1.9", "10.12.0.9:80"),
        ("10.2.1.9", "10.11.0.9:80"),
        ("10.2.1.9", "192.0.2.9:80"),
        ("100.64.0.4", "9.9.9.9:53"),
        ("100.64.3.4", "9.9.9.9:53"),
        ("10.99.0.1", "10.2.1.9"),
        ("eni-00000000000000000", "10.2.1.9"),
    ] {
        in_both_forms(t, &["trace", "--from", from, "--to", to]);
    }
}

/// What makes something, or is refused.
fn changes(t: &mut Transcript) {
    for change in [
        &["account", "create", "--name", "visitors"][..],
        &["account", "create", "--name", "studio"],
        &["account", "create", "--name", "not a name"],
        &[
            "access-key",
            "create",
            "--account",
            "auditor",
            "--user",
            "night",
        ],
        &["access-key", "create", "--account", "nobody"],
        &["access-key", "list", "--account", "nobody"],
        &["access-key", "delete", "AKIA2222222222222222"],
        &["access-key", "delete", "no key"],
        &["build", "list", "--account", "000000000000"],
        &[
            "build",
            "show",
            "--account",
            "studio",
            "build-00000000-0000-0000-0000-000000000000",
        ],
        &["build", "show", "--account", "studio", "no build"],
        &[
            "build",
            "import",
            "--account",
            "studio",
            "--name",
            "a",
            "--build-version",
            "1",
            "--root",
            "/nowhere",
        ],
        &[
            "peering",
            "show",
            "--account",
            "studio",
            "pcx-00000000000000000",
        ],
        &[
            "fleet",
            "--once",
            "fleet-00000000-0000-0000-0000-000000000000",
        ],
        &["logs", "fleet-00000000-0000-0000-0000-000000000000"],
        &[
            "run",
            "--account",
            "backend",
            "--vpc",
            "vpc-00000000000000000",
            "--",
            "true",
        ],
        &["flows", "--account", "nobody"],
        &["clock", "advance", "-1s"],
        &["clock", "advance", "99999999h"],
        &["clock", "advance", "1h 30m"],
        &["account", "list", "--dir", "/nowhere"],
        &["serve", "--config", "/nowhere.toml"],
        &["teardown", "--dir", "/nowhere"],
        &["no-such-command"],
        &[],
    ] {
        t.command(change, tidy);
    }
}
