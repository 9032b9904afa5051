//! How the networks are joined to the network that the machine itself is in.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tombolo_domain::fleet::PublicPorts;
use tombolo_domain::id::NetworkInterfaceId;

use crate::network::{Interface, MappedPort, TransportProtocol};

/// The public address, by which players come in and instances go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideConfig {
    /// The address. All of its ports that lead somewhere belong to the engine.
    pub address: Ipv4Addr,
    /// The machine's interface that packets to the address arrive at. Without one the machine must
    /// not have the address itself: it routes it to the engine, as any host's behind it.
    pub interface: Option<String>,
    /// The ports that may lead to instances. With an interface the engine refuses to start where the
    /// machine gives these, or the next, to its own connections.
    pub ports: PublicPorts,
    /// The ports that flows from instances leave by; no [`MappedPort`] may be one of them.
    pub internet_ports: PublicPorts,
}

/// The largest packet, in bytes of IPv4, that goes out when the machine routes: what the internet
/// takes. Otherwise the interface's MTU says.
pub(crate) const ROUTED_MTU: u16 = 1500;

const fn block(a: u8, b: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), prefix)
}

/// Addresses that no packet can truly come from (RFC 6890): "this network", loopback, multicast and
/// what is reserved.
const NO_SOURCES: [Ipv4Net; 3] = [block(0, 0, 8), block(127, 0, 8), block(224, 0, 3)];

/// Addresses that the internet has not, besides those: private (RFC 1918), shared (RFC 6598) and
/// link-local ones (RFC 3927). At best they are the machine's own or its neighbours'.
const NOT_OUTSIDE: [Ipv4Net; 5] = [
    block(10, 0, 8),
    block(100, 64, 10),
    block(169, 254, 16),
    block(172, 16, 12),
    block(192, 168, 16),
];

/// Whether a packet from outside can truly come from there.
pub(crate) fn is_source(address: Ipv4Addr) -> bool {
    !NO_SOURCES.iter().any(|block| block.contains(&address))
}

/// Whether an instance that may reach the internet may begin a flow to there.
pub(crate) fn is_outside(address: Ipv4Addr) -> bool {
    is_source(address) && !NOT_OUTSIDE.iter().any(|block| block.contains(&address))
}

/// Where the ports of the public address lead. One port leads to one port of one interface, and
/// the other way round; of several that want the same the first has it, by id and by order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    to: BTreeMap<(TransportProtocol, u16), (NetworkInterfaceId, u16)>,
    from: BTreeMap<(NetworkInterfaceId, TransportProtocol, u16), u16>,
}

impl Mapping {
    /// Of these interfaces.
    pub(crate) fn compile(interfaces: &BTreeMap<NetworkInterfaceId, Interface>) -> Self {
        let mut mapping = Mapping::default();
        for (id, interface) in interfaces {
            let ports = interface.outside.iter().flat_map(|outside| &outside.ports);
            for port in ports {
                mapping.add(id, port);
            }
        }
        mapping
    }

    fn add(&mut self, id: &NetworkInterfaceId, port: &MappedPort) {
        let public = (port.protocol, port.public_port);
        let inside = (id.clone(), port.protocol, port.port);
        if !self.to.contains_key(&public) && !self.from.contains_key(&inside) {
            self.to.insert(public, (id.clone(), port.port));
            self.from.insert(inside, port.public_port);
        }
    }

    /// Every port that leads somewhere, with the interface and its port.
    pub(crate) fn iter(
        &self,
    ) -> impl Iterator<Item = (TransportProtocol, u16, &NetworkInterfaceId, u16)> {
        self.to
            .iter()
            .map(|((protocol, public), (id, port))| (*protocol, *public, id, *port))
    }

    /// Makes up for a change of a part, which was compiled before and after it.
    #[cfg(test)]
    pub(crate) fn patch(&mut self, before: &Mapping, after: &Mapping) {
        self.to.retain(|key, _| !before.to.contains_key(key));
        self.from.retain(|key, _| !before.from.contains_key(key));
        self.to.extend(after.to.clone());
        self.from.extend(after.from.clone());
    }

    /// Where a port of the public address leads.
    #[cfg(test)]
    pub(crate) fn inside(
        &self,
        protocol: TransportProtocol,
        public_port: u16,
    ) -> Option<&(NetworkInterfaceId, u16)> {
        self.to.get(&(protocol, public_port))
    }

    /// The port of the public address that leads to an interface's port.
    #[cfg(test)]
    pub(crate) fn public(
        &self,
        id: &NetworkInterfaceId,
        protocol: TransportProtocol,
        port: u16,
    ) -> Option<u16> {
        self.from.get(&(id.clone(), protocol, port)).copied()
    }
}
