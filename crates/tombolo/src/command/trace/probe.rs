//! One real packet, from the network of the sender's workload.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, connect, recv, send,
    setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use serde::Serialize;
use tokio::task::spawn_blocking;
use tombolo_domain::trace::Packet;

/// How long an answer may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// What to send, and from where.
pub(super) struct Probe {
    /// The network namespace to send from.
    pub(super) namespace: PathBuf,
    pub(super) to: Ipv4Addr,
    pub(super) packet: Packet,
}

/// What became of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub(super) enum Probed {
    /// An answer came: a connection, a datagram or an echo reply.
    Answered {
        /// After so many microseconds.
        after_us: u64,
    },
    /// The destination answered that nobody listens there.
    Refused,
    /// Nothing answered, and the destination's interface got a packet meanwhile.
    Arrived,
    /// Nothing came back.
    Silent,
    /// It was told on the way that it goes no further.
    Unreachable {
        /// What the kernel said.
        reason: String,
    },
    /// None was sent.
    NotSent {
        /// Why.
        reason: String,
    },
}

impl Probed {
    pub(super) fn not_sent(reason: impl Into<String>) -> Self {
        Probed::NotSent {
            reason: reason.into(),
        }
    }

    /// Whether the packet reached its destination; `None` if there was none.
    pub(super) fn reached(&self) -> Option<bool> {
        match self {
            Probed::Answered { .. } | Probed::Refused | Probed::Arrived => Some(true),
            Probed::Silent | Probed::Unreachable { .. } => Some(false),
            Probed::NotSent { .. } => None,
        }
    }
}

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Probed::Answered { after_us } => write!(f, "answered after {after_us} us"),
            Probed::Refused => f.write_str("the destination answers that nothing listens there"),
            Probed::Arrived => {
                f.write_str("nothing answered, but the destination's interface got a packet")
            }
            Probed::Silent => write!(f, "nothing answered within {PROBE_TIMEOUT:?}"),
            Probed::Unreachable { reason } => write!(f, "the packet came back: {reason}"),
            Probed::NotSent { reason } => write!(f, "none was sent: {reason}"),
        }
    }
}

impl Probe {
    /// Sends it and waits for what comes back.
    ///
    /// # Errors
    /// The namespace cannot be entered, for another reason than that this is not root.
    pub(super) async fn send(self) -> Result<Probed> {
        spawn_blocking(move || self.send_from_a_thread()).await?
    }

    /// On a thread of its own, that ends afterwards: it stays in the namespace.
    fn send_from_a_thread(self) -> Result<Probed> {
        let thread = thread::spawn(move || -> Result<Probed> {
            let namespace = self.namespace.display();
            let entered = File::open(&self.namespace)
                .and_then(|file| Ok(setns(file, CloneFlags::CLONE_NEWNET)?));
            match entered {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Ok(Probed::not_sent(format!("entering {namespace} needs root")));
                }
                Err(error) => return Err(error).with_context(|| format!("entering {namespace}")),
            }
            let began = Instant::now();
            let outcome = match self.packet {
                Packet::Tcp { port } => connected(SocketAddrV4::new(self.to, port)),
                Packet::Udp { port } => answered(SocketAddrV4::new(self.to, port)),
                Packet::Icmp { .. } => echoed(self.to),
            };
            Ok(probed(outcome, began.elapsed()))
        });
        let ended = thread.join();
        ended.map_err(|_| anyhow!("the thread that sends the probe has panicked"))?
    }
}

/// What an attempt came to.
fn probed(outcome: io::Result<()>, after: Duration) -> Probed {
    match outcome {
        Ok(()) => Probed::Answered {
            after_us: u64::try_from(after.as_micros()).unwrap_or(u64::MAX),
        },
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused => Probed::Refused,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Probed::Silent,
            _ => Probed::Unreachable {
                reason: error.to_string(),
            },
        },
    }
}

fn connected(to: SocketAddrV4) -> io::Result<()> {
    TcpStream::connect_timeout(&to.into(), PROBE_TIMEOUT).map(drop)
}

/// An empty datagram: nothing that a program could take for a request.
fn answered(to: SocketAddrV4) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(PROBE_TIMEOUT))?;
    socket.connect(to)?;
    socket.send(&[])?;
    socket.recv(&mut [0; 1]).map(drop)
}

/// An echo request (RFC 792), and its reply.
fn echoed(to: Ipv4Addr) -> io::Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::Icmp,
    )?;
    let [a, b, c, d] = to.octets();
    connect(socket.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0))?;
    // Enough to tell this command's reply from that of another one.
    let identifier = std::process::id().to_be_bytes();
    let request = echo_request([identifier[2], identifier[3]]);
    send(socket.as_raw_fd(), &request, MsgFlags::empty())?;

    let deadline = Instant::now() + PROBE_TIMEOUT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Errno::ETIMEDOUT.into());
        }
        let left = TimeVal::microseconds(i64::try_from(left.as_micros()).unwrap_or(i64::MAX));
        setsockopt(&socket, ReceiveTimeout, &left)?;
        let mut packet = [0; 1500];
        let length = recv(socket.as_raw_fd(), &mut packet, MsgFlags::empty())?;
        if is_reply(&packet[..length], &request) {
            return Ok(());
        }
    }
}

fn echo_request([high, low]: [u8; 2]) -> [u8; 8] {
    const KIND: u8 = 8;
    const SEQUENCE: u8 = 1;
    let words =
        u32::from(KIND) * 256 + u32::from(high) * 256 + u32::from(low) + u32::from(SEQUENCE);
    // The one's complement of the sum in one's complement (RFC 1071); carries are folded twice,
    // since folding once may carry again.
    let folded = (words & 0xffff) + (words >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let [_, _, check_high, check_low] = (!folded).to_be_bytes();
    [KIND, 0, check_high, check_low, high, low, 0, SEQUENCE]
}

/// Whether an IPv4 packet is the reply to `request`: a raw socket sees the header, and every ICMP
/// packet from the address that it is connected to.
fn is_reply(packet: &[u8], request: &[u8; 8]) -> bool {
    let header = packet
        .first()
        .map_or(0, |first| usize::from(first & 15) * 4);
    match packet.get(header..) {
        Some([0, 0, _, _, rest @ ..]) => rest.starts_with(&request[4..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checked by the receiver's rule: a right checksum makes the sum of all words 0xffff.
    #[test]
    fn an_echo_request_has_a_right_checksum() {
        for identifier in [[0, 0], [0x12, 0x34], [0xff, 0xff], [0xf7, 0xfe]] {
            let request = echo_request(identifier);
            let sum: u32 = request
                .chunks(2)
                .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
                .sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "{identifier:?}");
        }
    }

    #[test]
    fn only_the_reply_to_the_request_counts() {
        let request = echo_request([1, 2]);
        let header = [0x45; 20];
        let reply =
            |kind, identifier| [&header[..], &[kind, 0, 0, 0], identifier, &[0, 1]].concat();
        assert!(is_reply(&reply(0, &[1, 2]), &request));
        assert!(!is_reply(&reply(0, &[1, 3]), &request));
        assert!(!is_reply(&reply(8, &[1, 2]), &request));
        assert!(!is_reply(&[], &request));
        assert!(!is_reply(&[0x4f], &request));
    }
}
