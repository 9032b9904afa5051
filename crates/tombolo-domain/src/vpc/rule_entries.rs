//! How many entries of the data path's tables the rules of a security group take.
//!
//! The data path decides about a packet by two look-ups, whose cost does not grow with the number of
//! rules, and pays with entries instead. A block of addresses that rules name is an entry of
//! `rule_blocks`, of which the longest that holds an address decides; so a block has what the wider
//! blocks around it have, too. What is let through from or to a block or a group is entries of
//! `rule_ports`, of which a range of ports takes as many as it has prefixes. Blocks within each other
//! and wide ranges multiply: 120 rules can take tens of thousands of entries.
//!
//! The engine makes the entries (`tombolo-network/src/rules.rs`). Here they are counted, without
//! making them: the cost is that of the rules' own prefixes. A test of the engine's holds both to the
//! same number.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Sum;
use std::ops::Add;

use ipnet::Ipv4Net;

use super::{IcmpMessages, Peer, PortRange, Protocol, RuleDirection, SecurityGroup};

/// IANA's numbers of the protocols that have ports, or messages.
pub const ICMP: u8 = 1;
/// TCP's.
pub const TCP: u8 = 6;
/// UDP's.
pub const UDP: u8 = 17;

/// Ports (for ICMP: type and code) whose first `length` bits are those of `port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortPrefix {
    /// The protocol by its IANA number; `None` is every one, and then `length` is 0.
    pub protocol: Option<u8>,
    /// The first of the ports.
    pub port: u16,
    /// From 0, every port, to 16, one.
    pub length: u8,
}

/// The other side of a rule in the data path, where a group is a `G`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RulePeer<G> {
    /// Addresses.
    Cidr(Ipv4Net),
    /// The interfaces that carry a group, of this VPC or of a peered one.
    Group(G),
}

/// How many entries rules take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleEntries {
    /// Of the table `rule_blocks`.
    pub blocks: u64,
    /// Of the table `rule_ports`.
    pub ports: u64,
}

impl RuleEntries {
    /// Those of one group's rules.
    pub fn of<G: Ord>(
        rules: impl IntoIterator<Item = (RuleDirection, Protocol, RulePeer<G>)>,
    ) -> Self {
        let mut blocks: BTreeMap<(RuleDirection, u32, u8), Prefixes> = BTreeMap::new();
        let mut groups: BTreeMap<(RuleDirection, G), Prefixes> = BTreeMap::new();
        for (direction, protocol, peer) in rules {
            let prefixes = match peer {
                RulePeer::Cidr(block) => blocks
                    .entry((direction, block.network().into(), block.prefix_len()))
                    .or_default(),
                RulePeer::Group(group) => groups.entry((direction, group)).or_default(),
            };
            prefixes.extend(protocol.port_prefixes());
        }
        RuleEntries {
            blocks: blocks.len() as u64,
            ports: groups.values().map(|own| own.len() as u64).sum::<u64>() + of_blocks(blocks),
        }
    }

    /// Of both tables together.
    pub fn total(self) -> u64 {
        self.blocks.saturating_add(self.ports)
    }

    /// Both numbers, less those of `other` where there are so many.
    pub fn saturating_sub(self, other: Self) -> Self {
        RuleEntries {
            blocks: self.blocks.saturating_sub(other.blocks),
            ports: self.ports.saturating_sub(other.ports),
        }
    }
}

impl Add for RuleEntries {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        RuleEntries {
            blocks: self.blocks.saturating_add(other.blocks),
            ports: self.ports.saturating_add(other.ports),
        }
    }
}

impl Sum for RuleEntries {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(RuleEntries::default(), Add::add)
    }
}

type Prefixes = BTreeSet<PortPrefix>;

/// How many prefixes all blocks have, with those of the wider blocks around each. In the order of their
/// addresses, the wider first, a block comes right after those around it and what is within these.
fn of_blocks(blocks: BTreeMap<(RuleDirection, u32, u8), Prefixes>) -> u64 {
    let mut entries = 0;
    // The blocks around the next one, each with the prefixes that no wider one has.
    let mut around: Vec<(Ancestor, Prefixes)> = Vec::new();
    let mut let_through = Prefixes::new();
    for ((direction, network, length), prefixes) in blocks {
        while let Some((_, own)) = around.pop_if(|(wide, _)| !wide.contains(direction, network)) {
            for prefix in own {
                let_through.remove(&prefix);
            }
        }
        let mut own = prefixes;
        own.retain(|prefix| let_through.insert(*prefix));
        entries += let_through.len() as u64;
        let wide = Ancestor {
            direction,
            network,
            length,
        };
        around.push((wide, own));
    }
    entries
}

/// A block that later ones may be within.
struct Ancestor {
    direction: RuleDirection,
    network: u32,
    length: u8,
}

impl Ancestor {
    /// Whether a block that comes later in the order of addresses is within this one: it is if it
    /// begins there.
    fn contains(&self, direction: RuleDirection, network: u32) -> bool {
        let differing = u64::from(self.network ^ network) >> (32 - u32::from(self.length));
        self.direction == direction && differing == 0
    }
}

