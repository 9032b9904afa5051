//! Many VPCs, peerings and interfaces on one machine: how long an `apply` takes and what the
//! kernel keeps for it, and whether packets are slower for it. Needs root; `cargo xtask bench scale`.
//!
//! Arguments, each with its default: the number of VPCs (10000), of peerings (5000) and of
//! interfaces (2000). Every VPC has a route table and a security group with rules of each kind;
//! VPC 2n - 1 is peered with VPC 2n; the interfaces are in the first VPCs, one each, and then again
//! from the first one on.
//!
//! After those, the same changes with [`Scale::CROWDED`]: 10,000 live interfaces in 1,000 VPCs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails has nothing to hand on"
)]

#[path = "../tests/common/mod.rs"]
mod common;
mod scale {
    pub(crate) mod leftovers;
    pub(crate) mod memory;
    pub(crate) mod packets;
    pub(crate) mod report;
}

use std::fmt;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use common::{Build, eni, open_group};
use scale::leftovers::{self, Leftovers};
use scale::memory::Memory;
use scale::packets;
use scale::report::Report;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tombolo_network::ebpf::{self, EbpfConfig, EbpfEngine};
use tombolo_network::{
    Applied, Network, NetworkChange, NetworkEngine, PortRange, Protocol, Rule, RuleDirection,
    RulePeer, SecurityGroupNumber,
};
use tombolo_testkit::netns::within;

/// How many of each there are.
#[derive(Debug, Clone, Copy)]
struct Scale {
    vpcs: u32,
    peerings: u32,
    interfaces: u32,
}

impl Scale {
    /// As much as one machine is to carry.
    const CROWDED: Scale = Scale {
        vpcs: 1_000,
        peerings: 500,
        interfaces: 10_000,
    };

    /// As the command line says; `cargo bench` adds arguments of its own, which start with `-`.
    fn of_arguments() -> Self {
        let mut numbers = std::env::args()
            .skip(1)
            .filter(|argument| !argument.starts_with('-'))
            .map(|argument| argument.parse().expect("the arguments are numbers"));
        let mut next = |default| numbers.next().unwrap_or(default);
        Scale {
            vpcs: next(10_000),
            peerings: next(5_000),
            interfaces: next(2_000),
        }
    }

    /// The network without interfaces.
    fn vpcs(self) -> Network {
        let mut network = Network::default();
        for number in 1..=self.vpcs {
            network = network.vpc(number, &format!("{}.0/24", block(number)));
            let group = network
                .security_groups
                .get_mut(&SecurityGroupNumber(number))
                .expect("the VPC's group");
            group.rules.extend(rules(number));
        }
        for number in 1..=self.peerings {
            network = network.peered(number, 2 * number - 1, 2 * number);
        }
        network
    }

    /// The whole network.
    fn network(self) -> Network {
        (1..=self.interfaces).fold(self.vpcs(), |network, number| {
            self.with_interface(network, number)
        })
    }

    fn with_interface(self, network: Network, number: u32) -> Network {
        let (round, vpc) = ((number - 1) / self.vpcs, (number - 1) % self.vpcs + 1);
        network.interface(number, vpc, &format!("{}.{}", block(vpc), 4 + round))
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scale {
            vpcs,
            peerings,
            interfaces,
        } = self;
        write!(
            f,
            "{vpcs} VPCs, {peerings} peerings, {interfaces} interfaces"
        )
    }
}

/// The first three bytes of a VPC's block.
fn block(vpc: u32) -> String {
    format!("10.{}.{}", vpc >> 8, vpc & 0xff)
}

/// What a game's group has beside the rules for everything: a range of ports for players, a port
/// for the database, and all from its own kind.
fn rules(number: u32) -> [Rule; 3] {
    let ingress = |protocol, peer| Rule {
        direction: RuleDirection::Ingress,
        protocol,
        peer,
    };
    let ports = |from, to| PortRange { from, to };
    let anyone = RulePeer::Cidr("0.0.0.0/0".parse().unwrap());
    let office = RulePeer::Cidr("192.168.0.0/16".parse().unwrap());
    [
        ingress(Protocol::Udp(ports(7_000, 7_999)), anyone),
        ingress(Protocol::Tcp(ports(5_432, 5_432)), office),
        ingress(Protocol::All, RulePeer::Group(SecurityGroupNumber(number))),
    ]
}

/// An engine that leaves nothing behind.
struct Machine {
    runtime: Runtime,
    engine: Option<EbpfEngine>,
    config: EbpfConfig,
    directory: TempDir,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut machine = Machine {
            runtime: Runtime::new().unwrap(),
            engine: None,
            config: EbpfConfig::for_directory(directory.path().to_owned()).unwrap(),
            directory,
        };
        machine.restart();
        machine
    }

    /// As a server that was stopped and started again.
    fn restart(&mut self) {
        self.engine = None;
        let engine = EbpfEngine::start(self.config.clone());
        self.engine = Some(self.runtime.block_on(engine).unwrap());
    }

    fn apply(&self, network: &Network) -> (Applied, Duration) {
        let engine = self.engine.as_ref().expect("the engine runs");
        let began = Instant::now();
        let applied = self.runtime.block_on(engine.apply(network)).unwrap();
        let took = began.elapsed();
        assert_eq!(applied.failed, Default::default());
        (applied, took)
    }

    /// Packets that get through a second from interface 1 to interface 2, whose VPCs are peered.
    fn packets_per_second(&self) -> f64 {
        let engine = self.engine.as_ref().expect("the engine runs");
        let socket = |interface: u32| {
            let namespace = engine.namespace(&eni(interface)).expect("it is in place");
            within(&namespace, || {
                UdpSocket::bind(format!("{}.4:7777", block(interface))).unwrap()
            })
        };
        let (client, server) = (socket(1), socket(2));
        client.connect(server.local_addr().unwrap()).unwrap();
        packets::per_second(&client, &server)
    }

    /// The same of a change, that is told as one.
    fn change_by(&self, change: NetworkChange) -> f64 {
        let engine = self.engine.as_ref().expect("the engine runs");
        let began = Instant::now();
        let applied = self.runtime.block_on(engine.change(change)).unwrap();
        let took = began.elapsed();
        assert_ne!(applied.changes, 0);
        assert_eq!(applied.failed, Default::default());
        milliseconds(took)
    }

    fn leftovers(&self) -> Leftovers {
        Leftovers::of_engine(&self.config.name)
    }

    /// How long it takes, in milliseconds, to apply what changes something.
    fn change(&self, network: &Network) -> f64 {
        let (applied, took) = self.apply(network);
        assert_ne!(applied.changes, 0);
        milliseconds(took)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(engine) = &self.engine {
            self.runtime.block_on(engine.teardown()).unwrap();
        }
    }
}

