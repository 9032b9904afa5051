//! Random changes one after another, on the kernel: after each the tables hold what the whole
//! network compiles to, and nothing else was looked at or written than what the change is about.
//! Some interfaces are refused, and the engine is started anew in between. Needs root.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;
use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};

use super::Machine;
use crate::ebpf::config::EbpfConfig;
use crate::ebpf::maps::desired::{DesiredMaps, DesiredPorts};
use crate::ebpf::namespace;
use crate::engine::Applied;
use crate::flow::FlowPublisher;
use crate::network::{
    Interface, MacAddress, MappedPort, Network, Outside, Peering, PeeringEnd, Protocol, Route,
    RouteTable, RouteTableNumber, Rule, RuleDirection, RulePeer, SecurityGroup,
    SecurityGroupNumber, ShareGroup, Subnet, TransportProtocol, Vpc, VpcNumber,
};
use crate::network_change::NetworkChange;
use crate::repair::Repairs;

/// The VPCs that steps are about, and their peerings and interfaces: few, so that they often meet.
const VPCS: u32 = 4;
const PEERINGS: u32 = 4;
const INTERFACES: u32 = 5;
/// VPCs with one interface each that no step is about. Whoever looks at all looks at them.
const OTHERS: u32 = 24;

/// What one step may look at: a few VPCs with all that they have, twice.
const MOST_COMPILED: usize = 60;

#[derive(Debug, Clone)]
enum Step {
    /// Adds a peering, or takes it away.
    Peering(u32, Option<[u32; 2]>),
    /// Has a VPC's table lead by these peerings, each to one more block.
    Routes(u32, Vec<u32>),
    /// Lets these blocks into a VPC's group.
    Rules(u32, Vec<u8>),
    /// Gives a VPC another block.
    Block(u32, u8),
    /// Adds an interface, changes it, or takes it away.
    Interface(u32, Option<Place>),
    /// Names an interface as it is.
    Again(u32),
    /// Starts the engine anew.
    Restart,
}

/// Where an interface is to be.
#[derive(Debug, Clone)]
struct Place {
    vpc: u32,
    host: u8,
    ports: Vec<u16>,
    mtu: u16,
    /// With a router that is not in its subnet: the kernel takes no such route.
    refused: bool,
    /// It fails when the data path knows it already.
    fails_late: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let vpc = 1..=VPCS;
    let peering = 1..=PEERINGS;
    let interface = 1..=INTERFACES;
    let pair = [vpc.clone(), vpc.clone()];
    let ports = prop::collection::vec(20_000..20_003_u16, 0..2);
    let mtu = prop::sample::select(vec![1_500, 9_001_u16]);
    let refused = prop::bool::weighted(0.2);
    let fails_late = prop::bool::weighted(0.2);
    let place = (vpc.clone(), 4..7_u8, ports, mtu, refused, fails_late);
    let place = place.prop_map(|(vpc, host, ports, mtu, refused, fails_late)| Place {
        vpc,
        host,
        ports,
        mtu,
        refused,
        fails_late,
    });
    let step = prop_oneof![
        3 => (peering.clone(), prop::option::weighted(0.7, pair))
            .prop_map(|(peering, ends)| Step::Peering(peering, ends)),
        2 => (vpc.clone(), prop::collection::vec(peering, 0..3))
            .prop_map(|(vpc, peerings)| Step::Routes(vpc, peerings)),
        2 => (vpc.clone(), prop::collection::vec(8..32_u8, 0..3))
            .prop_map(|(vpc, blocks)| Step::Rules(vpc, blocks)),
        1 => (vpc, 0..4_u8).prop_map(|(vpc, block)| Step::Block(vpc, block)),
        4 => (interface.clone(), prop::option::weighted(0.8, place))
            .prop_map(|(interface, place)| Step::Interface(interface, place)),
        1 => interface.prop_map(Step::Again),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..16)
}

