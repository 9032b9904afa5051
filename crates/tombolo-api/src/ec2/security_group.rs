//! DescribeSecurityGroups.

use serde::{Deserialize, Serialize};
use tombolo_domain::Scope;
use tombolo_domain::id::{AccountId, SecurityGroupId, VpcId, VpcPeeringConnectionId};
use tombolo_domain::vpc::{Peer, PortRange, Protocol, RuleDirection, SecurityGroup};
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use super::filter::{Field, Filtered};
use super::own;
use super::refuse::unsupported;
use super::select::{Selection, Shown};
use super::tag::{Tag, TagsOf};
use crate::error::ApiError;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    group_ids: Vec<String>,
    #[serde(default)]
    group_names: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    security_groups: Vec<GroupView>,
    next_token: Option<String>,
}

/// The security groups of the caller's VPCs.
pub(crate) async fn describe_security_groups(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described, ApiError> {
    if !input.group_names.is_empty() {
        return Err(unsupported(
            "GroupNames names security groups of a default VPC, and Tombolo makes none. Use \
             GroupIds, or the filters group-name and vpc-id.",
        ));
    }
    let vpcs = own::vpc_ids(tx, call).await?;
    let mut tags = TagsOf::read(tx, call).await?;
    let mut groups = tx.peek(&keys::security_groups(&call.scope())).await?;
    groups.retain(|group| vpcs.contains(&group.vpc));
    let all = groups.into_iter().map(|group| {
        let tags = tags.take(&group.id);
        GroupView::new(group, tags)
    });
    let ids = ("groupIds", &input.group_ids[..]);
    let page = input
        .selection
        .named(call, "DescribeSecurityGroups", ids, all.collect())?;
    Ok(Described {
        security_groups: page.items,
        next_token: page.next_token,
    })
}

/// EC2's SecurityGroup.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupView {
    group_id: SecurityGroupId,
    group_name: String,
    description: String,
    vpc_id: VpcId,
    owner_id: AccountId,
    security_group_arn: String,
    ip_permissions: Vec<IpPermission>,
    ip_permissions_egress: Vec<IpPermission>,
    tags: Vec<Tag>,
}

