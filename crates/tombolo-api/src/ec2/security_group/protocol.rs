//! The protocol and the ports of a rule, as EC2's API has them: IpProtocol, FromPort and ToPort.
//!
//! For ICMP the two ports are the type and the code, with -1 for every one of them.

use serde::Deserialize;
use tombolo_domain::vpc::{IcmpMessages, PortRange, Protocol};

use crate::ec2::error::{Error, Result};
use crate::ec2::parameter::{invalid, unsupported};
use crate::operation::format::shorten;

/// IANA's numbers of the protocols that EC2 has names for.
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// What a request says about protocol and ports.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ProtocolAndPorts {
    ip_protocol: Option<String>,
    from_port: Option<i64>,
    to_port: Option<i64>,
}

impl ProtocolAndPorts {
    /// The member that a request has of these, if it has one, spelled as EC2's messages have it.
    pub(super) fn given(&self) -> Option<&'static str> {
        let members = [
            ("ipProtocol", self.ip_protocol.is_some()),
            ("fromPort", self.from_port.is_some()),
            ("toPort", self.to_port.is_some()),
        ];
        let given = members.into_iter().find(|(_, given)| *given);
        given.map(|(name, _)| name)
    }

    /// The packets that are meant.
    ///
    /// # Errors
    /// A protocol that does not exist, and ports, types or codes that are missing, out of range or
    /// reversed. Ports with a protocol that has none are ignored, as EC2 documents it.
    pub(super) fn parse(&self) -> Result<Protocol> {
        let Some(text) = self.ip_protocol.as_deref() else {
            return Err(Error::missing_parameter("ipProtocol"));
        };
        let number = match text.to_ascii_lowercase().as_str() {
            "-1" => return Ok(Protocol::All),
            "tcp" => TCP,
            "udp" => UDP,
            "icmp" => ICMP,
            "icmpv6" => ICMPV6,
            number => number.parse().map_err(|_| {
                invalid(format!(
                    "Invalid value '{}' for IP protocol. Unknown protocol. Use tcp, udp, icmp, a \
                     number from 0 to 255, or -1 for every protocol.",
                    shorten(text)
                ))
            })?,
        };
        match number {
            TCP => self.ports().map(Protocol::Tcp),
            UDP => self.ports().map(Protocol::Udp),
            ICMP => self.messages().map(Protocol::Icmp),
            ICMPV6 if self.names_messages() => Err(unsupported(
                "ICMPv6 types and codes are not supported: Tombolo's networks carry no IPv6. Leave \
                 FromPort and ToPort out.",
            )),
            other => Ok(Protocol::Number(other)),
        }
    }

    fn ports(&self) -> Result<PortRange> {
        let (Some(from), Some(to)) = (self.from_port, self.to_port) else {
            return Err(missing("Must specify both from and to ports with TCP/UDP."));
        };
        let port = |which: &str, port: i64| {
            u16::try_from(port).map_err(|_| {
                invalid(format!(
                    "TCP/UDP ({which}) port ({port}) out of range. A port is from 0 to {}.",
                    u16::MAX
                ))
            })
        };
        let range = PortRange {
            from: port("from", from)?,
            to: port("to", to)?,
        };
        if range.from > range.to {
            return Err(invalid(format!(
                "Invalid TCP/UDP port range ({from}:{to}). FromPort must not be above ToPort."
            )));
        }
        Ok(range)
    }

    fn messages(&self) -> Result<IcmpMessages> {
        let (Some(kind), Some(code)) = (self.from_port, self.to_port) else {
            return Err(missing("Must specify both type and code with ICMP."));
        };
        let part = |which: &str, part: i64| match part {
            -1 => Ok(None),
            _ => u8::try_from(part).map(Some).map_err(|_| {
                invalid(format!(
                    "ICMP {which} ({part}) out of range. It is from 0 to {}, or -1 for every one.",
                    u8::MAX
                ))
            }),
        };
        let messages = IcmpMessages {
            kind: part("type", kind)?,
            code: part("code", code)?,
        };
        if messages.kind.is_none() && messages.code.is_some() {
            return Err(invalid(format!(
                "ICMP code ({code}) needs a type. With every type (-1), the code must be -1."
            )));
        }
        Ok(messages)
    }

    fn names_messages(&self) -> bool {
        let parts = [self.from_port, self.to_port];
        parts.into_iter().flatten().any(|part| part != -1)
    }
}

fn missing(what: &str) -> Error {
    invalid(format!("Invalid value '{what}' for portRange."))
}

/// IpProtocol of replies.
pub(super) fn ip_protocol(protocol: Protocol) -> String {
    match protocol {
        Protocol::All => "-1".to_owned(),
        Protocol::Tcp(_) => "tcp".to_owned(),
        Protocol::Udp(_) => "udp".to_owned(),
        Protocol::Icmp(_) => "icmp".to_owned(),
        Protocol::Number(ICMPV6) => "icmpv6".to_owned(),
        Protocol::Number(number) => number.to_string(),
    }
}

/// FromPort and ToPort of replies, of a protocol that has any.
pub(super) fn ports(protocol: Protocol) -> Option<(i32, i32)> {
    let part = |part: Option<u8>| part.map_or(-1, i32::from);
    match protocol {
        Protocol::Tcp(range) | Protocol::Udp(range) => Some((range.from.into(), range.to.into())),
        Protocol::Icmp(messages) => Some((part(messages.kind), part(messages.code))),
        Protocol::All | Protocol::Number(_) => None,
    }
}

/// In the words of EC2's errors: `TCP, from port: 22, to port: 22`.
pub(super) fn error_text(protocol: Protocol) -> String {
    let part = |part: Option<u8>| part.map_or("ALL".to_owned(), |part| part.to_string());
    match protocol {
        Protocol::All => "ALL".to_owned(),
        Protocol::Tcp(range) => format!("TCP, from port: {}, to port: {}", range.from, range.to),
        Protocol::Udp(range) => format!("UDP, from port: {}, to port: {}", range.from, range.to),
        Protocol::Icmp(messages) => {
            let (kind, code) = (part(messages.kind), part(messages.code));
            format!("ICMP, type: {kind}, code: {code}")
        }
        Protocol::Number(number) => format!("protocol {number}"),
    }
}