fn eni(number: u32) -> NetworkInterfaceId {
    format!("eni-{number:017x}").parse().unwrap()
}

fn pcx(number: u32) -> VpcPeeringConnectionId {
    format!("pcx-{number:017x}").parse().unwrap()
}

fn block(second: u8) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::new(10, second, 0, 0), 16).unwrap()
}

fn rule(direction: RuleDirection, block: Ipv4Net) -> Rule {
    Rule {
        direction,
        protocol: Protocol::All,
        peer: RulePeer::Cidr(block),
    }
}

fn vpc(network: &mut Network, number: u32) {
    let cidrs = vec![block(number as u8)];
    let share_group = ShareGroup(number.into());
    network
        .vpcs
        .insert(VpcNumber(number), Vpc { cidrs, share_group });
    let table = RouteTable {
        vpc: VpcNumber(number),
        routes: Vec::new(),
    };
    network.route_tables.insert(RouteTableNumber(number), table);
    let rules = vec![rule(RuleDirection::Egress, Ipv4Net::default())];
    let group = SecurityGroup { rules };
    network
        .security_groups
        .insert(SecurityGroupNumber(number), group);
}

fn interface(number: u32, place: &Place) -> Interface {
    let Place {
        vpc,
        host,
        ports,
        mtu,
        refused,
        fails_late,
    } = place;
    let address = Ipv4Addr::new(10, *vpc as u8, 0, *host);
    let subnet = match refused {
        false => Ipv4Net::new(address, 24).unwrap().trunc(),
        true => "192.0.2.0/24".parse().unwrap(),
    };
    let ports = ports.iter().map(|&public_port| MappedPort {
        protocol: TransportProtocol::Udp,
        port: 4_000,
        public_port,
    });
    Interface {
        vpc: VpcNumber(*vpc),
        address,
        mac: MacAddress([2, 0, 0, 0, u8::from(*fails_late), number as u8]),
        subnet: Subnet(subnet),
        route_table: RouteTableNumber(*vpc),
        security_groups: vec![SecurityGroupNumber(*vpc)],
        mtu: *mtu,
        outside: Some(Outside {
            ports: ports.collect(),
            internet: false,
        }),
    }
}

/// What there is besides what steps are about.
fn others() -> Network {
    let mut network = Network::default();
    for number in 1..=VPCS {
        vpc(&mut network, number);
    }
    for number in 100..100 + OTHERS {
        vpc(&mut network, number);
        let place = Place {
            vpc: number,
            host: 4,
            ports: vec![number as u16],
            mtu: 1_500,
            refused: false,
            fails_late: false,
        };
        network
            .interfaces
            .insert(eni(number), interface(number, &place));
    }
    network
}

/// The change that a step is of `network`, if it is one.
fn change(network: &Network, step: &Step) -> NetworkChange {
    let mut change = NetworkChange::default();
    match step {
        Step::Peering(number, ends) => {
            let end = |vpc: u32| PeeringEnd {
                vpc: VpcNumber(vpc),
                cidrs: network.vpcs[&VpcNumber(vpc)].cidrs.clone(),
            };
            let peering = ends.map(|[requester, accepter]| Peering {
                requester: end(requester),
                accepter: end(accepter),
            });
            change.peerings.insert(pcx(*number), peering);
        }
        Step::Routes(vpc, peerings) => {
            let routes = peerings.iter().zip(1..).map(|(&peering, second)| Route {
                destination: block(second),
                peering: pcx(peering),
            });
            let table = RouteTable {
                vpc: VpcNumber(*vpc),
                routes: routes.collect(),
            };
            let number = RouteTableNumber(*vpc);
            change.route_tables.insert(number, Some(table));
        }
        Step::Rules(vpc, lengths) => {
            let blocks = lengths.iter().map(|&length| {
                let block = Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 0), length).unwrap();
                rule(RuleDirection::Ingress, block)
            });
            let group = SecurityGroup {
                rules: blocks.collect(),
            };
            let number = SecurityGroupNumber(*vpc);
            change.security_groups.insert(number, Some(group));
        }
        Step::Block(vpc, second) => {
            let cidrs = vec![block(*second)];
            let share_group = ShareGroup(u64::from(*vpc));
            let of_vpc = Vpc { cidrs, share_group };
            change.vpcs.insert(VpcNumber(*vpc), Some(of_vpc));
        }
        Step::Interface(number, place) => {
            let there = network.interfaces.get(&eni(*number));
            let one = place.as_ref().map(|place| {
                let one = interface(*number, place);
                // An interface that keeps its address keeps its subnet, with what the kernel made of it.
                let there =
                    there.filter(|there| (there.vpc, there.address) == (one.vpc, one.address));
                let subnet = there.map_or(one.subnet, |there| there.subnet);
                Interface { subnet, ..one }
            });
            change.interfaces.insert(eni(*number), one);
        }
        Step::Again(number) => {
            let interface = network.interfaces.get(&eni(*number)).cloned();
            change.interfaces.insert(eni(*number), interface);
        }
        Step::Restart => {}
    }
    change
}

