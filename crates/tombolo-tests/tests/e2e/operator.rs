//! What an operator sees of the network: `tombolo flows`, `top`, `repairs`, and the metrics.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tombolo_tests::program::Program;
use tombolo_tests::server::Server;
use tombolo_tests::serving::Serving;
use tombolo_tests::workload::Workload;
use tombolo_tests::{metrics, scenario, wait};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 90, 0, 10);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 90, 0, 20);
const PORT: u16 = 7777;

/// Two workloads of one VPC, whose group lets its own members in.
struct Pair {
    client: Workload,
    answering: Workload,
    server: Serving,
}

impl Pair {
    fn start() -> Self {
        let server = Serving::start_plain();
        let vpc = scenario::vpc_with_subnet(server.backend(), "10.90.0.0/24");
        Pair {
            client: Workload::start(&server, "backend", &vpc, CLIENT),
            answering: Workload::start(&server, "backend", &vpc, SERVER),
            server,
        }
    }

    /// Sends datagrams to a port of the server until `done` gives something.
    fn send_until<T>(&self, port: u16, what: &str, mut done: impl FnMut() -> Option<T>) -> T {
        let socket = self.client.within(|| UdpSocket::bind(("0.0.0.0", 0)));
        let socket = socket.unwrap();
        wait::until(what, || {
            // What comes back as an error of an earlier datagram is no matter here.
            let _ = socket.send_to(b"datagram", (SERVER, port));
            done()
        })
    }

