//! The program and its model, given the same random networks and the same random packets.
//!
//! `TOMBOLO_FUZZ_CASES` says how many networks to try, for a run that is longer than CI's.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use tombolo_domain::id::NetworkInterfaceId;

use super::networks::{INTERNET_PORTS, PUBLIC, address, changed, joint, network, port, remote};
use super::{FAR_MAC, KernelTest, bytes, kernel_test};
use crate::ebpf::maps::object::FlowTable;
use crate::network::{MacAddress, Network};
use crate::verdict::Verdict;
use crate::verdict::model::{Datagram, Model, Outcome, Payload, QuotedPacket, TcpFlags};

/// How many networks CI tries.
const CASES: u32 = 150;
/// How often that many are tried at most, for want of an outcome that is rare.
const MAX_ROUNDS: usize = 20;

/// Small, so that it fills up.
const TABLE: FlowTable = FlowTable {
    capacity: 6,
    share: 2,
    vpc_share: 3,
    group_share: 4,
    reserve: 1,
    reserved: 1,
};

/// What happens next. An [`Index`] is of what was sent before, or of the interfaces.
#[derive(Debug, Clone)]
enum Step {
    Send(Index, Index, Packet),
    /// To an address that may be nobody's, from one that may be another's.
    Stray(Index, Option<Ipv4Addr>, Ipv4Addr, Packet),
    /// From somebody outside to a port of the public address, or by chance to another's.
    Arrive(Ipv4Addr, Option<Ipv4Addr>, u16, Packet),
    Repeat(Index, TcpFlags),
    Reply(Index, TcpFlags),
    Complain(Index, u8, Option<Ipv4Addr>),
    Wait(u64),
    Change,
}

/// A datagram without its addresses.
#[derive(Debug, Clone)]
struct Packet {
    payload: Payload,
    id: u16,
    fragment_offset: u16,
    more_fragments: bool,
    length: u16,
    cut_short: bool,
    options: usize,
}

fn flags() -> impl Strategy<Value = TcpFlags> {
    let rarely = || prop::bool::weighted(0.15);
    (rarely(), any::<bool>(), rarely(), any::<bool>()).prop_map(|(fin, syn, rst, ack)| TcpFlags {
        fin,
        syn,
        rst,
        ack,
    })
}

