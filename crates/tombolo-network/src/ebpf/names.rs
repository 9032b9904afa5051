//! What the engine's things are called on the machine: names that must be short, and the same every
//! time.

use std::io;
use std::path::Path;

use tombolo_domain::id::NetworkInterfaceId;

use crate::network::Interface;

/// Names that belong to one data directory, so that several servers share a machine.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    /// The names of the engine `name`.
    pub(super) fn new(name: &str) -> Self {
        Names {
            prefix: format!("tmb-{name}-"),
        }
    }

    /// What every namespace of this engine starts with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The namespace that holds the near ends of all veth pairs.
    pub(super) fn core(&self) -> String {
        format!("{}core", self.prefix)
    }

    /// The namespace of an interface's workload.
    pub(super) fn workload(&self, interface: &NetworkInterfaceId) -> String {
        format!("{}{}", self.prefix, digits(interface))
    }
}

/// The name of the veth's near end: a link's name has 15 characters at most, so the first 3 of an
/// id's 17 digits are left out; the other 56 bits are random too.
pub(super) fn link(interface: &NetworkInterfaceId) -> String {
    format!("v{}", &digits(interface)[3..])
}

/// The alias of the veth's near end. It is set last, so a link whose alias says all of what is
/// wanted was made to the end and for just that.
pub(super) fn alias(id: &NetworkInterfaceId, interface: &Interface) -> String {
    format!("{}{}", lasting(id, interface), interface.mtu)
}

/// Whether a link with this alias needs at most another MTU to be the interface's.
pub(super) fn is_alias_but_for_mtu(
    alias: &str,
    id: &NetworkInterfaceId,
    interface: &Interface,
) -> bool {
    alias.starts_with(&lasting(id, interface))
}

/// What of an alias a link is made with for life.
fn lasting(id: &NetworkInterfaceId, interface: &Interface) -> String {
    format!(
        "{id} vpc {} {}/{} {} mtu ",
        interface.vpc.0,
        interface.address,
        interface.subnet.0.prefix_len(),
        interface.mac,
    )
}

/// The interface that an [`alias`] names.
pub(super) fn interface_of(alias: &str) -> Option<NetworkInterfaceId> {
    alias.split(' ').next()?.parse().ok()
}

/// Eight hexadecimal digits that stand for a directory, by its canonical path.
pub(super) fn of_directory(directory: &Path) -> io::Result<String> {
    Ok(of_canonical(&directory.canonicalize()?))
}

fn of_canonical(directory: &Path) -> String {
    let hash = fnv1a(directory.as_os_str().as_encoded_bytes());
    format!("{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff))
}

fn digits(interface: &NetworkInterfaceId) -> &str {
    interface
        .as_str()
        .strip_prefix(NetworkInterfaceId::PREFIX)
        .unwrap_or(interface.as_str())
}

/// The FNV-1a hash of `bytes`, 64 bits (draft-eastlake-fnv): it withstands no enemy, and names need
/// not.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Namespaces of servers that run have these names. xtask derives them too, in `leftovers.rs`, where
    /// a test has the same vector.
    #[test]
    fn a_directory_is_named_as_it_always_was() {
        assert_eq!(of_canonical(Path::new("/var/lib/tombolo")), "054e6b61");
    }
}
