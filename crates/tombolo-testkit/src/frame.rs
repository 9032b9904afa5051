//! Ethernet frames, byte by byte: what an honest network stack sends, and what none would.
//!
//! Checksums are right where a receiver looks at them; UDP over IPv4 has none, which RFC 768 allows.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// Everybody on the link.
pub const BROADCAST: Mac = [0xff; 6];

/// The ports that frames of this module come from and go to.
pub const PORTS: (u16, u16) = (4000, 4001);

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
/// Link Layer Discovery Protocol (IEEE 802.1AB), for any protocol that is neither IP nor ARP.
const LLDP: u16 = 0x88cc;
/// The tag protocol of IEEE 802.1Q.
const VLAN_TAG: u16 = 0x8100;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// Both ends of a link as the sender writes them, truly or not.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// The frame's source.
    pub source: Mac,
    /// The frame's destination.
    pub destination: Mac,
}

/// Both ends of a packet as the sender writes them, truly or not.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// The packet's source.
    pub source: Ipv4Addr,
    /// The packet's destination.
    pub destination: Ipv4Addr,
}

/// Where a piece of a datagram belongs (RFC 791, 3.2).
#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    identification: u16,
    /// In units of 8 bytes.
    offset: u16,
    more: bool,
}

impl Link {
    /// A frame with this content.
    fn frame(self, ether_type: u16, content: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(14 + content.len());
        frame.extend(self.destination);
        frame.extend(self.source);
        frame.extend(ether_type.to_be_bytes());
        frame.extend(content);
        frame
    }
}

/// A UDP datagram with this payload.
pub fn udp(link: Link, ends: Ends, payload: &[u8]) -> Vec<u8> {
    let datagram = udp_datagram(payload);
    link.frame(IPV4, &ipv4(ends, UDP, Piece::default(), &datagram))
}

/// A TCP segment that begins a connection, with the payload that RFC 9293 lets it have.
pub fn tcp_syn(link: Link, ends: Ends, payload: &[u8]) -> Vec<u8> {
    const SYN: u8 = 0x02;
    let mut segment = Vec::new();
    segment.extend(PORTS.0.to_be_bytes());
    segment.extend(PORTS.1.to_be_bytes());
    // Sequence number, acknowledgment, header of 5 words, flags, window, checksum, urgent pointer.
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, SYN, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    let sum = checksum(&[pseudo_header(ends, TCP, &segment), segment.clone()].concat());
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    link.frame(IPV4, &ipv4(ends, TCP, Piece::default(), &segment))
}

/// An ICMP echo request (RFC 792).
pub fn echo_request(link: Link, ends: Ends, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0x0f, 0xa0, 0, 1];
    message.extend(payload);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    link.frame(IPV4, &ipv4(ends, ICMP, Piece::default(), &message))
}

/// A UDP datagram in two fragments: the first with the ports and no payload, the second with the
/// payload and no ports.
pub fn udp_in_fragments(
    link: Link,
    ends: Ends,
    identification: u16,
    payload: &[u8],
) -> [Vec<u8>; 2] {
    let datagram = udp_datagram(payload);
    let (header, rest) = datagram.split_at(8);
    let first = Piece {
        identification,
        offset: 0,
        more: true,
    };
    let second = Piece {
        offset: 1,
        more: false,
        ..first
    };
    [(first, header), (second, rest)]
        .map(|(piece, content)| link.frame(IPV4, &ipv4(ends, UDP, piece, content)))
}

/// The Ethernet address of every VPC's router.
pub const ROUTER: Mac = [0x02, 0x54, 0x4d, 0x42, 0x00, 0x01];

/// An empty UDP datagram from and to port 4000, on its way to the router, of which any part may be
/// untrue.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// The frame's source.
    pub source_mac: Mac,
    /// What the frame says that it carries; 0x0800, IPv4, is the truth.
    pub ether_type: u16,
    /// The packet's source.
    pub source: Ipv4Addr,
    /// The packet's destination.
    pub destination: Ipv4Addr,
    /// The IPv4 header's total length; 28 is the truth.
    pub total_length: u16,
    /// In units of 8 bytes.
    pub fragment_offset: u16,
}

impl Datagram {
    /// One of which everything is true.
    pub fn new(source_mac: Mac, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        Datagram {
            source_mac,
            ether_type: IPV4,
            source,
            destination,
            total_length: 28,
            fragment_offset: 0,
        }
    }

