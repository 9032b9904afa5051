//! The uplink: the veth pair between the core namespace and the machine's own, where the engine was
//! started, and what else the machine has of it: the route to the public address.
//!
//! Nothing of the machine is changed. In its namespace there is one link more, which has our name,
//! with an address and a route of its own, or with programs that go with it.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use ipnet::Ipv4Net;
use nix::net::if_::if_nametoindex;

use crate::ebpf::links::attachment::kernel_is_at_least;
use crate::ebpf::links::interface::ROUTER_MAC;
use crate::ebpf::links::local_ports::LocalPorts;
use crate::ebpf::links::netlink::{Link, Netlink, Towards, VethEnd};
use crate::ebpf::maps::entries::OutsideEntry;
use crate::ebpf::names::fnv1a;
use crate::ebpf::namespace;
use crate::network::{MAX_MTU, MIN_MTU, MacAddress};
use crate::outside::OutsideConfig;
use crate::outside::ROUTED_MTU;

/// The end in the core namespace.
pub(in crate::ebpf) const NEAR_NAME: &str = "uplink";

/// The Ethernet address of the other end.
const FAR_MAC: MacAddress = MacAddress([0x02, 0x54, 0x4d, 0x42, 0x00, 0x02]);

/// The way between the core namespace and the machine's own.
#[derive(Debug)]
pub(in crate::ebpf) struct Uplink {
    config: OutsideConfig,
    /// The end in the machine's namespace.
    far_name: String,
    /// The machine's namespace.
    machine: File,
}

/// What there is of the uplink, once it is whole.
#[derive(Debug, Clone)]
pub(in crate::ebpf) struct Joined {
    /// As the programs have it.
    pub(in crate::ebpf) entry: OutsideEntry,
    /// What was missing, as sentences.
    pub(in crate::ebpf) missed: Vec<String>,
}

impl Uplink {
    /// The uplink that `config` asks for, by the name of the engine.
    pub(in crate::ebpf) fn new(config: OutsideConfig, engine: &str, machine: File) -> Self {
        Uplink {
            config,
            far_name: format!("tmb-{engine}"),
            machine,
        }
    }

    /// Asks whether it can be made on this machine, before anything is changed.
    pub(in crate::ebpf) fn check(&self) -> io::Result<()> {
        namespace::within_open(&self.machine, || {
            let mut netlink = Netlink::open()?;
            match &self.config.interface {
                Some(name) => {
                    self.interface(&mut netlink, name)?;
                    self.leaves_the_machine_its_ports()
                }
                None => self.is_not_our_own(&mut netlink),
            }
        })
    }

    /// The machine's interface that the outside is behind.
    fn interface(&self, netlink: &mut Netlink, name: &str) -> io::Result<Link> {
        if !kernel_is_at_least(6, 6) {
            return refused(format!(
                "taking packets at the interface {name} needs Linux 6.6 or later (TCX); leave the \
                 interface out of the configuration and route {} to this machine",
                self.config.address
            ));
        }
        let links = netlink.links()?;
        let Some(link) = links.into_iter().find(|link| link.name == name) else {
            return refused(format!(
                "this machine has no interface {name}; `ip link` lists those that it has"
            ));
        };
        if !link.is_ethernet {
            return refused(format!(
                "the interface {name} is not Ethernet, and only such ones can be taken packets \
                 from; leave it out and route {} to this machine",
                self.config.address
            ));
        }
        Ok(link)
    }

    /// The machine has the address itself, and has connections of its own by it.
    fn leaves_the_machine_its_ports(&self) -> io::Result<()> {
        let OutsideConfig {
            ports,
            internet_ports,
            ..
        } = self.config;
        LocalPorts::read()?
            .leave([ports, internet_ports])
            .or_else(refused)
    }

    fn is_not_our_own(&self, netlink: &mut Netlink) -> io::Result<()> {
        let address = self.config.address;
        match netlink.towards(address)? {
            Towards::Itself => refused(format!(
                "{address} is an address of this machine itself, which keeps its packets; name \
                 the interface that they come in by (`interface`), or take an address that is \
                 routed to this machine"
            )),
            Towards::Link(_) | Towards::Nowhere => Ok(()),
        }
    }

    /// What the near end's alias says once all is made.
    pub(in crate::ebpf) fn alias(&self) -> String {
        let OutsideConfig {
            address, interface, ..
        } = &self.config;
        match interface {
            Some(interface) => format!("outside {address} by {interface}"),
            None => format!("outside {address} routed"),
        }
    }

    /// Whether that near end and its other end in the machine's namespace are as they should be.
    pub(in crate::ebpf) fn is_whole(&self, near: &Link) -> io::Result<bool> {
        if near.alias != self.alias() || !near.up {
            return Ok(false);
        }
        namespace::within_open(&self.machine, || {
            let links = Netlink::open()?.links()?;
            let far = links.into_iter().find(|link| link.name == self.far_name);
            Ok(far.is_some_and(|far| {
                far.up && far.index == near.other_end && far.other_end == near.index
            }))
        })
    }

