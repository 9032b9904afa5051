//! Which ports of the public address lead to an instance's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{MappedPort, PublicAddress, PublicPorts, TransportProtocol};
use crate::share::share_of;

/// The ports of the public address that lead nowhere yet, for one account. It has at most its share
/// ([`share_of`]) of the ports of TCP, and of UDP.
#[derive(Debug, Clone)]
pub struct PortPool {
    public: PublicAddress,
    taken: BTreeSet<(TransportProtocol, u16)>,
    /// How many of those are the account's.
    own: BTreeMap<TransportProtocol, usize>,
    /// Below these every port is taken.
    lowest: BTreeMap<TransportProtocol, u16>,
}

/// A port of an instance's that cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {protocol} port of the public address {} is free for port {port} of the instance: {why}", .public.address)]
pub struct NoFreePort {
    /// The protocol.
    pub protocol: TransportProtocol,
    /// The instance's port that was to be reached.
    pub port: u16,
    /// The address, and its ports.
    pub public: PublicAddress,
    /// What stands against it.
    pub why: NoFreePortReason,
}

/// What keeps an instance from having another port of the public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoFreePortReason {
    /// Every port of the protocol leads somewhere already.
    #[error("its ports {0} all lead to instances")]
    AllTaken(PublicPorts),
    /// The account has as many as it may.
    #[error(
        "the account's instances may have {most} of its ports {ports}, and have as many; the rest \
         is for other accounts"
    )]
    ShareTaken {
        /// As many as that.
        most: usize,
        /// The ports of the address.
        ports: PublicPorts,
    },
}

impl PortPool {
    /// The ports of `public` but for those that lead to the account's own instances and to
    /// `others`'.
    pub fn new(
        public: PublicAddress,
        own: BTreeSet<(TransportProtocol, u16)>,
        others: BTreeSet<(TransportProtocol, u16)>,
    ) -> Self {
        let mut counted = BTreeMap::new();
        for (protocol, _) in &own {
            *counted.entry(*protocol).or_default() += 1;
        }
        let mut taken = others;
        taken.extend(own);
        PortPool {
            public,
            taken,
            own: counted,
            lowest: BTreeMap::new(),
        }
    }

    /// How an instance of the account's that has `current` is reached when exactly its ports `open`
    /// are: those that it keeps lead to the same port as before. A new one has the port of the same
    /// number if that is free, or else the lowest that is. Nothing is taken when there are too few.
    pub fn map(
        &mut self,
        current: &[MappedPort],
        open: &BTreeSet<(TransportProtocol, u16)>,
    ) -> Result<Vec<MappedPort>, NoFreePort> {
        let before = self.clone();
        let (kept, given_back): (Vec<_>, Vec<_>) = current
            .iter()
            .partition(|mapped| is_still_valid(mapped, open, &self.public));
        for mapped in given_back {
            self.release(mapped);
        }
        let has: BTreeSet<_> = kept.iter().map(|one| (one.protocol, one.port)).collect();
        let mut mapped: Vec<MappedPort> = kept.into_iter().copied().collect();
        for &(protocol, port) in open.difference(&has) {
            let public_port = match self.allocate(protocol, port) {
                Ok(public_port) => public_port,
                Err(why) => {
                    *self = before;
                    return Err(NoFreePort {
                        protocol,
                        port,
                        public: self.public,
                        why,
                    });
                }
            };
            mapped.push(MappedPort {
                protocol,
                port,
                public_port,
            });
        }
        mapped.sort();
        Ok(mapped)
    }

    fn allocate(
        &mut self,
        protocol: TransportProtocol,
        preferred: u16,
    ) -> Result<u16, NoFreePortReason> {
        let ports = self.public.ports;
        let most = share_of(ports.count());
        if self.own.get(&protocol).is_some_and(|own| *own >= most) {
            return Err(NoFreePortReason::ShareTaken { most, ports });
        }
        let is_free = |port: &u16| !self.taken.contains(&(protocol, *port));
        let found = if ports.contains(preferred) && is_free(&preferred) {
            preferred
        } else {
            let lowest = self.lowest.get(&protocol).copied();
            let found = (lowest.unwrap_or(ports.first())..=ports.last()).find(is_free);
            let found = found.ok_or(NoFreePortReason::AllTaken(ports))?;
            self.lowest.insert(protocol, found);
            found
        };
        self.taken.insert((protocol, found));
        *self.own.entry(protocol).or_default() += 1;
        Ok(found)
    }

    fn release(&mut self, mapped: &MappedPort) {
        self.taken.remove(&(mapped.protocol, mapped.public_port));
        if let Some(own) = self.own.get_mut(&mapped.protocol) {
            *own = own.saturating_sub(1);
        }
        if let Some(lowest) = self.lowest.get_mut(&mapped.protocol) {
            *lowest = (*lowest).min(mapped.public_port.max(self.public.ports.first()));
        }
    }
}

fn is_still_valid(
    mapped: &MappedPort,
    open: &BTreeSet<(TransportProtocol, u16)>,
    public: &PublicAddress,
) -> bool {
    open.contains(&(mapped.protocol, mapped.port)) && public.ports.contains(mapped.public_port)
}

/// Whether an instance that has `current` is reached at exactly its ports `open`.
pub fn are_mapped(
    current: &[MappedPort],
    open: &BTreeSet<(TransportProtocol, u16)>,
    public: &PublicAddress,
) -> bool {
    current.len() == open.len() && current.iter().all(|one| is_still_valid(one, open, public))
}

/// Says where an instance is reached, as a person reads it: `UDP 8303 at port 20001, TCP 7000-7009
/// at ports 20010-20019`.
#[derive(Debug, Clone, Copy)]
pub struct ReachedAt<'m>(pub &'m [MappedPort]);

impl fmt::Display for ReachedAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ports = self.0.to_vec();
        ports.sort();
        let runs = ports.chunk_by(|one, next| {
            let follows = |a: u16, b: u16| a.checked_add(1) == Some(b);
            one.protocol == next.protocol
                && follows(one.port, next.port)
                && follows(one.public_port, next.public_port)
        });
        for (at, run) in runs.enumerate() {
            let [first, .., last] = run else {
                if let [one] = run {
                    let comma = if at > 0 { ", " } else { "" };
                    let MappedPort {
                        protocol,
                        port,
                        public_port,
                    } = one;
                    write!(f, "{comma}{protocol} {port} at port {public_port}")?;
                }
                continue;
            };
            let comma = if at > 0 { ", " } else { "" };
            write!(
                f,
                "{comma}{} {}-{} at ports {}-{}",
                first.protocol, first.port, last.port, first.public_port, last.public_port
            )?;
        }
        Ok(())
    }
}
