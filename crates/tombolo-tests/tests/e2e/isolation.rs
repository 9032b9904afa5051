//! Who reaches whom, by every kind of packet: over real packets, with the reason that the data
//! path gives and the counters that it moves.

mod attempt;
mod verdict;
mod world;

use attempt::Attempt;
use verdict::Verdict;
use world::{Between, World};

/// What becomes of an attempt in each of [`Between::ALL`], in both directions alike.
type Row = (Attempt, [Verdict; 6]);

#[rustfmt::skip]
const TABLE: [Row; 16] = {
    use Attempt::*;
    use Verdict::*;
    [
        // between:          the same VPC   peered VPCs    two peers of   parted peers   two VPCs of    strangers of
        //                                                 a third VPC                   one block      two accounts
        (Tcp,               [Local,         Peering,       Nobody,        NoRoute,       Nobody,        NoRoute]),
        (Udp,               [Local,         Peering,       Nobody,        NoRoute,       Nobody,        NoRoute]),
        (IcmpEcho,          [Local,         Peering,       Nobody,        NoRoute,       Nobody,        NoRoute]),
        (SpoofedAddress,    [SpoofedSource, SpoofedSource, SpoofedSource, SpoofedSource, SpoofedSource, SpoofedSource]),
        (SpoofedMac,        [SpoofedFrame,  SpoofedFrame,  SpoofedFrame,  SpoofedFrame,  SpoofedFrame,  SpoofedFrame]),
        (ArpForTheOther,    [ByRouter,      Silence,       Silence,       Silence,       ByRouter,      Silence]),
        (ArpAsTheOther,     [SpoofedSource, SpoofedSource, SpoofedSource, SpoofedSource, SpoofedSource, SpoofedSource]),
        (GratuitousArp,     [SpoofedSource, SpoofedSource, SpoofedSource, SpoofedSource, SpoofedSource, SpoofedSource]),
        (UnaskedArpReply,   [Silence,       Silence,       Silence,       Silence,       Silence,       Silence]),
        (Ipv6Neighbour,     [EtherType,     EtherType,     EtherType,     EtherType,     EtherType,     EtherType]),
        (Ipv6Udp,           [EtherType,     EtherType,     EtherType,     EtherType,     EtherType,     EtherType]),
        (AllFragments,      [Local,         Peering,       Nobody,        NoRoute,       Nobody,        NoRoute]),
        (LastFragmentAlone, [Fragment,      Fragment,      Nobody,        NoRoute,       Nobody,        NoRoute]),
        (VlanTag,           [EtherType,     EtherType,     EtherType,     EtherType,     EtherType,     EtherType]),
        (OtherProtocol,     [EtherType,     EtherType,     EtherType,     EtherType,     EtherType,     EtherType]),
        (Broadcast,         [NoRoute,       NoRoute,       NoRoute,       NoRoute,       NoRoute,       NoRoute]),
    ]
};

/// Also with the network that a killed server finds when it comes back.
#[test]
fn who_reaches_whom_between_vpcs() {
    let mut world = World::of_vpcs();
    holds_in(&world);
    world.crash();
    holds_in(&world);
}

/// The same table, where the VPC in the middle is a fleet's own and GameLift has peered it.
#[test]
fn who_reaches_whom_around_a_fleet() {
    holds_in(&World::around_a_fleet());
}

/// Tries every cell in both directions, and tells all that are otherwise at once.
fn holds_in(world: &World) {
    let mut wrong = Vec::new();
    for (attempt, verdicts) in TABLE {
        for (between, expected) in Between::ALL.into_iter().zip(verdicts) {
            let (one, other) = world.workloads(between);
            for (from, to) in [(one, other), (other, one)] {
                if let Err(found) = verdict::holds(world, attempt, from, to, expected) {
                    let (from, to) = (from.address, to.address);
                    wrong.push(format!(
                        "{attempt:?} in {between:?}, {from} to {to}, is not {expected:?}: {found}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