/// EC2's IpPermission: all rules of one protocol, and so of one range of ports.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct IpPermission {
    ip_protocol: String,
    from_port: Option<i32>,
    to_port: Option<i32>,
    ip_ranges: Vec<IpRange>,
    user_id_group_pairs: Vec<UserIdGroupPair>,
    ipv6_ranges: [(); 0],
    prefix_list_ids: [(); 0],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct IpRange {
    cidr_ip: String,
    description: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct UserIdGroupPair {
    user_id: AccountId,
    group_id: SecurityGroupId,
    vpc_id: Option<VpcId>,
    vpc_peering_connection_id: Option<VpcPeeringConnectionId>,
    peering_status: Option<&'static str>,
    description: Option<String>,
}

impl GroupView {
    fn new(group: SecurityGroup, tags: Vec<Tag>) -> Self {
        let Scope { account, region } = &group.scope;
        GroupView {
            ip_permissions: permissions(&group, RuleDirection::Ingress),
            ip_permissions_egress: permissions(&group, RuleDirection::Egress),
            security_group_arn: format!(
                "arn:aws:ec2:{region}:{account}:security-group/{}",
                group.id
            ),
            owner_id: *account,
            tags,
            group_id: group.id,
            group_name: group.name,
            description: group.description,
            vpc_id: group.vpc,
        }
    }
}

/// The rules of one direction, those of a protocol together.
fn permissions(group: &SecurityGroup, direction: RuleDirection) -> Vec<IpPermission> {
    let mut permissions: Vec<IpPermission> = Vec::new();
    for rule in group
        .rules
        .iter()
        .filter(|rule| rule.direction == direction)
    {
        let (ip_protocol, ports) = protocol_and_ports(rule.protocol);
        let (from_port, to_port) = ports.unzip();
        let found = permissions.iter().position(|permission| {
            permission.ip_protocol == ip_protocol
                && permission.from_port == from_port
                && permission.to_port == to_port
        });
        let at = found.unwrap_or_else(|| {
            permissions.push(IpPermission {
                ip_protocol,
                from_port,
                to_port,
                ip_ranges: Vec::new(),
                user_id_group_pairs: Vec::new(),
                ipv6_ranges: [],
                prefix_list_ids: [],
            });
            permissions.len() - 1
        });
        let description = rule.description.clone().or_else(|| {
            let connection = rule.made_by.as_ref()?;
            Some(format!(
                "Added for VPC peering connection {connection} and removed with it."
            ))
        });
        match &rule.peer {
            Peer::Cidr(cidr) => permissions[at].ip_ranges.push(IpRange {
                cidr_ip: cidr.to_string(),
                description,
            }),
            Peer::Group(id) => permissions[at].user_id_group_pairs.push(UserIdGroupPair {
                user_id: group.scope.account,
                group_id: id.clone(),
                vpc_id: None,
                vpc_peering_connection_id: None,
                peering_status: None,
                description,
            }),
            Peer::PeeredGroup(peer) => permissions[at].user_id_group_pairs.push(UserIdGroupPair {
                user_id: peer.account,
                group_id: peer.group.clone(),
                vpc_id: Some(peer.vpc.clone()),
                vpc_peering_connection_id: Some(peer.connection.clone()),
                peering_status: None,
                description,
            }),
        }
    }
    permissions
}

/// IpProtocol, and FromPort with ToPort: for ICMP the type and the code, -1 for every one.
fn protocol_and_ports(protocol: Protocol) -> (String, Option<(i32, i32)>) {
    let ports = |range: PortRange| Some((range.from.into(), range.to.into()));
    match protocol {
        Protocol::All => ("-1".to_owned(), None),
        Protocol::Tcp(range) => ("tcp".to_owned(), ports(range)),
        Protocol::Udp(range) => ("udp".to_owned(), ports(range)),
        Protocol::Icmp(messages) => {
            let number = |part: Option<u8>| part.map_or(-1, i32::from);
            let kind_and_code = (number(messages.kind), number(messages.code));
            ("icmp".to_owned(), Some(kind_and_code))
        }
        Protocol::Number(number) => (number.to_string(), None),
    }
}

fn protocols(permissions: &[IpPermission]) -> Vec<String> {
    let permissions = permissions.iter();
    permissions.map(|one| one.ip_protocol.clone()).collect()
}

fn cidrs(permissions: &[IpPermission]) -> Vec<String> {
    let ranges = permissions.iter().flat_map(|one| &one.ip_ranges);
    ranges.map(|range| range.cidr_ip.clone()).collect()
}

fn group_ids(permissions: &[IpPermission]) -> Vec<String> {
    let pairs = permissions.iter().flat_map(|one| &one.user_id_group_pairs);
    pairs.map(|pair| pair.group_id.to_string()).collect()
}

fn user_ids(permissions: &[IpPermission]) -> Vec<String> {
    let pairs = permissions.iter().flat_map(|one| &one.user_id_group_pairs);
    pairs.map(|pair| pair.user_id.to_string()).collect()
}

impl Filtered for GroupView {
    const FIELDS: &'static [Field<Self>] = &[
        ("description", |group| vec![group.description.clone()]),
        ("egress.ip-permission.cidr", |group| {
            cidrs(&group.ip_permissions_egress)
        }),
        ("egress.ip-permission.group-id", |group| {
            group_ids(&group.ip_permissions_egress)
        }),
        ("egress.ip-permission.protocol", |group| {
            protocols(&group.ip_permissions_egress)
        }),
        ("egress.ip-permission.user-id", |group| {
            user_ids(&group.ip_permissions_egress)
        }),
        ("group-id", |group| vec![group.group_id.to_string()]),
        ("group-name", |group| vec![group.group_name.clone()]),
        ("ip-permission.cidr", |group| cidrs(&group.ip_permissions)),
        ("ip-permission.group-id", |group| {
            group_ids(&group.ip_permissions)
        }),
        ("ip-permission.protocol", |group| {
            protocols(&group.ip_permissions)
        }),
        ("ip-permission.user-id", |group| {
            user_ids(&group.ip_permissions)
        }),
        ("owner-id", |group| vec![group.owner_id.to_string()]),
        ("vpc-id", |group| vec![group.vpc_id.to_string()]),
    ];

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

impl Shown for GroupView {
    type Id = SecurityGroupId;

    fn id(&self) -> &SecurityGroupId {
        &self.group_id
    }
}
