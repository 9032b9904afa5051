//! The screen of `tombolo fleet`, as text.

use tombolo_domain::fleet::{MappedPort, ReachedAt};
use tombolo_fleet::ProcessState;
use tombolo_network::EngineKind;

use super::reading::Dashboard;
use crate::command::live::{number, with_rest};
use crate::output::{self, columns};

/// Everything, with at most `rows` rows in each table.
pub(super) fn of(fleet: &Dashboard, rows: usize) -> String {
    let parts = [
        summary(fleet),
        instances(fleet, rows),
        silent(fleet, rows),
        processes(fleet, rows),
        peerings(fleet, rows),
        events(fleet, rows),
    ];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("\n")
}

fn summary(fleet: &Dashboard) -> String {
    let Dashboard {
        id,
        scope,
        name,
        status,
        ..
    } = fleet;
    let flows = match fleet.network {
        EngineKind::Ebpf => "",
        EngineKind::Simulated => " (simulated: no packet flows)",
    };
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    let mut text = format!(
        "{id} \"{name}\" is {status}, of account {} in {}{flows}\n",
        scope.account, scope.region
    );
    if let Some(managed) = &fleet.managed {
        let capacity = managed.capacity;
        text += &format!(
            "{} of {} instances ({} to {}), {} server processes run; build {}, {}\n",
            fleet.instances.len(),
            capacity.desired,
            capacity.minimum,
            capacity.maximum,
            fleet.running(),
            managed.build,
            managed.vpc,
        );
        for policy in &managed.scaling {
            let stopped = if managed.scaling_is_stopped {
                ", stopped"
            } else {
                ""
            };
            let target = policy.target;
            text += &format!("{target} % of the server processes are to be free{stopped}\n");
        }
    }
    text
}

fn instances(fleet: &Dashboard, rows: usize) -> String {
    let shown = fleet.instances.iter().take(rows).map(|row| {
        let memory = match row.memory_limit {
            Some(limit) => format!("{} of {}", bytes(row.memory), bytes(limit)),
            None => bytes(row.memory),
        };
        [
            row.id.to_string(),
            row.status.to_string(),
            row.address
                .map_or_else(|| "-".to_owned(), |address| address.to_string()),
            format!("{}/{}", row.running, row.wanted),
            row.restarts.to_string(),
            share(row.cpu),
            memory,
            number(row.received.packets_per_second),
            number(row.sent.packets_per_second),
            number(row.dropped.packets_per_second),
            players(fleet, &row.ports),
        ]
    });
    let headings = [
        "INSTANCE",
        "STATUS",
        "ADDRESS",
        "RUN",
        "RESTARTS",
        "CPU",
        "MEMORY",
        "IN PKT/S",
        "OUT PKT/S",
        "DROPPED/S",
        "PLAYERS",
    ];
    with_rest(columns(headings, shown), fleet.instances.len(), rows)
}

/// Where players reach an instance.
fn players(fleet: &Dashboard, ports: &[MappedPort]) -> String {
    match fleet.public_address.filter(|_| !ports.is_empty()) {
        Some(address) => format!("{address}: {}", ReachedAt(ports)),
        None => "-".to_owned(),
    }
}

/// Instances of which nothing more is known than that they are there.
fn silent(fleet: &Dashboard, rows: usize) -> String {
    let silent = fleet.instances.iter();
    let silent = silent.filter_map(|row| Some((&row.id, row.silent.as_ref()?)));
    let lines = silent.take(rows).map(|(id, why)| format!("{id}: {why}\n"));
    lines.collect()
}

fn processes(fleet: &Dashboard, rows: usize) -> String {
    let shown = fleet.processes.iter().take(rows).map(|row| {
        [
            row.instance.to_string(),
            row.name.clone(),
            state(row.state).to_owned(),
            output::duration(row.seconds),
            row.restarts.to_string(),
            share(row.cpu),
            bytes(row.memory),
            row.last_exit
                .map_or_else(|| "-".to_owned(), |exit| exit.to_string()),
        ]
    });
    let headings = [
        "INSTANCE",
        "PROCESS",
        "STATE",
        "FOR",
        "RESTARTS",
        "CPU",
        "MEMORY",
        "LAST EXIT",
    ];
    with_rest(columns(headings, shown), fleet.processes.len(), rows)
}

fn peerings(fleet: &Dashboard, rows: usize) -> String {
    let shown = fleet.peerings.iter().take(rows).map(|row| {
        [
            row.id.to_string(),
            row.peer_vpc.to_string(),
            row.peer_account.to_string(),
            row.state.clone(),
            number(row.carried.packets_per_second),
            number(row.carried.bytes_per_second),
        ]
    });
    let headings = ["PEERING", "VPC", "ACCOUNT", "STATE", "PKT/S", "B/S"];
    with_rest(columns(headings, shown), fleet.peerings.len(), rows)
}

fn events(fleet: &Dashboard, rows: usize) -> String {
    let shown = fleet.events.iter().take(rows).map(|event| {
        [
            format!("{:.0}", event.at),
            event.code.as_str().to_owned(),
            // Messages have the last lines of server processes in them.
            one_line(&event.message),
        ]
    });
    columns(["WHEN", "EVENT", "MESSAGE"], shown)
}

/// What a server process wrote must not move the cursor of whoever looks.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words = words.filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn state(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Starting => "starting",
        ProcessState::Healthy => "runs",
        ProcessState::Waiting => "waits",
        ProcessState::Ending => "ending",
        ProcessState::GivenUp => "given up",
    }
}

