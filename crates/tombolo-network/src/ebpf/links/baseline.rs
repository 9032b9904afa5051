//! Two network namespaces joined by one veth pair and nothing else: what the data path is measured
//! against.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use ipnet::Ipv4Net;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns, unshare};

use crate::ebpf::links::netlink::{Netlink, VethEnd};
use crate::ebpf::namespace;
use crate::network::{MAX_MTU, MacAddress};

/// The link's name at both ends.
const NAME: &str = "eth0";

/// Two namespaces without names, which are gone with this value, however the process ends.
#[derive(Debug)]
pub struct BaselinePair {
    ends: [File; 2],
}

impl BaselinePair {
    /// Makes the pair, with an address and its subnet's prefix at each end. Needs root.
    pub fn new(addresses: [Ipv4Net; 2]) -> io::Result<Self> {
        let make = || {
            namespace::on_own_thread(|| {
                unshare(CloneFlags::CLONE_NEWNET)?;
                File::open(namespace::CURRENT)
            })
        };
        let pair = BaselinePair {
            ends: [make()?, make()?],
        };
        let end = |address: Ipv4Net| VethEnd {
            name: NAME,
            mac: MacAddress::for_address(address.addr()),
        };
        let [near, far] = addresses;
        pair.within(0, |netlink| {
            netlink.create_veth(end(near), end(far), pair.ends[1].as_fd(), MAX_MTU.into())
        })?;
        for (at, address) in addresses.into_iter().enumerate() {
            pair.within(at, |netlink| {
                let link = if_nametoindex(NAME)?;
                netlink.add_address(link, address)?;
                netlink.set_up(link)
            })?;
        }
        Ok(pair)
    }

    /// The namespaces, as paths for `setns(2)` that are good in this process only.
    pub fn namespaces(&self) -> [PathBuf; 2] {
        [&self.ends[0], &self.ends[1]]
            .map(|end| PathBuf::from(format!("/proc/self/fd/{}", end.as_raw_fd())))
    }

    fn within<T: Send>(
        &self,
        end: usize,
        work: impl FnOnce(&mut Netlink) -> io::Result<T> + Send,
    ) -> io::Result<T> {
        namespace::on_own_thread(|| {
            setns(&self.ends[end], CloneFlags::CLONE_NEWNET)?;
            work(&mut Netlink::open()?)
        })
    }
}