/// An engine on a thread that is in its core namespace.
struct Test {
    machine: Option<Machine>,
    config: EbpfConfig,
    home: File,
    _directory: TempDir,
}

impl Drop for Test {
    fn drop(&mut self) {
        if let Some(machine) = self.machine.take() {
            let torn_down = machine.teardown();
            if !std::thread::panicking() {
                torn_down.unwrap();
            }
        }
    }
}

/// What the tables hold, as lines that can be compared, one an entry.
type Tables = BTreeMap<String, String>;

impl Test {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut test = Test {
            machine: None,
            config: EbpfConfig::for_directory(directory.path().to_owned()).unwrap(),
            home: File::open(namespace::CURRENT).unwrap(),
            _directory: directory,
        };
        test.restart();
        test
    }

    fn restart(&mut self) {
        self.machine = None;
        let flows = FlowPublisher::new();
        let machine = Machine::open(&self.config, &self.home, &flows).unwrap();
        self.machine = Some(machine);
    }

    fn machine(&mut self) -> &mut Machine {
        self.machine.as_mut().unwrap()
    }

    /// What the kernel's tables hold, which is what the engine takes them for.
    fn held(&mut self) -> Tables {
        let maps = &mut self.machine().data_path;
        let mut repairs = Repairs::default();
        maps.read(&mut repairs).unwrap();
        assert_eq!(repairs, Repairs::default());
        let mut held = Tables::new();
        add(&mut held, "interface", maps.interfaces.entries());
        add(&mut held, "endpoint", maps.endpoints.entries());
        add(&mut held, "route", maps.routes.entries());
        add(&mut held, "acl", maps.peering_acl.entries());
        add(&mut held, "block", maps.rule_blocks.entries());
        add(&mut held, "ports", maps.rule_ports.entries());
        add(&mut held, "public", maps.public_ports.entries());
        for link in maps.interface_traffic.places() {
            held.insert(format!("place {link:?}"), String::new());
        }
        for (kind, links) in [("began", &maps.flow_use), ("ended", &maps.flow_ended)] {
            for link in links.places() {
                held.insert(format!("{kind} {link:?}"), String::new());
            }
        }
        for pair in maps.peering_traffic.places() {
            held.insert(format!("place {pair:?}"), String::new());
        }
        held
    }

    /// What they should hold: the whole network compiled at once.
    fn wanted(&mut self) -> Tables {
        let machine = self.machine();
        let part = machine.network.as_ref().unwrap().live();
        let mut maps = DesiredMaps::compile(&part.network);
        maps.place(&part.network, &machine.placed);
        let ports = DesiredPorts::place(&part.mapping, &machine.placed);
        let mut wanted = Tables::new();
        add(&mut wanted, "interface", &maps.interfaces);
        add(&mut wanted, "endpoint", &maps.endpoints);
        add(&mut wanted, "route", &maps.routes);
        add(&mut wanted, "acl", &maps.peering_acl);
        add(&mut wanted, "block", &maps.rule_blocks);
        add(&mut wanted, "ports", &maps.rule_ports);
        add(&mut wanted, "public", &ports.public);
        for link in maps.links() {
            for kind in ["place", "began", "ended"] {
                wanted.insert(format!("{kind} {link:?}"), String::new());
            }
        }
        for pair in &maps.crossings {
            wanted.insert(format!("place {pair:?}"), String::new());
        }
        wanted
    }

    /// Has those fail that are to fail when the data path knows them already.
    fn refuse_late(&mut self, network: &Network) {
        let late = network.interfaces.iter().filter(|(_, one)| fails_late(one));
        self.machine().not_commissioned = late.map(|(id, _)| id.clone()).collect();
    }

    /// Makes the change, and holds it to what it may cost.
    fn change(&mut self, network: &mut Network, change: NetworkChange) {
        let before = self.held();
        let named = change.interfaces.len();
        let refused = change.interfaces.iter().filter(|(_, one)| is_refused(one));
        let refused: Vec<_> = refused.map(|(id, _)| id.clone()).collect();
        let late = change
            .interfaces
            .values()
            .flatten()
            .filter(|one| fails_late(one));
        let late = late.count();
        network.change(change.clone());
        self.refuse_late(network);
        let Applied {
            changes,
            compiled,
            failed,
            ..
        } = self.machine().change(change).unwrap();
        assert_eq!(failed.into_keys().collect::<Vec<_>>(), refused);
        let after = self.held();
        // A value that changes may be taken away and put again, and an interface is a link, a
        // namespace, an alias and a place to count in that nobody sees here. What fails late is made
        // first, and leaves nothing.
        let differing = difference(&before, &after);
        let most = 2 * differing + 8 * named + 16 * late;
        assert!(changes <= most, "{changes} changes");
        assert!(compiled <= MOST_COMPILED, "{compiled} compiled");
    }

    /// Looks at all that is there: everything is as it should be, whatever was refused.
    fn verify(&mut self, network: &Network) {
        let machine = self.machine();
        let applied = machine.apply(network.clone()).unwrap();
        assert_eq!(applied.repairs, Repairs::default());
        // What fails late is made once more.
        let late = network.interfaces.values().filter(|one| fails_late(one));
        assert!(applied.changes <= 16 * late.count(), "{}", applied.changes);
        assert!(applied.compiled >= 4 * OTHERS as usize);
        let refused = network.interfaces.iter();
        let refused = refused.filter(|(_, one)| is_refused(&Some((*one).clone())));
        let refused: Vec<_> = refused.map(|(id, _)| id.clone()).collect();
        assert_eq!(applied.failed.into_keys().collect::<Vec<_>>(), refused);
    }
}

