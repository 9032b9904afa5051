//! The last sentence of a trace.

use std::net::Ipv4Addr;

use tombolo_domain::trace::Packet;

use super::probe::Probed;
use crate::admin::message::TracedPath;

/// How soon what differs is found and put right.
const REPAIRED: &str = "it is repaired within 15 s, see `tombolo repairs`";

/// Whether the packet reaches its destination, and what to change if not.
pub(super) struct Answer {
    pub(super) reachable: bool,
    pub(super) sentence: String,
}

impl Answer {
    /// A packet that was really sent says more than what is stored: where the two contradict each
    /// other, both are told.
    pub(super) fn of(traced: &TracedPath, to: Ipv4Addr, packet: Packet, probed: &Probed) -> Self {
        let Situation {
            arrives,
            blocked,
            difference,
        } = Situation::of(traced, probed);
        let way = format!("{} reaches {to} by {packet}", traced.source.id);
        match (arrives, blocked, difference) {
            (Some(true), None, None) => yes(format!("{way}: {probed}.")),
            (Some(true), None, Some(difference)) => yes(format!(
                "{way}: {probed}. But the data path disagrees: {difference}; {REPAIRED}."
            )),
            (Some(true), Some(blocked), difference) => yes(format!(
                "{way}: {probed}. But it should not: {blocked} {}",
                match difference {
                    Some(difference) =>
                        format!("The data path disagrees: {difference}; {REPAIRED}."),
                    None => "It is a change of this moment, or part of a flow: trace it again."
                        .to_owned(),
                }
            )),
            (_, Some(blocked), None) => no(blocked),
            (_, Some(blocked), Some(difference)) => no(format!(
                "{blocked} Besides, the data path disagrees: {difference}; {REPAIRED}."
            )),
            (_, None, Some(difference)) => no(format!(
                "the data path disagrees: {difference}; {REPAIRED}."
            )),
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

/// What the three looks came to.
struct Situation {
    /// Whether a real packet arrived, where one was sent.
    arrives: Option<bool>,
    /// What should stand in its way, and what to do about it.
    blocked: Option<String>,
    /// Where the data path decides otherwise.
    difference: Option<String>,
}

impl Situation {
    fn of(traced: &TracedPath, probed: &Probed) -> Self {
        let blocked = traced.trace.blocked().map(|hop| {
            let remedy = hop.remedy.as_ref();
            let remedy = remedy
                .map(|remedy| format!(" {remedy}"))
                .unwrap_or_default();
            format!("{}.{remedy}", hop.finding)
        });
        Situation {
            arrives: probed.reached(),
            blocked,
            difference: traced.difference.clone(),
        }
    }
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
