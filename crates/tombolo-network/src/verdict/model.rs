//! The whole data path, flows and fragments and time included, as plainly as it can be written: a
//! model to hold the program in the kernel against.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use tombolo_domain::id::NetworkInterfaceId;

use super::{Beginning, Verdict, Way, refusal, way};
use crate::rules::{ICMP, TCP, UDP};
use crate::tables::Tables;
use crate::{DropReason, Interface, Network, VpcNumber};

/// A well-formed IPv4 packet, or a fragment of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) payload: Payload,
    /// What tells a datagram's fragments from another's.
    pub(crate) id: u16,
    /// In units of 8 bytes.
    pub(crate) fragment_offset: u16,
    pub(crate) more_fragments: bool,
    /// Header and all, in bytes. If the kernel is still to cut it up: of the largest part.
    pub(crate) length: u16,
    /// Whether there is less than the whole header of what it carries.
    pub(crate) cut_short: bool,
}

/// What is in a [`Datagram`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    Tcp {
        ports: [u16; 2],
        flags: TcpFlags,
    },
    Udp {
        ports: [u16; 2],
    },
    Icmp {
        kind: u8,
        code: u8,
        id: u16,
    },
    /// Type 3, 11 or 12, about a packet.
    IcmpError {
        kind: u8,
        code: u8,
        about: About,
    },
    Other(u8),
}

/// The packet that an ICMP error quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) payload: Box<Payload>,
    pub(crate) fragment_offset: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TcpFlags {
    pub(crate) fin: bool,
    pub(crate) syn: bool,
    pub(crate) rst: bool,
    pub(crate) ack: bool,
}

/// What became of a [`Datagram`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// The MTU that the sender is told of in answer.
    pub(crate) told: Option<u16>,
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        Outcome {
            verdict,
            told: None,
        }
    }
}

/// One side of a flow; ICMP queries have the identifier for a port on the side that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    vpc: VpcNumber,
    address: Ipv4Addr,
    port: u16,
}

/// The ends of a flow, the smaller first, and its protocol.
type FlowKey = ([End; 2], u8);

/// Whose it is, and how it stands.
#[derive(Debug, Clone)]
struct Flow {
    beginner: End,
    begun_by: NetworkInterfaceId,
    begun_to: NetworkInterfaceId,
    last: u64,
    generation: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    answered: bool,
    fin_of_beginner: bool,
    fin_of_other: bool,
    reset: bool,
    /// How often the direction changed.
    turns: u32,
}

impl State {
    fn is_closing(self) -> bool {
        self.reset || (self.fin_of_beginner && self.fin_of_other)
    }

    /// In milliseconds.
    fn timeout(self, protocol: u8) -> u64 {
        let seconds = match protocol {
            TCP if self.is_closing() => 10,
            TCP if self.answered => 432_000,
            TCP => 60,
            UDP if self.turns >= 3 => 180,
            UDP | ICMP => 30,
            _ => 600,
        };
        seconds * 1000
    }

    fn see(&mut self, payload: &Payload, reply: bool) {
        match payload {
            Payload::Tcp { flags, .. } => {
                self.answered |= reply;
                self.reset |= flags.rst;
                self.fin_of_beginner |= flags.fin && !reply;
                self.fin_of_other |= flags.fin && reply;
            }
            Payload::Udp { .. } => {
                let beginner_spoke_last = self.turns.is_multiple_of(2);
                if beginner_spoke_last == reply {
                    self.turns += 1;
                }
            }
            _ => {}
        }
    }
}

/// What a datagram has to do with flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Begins,
    Answers,
    Quotes,
    Alone,
}

/// What the first fragment of a datagram says for all of them.
#[derive(Debug, Clone, Copy)]
struct Ports {
    kind: Kind,
    flow: [u16; 2],
    flow_protocol: u8,
    service: u16,
}

type FragmentKey = ([VpcNumber; 2], [Ipv4Addr; 2], u16, u8);

/// The data path of one machine.
#[derive(Debug, Default)]
pub(crate) struct Model {
    network: Network,
    tables: Tables,
    flows: BTreeMap<FlowKey, Flow>,
    fragments: BTreeMap<FragmentKey, (Ports, u64)>,
    generation: u64,
    capacity: usize,
    share: usize,
    /// Milliseconds.
    now: u64,
}

impl Model {
    /// A data path with nothing in it, and room for so many flows.
    pub(crate) fn new(capacity: usize, share: usize) -> Self {
        Model {
            capacity,
            share,
            ..Model::default()
        }
    }

