//! The whole data path, flows and fragments and time included, as plainly as it can be written: a
//! model to hold the program in the kernel against.

mod outside;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use tombolo_domain::id::NetworkInterfaceId;

use super::{FirstPacket, Verdict, Way, allows_egress, allows_ingress, refusal, way};
use crate::drop_reason::DropReason;
use crate::ebpf::FlowTable;
use crate::network::{Interface, Network, ShareGroup, VpcNumber};
use crate::outside::Mapping;
use crate::rules::{ICMP, TCP, UDP};
use crate::tables::Tables;

pub(crate) use outside::Joint;

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
        about: QuotedPacket,
    },
    Other(u8),
}

/// The packet that an ICMP error quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuotedPacket {
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

/// The outcome for a [`Datagram`]: delivered, or dropped for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// The MTU in the ICMP error that the sender gets.
    pub(crate) told: Option<u16>,
    /// What stands in it for its source or destination, if one was replaced.
    pub(crate) translation: Option<Replaced>,
}

/// The end that took another's place in a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u16,
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        Outcome {
            verdict,
            told: None,
            translation: None,
        }
    }
}

/// One side of a flow; ICMP queries have the identifier for a port on the side that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct End {
    pub(crate) vpc: VpcNumber,
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u16,
}

/// The ends of a flow, the smaller first, and its protocol.
pub(crate) type FlowKey = ([End; 2], u8);

/// Who is at an end of a flow: an interface, or whoever is outside.
type Party = Option<NetworkInterfaceId>;

/// What is outside is in no VPC.
const OUTSIDE: VpcNumber = VpcNumber(0);

/// Whose it is, and how it stands.
#[derive(Debug, Clone)]
struct Flow {
    beginner: End,
    begun_by: Party,
    begun_to: Party,
    /// Who has it in its share of the table: of one with the outside, the interface.
    payer: Party,
    /// The payer's VPC and its share group.
    sharers: (VpcNumber, ShareGroup),
    /// The port of the public address that one with the outside goes by.
    public_port: Option<u16>,
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

/// The remote address and port, the public port and the protocol.
type TranslationKey = (Ipv4Addr, u16, u16, u8);

/// The data path of one machine.
#[derive(Debug, Default)]
pub(crate) struct Model {
    network: Network,
    tables: Tables,
    mapping: Mapping,
    outside: Option<Joint>,
    /// Which interface's port answers go to.
    translations: BTreeMap<TranslationKey, (NetworkInterfaceId, u16)>,
    flows: BTreeMap<FlowKey, Flow>,
    fragments: BTreeMap<FragmentKey, (Ports, u64)>,
    generation: u64,
    table: FlowTable,
    /// Milliseconds.
    now: u64,
}

impl Model {
    /// A data path with nothing in it, and room for so many flows.
    pub(crate) fn new(table: FlowTable) -> Self {
        Model {
            table,
            ..Model::default()
        }
    }

    /// The same, joined to what is outside.
    pub(crate) fn joined(self, outside: Joint) -> Self {
        Model {
            outside: Some(outside),
            ..self
        }
    }

    pub(crate) fn apply(&mut self, network: &Network) {
        self.mapping = Mapping::compile(&network.interfaces);
        self.network = network.clone();
        self.tables = Tables::compile(network);
        self.generation += 1;
    }

    pub(crate) fn wait(&mut self, milliseconds: u64) {
        self.now += milliseconds;
    }

    /// The workload of `from` sends a datagram. By which ports flows go that begin to the outside
    /// chance decides: `chosen` says what it came to, and is held against what it may come to.
    pub(crate) fn send(
        &mut self,
        from: &NetworkInterfaceId,
        datagram: &Datagram,
        chosen: &BTreeMap<FlowKey, u16>,
    ) -> Outcome {
        match self.forward(from, datagram, chosen) {
            Ok(outcome) => outcome,
            Err(reason) => Verdict::Drop(reason).into(),
        }
    }

