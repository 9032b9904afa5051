//! Frames, written and read without the program's own structs.

use std::net::Ipv4Addr;

use crate::ebpf::links::interface::ROUTER_MAC;
use crate::network::MacAddress;
use crate::verdict::model::{Datagram, Payload, QuotedPacket, Replaced, TcpFlags};

const ETHERNET: usize = 14;

/// The frame of a datagram, addressed to the router, with `options` words of IPv4 options, which
/// its length must have room for.
pub(super) fn frame(datagram: &Datagram, sender: MacAddress, options: usize) -> Vec<u8> {
    let mut frame = Vec::from(ROUTER_MAC.0);
    frame.extend(sender.0);
    frame.extend([0x08, 0x00]);
    let fragment = u16::from(datagram.more_fragments) << 13 | datagram.fragment_offset;
    let mut packet = ip_header(
        (datagram.source, datagram.destination),
        protocol(&datagram.payload),
        [datagram.length, datagram.id, fragment],
        options,
    );
    let header = packet.len();
    if datagram.fragment_offset == 0 {
        packet.extend(payload(&datagram.payload));
    }
    packet.resize(datagram.length.into(), 0x5a);
    if datagram.fragment_offset == 0 && !datagram.cut_short {
        let (_, segment) = packet.split_at_mut(header);
        sum_up(datagram, segment);
    }
    frame.extend(packet);
    frame
}

/// Fills in the checksum of a segment, as if it were all of its datagram.
fn sum_up(datagram: &Datagram, segment: &mut [u8]) {
    let (at, pseudo_header) = match &datagram.payload {
        Payload::Tcp { .. } => (16, true),
        Payload::Udp { .. } => (6, true),
        Payload::Icmp { .. } | Payload::IcmpError { .. } => (2, false),
        Payload::Other(_) => return,
    };
    let mut summed = Vec::new();
    if pseudo_header {
        summed.extend(datagram.source.octets());
        summed.extend(datagram.destination.octets());
        summed.extend([0, protocol(&datagram.payload)]);
        summed.extend((segment.len() as u16).to_be_bytes());
    }
    summed.extend_from_slice(segment);
    let sum = match (checksum(&summed), &datagram.payload) {
        // RFC 768: 0 would say that there is none.
        (0, Payload::Udp { .. }) => u16::MAX,
        (sum, _) => sum,
    };
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// The datagram as it goes on, with another source.
pub(super) fn with_source(datagram: &Datagram, new: Replaced) -> Datagram {
    let mut changed = datagram.clone();
    changed.source = new.address;
    replace(&mut changed.payload, 0, new);
    changed
}

/// The same, with another destination.
pub(super) fn with_destination(datagram: &Datagram, new: Replaced) -> Datagram {
    let mut changed = datagram.clone();
    changed.destination = new.address;
    replace(&mut changed.payload, 1, new);
    changed
}

/// Replaces the port of one end, 0 the source's; what an error quotes went the other way.
fn replace(payload: &mut Payload, end: usize, new: Replaced) {
    match payload {
        Payload::Tcp { ports, .. } | Payload::Udp { ports } => ports[end] = new.port,
        Payload::Icmp { id, .. } => *id = new.port,
        Payload::IcmpError { about, .. } => {
            match end {
                0 => about.destination = new.address,
                _ => about.source = new.address,
            }
            replace(&mut about.payload, 1 - end, new);
        }
        Payload::Other(_) => {}
    }
}

/// A frame as it must arrive at an interface.
pub(super) fn readdressed(frame: &[u8], to: MacAddress) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[..6].copy_from_slice(&to.0);
    frame[6..12].copy_from_slice(&ROUTER_MAC.0);
    frame
}

/// An answer that a packet is too big.
pub(super) struct PacketTooBig {
    pub(super) mtu: u16,
    pub(super) router: Ipv4Addr,
    /// Who is told.
    pub(super) mac: [u8; 6],
}

/// Reads an answer to `asked` as RFC 792 and RFC 1191 have it.
pub(super) fn read_packet_too_big(answer: &[u8], asked: &[u8]) -> PacketTooBig {
    assert_eq!(answer[6..12], ROUTER_MAC.0);
    assert_eq!(answer[12..14], [0x08, 0x00]);
    let packet = &answer[ETHERNET..];
    let (header, message) = packet.split_at(20);
    assert_eq!(header[0], 0x45);
    assert_eq!(usize::from(word(header, 2)), packet.len());
    assert_eq!(header[9], 1);
    assert_eq!(checksum(header), 0);
    assert_eq!(header[16..20], asked[ETHERNET + 12..][..4]);
    assert_eq!(message[..2], [3, 4]);
    assert_eq!(checksum(message), 0);
    let quoted = &message[8..];
    assert!(quoted.len() >= 28);
    assert_eq!(*quoted, asked[ETHERNET..][..quoted.len()]);
    PacketTooBig {
        mtu: word(message, 6),
        router: <[u8; 4]>::try_from(&header[12..16]).unwrap().into(),
        mac: answer[..6].try_into().unwrap(),
    }
}

/// `rest` is the total length, the id, and flags and fragment offset.
fn ip_header(
    (source, destination): (Ipv4Addr, Ipv4Addr),
    protocol: u8,
    rest: [u16; 3],
    options: usize,
) -> Vec<u8> {
    let mut header = vec![0x45 + options as u8, 0];
    header.extend(rest.iter().flat_map(|word| word.to_be_bytes()));
    header.extend([64, protocol, 0, 0]);
    header.extend(source.octets());
    header.extend(destination.octets());
    // "No operation".
    header.extend(vec![1; options * 4]);
    let checksum = checksum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

fn protocol(payload: &Payload) -> u8 {
    match payload {
        Payload::Tcp { .. } => 6,
        Payload::Udp { .. } => 17,
        Payload::Icmp { .. } | Payload::IcmpError { .. } => 1,
        Payload::Other(number) => *number,
    }
}

/// The header of what a packet carries, without its checksum.
fn payload(payload: &Payload) -> Vec<u8> {
    match payload {
        Payload::Tcp { ports, flags } => {
            let mut header = two(*ports);
            header.extend([0; 8]);
            header.extend([5 << 4, tcp_flags(*flags), 0xff, 0xff, 0, 0, 0, 0]);
            header
        }
        Payload::Udp { ports } => {
            let mut header = two(*ports);
            header.extend([0, 8, 0, 0]);
            header
        }
        Payload::Icmp { kind, code, id } => {
            let mut message = vec![*kind, *code, 0, 0];
            message.extend(id.to_be_bytes());
            message.extend([0, 1]);
            message
        }
        Payload::IcmpError { kind, code, about } => {
            let mut message = vec![*kind, *code, 0, 0, 0, 0, 0, 0];
            message.extend(quoted(about));
            message
        }
        Payload::Other(_) => Vec::new(),
    }
}

fn quoted(about: &QuotedPacket) -> Vec<u8> {
    let mut packet = ip_header(
        (about.source, about.destination),
        protocol(&about.payload),
        [100, 7, about.fragment_offset],
        0,
    );
    let mut header = payload(&about.payload);
    if matches!(*about.payload, Payload::Icmp { .. }) {
        let sum = checksum(&header);
        header[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet.extend(header);
    packet.resize(28, 0);
    packet
}

fn tcp_flags(flags: TcpFlags) -> u8 {
    u8::from(flags.fin)
        | u8::from(flags.syn) << 1
        | u8::from(flags.rst) << 2
        | u8::from(flags.ack) << 4
}

fn two(words: [u16; 2]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// RFC 1071; 0 over what has its own checksum in it.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
