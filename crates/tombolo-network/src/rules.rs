//! What the data path asks about security groups, compiled from their rules so that its cost does
//! not grow with their number: one lookup of an address, one of a port.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use tombolo_domain::vpc::RuleEntries;

use crate::network::{Network, Rule, RuleDirection, RulePeer, SecurityGroup, SecurityGroupNumber};

pub(crate) use tombolo_domain::vpc::{ICMP, PortPrefix, TCP, UDP};

/// The rules of all groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The blocks that a group's rules name; the longest that holds an address decides about it.
    pub(crate) blocks: BTreeSet<RuleBlock>,
    /// What is let through. A block has what the wider blocks around it have too.
    pub(crate) ports: BTreeSet<RulePorts>,
}

/// A block of addresses that rules of a group name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleBlock {
    pub(crate) group: SecurityGroupNumber,
    pub(crate) direction: RuleDirection,
    pub(crate) block: Ipv4Net,
}

/// What a group lets through from or to `remote`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RulePorts {
    pub(crate) group: SecurityGroupNumber,
    pub(crate) direction: RuleDirection,
    pub(crate) remote: RulePeer,
    pub(crate) ports: PortPrefix,
}

impl Rules {
    pub(crate) fn compile(network: &Network) -> Rules {
        let mut rules = Rules::default();
        for (&number, group) in &network.security_groups {
            for direction in [RuleDirection::Ingress, RuleDirection::Egress] {
                rules.add(number, direction, group);
            }
        }
        rules
    }

    fn add(&mut self, group: SecurityGroupNumber, direction: RuleDirection, of: &SecurityGroup) {
        let rules = || of.rules.iter().filter(|rule| rule.direction == direction);
        for rule in rules() {
            let remote = match rule.peer {
                RulePeer::Cidr(cidr) => RulePeer::Cidr(cidr.trunc()),
                RulePeer::Group(_) => rule.peer,
            };
            if let RulePeer::Cidr(block) = remote {
                self.blocks.insert(RuleBlock {
                    group,
                    direction,
                    block,
                });
            }
            for also in rules().filter(|also| covers(also, remote)) {
                let ports = also.protocol.port_prefixes();
                self.ports.extend(ports.into_iter().map(|ports| RulePorts {
                    group,
                    direction,
                    remote,
                    ports,
                }));
            }
        }
    }
}

impl SecurityGroup {
    /// How many entries its rules take in the data path's tables. Blocks within each other multiply
    /// it: each has what the wider ones have, too.
    pub fn entries(&self) -> RuleEntries {
        let rules = self.rules.iter();
        RuleEntries::of(rules.map(|rule| (rule.direction, rule.protocol, rule.peer)))
    }
}