    /// As a frame.
    pub fn frame(&self) -> Vec<u8> {
        const DO_NOT_FRAGMENT: u16 = 0x4000;
        // It is said of whole packets only.
        let fragment = match self.fragment_offset {
            0 => DO_NOT_FRAGMENT,
            offset => offset,
        };
        let mut packet = vec![0x45, 0];
        packet.extend(self.total_length.to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(fragment.to_be_bytes());
        packet.extend([64, UDP, 0, 0]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        // Both ports, the length, no checksum.
        packet.extend([0x0f, 0xa0, 0x0f, 0xa0, 0, 8, 0, 0]);
        let link = Link {
            source: self.source_mac,
            destination: ROUTER,
        };
        link.frame(self.ether_type, &packet)
    }
}

/// An ARP packet (RFC 826).
#[derive(Debug, Clone, Copy)]
pub struct Arp {
    /// A reply, or else a request.
    pub is_reply: bool,
    /// Whose addresses it tells.
    pub sender: (Mac, Ipv4Addr),
    /// Whom it asks for, or answers.
    pub target: (Mac, Ipv4Addr),
}

impl Arp {
    /// As a frame.
    pub fn frame(self, link: Link) -> Vec<u8> {
        let mut packet = vec![0, 1, 0x08, 0x00, 6, 4, 0, if self.is_reply { 2 } else { 1 }];
        for (mac, address) in [self.sender, self.target] {
            packet.extend(mac);
            packet.extend(address.octets());
        }
        link.frame(ARP, &packet)
    }

    /// Who has `target`, asked of everybody.
    pub fn request(sender: (Mac, Ipv4Addr), target: Ipv4Addr) -> Vec<u8> {
        let request = Arp {
            is_reply: false,
            sender,
            target: ([0; 6], target),
        };
        request.frame(Link {
            source: sender.0,
            destination: BROADCAST,
        })
    }

    /// The ARP packet in a frame, if one is.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let packet = frame.get(14..42)?;
        let end = |at: usize| {
            let mac: Mac = packet.get(at..at + 6)?.try_into().ok()?;
            let address: [u8; 4] = packet.get(at + 6..at + 10)?.try_into().ok()?;
            Some((mac, Ipv4Addr::from(address)))
        };
        (frame[12..14] == ARP.to_be_bytes()).then_some(Arp {
            is_reply: packet[7] == 2,
            sender: end(8)?,
            target: end(18)?,
        })
    }
}

/// A neighbour solicitation for `target` (RFC 4861, 4.3), to its solicited-node address.
pub fn neighbour_solicitation(source: Mac, target: Ipv6Addr) -> Vec<u8> {
    let [.., x, y, z] = target.octets();
    let group = Ipv6Addr::new(
        0xff02,
        0,
        0,
        0,
        0,
        1,
        0xff00 | u16::from(x),
        u16::from_be_bytes([y, z]),
    );
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    // The option "source link-layer address".
    message.extend([1, 1]);
    message.extend(source);
    let link = Link {
        source,
        destination: [0x33, 0x33, 0xff, x, y, z],
    };
    ipv6(link, link_local(source), group, ICMPV6, 2, message)
}

/// A UDP datagram over IPv6.
pub fn udp_over_ipv6(link: Link, destination: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let datagram = udp_datagram(payload);
    ipv6(link, link_local(link.source), destination, UDP, 6, datagram)
}

/// A frame of a protocol that no VPC carries.
pub fn other_ether_type(link: Link, payload: &[u8]) -> Vec<u8> {
    link.frame(LLDP, payload)
}

/// A frame, with a tag of virtual LAN 7 put in.
pub fn with_vlan_tag(mut frame: Vec<u8>) -> Vec<u8> {
    let [high, low] = VLAN_TAG.to_be_bytes();
    frame.splice(12..12, [high, low, 0, 7]);
    frame
}

/// The address that IPv6 derives from an Ethernet address (RFC 4291, appendix A).
pub fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let pair = |x, y| u16::from_be_bytes([x, y]);
    Ipv6Addr::new(
        0xfe80,
        0,
        0,
        0,
        pair(a ^ 2, b),
        pair(c, 0xff),
        pair(0xfe, d),
        pair(e, f),
    )
}

fn udp_datagram(payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(PORTS.0.to_be_bytes());
    datagram.extend(PORTS.1.to_be_bytes());
    datagram.extend(length_of(8, payload));
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

fn ipv4(ends: Ends, protocol: u8, piece: Piece, content: &[u8]) -> Vec<u8> {
    const MORE_FRAGMENTS: u16 = 0x2000;
    let fragment = piece.offset | if piece.more { MORE_FRAGMENTS } else { 0 };
    let mut header = vec![0x45, 0];
    header.extend(length_of(20, content));
    header.extend(piece.identification.to_be_bytes());
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(ends.source.octets());
    header.extend(ends.destination.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(content);
    header
}

/// With the checksum of `content` written at its byte `checksum_at`.
fn ipv6(
    link: Link,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    next_header: u8,
    checksum_at: usize,
    mut content: Vec<u8>,
) -> Vec<u8> {
    let ends = [source.octets(), destination.octets()].concat();
    let length = length_of(0, &content);
    let pseudo = [&ends[..], &[0, 0], &length, &[0, 0, 0, next_header]].concat();
    let sum = checksum(&[pseudo, content.clone()].concat());
    content[checksum_at..checksum_at + 2].copy_from_slice(&sum.to_be_bytes());
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length);
    packet.extend([next_header, 255]);
    packet.extend(ends);
    packet.extend(content);
    link.frame(IPV6, &packet)
}

fn pseudo_header(ends: Ends, protocol: u8, content: &[u8]) -> Vec<u8> {
    let mut pseudo = Vec::new();
    pseudo.extend(ends.source.octets());
    pseudo.extend(ends.destination.octets());
    pseudo.extend([0, protocol]);
    pseudo.extend(length_of(0, content));
    pseudo
}

fn length_of(header: usize, content: &[u8]) -> [u8; 2] {
    let length = u16::try_from(header + content.len()).expect("a test's packets are small");
    length.to_be_bytes()
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("it was folded to 16 bits")
}
