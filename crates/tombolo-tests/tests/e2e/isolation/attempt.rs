//! The ways in which one workload tries to get something to another.

use std::net::Ipv4Addr;

use tombolo_testkit::frame::{self, Arp, BROADCAST, Ends, Link, Mac};
use tombolo_tests::workload::Workload;

/// The router's Ethernet address, which a workload's own network stack learns by ARP.
pub(crate) const ROUTER: Mac = [0x02, 0x54, 0x4d, 0x42, 0x00, 0x01];

/// An Ethernet address that no interface has.
const NOBODYS: Mac = [0x02, 0, 0, 0, 0, 0x99];

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// A segment that begins a connection.
    Tcp,
    /// A datagram.
    Udp,
    /// A ping.
    IcmpEcho,
    /// A datagram in the name of the other's neighbour, whom the other's network trusts.
    SpoofedAddress,
    /// A datagram in a frame of another interface's.
    SpoofedMac,
    /// "Who has the other's address?"
    ArpForTheOther,
    /// "The other's address is at mine", as an answer that nobody asked for.
    ArpAsTheOther,
    /// The same as a gratuitous request, to everybody (RFC 5227, 3).
    GratuitousArp,
    /// "My address is at mine", truly, as an answer that nobody asked for.
    UnaskedArpReply,
    /// Looking for the other as an IPv6 neighbour.
    Ipv6Neighbour,
    /// A datagram to the other's IPv6 address, the link-local one.
    Ipv6Udp,
    /// A datagram in two fragments.
    AllFragments,
    /// The second fragment of a datagram whose first was never sent.
    LastFragmentAlone,
    /// A datagram in a frame with an 802.1Q tag.
    VlanTag,
    /// A frame straight to the other's Ethernet address, neither IP nor ARP.
    OtherProtocol,
    /// A datagram to everybody.
    Broadcast,
}

impl Attempt {
    /// The frames that `from` sends, in order. Whatever can carry the mark does, so that a
    /// receiver knows them; `number` tells one attempt's fragments from another's.
    pub(crate) fn frames(
        self,
        from: &Workload,
        to: &Workload,
        mark: &[u8],
        number: u16,
    ) -> Vec<Vec<u8>> {
        let (mine, theirs) = (from.wire.mac(), to.wire.mac());
        let link = Link {
            source: mine,
            destination: ROUTER,
        };
        let straight = Link {
            destination: theirs,
            ..link
        };
        let everybody = Link {
            destination: BROADCAST,
            ..link
        };
        let ends = Ends {
            source: from.address,
            destination: to.address,
        };
        let arp = |is_reply, address, target| Arp {
            is_reply,
            sender: (mine, address),
            target,
        };
        let asked = ([0; 6], to.address);
        match self {
            Attempt::Tcp => vec![frame::tcp_syn(link, ends, mark)],
            Attempt::Udp => vec![frame::udp(link, ends, mark)],
            Attempt::IcmpEcho => vec![frame::echo_request(link, ends, mark)],
            Attempt::SpoofedAddress => {
                let source = neighbour(to.address);
                vec![frame::udp(link, Ends { source, ..ends }, mark)]
            }
            Attempt::SpoofedMac => {
                let source = NOBODYS;
                vec![frame::udp(Link { source, ..link }, ends, mark)]
            }
            Attempt::ArpForTheOther => vec![arp(false, from.address, asked).frame(everybody)],
            Attempt::ArpAsTheOther => {
                vec![arp(true, to.address, (theirs, to.address)).frame(straight)]
            }
            Attempt::GratuitousArp => vec![arp(false, to.address, asked).frame(everybody)],
            Attempt::UnaskedArpReply => {
                vec![arp(true, from.address, (theirs, to.address)).frame(straight)]
            }
            Attempt::Ipv6Neighbour => {
                vec![frame::neighbour_solicitation(
                    mine,
                    frame::link_local(theirs),
                )]
            }
            Attempt::Ipv6Udp => {
                vec![frame::udp_over_ipv6(
                    straight,
                    frame::link_local(theirs),
                    mark,
                )]
            }
            Attempt::AllFragments => frame::udp_in_fragments(link, ends, number, mark).into(),
            Attempt::LastFragmentAlone => {
                let [_, last] = frame::udp_in_fragments(link, ends, number, mark);
                vec![last]
            }
            Attempt::VlanTag => vec![frame::with_vlan_tag(frame::udp(link, ends, mark))],
            Attempt::OtherProtocol => vec![frame::other_ether_type(straight, mark)],
            Attempt::Broadcast => {
                let destination = Ipv4Addr::BROADCAST;
                vec![frame::udp(
                    everybody,
                    Ends {
                        destination,
                        ..ends
                    },
                    mark,
                )]
            }
        }
    }
}

/// The next address.
fn neighbour(address: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() + 1)
}
