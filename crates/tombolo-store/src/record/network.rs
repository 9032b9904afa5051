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

    #[derive(serde::Deserialize)]
    pub(crate) struct NetworkInterface {
        pub(crate) scope: Scope,
        pub(crate) id: NetworkInterfaceId,
        pub(crate) vpc: VpcId,
        pub(crate) subnet: SubnetId,
        pub(crate) address: Ipv4Addr,
        pub(crate) mac: [u8; 6],
        pub(crate) description: String,
        #[serde(default)]
        pub(crate) mtu: Option<u16>,
        pub(crate) groups: Vec<SecurityGroupId>,
        pub(crate) attachment: Option<Attachment>,
        pub(crate) client_token: Option<String>,
        pub(crate) created: Timestamp,
    }

    /// Processes had no host and no boot.
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Attachment {
        Instance {
            fleet: FleetId,
            instance: InstanceId,
        },
        Program {
            pid: i32,
            start_time: u64,
        },
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

pub(crate) mod v2 {
    use std::net::Ipv4Addr;

    use tombolo_domain::id::{
        FleetId, InstanceId, NetworkInterfaceId, SecurityGroupId, SubnetId, VpcId,
    };
    use tombolo_domain::{Timestamp, vpc};

    use super::v1;
    use crate::record::Record;
    use crate::record::host::v1::HostBoot;
    use crate::record::scope::v1::Scope;

    record! {
        struct NetworkInterface of vpc::NetworkInterface {
            scope: Scope,
            id: NetworkInterfaceId,
            vpc: VpcId,
            subnet: SubnetId,
            address: Ipv4Addr,
            mac: [u8; 6],
            description: String,
            mtu: Option<u16>,
            groups: Vec<SecurityGroupId>,
            attachment: Option<Attachment>,
            client_token: Option<String>,
            created: Timestamp,
        }

        #[serde(rename_all = "snake_case")]
        enum Attachment of vpc::Attachment {
            Instance { fleet: FleetId, instance: InstanceId },
            Program { pid: i32, start_time: u64, boot: Option<HostBoot> },
        }
    }

    impl Record for NetworkInterface {
        type Previous = v1::NetworkInterface;

        fn migrate(previous: v1::NetworkInterface) -> Self {
            let attachment = previous.attachment.map(|attachment| match attachment {
                v1::Attachment::Instance { fleet, instance } => {
                    Attachment::Instance { fleet, instance }
                }
                v1::Attachment::Program { pid, start_time } => Attachment::Program {
                    pid,
                    start_time,
                    boot: None,
                },
            });
            NetworkInterface {
                scope: previous.scope,
                id: previous.id,
                vpc: previous.vpc,
                subnet: previous.subnet,
                address: previous.address,
                mac: previous.mac,
                description: previous.description,
                mtu: previous.mtu,
                groups: previous.groups,
                attachment,
                client_token: previous.client_token,
                created: previous.created,
            }
        }
    }
}
