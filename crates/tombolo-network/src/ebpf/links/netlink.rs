//! A small blocking rtnetlink socket (rtnetlink(7)): the few requests that the engine makes.
//!
//! A socket belongs to the network namespace that its thread was in when it was opened.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
    State,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::tc::{TcAttribute, TcMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::network::MacAddress;

/// A link with both ends up has its carrier within microseconds, on a machine in trouble later.
const OPERATIONAL_DEADLINE: Duration = Duration::from_secs(2);
const OPERATIONAL_INTERVAL: Duration = Duration::from_micros(100);

/// The group (`ip link set group`) of links about to be removed; no other link of the core
/// namespace is in it.
const REMOVAL_GROUP: u32 = 0x746d_6200;

/// `TC_H_CLSACT` of linux/pkt_sched.h.
const CLSACT_PARENT: u32 = 0xffff_fff1;

/// A socket to the kernel's routing tables and links of one network namespace.
pub(in crate::ebpf) struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// One end of a veth pair that is to be made.
pub(in crate::ebpf) struct VethEnd<'a> {
    pub(in crate::ebpf) name: &'a str,
    pub(in crate::ebpf) mac: MacAddress,
}

/// A link that is there.
#[derive(Debug, Clone)]
pub(in crate::ebpf) struct Link {
    pub(in crate::ebpf) index: u32,
    pub(in crate::ebpf) name: String,
    pub(in crate::ebpf) up: bool,
    /// `ip link set alias`, empty where none is set.
    pub(in crate::ebpf) alias: String,
    /// The largest packet that it carries, in bytes.
    pub(in crate::ebpf) mtu: u32,
    /// Whether its frames are Ethernet's.
    pub(in crate::ebpf) is_ethernet: bool,
    /// Of a veth: the index of its other end, in that end's namespace; else 0.
    pub(in crate::ebpf) other_end: u32,
}

/// Where a namespace sends what is for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ebpf) enum Towards {
    /// To itself: it has the address.
    Itself,
    /// Out of the link with that index.
    Link(u32),
    /// Nowhere.
    Nowhere,
}

