//! VPCs, and what is in them but for security groups.

pub(crate) mod v1 {
    use std::net::Ipv4Addr;

    use ipnet::Ipv4Net;
    use tombolo_domain::id::{
        FleetId, InstanceId, NetworkInterfaceId, RouteTableAssociationId, RouteTableId,
        SecurityGroupId, SubnetId, VpcCidrAssociationId, VpcId, VpcPeeringConnectionId,
    };
    use tombolo_domain::{Timestamp, vpc};

    use crate::record::scope::v1::Scope;

    record! {
        struct Vpc of vpc::Vpc {
            scope: Scope,
            id: VpcId,
            number: u32,
            cidr: Ipv4Net,
            #[serde(default)]
            secondary_cidrs: Vec<CidrAssociation>,
            #[serde(default)]
            attributes: VpcAttributes,
            fleet: Option<FleetId>,
            created: Timestamp,
        }

        struct CidrAssociation of vpc::CidrAssociation {
            id: VpcCidrAssociationId,
            cidr: Ipv4Net,
        }

        struct VpcAttributes of vpc::VpcAttributes {
            dns_support: bool,
            dns_hostnames: bool,
            network_address_usage_metrics: bool,
        }

        struct Subnet of vpc::Subnet {
            scope: Scope,
            id: SubnetId,
            vpc: VpcId,
            cidr: Ipv4Net,
            availability_zone: String,
        }

        struct NetworkInterface of vpc::NetworkInterface {
            scope: Scope,
            id: NetworkInterfaceId,
            vpc: VpcId,
            subnet: SubnetId,
            address: Ipv4Addr,
            mac: [u8; 6],
            description: String,
            #[serde(default)]
            mtu: Option<u16>,
            groups: Vec<SecurityGroupId>,
            attachment: Option<Attachment>,
            client_token: Option<String>,
            created: Timestamp,
        }

        #[serde(rename_all = "snake_case")]
        enum Attachment of vpc::Attachment {
            Instance { fleet: FleetId, instance: InstanceId },
            Program { pid: i32, start_time: u64 },
        }

        struct RouteTable of vpc::RouteTable {
            scope: Scope,
            id: RouteTableId,
            vpc: VpcId,
            #[serde(default)]
            number: Option<u32>,
            main: Option<RouteTableAssociationId>,
            #[serde(default)]
            associations: Vec<RouteTableAssociation>,
            routes: Vec<Route>,
            #[serde(default)]
            client_token: Option<String>,
        }

        struct RouteTableAssociation of vpc::RouteTableAssociation {
            id: RouteTableAssociationId,
            subnet: SubnetId,
        }

        struct Route of vpc::Route {
            destination: Ipv4Net,
            target: RouteTarget,
            made_by: Option<VpcPeeringConnectionId>,
        }

        #[serde(rename_all = "snake_case")]
        enum RouteTarget of vpc::RouteTarget {
            Local,
            Peering(connection: VpcPeeringConnectionId),
        }
    }

    impl Default for VpcAttributes {
        /// Those of VPCs that were made before they had any.
        fn default() -> Self {
            VpcAttributes {
                dns_support: true,
                dns_hostnames: false,
                network_address_usage_metrics: false,
            }
        }
    }
}
