//! Public ports, against a model that keeps a list.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use proptest::prelude::*;
use tombolo_domain::fleet::{
    MappedPort, NoFreePortReason, PortPool, PublicAddress, PublicPorts, ReachedAt,
    TransportProtocol, are_mapped,
};

use TransportProtocol::{Tcp, Udp};

fn public(first: u16, last: u16) -> PublicAddress {
    PublicAddress {
        address: Ipv4Addr::new(203, 0, 113, 5),
        ports: PublicPorts::new(first, last).unwrap(),
    }
}

fn open() -> impl Strategy<Value = BTreeSet<(TransportProtocol, u16)>> {
    let port = (prop_oneof![Just(Tcp), Just(Udp)], 95..115u16);
    proptest::collection::btree_set(port, 0..8)
}

proptest! {
    /// Instances of two accounts come, change which ports are open, and go.
    #[test]
    fn a_public_port_leads_to_one_instance_and_stays_while_it_is_needed(
        steps in proptest::collection::vec((0..4usize, open()), 1..30),
    ) {
        let public = public(100, 109);
        let mut instances: Vec<Vec<MappedPort>> = vec![Vec::new(); 4];
        for (at, open) in steps {
            let taken = |instances: &[Vec<MappedPort>]| -> BTreeSet<_> {
                let all = instances.iter().flatten();
                all.map(|one| (one.protocol, one.public_port)).collect()
            };
            // The first two are one account's, the others the other's.
            let (first, second) = instances.split_at(2);
            let (of_own, of_others) = if at < 2 { (first, second) } else { (second, first) };
            let mut pool = PortPool::new(public, taken(of_own), taken(of_others));
            let before = instances[at].clone();
            let others = {
                let mut others = instances.clone();
                others[at].clear();
                taken(&others)
            };
            match pool.map(&before, &open) {
                Ok(after) => {
                    prop_assert!(are_mapped(&after, &open, &public));
                    let has: BTreeSet<_> = after.iter().map(|one| (one.protocol, one.port)).collect();
                    prop_assert_eq!(&has, &open);
                    for one in &after {
                        prop_assert!(!others.contains(&(one.protocol, one.public_port)));
                    }
                    let own: BTreeSet<_> = after.iter().map(|one| (one.protocol, one.public_port)).collect();
                    prop_assert_eq!(own.len(), after.len(), "no port twice");
                    for kept in before.iter().filter(|one| open.contains(&(one.protocol, one.port))) {
                        prop_assert!(after.contains(kept), "players would lose {kept:?}");
                    }
                    instances[at] = after;
                    let account = if at < 2 { &instances[..2] } else { &instances[2..] };
                    for protocol in [Tcp, Udp] {
                        let has = taken(account).iter().filter(|one| one.0 == protocol).count();
                        prop_assert!(has <= 5, "more than half of the ports: {has}");
                    }
                }
                Err(error) => {
                    // It is true that there are too few, or too few for the account.
                    let of = |set: &BTreeSet<(TransportProtocol, u16)>| {
                        set.iter().filter(|(protocol, _)| *protocol == error.protocol).count()
                    };
                    match error.why {
                        NoFreePortReason::AllTaken(_) => {
                            prop_assert!(of(&others) + of(&open) > 10, "{error}");
                        }
                        NoFreePortReason::ShareTaken { most, .. } => {
                            prop_assert_eq!(most, 5);
                            let mut account = if at < 2 { instances[..2].to_vec() } else { instances[2..].to_vec() };
                            account[at % 2].clear();
                            prop_assert!(of(&taken(&account)) + of(&open) > 5, "{error}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_same_number_first_and_then_the_lowest() {
    let mut pool = PortPool::new(public(8300, 8310), BTreeSet::new(), BTreeSet::new());
    let open = BTreeSet::from([(Udp, 8303)]);
    let ports: Vec<u16> = (0..3)
        .map(|_| pool.map(&[], &open).unwrap()[0].public_port)
        .collect();
    assert_eq!(ports, [8303, 8300, 8301]);
}

#[test]
fn what_is_reached_is_said_in_runs() {
    let at = |protocol, port, public_port| MappedPort {
        protocol,
        port,
        public_port,
    };
    let mapped = [
        at(Udp, 8303, 20001),
        at(Tcp, 7000, 20010),
        at(Tcp, 7001, 20011),
        at(Tcp, 7002, 20012),
    ];
    assert_eq!(
        ReachedAt(&mapped).to_string(),
        "TCP 7000-7002 at ports 20010-20012, UDP 8303 at port 20001"
    );
    assert_eq!(ReachedAt(&[]).to_string(), "");
}