impl Netlink {
    /// Opens a socket in the calling thread's network namespace.
    pub(in crate::ebpf) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Netlink {
            socket,
            sequence: 0,
        })
    }

    /// Makes a veth pair, both ends down: `near` in this socket's namespace, `far` in `namespace`.
    pub(in crate::ebpf) fn create_veth(
        &mut self,
        near: VethEnd<'_>,
        far: VethEnd<'_>,
        namespace: BorrowedFd<'_>,
        mtu: u32,
    ) -> io::Result<()> {
        let end = |end: &VethEnd<'_>| {
            let mut message = LinkMessage::default();
            message.attributes = vec![
                LinkAttribute::IfName(end.name.to_owned()),
                LinkAttribute::Address(end.mac.0.to_vec()),
                LinkAttribute::Mtu(mtu),
            ];
            message
        };
        let mut peer = end(&far);
        peer.attributes
            .push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        let mut pair = end(&near);
        pair.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        self.request(
            RouteNetlinkMessage::NewLink(pair),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Sets a link up.
    pub(in crate::ebpf) fn set_up(&mut self, index: u32) -> io::Result<()> {
        let mut message = of_link(index);
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.request(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Has a link not ask for its neighbours' Ethernet addresses: it has one, and takes all.
    pub(in crate::ebpf) fn set_no_arp(&mut self, index: u32) -> io::Result<()> {
        let mut message = of_link(index);
        message.header.flags = LinkFlags::Noarp;
        message.header.change_mask = LinkFlags::Noarp;
        self.request(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Gives a link an alias.
    pub(in crate::ebpf) fn set_alias(&mut self, index: u32, alias: &str) -> io::Result<()> {
        let mut message = of_link(index);
        message
            .attributes
            .push(LinkAttribute::IfAlias(alias.to_owned()));
        self.request(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Sets the largest packet that a link carries, in bytes.
    pub(in crate::ebpf) fn set_mtu(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        let mut message = of_link(index);
        message.attributes.push(LinkAttribute::Mtu(mtu));
        self.request(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Waits until a link that is up at both ends can send. The kernel gives it its queue only
    /// when it gets around to the news that there is a carrier, and drops what is sent before.
    pub(in crate::ebpf) fn wait_until_operational(&mut self, index: u32) -> io::Result<()> {
        let started = Instant::now();
        while !self.is_operational(index)? {
            if started.elapsed() > OPERATIONAL_DEADLINE {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("link {index} had no carrier after {OPERATIONAL_DEADLINE:?}"),
                ));
            }
            thread::sleep(OPERATIONAL_INTERVAL);
        }
        Ok(())
    }

    fn is_operational(&mut self, index: u32) -> io::Result<bool> {
        self.send(RouteNetlinkMessage::GetLink(of_link(index)), 0)?;
        loop {
            for payload in self.receive()? {
                match payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
                        let up = LinkAttribute::OperState(State::Up);
                        return Ok(message.attributes.contains(&up));
                    }
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => {}
                }
            }
        }
    }

    /// Removes links, and with each veth its other end. Those that are gone already are no error.
    ///
    /// The kernel waits tens of milliseconds for its readers at each removal, so several go as one
    /// group.
    pub(in crate::ebpf) fn delete_links(&mut self, indices: &[u32]) -> io::Result<()> {
        if let &[index] = indices {
            let deleted = self.request(RouteNetlinkMessage::DelLink(of_link(index)), 0);
            return unless_gone(deleted);
        }
        for &index in indices {
            let mut doomed = of_link(index);
            doomed.attributes.push(LinkAttribute::Group(REMOVAL_GROUP));
            unless_gone(self.request(RouteNetlinkMessage::SetLink(doomed), 0))?;
        }
        if indices.is_empty() {
            return Ok(());
        }
        let mut group = LinkMessage::default();
        group.attributes.push(LinkAttribute::Group(REMOVAL_GROUP));
        unless_gone(self.request(RouteNetlinkMessage::DelLink(group), 0))
    }

    /// Removes the `clsact` qdisc of a link, and its filters.
    pub(in crate::ebpf) fn delete_clsact(&mut self, index: u32) -> io::Result<()> {
        let mut message = TcMessage::default();
        message.header.index = index.cast_signed();
        message.header.parent = CLSACT_PARENT.into();
        message.attributes = vec![TcAttribute::Kind("clsact".to_owned())];
        unless_gone(self.request(RouteNetlinkMessage::DelQueueDiscipline(message), 0))
    }

    /// Gives a link an address and its on-link prefix.
    pub(in crate::ebpf) fn add_address(&mut self, index: u32, address: Ipv4Net) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = address.prefix_len();
        message.header.index = index;
        message.attributes = vec![
            AddressAttribute::Local(IpAddr::V4(address.addr())),
            AddressAttribute::Address(IpAddr::V4(address.addr())),
        ];
        self.request(
            RouteNetlinkMessage::NewAddress(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Adds the default route by way of `gateway`.
    pub(in crate::ebpf) fn add_default_route(
        &mut self,
        index: u32,
        gateway: Ipv4Addr,
    ) -> io::Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = RouteScope::Universe;
        message.header.kind = RouteType::Unicast;
        message.attributes = vec![
            RouteAttribute::Gateway(RouteAddress::Inet(gateway)),
            RouteAttribute::Oif(index),
        ];
        self.request(
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Adds the route to one address that is on the link.
    pub(in crate::ebpf) fn add_host_route(
        &mut self,
        index: u32,
        address: Ipv4Addr,
    ) -> io::Result<()> {
        let mut message = to_address(address);
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = RouteScope::Link;
        message.header.kind = RouteType::Unicast;
        message.attributes.push(RouteAttribute::Oif(index));
        self.request(
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Where the namespace sends what is for an address.
    pub(in crate::ebpf) fn towards(&mut self, address: Ipv4Addr) -> io::Result<Towards> {
        self.send(RouteNetlinkMessage::GetRoute(to_address(address)), 0)?;
        loop {
            for payload in self.receive()? {
                match payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(message)) => {
                        let link =
                            message
                                .attributes
                                .iter()
                                .find_map(|attribute| match attribute {
                                    RouteAttribute::Oif(link) => Some(*link),
                                    _ => None,
                                });
                        return Ok(match (message.header.kind, link) {
                            (RouteType::Local, _) => Towards::Itself,
                            (_, Some(link)) => Towards::Link(link),
                            (_, None) => Towards::Nowhere,
                        });
                    }
                    NetlinkPayload::Error(error) => {
                        let error = error.to_io();
                        return match error.raw_os_error() {
                            Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => Ok(Towards::Nowhere),
                            _ => Err(error),
                        };
                    }
                    _ => {}
                }
            }
        }
    }

    /// All links of the namespace.
    pub(in crate::ebpf) fn links(&mut self) -> io::Result<Vec<Link>> {
        self.send(
            RouteNetlinkMessage::GetLink(LinkMessage::default()),
            NLM_F_DUMP,
        )?;
        let mut links = Vec::new();
        loop {
            for payload in self.receive()? {
                match payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
                        links.push(link(message));
                    }
                    NetlinkPayload::Done(_) => return Ok(links),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => {}
                }
            }
        }
    }

    /// Sends a request and waits for the kernel's answer to it.
    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.send(message, flags | NLM_F_ACK)?;
        loop {
            for payload in self.receive()? {
                if let NetlinkPayload::Error(error) = payload {
                    return match error.code {
                        None => Ok(()),
                        Some(_) => Err(error.to_io()),
                    };
                }
            }
        }
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut buffer = vec![0; message.buffer_len()];
        message.serialize(&mut buffer);
        self.socket.send(&buffer, 0)?;
        Ok(())
    }

    /// The next datagram's messages that answer the last request.
    fn receive(&mut self) -> io::Result<Vec<NetlinkPayload<RouteNetlinkMessage>>> {
        let (datagram, _) = self.socket.recv_from_full()?;
        let mut payloads = Vec::new();
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            // NLMSG_ALIGN of netlink(3).
            let length = (message.header.length as usize).next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
            if message.header.sequence_number == self.sequence {
                payloads.push(message.payload);
            }
        }
        Ok(payloads)
    }
}

/// Somebody else was faster, or a veth's other end went with its namespace.
fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        other => other,
    }
}

fn to_address(address: Ipv4Addr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = 32;
    message.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet(address))];
    message
}

fn of_link(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

fn link(message: LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        up: message.header.flags.contains(LinkFlags::Up),
        alias: String::new(),
        mtu: 0,
        is_ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        other_end: 0,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::IfAlias(alias) => link.alias = alias,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Link(index) => link.other_end = index,
            _ => {}
        }
    }
    link
}
