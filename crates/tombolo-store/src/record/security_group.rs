//! Security groups.

pub(crate) mod v1 {
    use ipnet::Ipv4Net;
    use tombolo_domain::id::{
        AccountId, SecurityGroupId, SecurityGroupRuleId, VpcId, VpcPeeringConnectionId,
    };
    use tombolo_domain::vpc;

    use crate::record::scope::v1::Scope;

    record! {
        struct SecurityGroup of vpc::SecurityGroup {
            scope: Scope,
            id: SecurityGroupId,
            vpc: VpcId,
            #[serde(default)]
            number: Option<u32>,
            name: String,
            description: String,
            rules: Vec<SecurityGroupRule>,
        }

        struct SecurityGroupRule of vpc::SecurityGroupRule {
            id: SecurityGroupRuleId,
            direction: RuleDirection,
            protocol: Protocol,
            peer: Peer,
            #[serde(default)]
            description: Option<String>,
            made_by: Option<VpcPeeringConnectionId>,
        }

        #[serde(rename_all = "snake_case")]
        enum RuleDirection of vpc::RuleDirection {
            Ingress,
            Egress,
        }

        #[serde(rename_all = "snake_case")]
        enum Protocol of vpc::Protocol {
            All,
            Tcp(ports: PortRange),
            Udp(ports: PortRange),
            Icmp(messages: IcmpMessages),
            Number(number: u8),
        }

        struct PortRange of vpc::PortRange {
            from: u16,
            to: u16,
        }

        struct IcmpMessages of vpc::IcmpMessages {
            kind: Option<u8>,
            code: Option<u8>,
        }

        #[serde(rename_all = "snake_case")]
        enum Peer of vpc::Peer {
            Cidr(block: Ipv4Net),
            Group(group: SecurityGroupId),
            PeeredGroup(group: PeeredGroup),
        }

        struct PeeredGroup of vpc::PeeredGroup {
            account: AccountId,
            vpc: VpcId,
            group: SecurityGroupId,
            connection: VpcPeeringConnectionId,
        }
    }
}
