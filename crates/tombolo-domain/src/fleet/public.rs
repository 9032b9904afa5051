//! Where players reach the instances of this server's fleets.

use std::fmt;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The address that players connect to, and its ports that lead to instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAddress {
    /// The address, as players see it.
    pub address: Ipv4Addr,
    /// Its ports that instances' ports are mapped to, of TCP and of UDP each.
    pub ports: PublicPorts,
}

/// Ports of a public address, at least one: `20000-39999`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicPorts {
    first: u16,
    last: u16,
}

/// A text that is no range of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no range of ports (such as 20000-39999, within 1 to 65535)")]
pub struct NoPorts(String);

impl PublicPorts {
    /// The ports from `first` to `last`; `None` when there are none, or 0 is one of them.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (1 <= first && first <= last).then_some(PublicPorts { first, last })
    }

    /// The first of them.
    pub fn first(&self) -> u16 {
        self.first
    }

    /// The last of them.
    pub fn last(&self) -> u16 {
        self.last
    }

    /// All of them.
    pub fn iter(&self) -> RangeInclusive<u16> {
        self.first..=self.last
    }

    /// How many they are, at least 1.
    pub fn count(&self) -> usize {
        usize::from(self.last - self.first) + 1
    }

    /// Whether it is one of them.
    pub fn contains(&self, port: u16) -> bool {
        self.iter().contains(&port)
    }

    /// Whether some port is in both.
    pub fn overlaps(&self, other: &PublicPorts) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for PublicPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for PublicPorts {
    type Err = NoPorts;

    fn from_str(text: &str) -> Result<Self, NoPorts> {
        let ports = text.split_once('-').and_then(|(first, last)| {
            PublicPorts::new(first.trim().parse().ok()?, last.trim().parse().ok()?)
        });
        ports.ok_or_else(|| NoPorts(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for PublicPorts {
    type Error = NoPorts;

    fn try_from(text: String) -> Result<Self, NoPorts> {
        text.parse()
    }
}

impl From<PublicPorts> for String {
    fn from(ports: PublicPorts) -> String {
        ports.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_it_is_written() {
        let ports: PublicPorts = "20000-39999".parse().unwrap();
        assert_eq!(ports.to_string(), "20000-39999");
        assert_eq!(ports.iter(), 20000..=39999);
        assert!(ports.contains(39999) && !ports.contains(40000));
        for wrong in ["", "1", "0-5", "5-4", "1-65536", "a-b", "-", "1-2-3"] {
            assert_eq!(wrong.parse::<PublicPorts>(), Err(NoPorts(wrong.to_owned())));
        }
    }

    #[test]
    fn ranges_that_share_a_port_overlap() {
        let ports = |first, last| PublicPorts::new(first, last).unwrap();
        assert!(ports(10, 20).overlaps(&ports(20, 30)));
        assert!(ports(20, 30).overlaps(&ports(10, 20)));
        assert!(ports(10, 40).overlaps(&ports(20, 30)));
        assert!(!ports(10, 20).overlaps(&ports(21, 30)));
        assert!(!ports(21, 30).overlaps(&ports(10, 20)));
    }
}
