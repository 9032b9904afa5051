//! Whether the data path decides what the stored intent says.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use tombolo_domain::id::NetworkInterfaceId;
use tombolo_domain::trace::{NotOutside, Obstacle, Trace, Way};
use tombolo_domain::vpc::RuleDirection;
use tombolo_network::{DropReason, Verdict};

/// What the data path decides about a packet and about its reply.
pub(super) struct Directions {
    pub(super) there: Verdict,
    /// `None`: nobody would reply, or it would go the same way within one VPC.
    pub(super) back: Option<Verdict>,
}

/// The trace with what the data path alone can tell: what becomes of a packet that no route takes.
pub(super) fn with_outside(trace: Trace, to: Ipv4Addr, verdict: &Verdict) -> Trace {
    let why = match verdict {
        Verdict::Outside => None,
        Verdict::Drop(DropReason::NoInternet) => Some(NotOutside::NoInternet),
        Verdict::Drop(DropReason::NotOutside) => Some(NotOutside::NoSuchAddress),
        Verdict::Drop(DropReason::NoFlow) => Some(NotOutside::BeginsNoFlow),
        _ => return trace,
    };
    trace.outside(to, why)
}

/// Where the two differ, as a sentence without its full stop.
pub(super) fn difference(trace: &Trace, decided: &Directions) -> Option<String> {
    difference_there(trace, &decided.there)
        .or_else(|| difference_back(trace, decided.back.as_ref()?))
}

fn difference_there(trace: &Trace, verdict: &Verdict) -> Option<String> {
    let expected = reasons(trace, Way::There);
    match verdict {
        // Of several reasons the data path tells the one that it meets first.
        Verdict::Drop(reason) if expected.contains(reason) => None,
        Verdict::Drop(reason) if expected.is_empty() => Some(format!(
            "the packet should pass, and the data path drops it: {}",
            reason
        )),
        Verdict::Drop(reason) => Some(format!(
            "the packet should be dropped for another reason than the data path's: {}",
            reason
        )),
        Verdict::Outside if expected.is_empty() && trace.destination.is_none() => None,
        Verdict::Outside => Some("the data path takes the packet outside".to_owned()),
        Verdict::Local(to) | Verdict::Peering(to) => {
            if !expected.is_empty() {
                Some(format!("the data path lets the packet through to {to}"))
            } else {
                goes_elsewhere(trace, to)
            }
        }
    }
}

fn goes_elsewhere(trace: &Trace, to: &NetworkInterfaceId) -> Option<String> {
    let destination = trace.destination.as_ref()?;
    (destination != to).then(|| {
        format!("the packet should go to {destination}, and the data path takes it to {to}")
    })
}

/// A reply needs no rule, so only where it goes is compared, not what rules say about it.
fn difference_back(trace: &Trace, verdict: &Verdict) -> Option<String> {
    let has_way = !trace.obstacles().any(|obstacle| way(obstacle) == Way::Back);
    let finds_way = match verdict {
        Verdict::Local(_) | Verdict::Peering(_) => true,
        Verdict::Outside => false,
        Verdict::Drop(reason) => is_by_rule(*reason),
    };
    match (has_way, finds_way, verdict) {
        (true, false, Verdict::Drop(reason)) => Some(format!(
            "replies should come back, and the data path drops them: {}",
            reason
        )),
        // It may lead to somebody with the same address in a third VPC.
        (false, true, _) if !trace.obstacles().any(leads_elsewhere) => Some(
            "replies should not find the way back, and the data path has one for them".to_owned(),
        ),
        _ => None,
    }
}

fn leads_elsewhere(obstacle: &Obstacle) -> bool {
    matches!(obstacle, Obstacle::LeadsElsewhere { .. })
}

fn is_by_rule(reason: DropReason) -> bool {
    matches!(
        reason,
        DropReason::SecurityGroupEgress | DropReason::SecurityGroupIngress
    )
}

/// Why the data path may drop the packet, by what stands in its way.
fn reasons(trace: &Trace, on: Way) -> BTreeSet<DropReason> {
    let obstacles = trace.obstacles().filter(|obstacle| way(obstacle) == on);
    obstacles
        .map(|obstacle| match obstacle {
            // Whoever has no workload is not in the data path.
            Obstacle::NotAttached { interface }
                if Some(interface) == trace.destination.as_ref() =>
            {
                DropReason::NoSuchDestination
            }
            Obstacle::NotAttached { .. } => DropReason::UnknownInterface,
            Obstacle::NoRule { direction, .. } => match direction {
                RuleDirection::Egress => DropReason::SecurityGroupEgress,
                RuleDirection::Ingress => DropReason::SecurityGroupIngress,
            },
            Obstacle::NoRoute { .. } | Obstacle::BlackHole { .. } => DropReason::NoRoute,
            Obstacle::LeadsElsewhere { .. } | Obstacle::NotAdmitted { .. } => {
                DropReason::NotAdmitted
            }
            Obstacle::NoWayOutside { why, .. } => match why {
                NotOutside::NoInternet => DropReason::NoInternet,
                NotOutside::NoSuchAddress => DropReason::NotOutside,
                NotOutside::BeginsNoFlow => DropReason::NoFlow,
            },
            Obstacle::NoSuchDestination { .. } => DropReason::NoSuchDestination,
        })
        .collect()
}

/// Whose way an obstacle is in.
fn way(obstacle: &Obstacle) -> Way {
    match obstacle {
        Obstacle::NoRoute { way, .. }
        | Obstacle::BlackHole { way, .. }
        | Obstacle::NotAdmitted { way, .. } => *way,
        Obstacle::LeadsElsewhere { .. } => Way::Back,
        Obstacle::NotAttached { .. }
        | Obstacle::NoRule { .. }
        | Obstacle::NoWayOutside { .. }
        | Obstacle::NoSuchDestination { .. } => Way::There,
    }
}