/// In the units of memory: `31.0 MiB`.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    for next in units {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    format!("{value:.1} {unit}")
}

/// A share of one CPU.
fn share(of_one: f64) -> String {
    // The sum of nothing is -0.0, and a sum with 0.0 is not.
    format!("{:.1} %", of_one * 100.0 + 0.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tombolo_fleet::{Exit, ProcessStatus};
    use tombolo_network::InterfaceTraffic;

    use super::*;
    use crate::command::live::fitting;
    use tombolo_admin::message::{
        FleetDescription, FleetEventDescription, InstanceDescription, ManagedFleetDescription,
    };

    #[test]
    fn nothing_takes_no_share_of_a_cpu() {
        let of_no_process: f64 = std::iter::empty::<f64>().sum();
        assert_eq!(share(of_no_process), "0.0 %");
        assert_eq!(share(0.5), "50.0 %");
    }

    fn process(name: &str, state: ProcessState, cpu_usec: u64) -> ProcessStatus {
        ProcessStatus {
            name: name.to_owned(),
            launch_path: "/local/game/server".to_owned(),
            pid: Some(2),
            state,
            since_unix_ms: 0,
            restarts: u64::from(state == ProcessState::Waiting),
            last_exit: (state == ProcessState::Waiting).then_some(Exit::Code(3)),
            cpu_usec,
            memory_bytes: 3 << 20,
        }
    }

    fn instance(number: u32, processes: Vec<ProcessStatus>) -> InstanceDescription {
        InstanceDescription {
            id: format!("i-{number:017x}").parse().unwrap(),
            status: tombolo_domain::fleet::InstanceStatus::Active,
            created: jiff::Timestamp::UNIX_EPOCH,
            interface: format!("eni-{number:017x}").parse().unwrap(),
            address: Some("100.64.0.4".parse().unwrap()),
            ports: Vec::new(),
            traffic: InterfaceTraffic::default(),
            inside: Some(tombolo_fleet::InstanceStatus {
                processes,
                usage: None,
            }),
            silent: None,
        }
    }

    fn reading(instances: Vec<InstanceDescription>) -> FleetDescription {
        let event = FleetEventDescription {
            at: jiff::Timestamp::UNIX_EPOCH,
            code: tombolo_domain::fleet::EventCode::ServerProcessCrashed,
            message: "it said \u{1b}[2J and\nwent".to_owned(),
        };
        FleetDescription {
            id: "fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa"
                .parse()
                .unwrap(),
            scope: tombolo_domain::Scope {
                account: "111122223333".parse().unwrap(),
                region: "us-west-2".parse().unwrap(),
            },
            name: "arena\u{1b}[2J".to_owned(),
            status: tombolo_domain::fleet::FleetStatus::Active,
            managed: Some(ManagedFleetDescription {
                build: "build-2222bbbb-33cc-44dd-55ee-6666ffff77aa"
                    .parse()
                    .unwrap(),
                vpc: "vpc-0a1b2c3d4e5f60718".parse().unwrap(),
                capacity: tombolo_domain::fleet::Capacity::default(),
                scaling: Vec::new(),
                scaling_is_stopped: false,
            }),
            instances,
            peerings: Vec::new(),
            events: vec![event; 20],
            network: EngineKind::Ebpf,
            public_address: None,
            now: jiff::Timestamp::from_second(90).unwrap(),
        }
    }

    #[test]
    fn what_needs_attention_comes_first_with_what_it_used_in_the_interval() {
        use ProcessState::{Healthy, Waiting};
        let of = |cpu| {
            reading(vec![instance(
                1,
                vec![
                    process("idle-1", Healthy, 5_000_000),
                    process("busy-2", Healthy, cpu),
                    process("gone-3", Waiting, 0),
                ],
            )])
        };
        let elapsed = Duration::from_secs(2);
        let dashboard = Dashboard::between(&of(1_000_000), of(2_000_000), elapsed);
        let names: Vec<_> = dashboard.processes.iter().map(|row| &*row.name).collect();
        assert_eq!(names, ["gone-3", "busy-2", "idle-1"]);
        let [row] = &*dashboard.instances else {
            panic!("{:?}", dashboard.instances)
        };
        assert_eq!((row.running, row.wanted, row.restarts), (2, 3, 1));
        assert_eq!((row.cpu, row.memory), (0.5, 9 << 20));
        let text = super::of(&dashboard, usize::MAX);
        assert!(text.contains("2/3"), "{text}");
        assert!(text.contains("50.0 %"), "{text}");
        assert!(text.contains("exit code 3"), "{text}");
        assert!(text.contains("90 s"), "{text}");
    }

    #[test]
    fn a_screen_never_scrolls_and_nothing_that_others_wrote_moves_the_cursor() {
        let processes = |_| vec![process("server-1", ProcessState::Healthy, 0); 4];
        let instances = (0..100).map(|number| instance(number, processes(number)));
        let reading = reading(instances.collect());
        let dashboard = Dashboard::between(&reading, reading.clone(), Duration::from_secs(1));
        for (height, width, shown) in [(60, 200, 10), (24, 80, 3), (8, 40, 3), (1, 10, 0)] {
            let text = fitting(|rows| super::of(&dashboard, rows), height, width);
            let fits = text.lines().count() < height.max(1) || text.is_empty();
            assert!(fits && text.lines().all(|line| line.chars().count() <= width));
            assert!(!text.contains('\u{1b}'), "{text:?}");
            let rows = text.lines().filter(|line| line.starts_with("i-"));
            assert!(rows.count() >= shown, "{height} by {width}:\n{text}");
        }
    }
}