    pub(crate) fn apply(&mut self, network: &Network) {
        self.network = network.clone();
        self.tables = Tables::compile(network);
        self.generation += 1;
    }

    pub(crate) fn wait(&mut self, milliseconds: u64) {
        self.now += milliseconds;
    }

    /// The workload of `from` sends a datagram.
    pub(crate) fn send(&mut self, from: &NetworkInterfaceId, datagram: &Datagram) -> Outcome {
        match self.forward(from, datagram) {
            Ok(outcome) => outcome,
            Err(reason) => Verdict::Drop(reason).into(),
        }
    }

    fn forward(
        &mut self,
        from: &NetworkInterfaceId,
        datagram: &Datagram,
    ) -> Result<Outcome, DropReason> {
        let network = self.network.clone();
        let tables = self.tables.clone();
        let sender = network.interfaces.get(from);
        let sender = sender.ok_or(DropReason::UnknownInterface)?;
        let later = datagram.fragment_offset != 0;
        if datagram.cut_short && !later {
            return Err(DropReason::Malformed);
        }
        let (source, destination) = (datagram.source, datagram.destination);
        let (id, verdict) = match way(&tables, None, sender, source, destination)? {
            Way::Local(id) => (id, Verdict::Local(id.clone())),
            Way::Peering(id) => (id, Verdict::Peering(id.clone())),
            Way::Outside(_) => return Err(DropReason::NoRoute),
        };
        let receiver = &network.interfaces[id];

        let protocol = protocol(&datagram.payload);
        let fragment = (
            [sender.vpc, receiver.vpc],
            [datagram.source, datagram.destination],
            datagram.id,
            protocol,
        );
        let ports = if later {
            self.recall(&fragment, datagram.fragment_offset)?
        } else {
            ports(datagram)
        };
        let seen = match (&datagram.payload, later) {
            (Payload::Tcp { ports, .. }, true) => Payload::Tcp {
                ports: *ports,
                flags: LATER,
            },
            (payload, _) => payload.clone(),
        };

        let live = self.judge([from, id], &ports, protocol, &seen)?;
        if datagram.length > receiver.mtu {
            let answers = matches!(ports.kind, Kind::Begins | Kind::Answers) && !later;
            return Ok(Outcome {
                verdict: Verdict::Drop(DropReason::TooBig),
                told: answers.then_some(receiver.mtu),
            });
        }
        let source = end(sender, ports.flow[0]);
        let key = key(sender, receiver, &ports);
        match ports.kind {
            Kind::Begins | Kind::Answers if live => {
                let now = self.now;
                let flow = self.flows.get_mut(&key).unwrap();
                flow.last = now;
                flow.state.see(&seen, flow.beginner != source);
            }
            Kind::Begins => self.begin(key, source, [from, id], &seen)?,
            _ => {}
        }
        if datagram.more_fragments && !later {
            let kind = match ports.kind {
                Kind::Quotes => Kind::Alone,
                kind => kind,
            };
            let first = Ports { kind, ..ports };
            self.fragments.insert(fragment, (first, self.now));
        }
        Ok(verdict.into())
    }

    fn recall(&self, key: &FragmentKey, offset: u16) -> Result<Ports, DropReason> {
        let (ports, seen) = self.fragments.get(key).ok_or(DropReason::Fragment)?;
        let over_the_header = key.3 == TCP && offset * 8 < 20;
        if self.now - seen > 30_000 || over_the_header {
            return Err(DropReason::Fragment);
        }
        Ok(Ports {
            flow_protocol: key.3,
            ..*ports
        })
    }

    /// Whether it belongs to a live flow, or else may pass by rules.
    fn judge(
        &mut self,
        between: [&NetworkInterfaceId; 2],
        ports: &Ports,
        protocol: u8,
        payload: &Payload,
    ) -> Result<bool, DropReason> {
        let [sender, receiver] = between.map(|id| &self.network.interfaces[id]);
        let source = end(sender, ports.flow[0]);
        let now = self.now;
        let generation = self.generation;
        let there = match ports.kind {
            Kind::Alone => None,
            _ => self.flows.get_mut(&key(sender, receiver, ports)),
        };
        if let Some(flow) = there {
            let reply = flow.beginner != source;
            let ends = match reply {
                true => [&flow.begun_to, &flow.begun_by],
                false => [&flow.begun_by, &flow.begun_to],
            };
            let fresh = now - flow.last <= flow.state.timeout(ports.flow_protocol);
            let opens = opens(payload, ports.kind);
            let closing = protocol == TCP && flow.state.is_closing();
            if fresh && ends == between && (!opens || (!reply && !closing)) {
                let (asked, asker) = match reply {
                    true => (sender, receiver),
                    false => (receiver, sender),
                };
                let again = Beginning {
                    protocol: ports.flow_protocol,
                    service: if reply { ports.flow[0] } else { ports.flow[1] },
                };
                if flow.generation == generation
                    || refusal(&self.network, asker, asked, &again).is_ok()
                {
                    flow.generation = generation;
                    return Ok(true);
                }
            }
        }
        let beginning = Beginning {
            protocol,
            service: ports.service,
        };
        refusal(&self.network, sender, receiver, &beginning).map(|()| false)
    }