/// Whether what the rule lets through is let through for all of `remote`.
fn covers(rule: &Rule, remote: RulePeer) -> bool {
    match (rule.peer, remote) {
        (RulePeer::Cidr(wide), RulePeer::Cidr(block)) => wide.contains(&block),
        (peer, remote) => peer == remote,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::network::{IcmpMessages, PortRange, Protocol};

    fn address() -> impl Strategy<Value = Ipv4Addr> {
        (0..2_u8, 0..4_u8).prop_map(|(c, d)| Ipv4Addr::new(10, 0, c, d))
    }

    fn port() -> impl Strategy<Value = u16> {
        prop_oneof![any::<u16>(), 0..8_u16, Just(u16::MAX)]
    }

    fn protocol() -> impl Strategy<Value = Protocol> {
        let range = || {
            (port(), port()).prop_map(|(a, b)| PortRange {
                from: a.min(b),
                to: a.max(b),
            })
        };
        let messages = (prop::option::of(0..3_u8), prop::option::of(0..3_u8));
        prop_oneof![
            1 => Just(Protocol::All),
            3 => range().prop_map(Protocol::Tcp),
            3 => range().prop_map(Protocol::Udp),
            2 => messages.prop_map(|(kind, code)| Protocol::Icmp(IcmpMessages { kind, code })),
            1 => select(vec![TCP, UDP, ICMP, 47]).prop_map(Protocol::Number),
        ]
    }

    fn rule() -> impl Strategy<Value = Rule> {
        let length = select(vec![0, 8, 22, 23, 24, 30, 31, 32]);
        let block = (address(), length)
            .prop_map(|(address, length)| RulePeer::Cidr(Ipv4Net::new(address, length).unwrap()));
        let group = (1..4_u32).prop_map(|number| RulePeer::Group(SecurityGroupNumber(number)));
        let direction = select(vec![RuleDirection::Ingress, RuleDirection::Egress]);
        (direction, protocol(), prop_oneof![3 => block, 1 => group]).prop_map(
            |(direction, protocol, peer)| Rule {
                direction,
                protocol,
                peer,
            },
        )
    }

    /// The two lookups of `bpf/rules.h`.
    fn looked_up(
        rules: &Rules,
        direction: RuleDirection,
        (address, groups): (Ipv4Addr, &[SecurityGroupNumber]),
        (protocol, service): (u8, u16),
    ) -> bool {
        let longest = rules
            .blocks
            .iter()
            .filter(|entry| entry.direction == direction && entry.block.contains(&address))
            .max_by_key(|entry| entry.block.prefix_len());
        let block = longest.map(|entry| RulePeer::Cidr(entry.block));
        let groups = groups.iter().map(|&number| RulePeer::Group(number));
        block.into_iter().chain(groups).any(|remote| {
            rules.ports.iter().any(|entry| {
                let PortPrefix {
                    protocol: wanted,
                    port,
                    length,
                } = entry.ports;
                let shift = 16 - u32::from(length);
                entry.direction == direction
                    && entry.remote == remote
                    && wanted.is_none_or(|wanted| wanted == protocol)
                    && u32::from(port ^ service) >> shift == 0
            })
        })
    }

    /// The rules as they are written.
    fn read(
        rules: &[Rule],
        direction: RuleDirection,
        (address, groups): (Ipv4Addr, &[SecurityGroupNumber]),
        (protocol, service): (u8, u16),
    ) -> bool {
        let [kind, code] = service.to_be_bytes();
        rules.iter().any(|rule| {
            let takes = match rule.protocol {
                Protocol::All => true,
                Protocol::Number(number) => number == protocol,
                Protocol::Tcp(range) => {
                    protocol == TCP && range.from <= service && service <= range.to
                }
                Protocol::Udp(range) => {
                    protocol == UDP && range.from <= service && service <= range.to
                }
                Protocol::Icmp(IcmpMessages { kind: None, .. }) => protocol == ICMP,
                Protocol::Icmp(IcmpMessages {
                    kind: Some(wanted),
                    code: of_kind,
                }) => {
                    protocol == ICMP
                        && wanted == kind
                        && of_kind.is_none_or(|wanted| wanted == code)
                }
            };
            let peer = match rule.peer {
                RulePeer::Cidr(block) => block.contains(&address),
                RulePeer::Group(number) => groups.contains(&number),
            };
            rule.direction == direction && takes && peer
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn what_is_looked_up_is_what_the_rules_say(
            rules in vec(rule(), 0..12),
            asked in vec((address(), 1..5_u32, select(vec![TCP, UDP, ICMP, 47]), port()), 32),
        ) {
            let group = SecurityGroup { rules: rules.clone() };
            let network = Network {
                security_groups: [(SecurityGroupNumber(1), group)].into(),
                ..Network::default()
            };
            let compiled = Rules::compile(&network);
            // What an account is counted by is what is made.
            let entries = RuleEntries {
                blocks: compiled.blocks.len() as u64,
                ports: compiled.ports.len() as u64,
            };
            prop_assert_eq!(network.security_groups[&SecurityGroupNumber(1)].entries(), entries);
            for (address, group, protocol, service) in asked {
                for direction in [RuleDirection::Ingress, RuleDirection::Egress] {
                    let groups = [SecurityGroupNumber(group)];
                    let remote = (address, groups.as_slice());
                    let packet = (protocol, service);
                    prop_assert_eq!(
                        looked_up(&compiled, direction, remote, packet),
                        read(&rules, direction, remote, packet),
                        "{:?} {:?} {:?}", direction, remote, packet
                    );
                }
            }
        }
    }

    #[test]
    fn a_block_has_what_the_blocks_around_it_have() {
        let rule = |cidr: &str, port| Rule {
            direction: RuleDirection::Ingress,
            protocol: Protocol::Tcp(PortRange {
                from: port,
                to: port,
            }),
            peer: RulePeer::Cidr(cidr.parse().unwrap()),
        };
        let group = SecurityGroup {
            rules: vec![
                rule("10.0.0.0/8", 22),
                rule("10.1.0.0/16", 80),
                rule("10.2.0.0/16", 443),
            ],
        };
        let network = Network {
            security_groups: [(SecurityGroupNumber(1), group)].into(),
            ..Network::default()
        };
        let rules = Rules::compile(&network);
        let ports: Vec<_> = rules
            .ports
            .iter()
            .map(|entry| (entry.remote, entry.ports.port))
            .collect();
        let block = |cidr: &str| RulePeer::Cidr(cidr.parse().unwrap());
        let expected = [
            (block("10.0.0.0/8"), 22),
            (block("10.1.0.0/16"), 22),
            (block("10.1.0.0/16"), 80),
            (block("10.2.0.0/16"), 22),
            (block("10.2.0.0/16"), 443),
        ];
        assert_eq!(ports, expected);
    }
}
