//! The ports that the machine gives its own connections by itself.

use std::fs::File;
use std::io::{self, Read};
use std::ops::RangeInclusive;

use tombolo_domain::fleet::PublicPorts;

/// The first and the last port, apart from those of `RESERVED` (ip_local_port_range of the kernel's
/// ip-sysctl.rst).
const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// DesiredPorts that it never gives by itself, such as `8080,9148-9150` (ip_local_reserved_ports there).
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// The longest list of reserved ports that is read, in bytes. None is longer: every second port of
/// all would be 32,768 times five digits and a comma.
const MAX_FILE_BYTES: usize = 256 * 1024;

/// The ports that the machine gives its own connections by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ebpf) struct LocalPorts {
    range: RangeInclusive<u16>,
    reserved: Vec<RangeInclusive<u16>>,
    /// As the kernel writes it.
    reserved_text: String,
}

impl LocalPorts {
    /// Those of the network namespace of the calling thread.
    pub(in crate::ebpf) fn read() -> io::Result<Self> {
        let (range, reserved) = (whole(RANGE)?, whole(RESERVED)?);
        Self::parse(&range, &reserved).ok_or_else(|| {
            io::Error::other(format!(
                "{RANGE} says {range:?} and {RESERVED} {reserved:?}, which are no ranges of ports"
            ))
        })
    }

    fn parse(range: &str, reserved: &str) -> Option<Self> {
        let (first, last) = range.trim().split_once(char::is_whitespace)?;
        let range = first.parse().ok()?..=last.trim().parse().ok()?;
        let reserved_text = reserved.trim().to_owned();
        let parts = reserved_text.split(',').filter(|part| !part.is_empty());
        let reserved = parts.map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        });
        Some(LocalPorts {
            reserved: reserved.collect::<Option<_>>()?,
            range,
            reserved_text,
        })
    }

    /// Whether the machine may give one of `ports` to a connection of its own.
    fn touch(&self, ports: PublicPorts) -> bool {
        let is_reserved = |port| self.reserved.iter().any(|range| range.contains(&port));
        ports
            .iter()
            .any(|port| self.range.contains(&port) && !is_reserved(port))
    }

    /// That none of `wanted` is one that the machine may give to a connection of its own, whose
    /// answers would then be taken for players' packets; otherwise, what to do about it.
    pub(in crate::ebpf) fn leave(&self, wanted: [PublicPorts; 2]) -> Result<(), String> {
        if !wanted.into_iter().any(|ports| self.touch(ports)) {
            return Ok(());
        }
        let [players, internet] = wanted;
        let (first, last) = (self.range.start(), self.range.end());
        let mut reserved = self.reserved_text.clone();
        if !reserved.is_empty() {
            reserved.push(',');
        }
        Err(format!(
            "this machine gives ports {first} to {last} to its own connections \
             (net.ipv4.ip_local_port_range), and answers to those at players' ports {players} or \
             at internet ports {internet} would be taken from it; reserve them: `sysctl -w \
             net.ipv4.ip_local_reserved_ports={reserved}{players},{internet}`, and the same in \
             /etc/sysctl.d (widen ip_local_port_range if too few are left), or configure other ports"
        ))
    }
}

/// The text of a file in /proc/sys. One read has to take all of it: the kernel gives the list of
/// reserved ports to the first only, cut off where the buffer ends.
fn whole(path: &str) -> io::Result<String> {
    let mut buffer = vec![0; MAX_FILE_BYTES];
    let read = File::open(path).and_then(|mut file| file.read(&mut buffer));
    let length = read.map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
    buffer.truncate(length);
    String::from_utf8(buffer).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(text: &str) -> PublicPorts {
        text.parse().unwrap()
    }

    fn local(reserved: &str) -> LocalPorts {
        LocalPorts::parse("32768\t60999\n", reserved).unwrap()
    }

    #[test]
    fn ports_beside_the_range_are_left_alone() {
        for beside in ["20000-32767", "61000-65535", "1-1"] {
            assert!(!local("\n").touch(ports(beside)), "{beside}");
        }
        for within in ["20000-32768", "60999-65535", "40000-40000", "1-65535"] {
            assert!(local("\n").touch(ports(within)), "{within}");
        }
    }

    #[test]
    fn reserved_ports_are_left_alone_and_their_neighbours_are_not() {
        let local = local("8080,40000-49999,50001\n");
        assert!(!local.touch(ports("40000-49999")));
        assert!(!local.touch(ports("50001-50001")));
        assert!(local.touch(ports("39999-49999")));
        assert!(local.touch(ports("40000-50001")));
        assert!(local.touch(ports("50002-50002")));
    }

    #[test]
    fn the_refusal_says_what_to_set_and_keeps_what_is_set() {
        let wanted = [ports("20000-39999"), ports("40000-59999")];
        let told = local("\n").leave(wanted).unwrap_err();
        let set = "ip_local_reserved_ports=20000-39999,40000-59999`";
        assert!(told.contains(set), "{told}");
        let told = local("8080,61000-61005\n").leave(wanted).unwrap_err();
        let set = "ip_local_reserved_ports=8080,61000-61005,20000-39999,40000-59999`";
        assert!(told.contains(set), "{told}");
        assert_eq!(local("20000-59999\n").leave(wanted), Ok(()));
    }

    #[test]
    fn what_is_no_range_is_not_guessed_at() {
        for (range, reserved) in [
            ("", ""),
            ("1", ""),
            ("1 x", ""),
            ("1 2", "a"),
            ("1 2", "1-"),
        ] {
            assert_eq!(LocalPorts::parse(range, reserved), None);
        }
    }

    #[test]
    fn this_machines_own_can_be_read() {
        LocalPorts::read().unwrap();
    }
}
