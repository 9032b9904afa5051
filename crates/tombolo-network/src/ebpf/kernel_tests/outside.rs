//! Decisions about what goes out and comes back, one at a time.

use tombolo_domain::fleet::PublicPorts;

use super::decisions::{CLIENT, OTHER_CLIENT, SERVER, packet, tcp, udp, with_clients_and_server};
use super::{KernelTest, eni};
use crate::ebpf::maps::object::FlowTable;
use crate::network::Outside;
use crate::outside::OutsideConfig;
use crate::verdict::Verdict;
use crate::verdict::model::{Datagram, Joint, Payload};

/// A client and two servers that may begin flows to the outside, by one port.
fn joined(work: impl FnOnce(&mut KernelTest) + Send) {
    with_clients_and_server(FlowTable::default(), |test| {
        test.join(&Joint {
            config: OutsideConfig {
                address: PUBLIC.parse().unwrap(),
                interface: None,
                ports: PublicPorts::new(20000, 39999).unwrap(),
                internet_ports: PublicPorts::new(40000, 40000).unwrap(),
            },
            mtu: 1500,
        });
        let mut network = test.network.clone();
        for interface in network.interfaces.values_mut() {
            interface.outside = Some(Outside {
                ports: Vec::new(),
                internet: true,
            });
        }
        test.apply(&network);
        work(test);
    });
}

const PUBLIC: &str = "203.0.113.7";
const REMOTE: &str = "198.51.100.1";

/// A packet between an interface, or the public address, and somebody outside.
fn check_outside(test: &KernelTest, from: Option<usize>, payload: Payload, expected: &str) {
    let inside = |from| test.network.interfaces[&eni(from)].address;
    let remote = REMOTE.parse().unwrap();
    let datagram = Datagram {
        source: from.map_or(remote, inside),
        destination: match from {
            Some(_) => remote,
            None => PUBLIC.parse().unwrap(),
        },
        ..packet(&test.network, CLIENT, SERVER, payload)
    };
    let from = from.map(eni);
    let (outcome, _) = test.observe_frame(from.as_ref(), &datagram, 0);
    let observed = match &outcome.verdict {
        Verdict::Local(to) => to.to_string(),
        Verdict::Outside => "leaves".to_owned(),
        Verdict::Drop(reason) => reason.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(observed, expected, "{datagram:?}");
}

#[test]
fn a_port_goes_out_to_one_remote_port_for_one_at_a_time() {
    joined(|test| {
        check_outside(test, Some(CLIENT), udp(1000, 53), "leaves");
        check_outside(
            test,
            Some(OTHER_CLIENT),
            udp(1000, 53),
            "internet_ports_full",
        );
        check_outside(test, Some(CLIENT), udp(1001, 53), "internet_ports_full");
        // Another remote port, or protocol, is another matter.
        check_outside(test, Some(OTHER_CLIENT), udp(1000, 54), "leaves");
        check_outside(test, Some(OTHER_CLIENT), tcp(1000, 53, "S"), "leaves");
        check_outside(test, None, udp(53, 40000), eni(CLIENT).as_str());
        check_outside(test, None, udp(54, 40000), eni(OTHER_CLIENT).as_str());
        check_outside(test, None, udp(55, 40000), "not_a_public_port");
        // Forgotten, it goes by the same port again, and answers come back.
        test.wait(31_100);
        check_outside(test, None, udp(53, 40000), "no_flow");
        check_outside(test, Some(CLIENT), udp(1000, 53), "leaves");
        check_outside(test, None, udp(53, 40000), eni(CLIENT).as_str());
    });
}

#[test]
fn an_answer_from_outside_needs_a_flow_that_may_still_be() {
    joined(|test| {
        check_outside(test, Some(CLIENT), tcp(1000, 443, "S"), "leaves");
        let answer = || tcp(443, 40000, "SA");
        check_outside(test, None, answer(), eni(CLIENT).as_str());
        // Nothing that can only be a first packet is an answer.
        check_outside(test, None, tcp(443, 40000, "S"), "no_flow");
        let mut network = test.network.clone();
        for interface in network.interfaces.values_mut() {
            interface.outside = Some(Outside::default());
        }
        test.apply(&network);
        check_outside(test, None, answer(), "no_internet");
        check_outside(test, Some(CLIENT), tcp(1000, 443, "A"), "no_internet");
        for interface in network.interfaces.values_mut() {
            interface.outside = None;
        }
        test.apply(&network);
        check_outside(test, Some(CLIENT), tcp(1000, 443, "A"), "no_route");
    });
}

#[test]
fn only_what_has_a_port_goes_out() {
    joined(|test| {
        check_outside(test, Some(CLIENT), Payload::Other(47), "no_flow");
        check_outside(test, Some(CLIENT), tcp(1, 2, "R"), "no_flow");
        let icmp = |kind, id| Payload::Icmp { kind, code: 0, id };
        check_outside(test, Some(CLIENT), icmp(5, 1), "no_flow");
        check_outside(test, Some(CLIENT), icmp(8, 1), "leaves");
        check_outside(test, None, icmp(0, 40000), eni(CLIENT).as_str());
        check_outside(test, None, icmp(0, 1), "not_a_public_port");
        check_outside(test, None, icmp(8, 40000), "not_a_public_port");
    });
}
