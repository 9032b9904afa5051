//! Peering authorizations and connections.

pub(crate) mod v1 {
    use ipnet::Ipv4Net;
    use tombolo_domain::id::{AccountId, FleetId, Region, VpcId, VpcPeeringConnectionId};
    use tombolo_domain::{Timestamp, peering};

    use crate::reference;

    record! {
        struct Authorization of peering::Authorization {
            region: Region,
            fleet_account: AccountId,
            peer_account: AccountId,
            peer_vpc: VpcId,
            created: Timestamp,
            expires: Timestamp,
            cancelled: Option<Timestamp>,
        }

        struct Connection of peering::Connection {
            id: VpcPeeringConnectionId,
            region: Region,
            fleet: Option<FleetId>,
            requester: End,
            accepter: End,
            #[serde(default)]
            expires: Option<Timestamp>,
            state: State,
            history: Vec<Transition>,
        }

        struct End of peering::End {
            account: AccountId,
            vpc: VpcId,
            #[serde(default)]
            cidr: Option<Ipv4Net>,
            #[serde(default)]
            secondary_cidrs: Vec<Ipv4Net>,
            #[serde(default)]
            options: PeeringOptions,
        }

        #[derive(Default)]
        struct PeeringOptions of peering::PeeringOptions {
            dns_resolution_from_remote: bool,
        }

        struct Transition of peering::Transition {
            #[serde(flatten)]
            state: State,
            at: Timestamp,
        }

        #[serde(rename_all = "kebab-case", tag = "code")]
        enum State of peering::State {
            InitiatingRequest,
            PendingAcceptance,
            Provisioning,
            Active,
            Rejected { by: AccountId },
            Expired,
            Failed { reason: FailureReason },
            Deleting { by: AccountId },
            Deleted { by: AccountId },
        }

        #[serde(rename_all = "kebab-case", tag = "kind")]
        enum FailureReason of peering::FailureReason {
            OverlappingCidr { fleet: Ipv4Net, other: Ipv4Net },
            OverlappingVpcs { requester: Ipv4Net, accepter: Ipv4Net },
            NoSuchVpc,
            TakenInPeer { fleet: Ipv4Net, other: Option<Ipv4Net> },
            TakenInFleet { peer: Ipv4Net, other: Ipv4Net },
            VpcDeleted,
            FleetEnded,
            ConsentWithdrawn,
            NoRoom { table: String, capacity: u64 },
        }

        struct ConnectionRef of reference::ConnectionRef {
            #[serde(alias = "fleet_account")]
            account: AccountId,
            #[serde(rename = "asker", alias = "fleet")]
            requester: Requester,
        }

        #[serde(untagged)]
        enum Requester of peering::Requester {
            Fleet(fleet: FleetId),
            Vpc(vpc: VpcId),
        }
    }
}