impl Protocol {
    /// The prefixes that make up what a rule takes. They are not merged with another rule's: so a rule
    /// that comes or goes touches no entry that another one needs.
    pub fn port_prefixes(self) -> Vec<PortPrefix> {
        let one = |protocol, port, length| {
            vec![PortPrefix {
                protocol,
                port,
                length,
            }]
        };
        match self {
            Protocol::All => one(None, 0, 0),
            Protocol::Number(number) => one(Some(number), 0, 0),
            Protocol::Tcp(range) => range_prefixes(TCP, range),
            Protocol::Udp(range) => range_prefixes(UDP, range),
            Protocol::Icmp(IcmpMessages { kind: None, .. }) => one(Some(ICMP), 0, 0),
            Protocol::Icmp(IcmpMessages {
                kind: Some(kind),
                code: None,
            }) => one(Some(ICMP), u16::from(kind) << 8, 8),
            Protocol::Icmp(IcmpMessages {
                kind: Some(kind),
                code: Some(code),
            }) => one(Some(ICMP), u16::from_be_bytes([kind, code]), 16),
        }
    }
}

/// The fewest prefixes that make up a range of ports: 30 at most.
fn range_prefixes(protocol: u8, range: PortRange) -> Vec<PortPrefix> {
    let mut prefixes = Vec::new();
    let (mut port, end) = (u32::from(range.from), u32::from(range.to) + 1);
    while port < end {
        // The largest block that begins here and ends within the range.
        let aligned = port.trailing_zeros().min(16);
        let fitting = (end - port).ilog2();
        let bits = aligned.min(fitting);
        prefixes.push(PortPrefix {
            protocol: Some(protocol),
            port: port as u16,
            length: 16 - bits as u8,
        });
        port += 1 << bits;
    }
    prefixes
}

impl SecurityGroup {
    /// How many entries its rules take, also those of groups of peered VPCs that are stale now.
    pub fn rule_entries(&self) -> RuleEntries {
        self.rule_entries_admitting([])
    }

    /// The same once a connection has let these blocks in, too ([`admit`](Self::admit)).
    pub fn rule_entries_admitting(&self, blocks: impl IntoIterator<Item = Ipv4Net>) -> RuleEntries {
        let rules = self.rules.iter().map(|rule| {
            let peer = match &rule.peer {
                Peer::Cidr(block) => RulePeer::Cidr(*block),
                Peer::Group(group) => RulePeer::Group(group),
                Peer::PeeredGroup(peered) => RulePeer::Group(&peered.group),
            };
            (rule.direction, rule.protocol, peer)
        });
        let admitted = blocks.into_iter().map(|block| {
            let peer = RulePeer::Cidr(block);
            (RuleDirection::Ingress, Protocol::All, peer)
        });
        RuleEntries::of(rules.chain(admitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_into_the_fewest_prefixes() {
        let check = |from: u16, to: u16, expected: &[(u16, u8)]| {
            let found: Vec<_> = range_prefixes(TCP, PortRange { from, to })
                .into_iter()
                .map(|prefix| (prefix.port, prefix.length))
                .collect();
            assert_eq!(found, expected, "{from} to {to}");
        };
        check(0, u16::MAX, &[(0, 0)]);
        check(80, 80, &[(80, 16)]);
        check(0, 1023, &[(0, 6)]);
        check(80, 82, &[(80, 15), (82, 16)]);
        check(65535, 65535, &[(65535, 16)]);
        check(5, 4, &[]);
        let worst = range_prefixes(TCP, PortRange { from: 1, to: 65534 });
        assert_eq!(worst.len(), 30);
    }

    #[test]
    fn a_block_has_the_entries_of_the_blocks_around_it_and_each_once() {
        let rule = |direction, block: &str, port| {
            let ports = PortRange {
                from: port,
                to: port,
            };
            let block = block.parse().unwrap();
            (
                direction,
                Protocol::Tcp(ports),
                RulePeer::<u32>::Cidr(block),
            )
        };
        let ingress = |block, port| rule(RuleDirection::Ingress, block, port);
        let rules = [
            ingress("10.0.0.0/8", 22),
            ingress("10.1.0.0/16", 80),
            ingress("10.1.2.0/24", 22),
            ingress("10.2.0.0/16", 443),
            ingress("11.0.0.0/8", 22),
            rule(RuleDirection::Egress, "10.1.0.0/16", 22),
        ];
        let entries = RuleEntries {
            blocks: 6,
            ports: 1 + 2 + 2 + 2 + 1 + 1,
        };
        assert_eq!(RuleEntries::of(rules), entries);
    }

    /// What a group within EC2's default quota can take: of 60 rules each way.
    #[test]
    fn a_group_of_wide_ranges_and_nested_blocks_takes_tens_of_thousands() {
        let rules = [RuleDirection::Ingress, RuleDirection::Egress]
            .into_iter()
            .flat_map(|direction| {
                (1..=30_u8).flat_map(move |length| {
                    let block = Ipv4Net::new([10, 0, 0, 0].into(), length).unwrap();
                    let ports = PortRange {
                        from: 1 + u16::from(length) * 512,
                        to: u16::MAX - 1 - u16::from(length) * 512,
                    };
                    let protocols = [Protocol::Tcp(ports), Protocol::Udp(ports)];
                    protocols.map(|protocol| (direction, protocol, RulePeer::<u32>::Cidr(block)))
                })
            });
        let RuleEntries { blocks, ports } = RuleEntries::of(rules);
        assert_eq!(blocks, 60);
        assert!(ports > 30_000, "{ports}");
    }
}
