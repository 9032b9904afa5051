//! Why a peering connection failed.

use std::fmt;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// Why a connection failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum FailureReason {
    /// The fleet and the peer VPC share addresses.
    OverlappingCidr {
        /// The fleet's block.
        fleet: Ipv4Net,
        /// The peer VPC's block.
        other: Ipv4Net,
    },
    /// Two customer VPCs share addresses.
    OverlappingVpcs {
        /// A block of the VPC that asked.
        requester: Ipv4Net,
        /// A block of the other VPC.
        accepter: Ipv4Net,
    },
    /// The accepter's account has no such VPC. The requester gets the same message as for
    /// [`FailureReason::OverlappingVpcs`].
    NoSuchVpc,
    /// The peer VPC reaches the fleet's addresses through another connection already.
    TakenInPeer {
        /// The fleet's block.
        fleet: Ipv4Net,
        /// The block that is taken; `None` if it is another account's, which the fleet's owner must
        /// not learn.
        other: Option<Ipv4Net>,
    },
    /// The fleet reaches the peer VPC's addresses through another connection already.
    TakenInFleet {
        /// The peer VPC's block.
        peer: Ipv4Net,
        /// The block that is taken.
        other: Ipv4Net,
    },
    /// The VPC went away before the connection was made.
    VpcDeleted,
    /// The fleet ended before the connection was made.
    FleetEnded,
    /// The consent was taken back before the connection was made.
    ConsentWithdrawn,
    /// The data path has no room for what the connection needs.
    NoRoom {
        /// The data path's table that is full.
        table: String,
        /// How many entries that one has room for.
        capacity: u64,
    },
}

impl FailureReason {
    /// Whether EC2 has one message for this and all others of its kind.
    pub(super) fn is_of_the_request(&self) -> bool {
        matches!(
            self,
            FailureReason::OverlappingCidr { .. }
                | FailureReason::OverlappingVpcs { .. }
                | FailureReason::NoSuchVpc
                | FailureReason::TakenInPeer { .. }
                | FailureReason::TakenInFleet { .. }
        )
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureReason::OverlappingCidr { fleet, other } => write!(
                f,
                "overlapping CIDR range: the fleet's VPC has {fleet}, the peer VPC has {other}; \
                 use a VPC with another CIDR block, or another fleet"
            ),
            FailureReason::OverlappingVpcs {
                requester,
                accepter,
            } => write!(
                f,
                "overlapping CIDR range: the requester's VPC has {requester}, the accepter's VPC \
                 has {accepter}; peer VPCs that share no addresses"
            ),
            FailureReason::NoSuchVpc => {
                f.write_str("the account that was asked has no such VPC in this Region")
            }
            FailureReason::TakenInPeer { fleet, other } => {
                write!(
                    f,
                    "overlapping CIDR range: the fleet's VPC has {fleet}, and the peer VPC is \
                     connected to "
                )?;
                match other {
                    Some(other) => write!(f, "{other} already; ")?,
                    None => {
                        f.write_str("another network with some of these addresses already; ")?
                    }
                }
                f.write_str("delete that connection, or use another fleet")
            }
            FailureReason::TakenInFleet { peer, other } => write!(
                f,
                "overlapping CIDR range: the peer VPC has {peer}, and the fleet is connected to \
                 {other} already; delete that connection, or use a VPC with another CIDR block"
            ),
            FailureReason::VpcDeleted => f.write_str("the peer VPC was deleted"),
            FailureReason::FleetEnded => f.write_str("the fleet did not become active"),
            FailureReason::ConsentWithdrawn => {
                f.write_str("the peering authorization was cancelled or expired meanwhile")
            }
            FailureReason::NoRoom { table, capacity } => write!(
                f,
                "the data path has no room for it: its table {table} holds {capacity} entries; \
                 delete connections, routes or rules that are no longer needed, and ask again"
            ),
        }
    }
}