fn main() {
    if let Err(error) = ebpf::preflight() {
        panic!("measuring with real interfaces: {error}");
    }
    let scale = Scale::of_arguments();
    let mut report = Report::new(&format!("{scale}"));
    let mut machine = Machine::new();

    let empty = Memory::now(machine.directory.path());
    let vpcs = scale.vpcs();
    report.add(
        "VPCs and peerings without interfaces",
        "ms",
        milliseconds(machine.apply(&vpcs).1),
    );
    let with_vpcs = Memory::now(machine.directory.path());

    let network = scale.network();
    report.add("interfaces, onto those", "ms", machine.change(&network));
    let full = Memory::now(machine.directory.path());

    small_changes(&mut report, &machine, scale, &network);

    let (applied, took) = machine.apply(&network);
    assert_eq!(applied.changes, 0);
    report.add("verified, nothing to do", "ms", milliseconds(took));
    let began = Instant::now();
    machine.restart();
    let (applied, _) = machine.apply(&network);
    assert_eq!(applied.changes, 0);
    assert!(applied.repairs.is_empty());
    report.add(
        "restarted and verified",
        "ms",
        milliseconds(began.elapsed()),
    );

    let alone = Machine::new();
    let pair = Scale {
        vpcs: 2,
        peerings: 1,
        interfaces: 2,
    };
    alone.apply(&pair.network());
    let mut ratios = Turns::default();
    for _ in 0..TURNS {
        ratios.add(machine.packets_per_second() / alone.packets_per_second());
    }
    report.add(
        "packets of a peered pair beside an engine's only one",
        "x (>= 0.95)",
        ratios.middle(),
    );
    drop(alone);

    let began = Instant::now();
    report.add("all interfaces away", "ms", machine.change(&vpcs));
    machine.leftovers().wait_for_none();
    report.add(
        "  until no link and no name is left",
        "ms",
        milliseconds(began.elapsed()),
    );
    leftovers::wait_for_the_kernel();
    report.add(
        "  until the kernel has cleaned up",
        "ms",
        milliseconds(began.elapsed()),
    );

    let per = |bytes: u64, count: u32| bytes as f64 / f64::from(count.max(1)) / 1024.0;
    let a_vpc = with_vpcs.since(&empty);
    let an_interface = full.since(&with_vpcs);
    report.add(
        "kernel memory a VPC without interfaces",
        "KiB",
        per(a_vpc.kernel, scale.vpcs),
    );
    report.add("  in the BPF maps", "KiB", per(a_vpc.maps, scale.vpcs));
    report.add(
        "kernel memory an interface, its namespace with it",
        "KiB",
        per(an_interface.kernel, scale.interfaces),
    );
    report.add(
        "  in the BPF maps",
        "KiB",
        per(an_interface.maps, scale.interfaces),
    );
    report.add("BPF maps, all", "MiB", full.maps as f64 / 1024.0 / 1024.0);
    drop(machine);

    let crowded = Scale::CROWDED;
    report.line(format!("{crowded}"));
    let machine = Machine::new();
    let network = crowded.network();
    report.add("everything made", "ms", machine.change(&network));
    small_changes(&mut report, &machine, crowded, &network);
    report.close();
}

/// What changes one thing of a large network, and takes it back.
fn small_changes(report: &mut Report, machine: &Machine, scale: Scale, network: &Network) {
    let peered = network.clone().peered(scale.peerings + 1, 1, 4);
    let interface = scale.with_interface(network.clone(), scale.interfaces + 1);
    let mut ruled = network.clone();
    ruled
        .security_groups
        .insert(SecurityGroupNumber(1), open_group());
    for (what, changed) in [
        ("one more peering of live interfaces", peered),
        ("one more interface", interface),
        ("one group's rules changed", ruled),
    ] {
        let there_and_back = [(network, &changed), (&changed, network)];
        let [to_there, to_back] =
            there_and_back.map(|(before, after)| NetworkChange::between(before, after));
        let (mut there, mut back) = (Turns::default(), Turns::default());
        for _ in 0..TURNS {
            there.add(machine.change_by(to_there.clone()));
            back.add(machine.change_by(to_back.clone()));
        }
        report.add(what, "ms", there.middle());
        report.add("  and back", "ms", back.middle());
    }
}

/// Turns of a measurement; the middle one counts.
const TURNS: usize = 7;

#[derive(Debug, Default)]
struct Turns(Vec<f64>);

impl Turns {
    fn add(&mut self, figure: f64) {
        self.0.push(figure);
    }

    fn middle(mut self) -> f64 {
        self.0.sort_by(f64::total_cmp);
        self.0[self.0.len() / 2]
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