fn is_refused(interface: &Option<Interface>) -> bool {
    let contains = |one: &Interface| one.subnet.0.contains(&one.address);
    interface
        .as_ref()
        .is_some_and(|one| !contains(one) || fails_late(one))
}

fn fails_late(interface: &Interface) -> bool {
    interface.mac.0[4] == 1
}

fn add<K: std::fmt::Debug, V: std::fmt::Debug>(
    to: &mut Tables,
    table: &str,
    entries: &BTreeMap<K, V>,
) {
    let lines = entries
        .iter()
        .map(|(key, value)| (format!("{table} {key:?}"), format!("{value:?}")));
    to.extend(lines);
}

fn has(tables: &Tables, (key, value): &(&String, &String)) -> bool {
    tables.get(*key) == Some(*value)
}

fn difference(before: &Tables, after: &Tables) -> usize {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let other = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(value));
    gone.count() + other.count()
}

#[test]
fn a_change_leaves_what_the_whole_network_compiles_to_and_costs_what_it_changes() {
    namespace::on_own_thread(|| {
        let mut test = Test::new();
        let mut network = others();
        test.machine().apply(network.clone()).unwrap();
        let config = Config {
            failure_persistence: None,
            // Each case goes on from where the one before left the machine, so none can be run again.
            max_shrink_iters: 0,
            ..Config::with_cases(12)
        };
        let mut runner = TestRunner::new(config);
        let (test, network) = (
            std::cell::RefCell::new(&mut test),
            std::cell::RefCell::new(&mut network),
        );
        let ran = runner.run(&steps(), |steps| {
            let (test, network) = (&mut **test.borrow_mut(), &mut **network.borrow_mut());
            for step in &steps {
                if let Step::Restart = step {
                    test.restart();
                    test.refuse_late(network);
                    test.machine().apply(network.clone()).unwrap();
                } else {
                    let change = change(network, step);
                    test.change(network, change);
                }
                let (held, wanted) = (test.held(), test.wanted());
                let surplus: Vec<_> = held.iter().filter(|one| !has(&wanted, one)).collect();
                let missing: Vec<_> = wanted.iter().filter(|one| !has(&held, one)).collect();
                prop_assert_eq!((surplus, missing), (vec![], vec![]), "after {:?}", step);
            }
            test.verify(network);
            Ok(())
        });
        ran.unwrap();
        Ok(())
    })
    .unwrap();
}