    /// Starts a command that goes on until it is dropped.
    fn follow(&self, arguments: &[&str]) -> Program {
        Program::start(&mut self.server.command(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.server.command(arguments).output().unwrap();
        let told = serde_json::from_slice(&output.stdout);
        told.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
    }
}

#[test]
fn flows_are_told_as_vpc_flow_logs_has_them() {
    let pair = Pair::start();
    let all = pair.follow(&["flows", "--header"]);
    let rejected = pair.follow(&["flows", "--rejected", "--account", "backend", "--json"]);
    all.until_it_prints("version account-id interface-id srcaddr dstaddr");
    let _listening = pair
        .answering
        .within(|| UdpSocket::bind(("0.0.0.0", PORT)).unwrap());

    // Each of the two interfaces tells the flow.
    let told = pair.send_until(PORT, "both ends to tell an accepted flow", || {
        let lines = all.lines();
        let accepted = lines.into_iter().filter(|line| line.contains(" ACCEPT OK"));
        let accepted: Vec<String> = accepted.collect();
        let mut interfaces: Vec<_> = accepted.iter().filter_map(|line| field(line, 2)).collect();
        interfaces.sort();
        interfaces.dedup();
        (interfaces.len() == 2).then_some(accepted)
    });
    let first = &told[0];
    let account = &pair.server.backend().account;
    assert!(first.starts_with(&format!("2 {account} eni-")), "{first}");
    let fields: Vec<&str> = first.split(' ').collect();
    assert_eq!(fields.len(), 14, "{first}");
    assert_eq!((fields[3], fields[4]), ("10.90.0.10", "10.90.0.20"));
    assert_eq!((fields[6], fields[7]), ("7777", "17"), "{first}");
    let number = |position: usize| fields[position].parse::<u64>().unwrap();
    assert!(number(8) >= 1 && number(9) >= 36 * number(8), "{first}");
    assert!(number(10) <= number(11), "{first}");

    // An address that nobody has.
    let socket = pair
        .client
        .within(|| UdpSocket::bind(("0.0.0.0", 0)))
        .unwrap();
    let reject = wait::until("a rejected flow to be told", || {
        socket.send_to(b"datagram", ("10.90.0.99", PORT)).unwrap();
        rejected
            .lines()
            .into_iter()
            .find(|line| line.contains("10.90.0.99"))
    });
    let reject: Value = serde_json::from_str(&reject).unwrap();
    let record = &reject["record"];
    assert_eq!(
        record["outcome"]["rejected"], "no_such_destination",
        "{reject}"
    );
    assert_eq!(record["account"], **account);
    assert!(
        rejected
            .lines()
            .iter()
            .all(|line| !line.contains("accepted"))
    );
    wait::until("the other follower to be told too", || {
        let lines = all.lines();
        lines.into_iter().find(|line| line.contains(" REJECT OK"))
    });
}

#[test]
fn a_server_that_stops_ends_what_is_followed() {
    let mut pair = Pair::start();
    let mut flows = pair.follow(&["flows", "--header"]);
    flows.until_it_prints("version");
    pair.server.stop();
    assert!(flows.until_it_ends().success());
}

#[test]
fn a_server_that_is_killed_is_told_to_who_follows() {
    let mut pair = Pair::start();
    let mut flows = pair.server.command(&["flows", "--header"]);
    let mut flows = flows
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut header = String::new();
    let mut stdout = BufReader::new(flows.stdout.take().unwrap());
    stdout.read_line(&mut header).unwrap();
    assert!(header.starts_with("version "), "{header}");
    pair.server.kill();
    let ended = flows.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.starts_with("error: the server went away"), "{told}");
    assert!(told.contains("hint: "), "{told}");
    pair.server.start_again();
}

/// As `head` does, once it has what it wants.
#[test]
fn what_nobody_reads_any_more_ends() {
    let pair = Pair::start();
    for follow in [
        &["flows", "--header"][..],
        &["top", "--json", "--interval", "0.1"],
        &["top", "--interval", "0.1"],
    ] {
        let mut command = pair.server.command(follow);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let first = BufReader::new(stdout).lines().next().unwrap().unwrap();
        assert!(!first.is_empty());
        // A datagram begins a flow, which is a line of `flows`.
        let ended = pair.send_until(PORT, "the command to end", || child.try_wait().unwrap());
        assert!(ended.success(), "{follow:?}: {ended}");
    }
}

#[test]
fn top_counts_what_two_workloads_send_each_other() {
    let pair = Pair::start();
    let _listening = pair
        .answering
        .within(|| UdpSocket::bind(("0.0.0.0", PORT)).unwrap());
    let top = pair.send_until(PORT, "traffic to be seen", || {
        let top = pair.json(&["top", "--once", "--json", "--interval", "0.1"]);
        let rows = top["interfaces"].as_array().unwrap();
        let row = |address: Ipv4Addr| {
            rows.iter()
                .find(|row| row["address"] == address.to_string())
                .unwrap()
                .clone()
        };
        let (client, answering) = (row(CLIENT), row(SERVER));
        let sent = client["sent"]["packets"].as_u64().unwrap();
        let received = answering["received"]["packets"].as_u64().unwrap();
        (sent > 0 && received > 0).then_some(top)
    });
    let routes = &top["tables"]["routes"];
    assert!(
        routes["used"].as_u64() < routes["capacity"].as_u64(),
        "{top}"
    );

    let shown = pair.server.command(&["top", "--once", "--interval", "0.1"]);
    let shown = output(shown);
    for heading in ["INTERFACE", "PEERING", "DROPPED", "TABLE"] {
        assert!(
            shown.lines().any(|line| line.starts_with(heading)),
            "{shown}"
        );
    }
    assert!(!shown.contains('\x1b'), "it is no terminal: {shown}");

    let counted = metrics::read(pair.server.metrics());
    for name in [
        "tombolo_interface_sent_packets_total{interface=\"eni-",
        "tombolo_interface_received_bytes_total{interface=\"eni-",
        "tombolo_table_capacity{",
        "tombolo_flow_records_lost_total{",
    ] {
        assert!(counted.contains(name), "{name} in {counted}");
    }
}

/// The series of an interface that is gone would otherwise pile up.
#[test]
fn metrics_forget_an_interface_that_is_gone() {
    let pair = Pair::start();
    let interfaces = || {
        let counted = metrics::read(pair.server.metrics());
        let sent = counted.lines();
        sent.filter(|line| line.starts_with("tombolo_interface_sent_packets_total{"))
            .count()
    };
    wait::until("two interfaces", || (interfaces() == 2).then_some(()));
    drop(pair.answering);
    wait::until("one interface", || (interfaces() == 1).then_some(()));
}

#[test]
fn a_link_that_somebody_deleted_is_repaired_and_told() {
    let pair = Pair::start();
    assert_eq!(pair.json(&["repairs", "--json"]), Value::Array(vec![]));
    pair.client.within(|| {
        let mut delete = Command::new("ip");
        let deleted = delete.args(["link", "delete", "eth0"]).status().unwrap();
        assert!(deleted.success());
    });
    // The server looks for what has changed every 15 s.
    let repairs = wait::until("the repair to be told", || {
        let repairs = pair.json(&["repairs", "--json"]);
        (repairs != Value::Array(vec![])).then_some(repairs)
    });
    let kinds: Vec<String> = repairs
        .as_array()
        .unwrap()
        .iter()
        .map(|repair| scenario::text(&repair["kind"]))
        .collect();
    assert!(kinds.iter().any(|kind| kind == "interface"), "{repairs}");
    let shown = output(pair.server.command(&["repairs"]));
    assert!(
        shown.starts_with("WHEN") && shown.contains("eni-"),
        "{shown}"
    );
    let counted = metrics::read(pair.server.metrics());
    assert!(counted.contains("tombolo_network_repairs_total{kind=\"interface\"} 1"));

    // It is there again, with its address, and packets pass.
    let traced = pair.json(&[
        "trace",
        "--json",
        "--from",
        "10.90.0.10",
        "--to",
        "10.90.0.20",
    ]);
    assert_eq!(traced["reachable"], true, "{traced}");
    assert_eq!(traced["probe"]["outcome"], "answered", "{traced}");
}

fn field(line: &str, position: usize) -> Option<String> {
    line.split(' ').nth(position).map(str::to_owned)
}

fn output(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What somebody takes out of the data path is told by the trace, until it is there again.
#[test]
fn a_trace_tells_where_the_data_path_is_not_as_stored() {
    let pair = Pair::start();
    let to = format!("{SERVER}:{PORT}");
    let trace = ["trace", "--from", "10.90.0.10", "--to", &to, "--json"];
    let whole = pair.json(&trace);
    assert_eq!(whole["data_path"]["agrees"], true, "{whole}");

    let routes = pinned(&pair.server.directory(), "routes");
    let routes = routes.to_str().unwrap();
    let bpftool = |arguments: &[&str]| {
        let mut bpftool = Command::new("bpftool");
        bpftool
            .arg("-j")
            .arg("map")
            .args(arguments)
            .output()
            .unwrap()
    };
    let told = wait::until("the trace to tell it", || {
        // The server may just be looking, and put it back before the trace looks.
        loop {
            let next = bpftool(&["getnext", "pinned", routes]);
            let next: Value = serde_json::from_slice(&next.stdout).unwrap_or_default();
            let Some(key) = next["next_key"].as_array() else {
                break;
            };
            let key: Vec<&str> = key.iter().filter_map(Value::as_str).collect();
            bpftool(&[&["delete", "pinned", routes, "key"], &key[..]].concat());
        }
        let told = pair.json(&trace);
        (told["data_path"]["agrees"] == false).then_some(told)
    });
    let difference = scenario::text(&told["data_path"]["difference"]);
    assert!(difference.contains("no_route"), "{told}");
    assert_eq!(told["reachable"], false, "{told}");
    let answer = scenario::text(&told["answer"]);
    assert!(
        answer.starts_with("No: the data path disagrees"),
        "{answer}"
    );
    assert!(answer.contains("`tombolo repairs`"), "{answer}");

    wait::until("the repair", || {
        let told = pair.json(&trace);
        (told["data_path"]["agrees"] == true).then_some(())
    });
    // It is put right first, and recorded then.
    wait::until("the repair to be recorded", || {
        let repairs = pair.json(&["repairs", "--json"]);
        let mut repairs = repairs.as_array().unwrap().iter();
        repairs
            .any(|repair| repair["kind"] == "map-entry")
            .then_some(())
    });
}

/// The file that a map of a server's data path is pinned as.
fn pinned(directory: &Path, map: &str) -> PathBuf {
    let mut folders = vec![directory.join("bpf")];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == map) {
                return path;
            }
        }
    }
    panic!("no map {map} is pinned below {}", directory.display());
}