fn payload() -> impl Strategy<Value = Payload> {
    let ports = || (port(), port()).prop_map(<[u16; 2]>::from);
    let kind = select(vec![0, 5, 8, 13, 14]);
    let id = select(vec![1, 2, 8 << 8]);
    prop_oneof![
        4 => (ports(), flags()).prop_map(|(ports, flags)| Payload::Tcp { ports, flags }),
        4 => ports().prop_map(|ports| Payload::Udp { ports }),
        3 => (kind, 0..2_u8, id).prop_map(|(kind, code, id)| Payload::Icmp { kind, code, id }),
        1 => Just(Payload::Other(47)),
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    let offset = prop_oneof![4 => Just(0), 1 => select(vec![1, 2, 3, 185])];
    (
        payload(),
        0..3_u16,
        offset,
        prop::bool::weighted(0.3),
        select(vec![0, 0, 0, 577, 1001, 1400]),
        prop::bool::weighted(0.05),
        prop_oneof![3 => Just(0_usize), 1 => 0..=10_usize],
    )
        .prop_map(
            |(payload, id, fragment_offset, more_fragments, length, cut_short, options)| Packet {
                payload,
                id,
                fragment_offset,
                more_fragments,
                length,
                cut_short,
                options,
            },
        )
}

fn public_port() -> impl Strategy<Value = u16> {
    select(vec![80, 20000, 20001, 20001, 2047, 2048, 7])
}

fn step() -> impl Strategy<Value = Step> {
    // None of them is a whole number of seconds, nor a few of them together: what is decided does
    // not hang on how long the test itself takes.
    let wait = select(vec![
        4_100,
        11_100,
        31_100,
        61_100,
        181_100,
        601_100,
        432_001_100,
    ]);
    let any_index = any::<Index>;
    prop_oneof![
        5 => (any_index(), any_index(), packet())
            .prop_map(|(from, to, packet)| Step::Send(from, to, packet)),
        1 => (any_index(), option::weighted(0.3, address()), address(), packet())
            .prop_map(|(from, as_if, to, packet)| Step::Stray(from, as_if, to, packet)),
        4 => (any_index(), remote(), packet())
            .prop_map(|(from, to, packet)| Step::Stray(from, None, to, packet)),
        4 => (remote(), option::weighted(0.05, address()), public_port(), packet())
            .prop_map(|(from, to, port, packet)| Step::Arrive(from, to, port, packet)),
        5 => (any_index(), flags()).prop_map(|(sent, flags)| Step::Repeat(sent, flags)),
        9 => (any_index(), flags()).prop_map(|(sent, flags)| Step::Reply(sent, flags)),
        3 => (any_index(), select(vec![3, 11, 12]), option::weighted(0.1, address()))
            .prop_map(|(sent, kind, about)| Step::Complain(sent, kind, about)),
        3 => wait.prop_map(Step::Wait),
        1 => Just(Step::Change),
    ]
}

impl Packet {
    fn between(&self, source: Ipv4Addr, destination: Ipv4Addr) -> Sent {
        let header = match &self.payload {
            Payload::Tcp { .. } => 20,
            Payload::Udp { .. } | Payload::Icmp { .. } => 8,
            Payload::IcmpError { .. } => 36,
            Payload::Other(_) => 0,
        };
        let minimum = 20 + 4 * self.options as u16;
        // The parts of a fragmented datagram are larger than its headers.
        let cut_short = self.cut_short && header != 0 && self.fragment_offset == 0;
        let length = match cut_short {
            true => minimum + header.min(20) / 2 - 1,
            false => self.length.max(minimum + header),
        };
        Sent {
            options: self.options,
            datagram: Datagram {
                source,
                destination,
                payload: self.payload.clone(),
                id: self.id,
                fragment_offset: self.fragment_offset,
                more_fragments: self.more_fragments,
                length,
                cut_short,
            },
        }
    }
}

/// What was sent.
#[derive(Debug, Clone)]
struct Sent {
    datagram: Datagram,
    options: usize,
}

impl Sent {
    fn plain(datagram: Datagram) -> Sent {
        Sent {
            datagram,
            options: 0,
        }
    }
}

fn with_flags(payload: &Payload, flags: TcpFlags) -> Payload {
    match payload {
        Payload::Tcp { ports, .. } => Payload::Tcp {
            ports: *ports,
            flags,
        },
        other => other.clone(),
    }
}

fn answer(payload: &Payload) -> Payload {
    match *payload {
        Payload::Tcp {
            ports: [a, b],
            flags,
        } => Payload::Tcp {
            ports: [b, a],
            flags,
        },
        Payload::Udp { ports: [a, b] } => Payload::Udp { ports: [b, a] },
        Payload::Icmp { kind, code, id } => {
            let kind = match kind {
                8 => 0,
                13 => 14,
                other => other,
            };
            Payload::Icmp { kind, code, id }
        }
        ref other => other.clone(),
    }
}

/// The payload with another port for its destination.
fn to_port(payload: &Payload, port: u16) -> Payload {
    match *payload {
        Payload::Tcp {
            ports: [from, _],
            flags,
        } => Payload::Tcp {
            ports: [from, port],
            flags,
        },
        Payload::Udp { ports: [from, _] } => Payload::Udp {
            ports: [from, port],
        },
        Payload::Icmp { kind, code, .. } => Payload::Icmp {
            kind,
            code,
            id: port,
        },
        ref other => other.clone(),
    }
}

/// Who sends: an interface's workload, or somebody outside.
type Sender = Option<NetworkInterfaceId>;

/// What was sent by whom, and as what it arrived, if it did.
type History = Vec<(Sender, Sent, Datagram)>;

/// The next datagram and who sends it, if the step is one that sends.
fn next(step: &Step, network: &Network, sent: &History) -> Option<(Sender, Sent)> {
    let interfaces: Vec<_> = network.interfaces.iter().collect();
    // Of the last few, so that conversations come about.
    let recent = &sent[sent.len().saturating_sub(3)..];
    let before = |index: &Index| (!recent.is_empty()).then(|| index.get(recent).clone());
    // The interface that has the address, or whoever is outside.
    let owner = |address: Ipv4Addr| {
        let mut owners = interfaces.iter();
        let owner = owners.find(|(_, interface)| interface.address == address);
        owner.map(|(id, _)| (*id).clone())
    };
    match step {
        Step::Send(from, to, packet) => {
            let (id, from) = *from.get(&interfaces);
            let (_, to) = *to.get(&interfaces);
            Some((Some(id.clone()), packet.between(from.address, to.address)))
        }
        Step::Stray(from, as_if, to, packet) => {
            let (id, from) = *from.get(&interfaces);
            let source = as_if.unwrap_or(from.address);
            Some((Some(id.clone()), packet.between(source, *to)))
        }
        Step::Arrive(from, to, port, packet) => {
            let packet = Packet {
                payload: to_port(&packet.payload, *port),
                ..packet.clone()
            };
            Some((None, packet.between(*from, to.unwrap_or(PUBLIC))))
        }
        Step::Repeat(index, flags) => {
            let (from, mut sent, _) = before(index)?;
            sent.datagram.payload = with_flags(&sent.datagram.payload, *flags);
            Some((from, sent))
        }
        Step::Reply(index, flags) => {
            let (_, _, datagram) = before(index)?;
            let packet = Packet {
                payload: with_flags(&answer(&datagram.payload), *flags),
                id: 9,
                fragment_offset: 0,
                more_fragments: false,
                length: 0,
                cut_short: false,
                options: 0,
            };
            let from = owner(datagram.destination);
            Some((from, packet.between(datagram.destination, datagram.source)))
        }
        Step::Complain(index, kind, about) => {
            let (_, _, datagram) = before(index)?;
            let from = owner(datagram.destination);
            // An error about an error is none that a stack would send.
            if matches!(datagram.payload, Payload::IcmpError { .. }) {
                return None;
            }
            let error = Payload::IcmpError {
                kind: *kind,
                code: 1,
                about: QuotedPacket {
                    source: about.unwrap_or(datagram.source),
                    destination: datagram.destination,
                    payload: Box::new(datagram.payload.clone()),
                    fragment_offset: datagram.fragment_offset,
                },
            };
            let complaint = Datagram {
                source: datagram.destination,
                destination: datagram.source,
                payload: error,
                id: 10,
                fragment_offset: 0,
                more_fragments: false,
                length: 56,
                cut_short: false,
            };
            Some((from, Sent::plain(complaint)))
        }
        Step::Wait(_) | Step::Change => None,
    }
}

/// Takes both through the steps, and compares after each.
fn compare(
    test: &mut KernelTest,
    first: &Network,
    second: &Network,
    steps: &[Step],
    seen: &mut BTreeSet<String>,
) -> Result<(), TestCaseError> {
    let model = Model::new(TABLE);
    let mut model = model.joined(joint());
    let mut networks = [first, second].into_iter().cycle();
    test.forget();
    let mut sent = Vec::new();
    if let Some(network) = networks.next() {
        test.apply(network);
        model.apply(network);
    }
    for step in steps {
        match step {
            Step::Wait(milliseconds) => {
                test.wait(*milliseconds);
                model.wait(*milliseconds);
            }
            Step::Change => {
                if let Some(network) = networks.next() {
                    test.apply(network);
                    model.apply(network);
                }
            }
            _ => {}
        }
        let network = test.network.clone();
        let Some((from, next)) = next(step, &network, &sent) else {
            continue;
        };
        let Sent { datagram, options } = &next;
        let (observed, frame) = test.observe_frame(from.as_ref(), datagram, *options);
        let expected = match &from {
            Some(from) => model.send(from, datagram, &test.chosen()),
            None => model.arrive(datagram),
        };
        let without = Outcome {
            translation: None,
            ..expected.clone()
        };
        prop_assert_eq!(&observed, &without, "{:?} sends {:?}", from, next);
        seen.insert(kind(from.is_none(), &observed));
        if from.is_none()
            && matches!(observed.verdict, Verdict::Local(_))
            && goes_to(&datagram.payload).is_some_and(|port| INTERNET_PORTS.contains(&port))
        {
            seen.insert("an answer from outside".to_owned());
        }
        let arrived = arrived(datagram, &expected);
        if let Some(mac) = receiver(&network, &expected.verdict) {
            let sent = test.frame(from.as_ref(), &arrived, *options);
            prop_assert_eq!(
                frame,
                bytes::readdressed(&sent, mac),
                "{:?} sends {:?}",
                from,
                next
            );
        }
        sent.push((from, next, arrived));
    }
    Ok(())
}

/// The port or identifier that a datagram from outside names.
fn goes_to(payload: &Payload) -> Option<u16> {
    match *payload {
        Payload::Tcp { ports, .. } | Payload::Udp { ports } => Some(ports[1]),
        Payload::Icmp { id, .. } => Some(id),
        Payload::IcmpError { .. } | Payload::Other(_) => None,
    }
}

/// A datagram as it goes on.
fn arrived(datagram: &Datagram, outcome: &Outcome) -> Datagram {
    match (&outcome.verdict, outcome.translation) {
        (Verdict::Outside, Some(new)) => bytes::with_source(datagram, new),
        (_, Some(new)) => bytes::with_destination(datagram, new),
        (_, None) => datagram.clone(),
    }
}

/// The Ethernet address of who gets it, if it passes.
fn receiver(network: &Network, verdict: &Verdict) -> Option<MacAddress> {
    match verdict {
        Verdict::Local(to) | Verdict::Peering(to) => Some(network.interfaces[to].mac),
        Verdict::Outside => Some(FAR_MAC),
        Verdict::Drop(_) => None,
    }
}

/// What random packets come to in every run.
const OUTCOMES: [&str; 21] = [
    "an answer from outside",
    "from outside: local",
    "from outside: no_flow",
    "from outside: not_a_public_port",
    "from outside: security_group_ingress",
    "from outside: spoofed_address",
    "no_flow",
    "no_internet",
    "local",
    "malformed",
    "no_route",
    "no_such_destination",
    "not_admitted",
    "not_outside",
    "outside",
    "peering",
    "security_group_egress",
    "security_group_ingress",
    "spoofed_address",
    "too_big",
    "fragment",
];

fn kind(from_outside: bool, outcome: &Outcome) -> String {
    let from = match from_outside {
        true => "from outside: ",
        false => "",
    };
    from.to_owned() + &verdict(outcome)
}

fn verdict(outcome: &Outcome) -> String {
    match &outcome.verdict {
        Verdict::Local(_) => "local".to_owned(),
        Verdict::Peering(_) => "peering".to_owned(),
        Verdict::Outside => "outside".to_owned(),
        Verdict::Drop(reason) => reason.to_string(),
    }
}

#[test]
fn the_program_does_as_its_model() {
    let cases = std::env::var("TOMBOLO_FUZZ_CASES");
    let cases = cases.map_or(CASES, |cases| cases.parse().expect("a number of cases"));
    kernel_test(TABLE, |test| {
        test.join(&joint());
        let config = Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        };
        let strategy = (network(), network(), vec(step(), 1..60));
        let test = RefCell::new((test, BTreeSet::new()));
        // Agreement on what never happens says nothing, so it goes on until all has happened.
        for _ in 0..MAX_ROUNDS {
            let mut runner = TestRunner::new(config.clone());
            let ran = runner.run(&strategy, |(first, other, steps)| {
                let second = changed(&first, other);
                let (test, seen) = &mut *test.borrow_mut();
                compare(test, &first, &second, &steps, seen)
            });
            if let Err(error) = ran {
                panic!("{error}");
            }
            let (_, seen) = &*test.borrow();
            if OUTCOMES.iter().all(|outcome| seen.contains(*outcome)) {
                break;
            }
        }
        let (_, seen) = test.into_inner();
        for outcome in OUTCOMES {
            assert!(seen.contains(outcome), "{outcome} is not among {seen:?}");
        }
    });
}
