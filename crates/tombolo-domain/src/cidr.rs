//! Blocks of IPv4 addresses, and the plan that fleets' blocks come from.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// A text that is not a block that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// Not `a.b.c.d/n`.
    #[error("{0:?} is not a valid CIDR block (such as 10.0.0.0/16)")]
    Malformed(String),
    /// Larger than a /16 or smaller than a /28 (Amazon VPC User Guide, "VPC CIDR blocks").
    #[error("{0} is not between a /16 and a /28")]
    Size(Ipv4Net),
    /// Loopback, link-local, multicast, "this network" and class E addresses route nowhere.
    #[error("{0} is not usable: it touches {1}, which is reserved")]
    Reserved(Ipv4Net, Ipv4Net),
}

const fn net(a: u8, b: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), prefix)
}

const RESERVED: [Ipv4Net; 4] = [
    net(0, 0, 8),
    net(127, 0, 8),
    net(169, 254, 16),
    net(224, 0, 3),
];

/// The block of a VPC or a subnet. Host bits are cleared, as EC2 documents it: "if you specify
/// 100.68.0.18/18, we modify it to 100.68.0.0/18" (CreateVpc, CreateSubnet).
pub fn parse(text: &str) -> Result<Ipv4Net, CidrError> {
    let block = parse_any(text)?;
    if !(16..=28).contains(&block.prefix_len()) {
        return Err(CidrError::Size(block));
    }
    match reserved(block) {
        Some(reserved) => Err(CidrError::Reserved(block, reserved)),
        None => Ok(block),
    }
}

/// Any block, also all addresses (`0.0.0.0/0`) and a single one (`/32`): what routes and rules
/// name. Host bits are cleared.
///
/// # Errors
/// [`CidrError::Malformed`] only.
pub fn parse_any(text: &str) -> Result<Ipv4Net, CidrError> {
    let malformed = || CidrError::Malformed(text.chars().take(64).collect());
    // In two parts, and as a person would write them: octets with leading zeros, which ipnet's own
    // parser takes, are octal to some tools.
    let (address, prefix) = text.split_once('/').ok_or_else(malformed)?;
    let address: Ipv4Addr = address.parse().map_err(|_| malformed())?;
    let length: u8 = prefix.parse().map_err(|_| malformed())?;
    if length.to_string() != prefix {
        return Err(malformed());
    }
    let block = Ipv4Net::new(address, length).map_err(|_| malformed())?;
    Ok(block.trunc())
}

/// The reserved block that `block` touches, if it touches one: addresses that route nowhere.
pub fn reserved(block: Ipv4Net) -> Option<Ipv4Net> {
    RESERVED
        .into_iter()
        .find(|reserved| overlap(block, *reserved))
}

/// Whether the blocks share an address.
pub fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// The pool that fleets' blocks are taken from, and their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressPlan {
    /// The addresses to take from.
    pub pool: Ipv4Net,
    /// The prefix length of one fleet's block.
    pub fleet_prefix: u8,
}

impl Default for AddressPlan {
    /// Shared address space (RFC 6598) in blocks of 256: private VPCs are rarely numbered from
    /// it, so a fleet's block seldom stands in the way of a VPC that comes later.
    fn default() -> Self {
        AddressPlan {
            pool: net(100, 64, 10),
            fleet_prefix: 24,
        }
    }
}

impl AddressPlan {
    /// The first block of the pool that overlaps none of `avoid`, if there is one.
    pub fn choose(&self, avoid: &[Ipv4Net]) -> Option<Ipv4Net> {
        let size = 1u64 << (32 - u32::from(self.fleet_prefix));
        let mut taken: Vec<(u64, u64)> = avoid.iter().map(|block| bounds(*block)).collect();
        taken.sort_unstable();

        let (mut at, last) = bounds(self.pool);
        for (first_taken, last_taken) in taken {
            if at + size <= first_taken {
                break;
            }
            if at <= last_taken {
                at = (last_taken + 1).next_multiple_of(size);
            }
        }
        if at + size > last + 1 {
            return None;
        }
        let start = u32::try_from(at).ok()?;
        Ipv4Net::new(Ipv4Addr::from(start), self.fleet_prefix).ok()
    }
}

/// The first and the last address of a block, in numbers that can step past the end of IPv4.
fn bounds(block: Ipv4Net) -> (u64, u64) {
    let number = |address: Ipv4Addr| u64::from(u32::from(address));
    (number(block.network()), number(block.broadcast()))
}

/// The addresses of a subnet that a workload can have: EC2 keeps the first four and the last
/// (Amazon VPC User Guide, "Subnet CIDR blocks").
pub fn usable_addresses(subnet: Ipv4Net) -> impl ExactSizeIterator<Item = Ipv4Addr> {
    let first = u32::from(subnet.network()) + 4;
    let last = u32::from(subnet.broadcast());
    (first..last).map(Ipv4Addr::from)
}

/// Whether a workload can have `address` in `subnet`.
pub fn is_usable_address(subnet: Ipv4Net, address: Ipv4Addr) -> bool {
    let address = u32::from(address);
    address >= u32::from(subnet.network()) + 4 && address < u32::from(subnet.broadcast())
}