/// Whoever is refused is tried again when it is named, and nobody else is looked at for it.
#[test]
fn an_interface_that_is_refused_costs_its_owner_only() {
    namespace::on_own_thread(|| {
        let mut test = Test::new();
        let mut network = others();
        test.machine().apply(network.clone()).unwrap();
        let place = Place {
            vpc: 1,
            host: 4,
            ports: Vec::new(),
            mtu: 1_500,
            refused: true,
            fails_late: false,
        };
        let refused = Step::Interface(1, Some(place.clone()));
        for step in [
            refused,
            Step::Again(1),
            Step::Rules(2, vec![8]),
            Step::Again(1),
        ] {
            let change = change(&network, &step);
            test.change(&mut network, change);
        }
        // The whole network, in which something else is other, is no reason to look at all either.
        let other = change(&network, &Step::Rules(100, vec![8]));
        network.change(other);
        let applied = test.machine().apply(network.clone()).unwrap();
        assert!(applied.compiled <= MOST_COMPILED, "{}", applied.compiled);
        assert_eq!(applied.failed.into_keys().collect::<Vec<_>>(), [eni(1)]);
        test.verify(&network);

        let mended = Place {
            refused: false,
            ..place
        };
        let mended = change(&network, &Step::Interface(1, Some(mended)));
        test.change(&mut network, mended);
        test.verify(&network);
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_does_not_fit_is_as_if_it_had_never_been_asked_for() {
    namespace::on_own_thread(|| {
        let mut test = Test::new();
        let mut network = others();
        test.machine().apply(network.clone()).unwrap();
        let before = test.held();
        let routes = (0..1 << 20).map(|host: u32| Route {
            destination: Ipv4Net::from(Ipv4Addr::from(0x6440_0000 + host)),
            peering: pcx(1),
        });
        let number = RouteTableNumber(100);
        let table = RouteTable {
            vpc: VpcNumber(100),
            routes: routes.collect(),
        };
        let mut surplus = change(&network, &Step::Peering(1, Some([1, 2])));
        surplus.route_tables.insert(number, Some(table));
        let refused = test.machine().change(surplus);
        assert!(matches!(refused, Err(crate::EngineError::Full { .. })));
        assert_eq!(test.held(), before);
        let step = change(&network, &Step::Rules(2, vec![8]));
        test.change(&mut network, step);
        test.verify(&network);
        Ok(())
    })
    .unwrap();
}