    fn begin(
        &mut self,
        key: FlowKey,
        beginner: End,
        [from, to]: [&NetworkInterfaceId; 2],
        payload: &Payload,
    ) -> Result<(), DropReason> {
        let there = self.flows.get(&key);
        let takes_more = there.is_none_or(|flow| flow.begun_by != *from);
        let begun = self.flows.values().filter(|flow| flow.begun_by == *from);
        let full = there.is_none() && self.flows.len() >= self.capacity;
        if full || (takes_more && begun.count() >= self.share) {
            return Err(DropReason::FlowTableFull);
        }
        let mut state = State::default();
        state.see(payload, false);
        let flow = Flow {
            beginner,
            begun_by: from.clone(),
            begun_to: to.clone(),
            last: self.now,
            generation: self.generation,
            state,
        };
        self.flows.insert(key, flow);
        Ok(())
    }
}

/// A later fragment is no SYN, FIN or RST: the first was, if any.
const LATER: TcpFlags = TcpFlags {
    fin: false,
    syn: false,
    rst: false,
    ack: true,
};

fn end(interface: &Interface, port: u16) -> End {
    End {
        vpc: interface.vpc,
        address: interface.address,
        port,
    }
}

fn key(sender: &Interface, receiver: &Interface, ports: &Ports) -> FlowKey {
    let mut ends = [end(sender, ports.flow[0]), end(receiver, ports.flow[1])];
    ends.sort();
    (ends, ports.flow_protocol)
}

fn protocol(payload: &Payload) -> u8 {
    match payload {
        Payload::Tcp { .. } => TCP,
        Payload::Udp { .. } => UDP,
        Payload::Icmp { .. } | Payload::IcmpError { .. } => ICMP,
        Payload::Other(number) => *number,
    }
}

fn ports(datagram: &Datagram) -> Ports {
    let (kind, flow) = flow_ports(&datagram.payload);
    let mut ports = Ports {
        kind,
        flow,
        flow_protocol: protocol(&datagram.payload),
        service: flow[1],
    };
    if let Payload::Icmp { kind, code, .. } | Payload::IcmpError { kind, code, .. } =
        datagram.payload
    {
        ports.service = u16::from_be_bytes([kind, code]);
    }
    if let Payload::IcmpError { about, .. } = &datagram.payload {
        let (kind, [source, destination]) = flow_ports(&about.payload);
        let believed = about.source == datagram.destination
            && about.destination == datagram.source
            && about.fragment_offset == 0;
        if believed && kind != Kind::Alone {
            ports.kind = Kind::Quotes;
            ports.flow = [destination, source];
            ports.flow_protocol = protocol(&about.payload);
        }
    }
    ports
}

/// The ports of the flow, the sender's first.
fn flow_ports(payload: &Payload) -> (Kind, [u16; 2]) {
    match *payload {
        Payload::Tcp { ports, flags } if flags.rst || (flags.syn && flags.ack) => {
            (Kind::Answers, ports)
        }
        Payload::Tcp { ports, .. } | Payload::Udp { ports } => (Kind::Begins, ports),
        Payload::Icmp { kind, code: 0, id } => match kind {
            8 | 13 => (Kind::Begins, [id, u16::from(kind) << 8]),
            0 => (Kind::Answers, [8 << 8, id]),
            14 => (Kind::Answers, [13 << 8, id]),
            _ => (Kind::Alone, [0, 0]),
        },
        Payload::Icmp { .. } | Payload::IcmpError { .. } => (Kind::Alone, [0, 0]),
        Payload::Other(_) => (Kind::Begins, [0, 0]),
    }
}

fn opens(payload: &Payload, kind: Kind) -> bool {
    match payload {
        Payload::Tcp { flags, .. } => flags.syn && !flags.ack,
        Payload::Icmp { .. } => kind == Kind::Begins,
        _ => false,
    }
}
