//! One network interface: a veth pair between the core namespace and the workload's.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use ipnet::Ipv4Net;
use nix::net::if_::if_nametoindex;

use crate::ebpf::links::netlink::{Link, Netlink, VethEnd};
use crate::ebpf::namespace;
use crate::network::{Interface, MAX_MTU, MIN_MTU, MacAddress};

/// The router's Ethernet address, in every subnet; `set_router_mac` in `bpf/tombolo.c` has it too.
/// Each veth has it at its near end, so that a frame to the router is one to this host.
pub(in crate::ebpf) const ROUTER_MAC: MacAddress = MacAddress([0x02, 0x54, 0x4d, 0x42, 0x00, 0x01]);

/// The workload's end, as it sees it.
const FAR_NAME: &str = "eth0";

/// The loopback link is the first of every namespace.
const LOOPBACK: u32 = 1;

/// Makes the pair, both ends down: the near one named `link` in the calling thread's namespace,
/// the far one in `namespace`; returns the near end's index.
pub(in crate::ebpf) fn create(
    netlink: &mut Netlink,
    link: &str,
    namespace: &str,
    interface: &Interface,
) -> io::Result<u32> {
    let workload = File::open(namespace::path(namespace))?;
    let mut make = || {
        let near = VethEnd {
            name: link,
            mac: ROUTER_MAC,
        };
        let far = VethEnd {
            name: FAR_NAME,
            mac: interface.mac,
        };
        netlink.create_veth(near, far, workload.as_fd(), mtu(interface))
    };
    match make() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            namespace::within(namespace, remove_leftover)?;
            make()?;
        }
        made => made?,
    }
    Ok(if_nametoindex(link)?)
}

/// Removes another end of the name from a workload's namespace: one whose near end is in a core
/// namespace that is gone, and that the kernel has not got around to taking away.
fn remove_leftover() -> io::Result<()> {
    match if_nametoindex(FAR_NAME) {
        Ok(index) => Netlink::open()?.delete_links(&[index]),
        Err(_) => Ok(()),
    }
}

/// Sets the near end up, and then the far one with its address and routes.
///
/// In this order, since the end that comes second can send at once, and the first only after
/// [`Netlink::wait_until_operational`], which the calling thread can ask of its own end alone.
pub(in crate::ebpf) fn set_up(
    netlink: &mut Netlink,
    link: u32,
    namespace: &str,
    interface: &Interface,
) -> io::Result<()> {
    netlink.set_up(link)?;
    namespace::within(namespace, || configure(interface))
}

/// Changes the largest packet of both ends: the one that may carry more first, since the near end
/// drops what is too large for it without a word to the sender.
pub(in crate::ebpf) fn change_mtu(
    netlink: &mut Netlink,
    link: &Link,
    namespace: &str,
    interface: &Interface,
) -> io::Result<()> {
    let mtu = mtu(interface);
    let change_far = || {
        namespace::within(namespace, || {
            Netlink::open()?.set_mtu(if_nametoindex(FAR_NAME)?, mtu)
        })
    };
    if mtu < link.mtu {
        change_far()?;
        netlink.set_mtu(link.index, mtu)
    } else {
        netlink.set_mtu(link.index, mtu)?;
        change_far()
    }
}

/// The interface's MTU, held within what Tombolo supports.
pub(in crate::ebpf) fn mtu(interface: &Interface) -> u32 {
    u32::from(interface.mtu.clamp(MIN_MTU, MAX_MTU))
}

/// Sets up the workload's end, in the workload's namespace.
fn configure(interface: &Interface) -> io::Result<()> {
    let subnet = interface.subnet;
    let address = Ipv4Net::new(interface.address, subnet.0.prefix_len())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut netlink = Netlink::open()?;
    let index = if_nametoindex(FAR_NAME)?;
    netlink.set_up(LOOPBACK)?;
    netlink.set_up(index)?;
    netlink.add_address(index, address)?;
    netlink.add_default_route(index, subnet.router())
}
