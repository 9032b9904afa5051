//! What becomes of an attempt, and how one sees it from outside: at the receiver, at the sender,
//! and in the counters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering};

use tombolo_testkit::frame::Arp;
use tombolo_tests::metrics::Packets;
use tombolo_tests::wait;
use tombolo_tests::workload::Workload;

use super::attempt::{Attempt, ROUTER};
use super::world::World;

/// How often each attempt is made.
const TIMES: u16 = 3;

/// What becomes of every frame of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It arrives, within its VPC.
    Local,
    /// It arrives, through a peering.
    Peering,
    /// Dropped: where the route leads, nobody has the destination address.
    Nobody,
    /// Dropped: no route takes it.
    NoRoute,
    /// Dropped: its IPv4 source is not the interface's.
    SpoofedSource,
    /// Dropped: its Ethernet source is not the interface's.
    SpoofedFrame,
    /// Dropped: neither IPv4 nor ARP.
    EtherType,
    /// Dropped: a later fragment, whose first did not pass.
    Fragment,
    /// An ARP request that the router answers, in its own name.
    ByRouter,
    /// An ARP packet that ends here: nobody sees it, nobody answers, nothing is counted.
    Silence,
}

impl Verdict {
    /// The counter that moves by one a frame, in the words of [`Packets`].
    fn counter(self) -> Option<&'static str> {
        match self {
            Verdict::Local => Some("forwarded local"),
            Verdict::Peering => Some("forwarded peering"),
            Verdict::Nobody => Some("dropped no_such_destination"),
            Verdict::NoRoute => Some("dropped no_route"),
            Verdict::SpoofedSource => Some("dropped spoofed_address"),
            Verdict::SpoofedFrame => Some("dropped spoofed_mac"),
            Verdict::EtherType => Some("dropped ether_type"),
            Verdict::Fragment => Some("dropped fragment"),
            Verdict::ByRouter | Verdict::Silence => None,
        }
    }

    fn arrives(self) -> bool {
        matches!(self, Verdict::Local | Verdict::Peering)
    }
}

/// What was seen of an attempt.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// The counters that moved.
    counted: BTreeMap<String, u64>,
    /// Frames that came in where they were meant to.
    arrived: usize,
    /// Frames that came in anywhere else, the sender's own interface not among them.
    strayed: usize,
    /// ARP replies of the router's that the sender got.
    answers: usize,
}

/// Makes the attempt, and holds what is seen of it against what is expected.
///
/// # Errors
/// What was seen instead.
pub(crate) fn holds(
    world: &World,
    attempt: Attempt,
    from: &Workload,
    to: &Workload,
    expected: Verdict,
) -> Result<(), String> {
    let before = Packets::read(world.metrics());
    for workload in world.everyone() {
        workload.wire.seen();
    }
    let mut sent = 0;
    for _ in 0..TIMES {
        let number = next_number();
        let mark = format!("tombolo isolation {number}");
        for frame in attempt.frames(from, to, mark.as_bytes(), number) {
            from.wire.send(&frame);
            sent += 1;
        }
    }
    // What ends uncounted has ended when what was sent after it from the same place is counted.
    let marker = Verdict::EtherType;
    from.wire
        .send(&Attempt::OtherProtocol.frames(from, to, b"marker", 0)[0]);
    let mut counted = BTreeMap::from([(name(marker), 1)]);
    if let Some(counter) = expected.counter() {
        *counted.entry(counter.to_owned()).or_default() += sent;
    }
    let all: u64 = counted.values().sum();

    let frames = usize::try_from(sent).map_err(|error| error.to_string())?;
    let when = |condition: bool| if condition { frames } else { 0 };
    let wanted = Seen {
        counted,
        arrived: when(expected.arrives()),
        strayed: 0,
        answers: when(expected == Verdict::ByRouter),
    };
    let mut found = Seen::default();
    wait::within(wait::TIMEOUT, || {
        found.counted = Packets::read(world.metrics()).since(&before);
        found.arrived += arrivals(to);
        found.answers += answers(from);
        let decided = found.counted.values().sum::<u64>() >= all;
        // A packet is counted a moment before it arrives. When others than wanted were counted,
        // there is nothing to wait for.
        let there = found.arrived >= wanted.arrived && found.answers >= wanted.answers;
        (decided && (there || found.counted != wanted.counted)).then_some(())
    });
    let others = world
        .everyone()
        .filter(|one| !same(one, from) && !same(one, to));
    found.strayed = others.map(arrivals).sum();
    match found == wanted {
        true => Ok(()),
        false => Err(format!("{found:?} instead of {wanted:?}")),
    }
}

fn name(verdict: Verdict) -> String {
    verdict.counter().unwrap_or_default().to_owned()
}

fn same(one: &Workload, other: &Workload) -> bool {
    std::ptr::eq(one, other)
}

/// Frames that came in at a workload, whose kernel says nothing by itself.
fn arrivals(workload: &Workload) -> usize {
    workload.wire.seen().len()
}

/// Replies of the router's among what a sender has seen, which is its own frames too.
fn answers(sender: &Workload) -> usize {
    let frames = sender.wire.seen();
    let arp = frames.iter().filter_map(|frame| Arp::read(frame));
    arp.filter(|arp| arp.is_reply && arp.sender.0 == ROUTER)
        .count()
}

/// A number that no attempt before has had.
fn next_number() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