    /// Makes the pair, both ends down; returns the near one's index. A far end that is there
    /// already is of a core namespace that is gone.
    pub(in crate::ebpf) fn create(&self, core: &mut Netlink) -> io::Result<u32> {
        namespace::within_open(&self.machine, || {
            match if_nametoindex(self.far_name.as_str()) {
                Ok(index) => Netlink::open()?.delete_links(&[index]),
                Err(_) => Ok(()),
            }
        })?;
        let near = VethEnd {
            name: NEAR_NAME,
            mac: ROUTER_MAC,
        };
        let far = VethEnd {
            name: &self.far_name,
            mac: FAR_MAC,
        };
        let mtu = self.mtu()?;
        core.create_veth(near, far, self.machine.as_fd(), mtu.into())?;
        Ok(if_nametoindex(NEAR_NAME)?)
    }

    /// The largest packet that goes out.
    fn mtu(&self) -> io::Result<u16> {
        let Some(name) = &self.config.interface else {
            return Ok(ROUTED_MTU);
        };
        let link = namespace::within_open(&self.machine, || {
            self.interface(&mut Netlink::open()?, name)
        })?;
        let mtu = link.mtu.clamp(MIN_MTU.into(), MAX_MTU.into());
        Ok(u16::try_from(mtu).unwrap_or(MAX_MTU))
    }

    /// Sets up the far end, and what the machine has of the uplink; what of that was missing is
    /// told. `near` is the index of the end in the core namespace.
    pub(in crate::ebpf) fn set_up(&self, near: u32) -> io::Result<Joined> {
        let mtu = self.mtu()?;
        namespace::within_open(&self.machine, || {
            let mut netlink = Netlink::open()?;
            let far = if_nametoindex(self.far_name.as_str())?;
            let mut missed = Vec::new();
            namespace::disable_ipv6_of(&self.far_name)?;
            netlink.set_no_arp(far)?;
            netlink.set_up(far)?;
            netlink.set_mtu(far, mtu.into())?;
            let interface = match &self.config.interface {
                Some(name) => self.interface(&mut netlink, name)?.index,
                None => {
                    self.route(&mut netlink, far, &mut missed)?;
                    0
                }
            };
            let ports = self.config.internet_ports;
            Ok(Joined {
                entry: OutsideEntry {
                    address: self.config.address.octets(),
                    uplink: near,
                    far_end: far,
                    interface,
                    ports: [ports.first(), ports.last()],
                    mtu,
                    mac: FAR_MAC.0,
                },
                missed,
            })
        })
    }

    /// Has the machine send what is for the public address by the uplink.
    fn route(&self, netlink: &mut Netlink, far: u32, missed: &mut Vec<String>) -> io::Result<()> {
        let (name, address) = (&self.far_name, self.config.address);
        self.is_not_our_own(netlink)?;
        let own = self.link_local();
        if unless_there(netlink.add_address(far, Ipv4Net::from(own)))? {
            missed.push(format!("the address {own} of the link {name} was gone"));
        }
        if unless_there(netlink.add_host_route(far, address))? {
            missed.push(format!(
                "the route to {address} by the link {name} was gone"
            ));
        }
        match netlink.towards(address)? {
            Towards::Link(link) if link == far => Ok(()),
            other => refused(format!(
                "this machine sends what is for {address} elsewhere ({other:?}); `ip route get \
                 {address}` says why: each server needs an address of its own"
            )),
        }
    }

    /// The far end's own address, which the machine's processes are seen by when they have no
    /// other (RFC 3927): of no use to anybody else, and seldom another server's.
    fn link_local(&self) -> Ipv4Addr {
        let hash = fnv1a(self.far_name.as_bytes()).to_be_bytes();
        // The first and the last 256 are reserved, and clouds have a service at 169.254.169.254.
        let third = 1 + hash[0] % 168;
        Ipv4Addr::new(169, 254, third, hash[1])
    }

    /// Runs `work` in the machine's namespace.
    pub(in crate::ebpf) fn on_the_machine<T: Send>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        namespace::within_open(&self.machine, work)
    }

    /// The end in the machine's namespace.
    pub(in crate::ebpf) fn far_name(&self) -> &str {
        &self.far_name
    }

    /// The machine's interface that the outside is behind.
    pub(in crate::ebpf) fn interface_name(&self) -> Option<&str> {
        self.config.interface.as_deref()
    }
}

/// Whether something had to be added.
fn unless_there(added: io::Result<()>) -> io::Result<bool> {
    match added {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn refused<T>(reason: String) -> io::Result<T> {
    Err(io::Error::other(reason))
}
