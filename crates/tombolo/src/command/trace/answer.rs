//! The last sentence of a trace.

use std::net::Ipv4Addr;

use tombolo_admin::message::TracedPath;
use tombolo_domain::trace::{Hop, Packet};

use super::probe::Probed;

/// How soon a difference is found and repaired.
const REPAIRED: &str = "it is repaired within 15 s, see `tombolo repairs`";

/// Why a packet may pass that, a moment before or after, should not.
const CHANGING: &str = "something has just been changed, so trace it again";

/// Whether the packet reaches its destination, and what to change if not.
pub(super) struct Answer {
    pub(super) reachable: bool,
    pub(super) sentence: String,
}

impl Answer {
    /// A packet that was really sent says more than what is stored: where the two contradict each
    /// other, both are told.
    pub(super) fn of(traced: &TracedPath, to: Ipv4Addr, packet: Packet, probed: &Probed) -> Self {
        let way = format!("{} reaches {to} by {packet}", traced.source.id);
        let disagrees = traced.difference.as_ref();
        let disagrees = disagrees
            .map(|difference| format!("the data path disagrees: {difference}; {REPAIRED}"));
        match (probed.reached(), traced.trace.blocked(), disagrees) {
            (Some(true), None, None) => yes(format!("{way}: {probed}.")),
            (Some(true), None, Some(disagrees)) => {
                yes(format!("{way}: {probed}. But {disagrees}."))
            }
            (Some(true), Some(hop), disagrees) => yes(format!(
                "{way}: {probed}. But it should not, since {}: {}.",
                hop.finding,
                disagrees.as_deref().unwrap_or(CHANGING)
            )),
            (_, Some(hop), disagrees) => no(blocked(hop, disagrees)),
            (_, None, Some(disagrees)) => no(format!("{disagrees}.")),
            (Some(false), None, None) => no(format!(
                "everything on the way lets {packet} through, but {probed}. Look inside the \
                 workload that has {to}: does it listen, and does a firewall of its own drop it?"
            )),
            (None, None, None) => yes(format!(
                "by what is stored, and by what the data path decides, {way}. {}",
                unproven(probed)
            )),
        }
    }
}

/// The obstacles and, last, the remedy: often a command to be copied.
fn blocked(hop: &Hop, disagrees: Option<String>) -> String {
    let besides = disagrees
        .map(|disagrees| format!(" (besides, {disagrees})"))
        .unwrap_or_default();
    let remedy = hop
        .remedy
        .as_ref()
        .map(|remedy| format!(" {remedy}"))
        .unwrap_or_default();
    format!("{}{besides}.{remedy}", hop.finding)
}

fn unproven(probed: &Probed) -> String {
    format!("No packet proved it: {probed}.")
}

fn yes(sentence: String) -> Answer {
    Answer {
        reachable: true,
        sentence: format!("Yes: {sentence}"),
    }
}

fn no(sentence: String) -> Answer {
    Answer {
        reachable: false,
        sentence: format!("No: {sentence}"),
    }
}
