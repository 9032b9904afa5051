//! Where connections come from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Who shares what is admitted before it is known who asks. An extension of each request, put there
/// by the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Source {
    /// Not by TCP, or from a balancer's address, which stands for many clients: shares nothing with
    /// others, and is bounded by what all have together only.
    #[default]
    Exempt,
    /// One IPv4 address.
    V4(Ipv4Addr),
    /// One /64 of IPv6, of which whoever has an address usually has all (RFC 6177).
    V6([u8; 8]),
}

/// What tells sources apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    exempt: Vec<IpNet>,
}

impl Sources {
    /// All are sources of their own, but for those in `exempt`.
    pub fn new(exempt: Vec<IpNet>) -> Self {
        Sources { exempt }
    }

    /// The source that an address is of.
    pub fn of(&self, address: IpAddr) -> Source {
        // An IPv4 client of a listener on `[::]` comes from `::ffff:a.b.c.d`.
        let address = address.to_canonical();
        if self.exempt.iter().any(|network| network.contains(&address)) {
            return Source::Exempt;
        }
        match address {
            IpAddr::V4(address) => Source::V4(address),
            IpAddr::V6(address) => Source::V6(prefix(address)),
        }
    }
}

fn prefix(address: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> Source {
        let exempt = ["10.1.0.0/16", "2001:db8:1::/48"].map(|network| network.parse().unwrap());
        Sources::new(exempt.to_vec()).of(address.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_is_a_source_and_of_ipv6_a_64() {
        assert_ne!(source("127.0.0.1"), source("127.0.0.2"));
        assert_eq!(source("::ffff:127.0.0.1"), source("127.0.0.1"));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:0:0:2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
    }

    #[test]
    fn balancers_are_exempt_by_either_way_to_write_their_address() {
        for exempt in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:1:2::3"] {
            assert_eq!(source(exempt), Source::Exempt, "{exempt}");
        }
        for counted in ["10.2.0.1", "2001:db8:2::1"] {
            assert_ne!(source(counted), Source::Exempt, "{counted}");
        }
    }
}