    fn forward(
        &mut self,
        from: &NetworkInterfaceId,
        datagram: &Datagram,
        chosen: &BTreeMap<FlowKey, u16>,
    ) -> Result<Outcome, DropReason> {
        let network = self.network.clone();
        let tables = self.tables.clone();
        let outside = self.outside.clone();
        let config = outside.as_ref().map(|outside| &outside.config);
        let sender = network.interfaces.get(from);
        let sender = sender.ok_or(DropReason::UnknownInterface)?;
        let later = datagram.fragment_offset != 0;
        if datagram.cut_short && !later {
            return Err(DropReason::Malformed);
        }
        let (source, destination) = (datagram.source, datagram.destination);
        let (id, verdict) = match way(&tables, config, sender, source, destination)? {
            Way::Local(id) => (id, Verdict::Local(id.clone())),
            Way::Peering(id) => (id, Verdict::Peering(id.clone())),
            Way::Outside(_) => return self.leave(from, sender, datagram, chosen),
        };
        let receiver = &network.interfaces[id];

        let protocol = protocol(&datagram.payload);
        let fragment = fragment([sender.vpc, receiver.vpc], datagram);
        let ports = if later {
            self.recall(&fragment, datagram.fragment_offset)?
        } else {
            ports(datagram, false)
        };
        let seen = seen(datagram);
        let between = [Some(from.clone()), Some(id.clone())];
        let ends = [end(sender, ports.flow[0]), end(receiver, ports.flow[1])];

        let live = self.find(&between, ends, &ports, protocol, &seen, None);
        if live.is_none() {
            let beginning = FirstPacket {
                protocol,
                service: ports.service,
            };
            refusal(&network, sender, receiver, &beginning)?;
        }
        if datagram.length > receiver.mtu {
            return Ok(too_big(&ports, later, receiver.mtu));
        }
        match ports.kind {
            Kind::Begins | Kind::Answers if live.is_some() => {
                self.go_on(ends, &ports, &seen);
            }
            Kind::Begins => self.begin(&between, ends, &ports, None, &seen)?,
            _ => {}
        }
        self.remember(fragment, ports, datagram);
        Ok(verdict.into())
    }

    /// A datagram of a live flow.
    fn go_on(&mut self, ends: [End; 2], ports: &Ports, seen: &Payload) {
        let now = self.now;
        let flow = self.flows.get_mut(&key(ends, ports.flow_protocol)).unwrap();
        flow.last = now;
        flow.state.see(seen, flow.beginner != ends[0]);
    }

