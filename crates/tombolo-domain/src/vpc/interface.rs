//! Network interfaces.

use std::fmt;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use crate::Scope;
use crate::host::HostBoot;
use crate::id::{FleetId, InstanceId, NetworkInterfaceId, SecurityGroupId, SubnetId, VpcId};

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// The address of an interface of a VPC: locally administered, and derived from the IPv4
    /// address, which is unique in the VPC, as far as Ethernet addresses reach.
    pub fn for_address(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        MacAddress([0x06, 0x54, a, b, c, d])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A network interface in a subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInterface {
    /// The owner.
    pub scope: Scope,
    /// The id.
    pub id: NetworkInterfaceId,
    /// The VPC.
    pub vpc: VpcId,
    /// The subnet.
    pub subnet: SubnetId,
    /// The address, fixed for life.
    pub address: Ipv4Addr,
    /// The Ethernet address.
    pub mac: MacAddress,
    /// What a person wrote about it.
    pub description: String,
    /// The largest packet that it takes, in bytes of IPv4, when somebody asked for another than
    /// the server's.
    pub mtu: Option<u16>,
    /// The security groups, at least one.
    pub groups: Vec<SecurityGroupId>,
    /// The workload that has it, if one does. Only an attached interface exists in the data path.
    pub attachment: Option<Attachment>,
    /// What the request that made it called itself: the same request again makes no second one.
    pub client_token: Option<String>,
    /// When it was made.
    pub created: Timestamp,
}

/// The workload that a network interface belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// An instance of a fleet.
    Instance {
        /// The fleet.
        fleet: FleetId,
        /// The instance.
        instance: InstanceId,
    },
    /// A program that somebody started with `tombolo run`. The interface goes when it ends.
    Program {
        /// The process.
        pid: i32,
        /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`, proc(5)), by
        /// which a later process with the same pid is told apart.
        start_time: u64,
        /// The boot of the host that it runs on; none if the record was made before hosts had ids, by
        /// the host whose data directory it is in.
        boot: Option<HostBoot>,
    },
}