    /// What the first fragment says, as it came.
    fn remember(&mut self, key: FragmentKey, ports: Ports, datagram: &Datagram) {
        if !datagram.more_fragments || datagram.fragment_offset != 0 {
            return;
        }
        let kind = match ports.kind {
            Kind::Quotes => Kind::Alone,
            kind => kind,
        };
        let first = Ports { kind, ..ports };
        self.fragments.insert(key, (first, self.now));
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

    /// The live flow that it belongs to, if groups still let it. From outside it must have come by
    /// the flow's own `public_port`.
    fn find(
        &mut self,
        between: &[Party; 2],
        ends: [End; 2],
        ports: &Ports,
        protocol: u8,
        payload: &Payload,
        public_port: Option<u16>,
    ) -> Option<Flow> {
        if ports.kind == Kind::Alone {
            return None;
        }
        let key = key(ends, ports.flow_protocol);
        let flow = self.flows.get(&key)?;
        let reply = flow.beginner != ends[0];
        let parties = match reply {
            true => [&flow.begun_to, &flow.begun_by],
            false => [&flow.begun_by, &flow.begun_to],
        };
        let fresh = self.now - flow.last <= flow.state.timeout(ports.flow_protocol);
        let opens = opens(payload, ports.kind);
        let closing = protocol == TCP && flow.state.is_closing();
        let belongs = fresh
            && parties == [&between[0], &between[1]]
            && (public_port.is_none() || public_port == flow.public_port)
            && (!opens || (!reply && !closing));
        if !belongs {
            return None;
        }
        if flow.generation != self.generation {
            let again = FirstPacket {
                protocol: ports.flow_protocol,
                service: if reply { ports.flow[0] } else { ports.flow[1] },
            };
            let [asker, asked] = match reply {
                true => [(&between[1], ends[1]), (&between[0], ends[0])],
                false => [(&between[0], ends[0]), (&between[1], ends[1])],
            };
            self.would_let(asker, asked, &again).ok()?;
        }
        let generation = self.generation;
        let flow = self.flows.get_mut(&key)?;
        flow.generation = generation;
        Some(flow.clone())
    }

    /// Whether groups would let a flow begin, between whomever.
    fn would_let(
        &self,
        (from, source): (&Party, End),
        (to, destination): (&Party, End),
        beginning: &FirstPacket,
    ) -> Result<(), DropReason> {
        let interface = |id: &NetworkInterfaceId| &self.network.interfaces[id];
        match (from, to) {
            (Some(from), Some(to)) => {
                refusal(&self.network, interface(from), interface(to), beginning)
            }
            (Some(from), None) => {
                let to = destination.address;
                allows_egress(&self.network, interface(from), to, beginning)
            }
            (None, Some(to)) => {
                allows_ingress(&self.network, interface(to), source.address, beginning)
            }
            (None, None) => unreachable!("no flow goes past every interface"),
        }
    }

    fn begin(
        &mut self,
        [from, to]: &[Party; 2],
        ends: [End; 2],
        ports: &Ports,
        public_port: Option<u16>,
        payload: &Payload,
    ) -> Result<(), DropReason> {
        let key = key(ends, ports.flow_protocol);
        let payer = from.clone().or_else(|| to.clone());
        let there = self.flows.get(&key);
        let vpc = ends[usize::from(from.is_none())].vpc;
        let group = self.network.vpcs[&vpc].share_group;
        let flows = |of: &dyn Fn(&Flow) -> bool| {
            let flows = self.flows.values().filter(|flow| of(flow));
            flows.count() as u32
        };
        let table = self.table;
        let takes_more = there.is_none_or(|flow| flow.payer != payer);
        let takes_more_of_vpc = there.is_none_or(|flow| flow.sharers.0 != vpc);
        let of_group = flows(&|flow| flow.sharers.1 == group);
        let is_reserved = there.is_none()
            && of_group >= table.reserved
            && self.flows.len() as u32 >= table.capacity - table.reserve;
        let is_refused = [
            there.is_none() && self.flows.len() as u32 >= table.capacity,
            takes_more && flows(&|flow| flow.payer == payer) >= table.share,
            takes_more_of_vpc && flows(&|flow| flow.sharers.0 == vpc) >= table.vpc_share,
            takes_more_of_vpc && of_group >= table.group_share,
            is_reserved,
        ];
        if is_refused.contains(&true) {
            return Err(DropReason::FlowTableFull);
        }
        let mut state = State::default();
        state.see(payload, false);
        let flow = Flow {
            beginner: ends[0],
            begun_by: from.clone(),
            begun_to: to.clone(),
            payer,
            sharers: (vpc, group),
            public_port,
            last: self.now,
            generation: self.generation,
            state,
        };
        self.flows.insert(key, flow);
        Ok(())
    }
}

fn too_big(ports: &Ports, later: bool, mtu: u16) -> Outcome {
    let answers = matches!(ports.kind, Kind::Begins | Kind::Answers) && !later;
    Outcome {
        told: answers.then_some(mtu),
        ..Verdict::Drop(DropReason::TooBig).into()
    }
}

/// What of the payload counts for flows.
fn seen(datagram: &Datagram) -> Payload {
    match (&datagram.payload, datagram.fragment_offset) {
        (payload, 0) => payload.clone(),
        (Payload::Tcp { ports, .. }, _) => Payload::Tcp {
            ports: *ports,
            flags: LATER,
        },
        (payload, _) => payload.clone(),
    }
}

fn fragment(between: [VpcNumber; 2], datagram: &Datagram) -> FragmentKey {
    (
        between,
        [datagram.source, datagram.destination],
        datagram.id,
        protocol(&datagram.payload),
    )
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

fn key(mut ends: [End; 2], protocol: u8) -> FlowKey {
    ends.sort();
    (ends, protocol)
}

fn protocol(payload: &Payload) -> u8 {
    match payload {
        Payload::Tcp { .. } => TCP,
        Payload::Udp { .. } => UDP,
        Payload::Icmp { .. } | Payload::IcmpError { .. } => ICMP,
        Payload::Other(number) => *number,
    }
}

/// Outside are routers that complain about what they did not get themselves.
fn ports(datagram: &Datagram, from_outside: bool) -> Ports {
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
            && (from_outside || about.destination == datagram.source)
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
