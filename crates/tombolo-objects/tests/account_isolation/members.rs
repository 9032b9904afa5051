//! What the texts of all inputs are: ids, names and ARNs of resources, or values of their own.

use tombolo_api::model::{Kind as Shape, Service, ShapeId};

use crate::world::Kind;

/// What a member's text is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Member {
    /// It names a resource.
    Names(Kind),
    /// It names a resource of any of EC2's kinds that have tags.
    NamesTagged,
    /// It is compared with ids by a filter.
    Filters,
    /// It names nothing that an account has.
    Value,
}

use Member::{Filters, Names, NamesTagged, Value};

/// By the end of a member's path, which begins with its operation; the longest that fits counts.
const MEMBERS: &[(&str, Member)] = &[
    // Accounts.
    ("GameLiftAwsAccountId", Names(Kind::Account)),
    ("PeerOwnerId", Names(Kind::Account)),
    ("PeerVpcAwsAccountId", Names(Kind::Account)),
    ("SourceSecurityGroupOwnerId", Names(Kind::Account)),
    ("UserId", Names(Kind::Account)),
    // Resources.
    ("AssociatedSubnetIds", Names(Kind::Subnet)),
    ("AttachmentId", Names(Kind::Attachment)),
    ("AssociationId", Names(Kind::Association)),
    ("BuildId", Names(Kind::Build)),
    ("ClientToken", Names(Kind::ClientToken)),
    ("DeleteScalingPolicy.Name", Names(Kind::Policy)),
    ("FleetId", Names(Kind::Fleet)),
    ("FleetIds", Names(Kind::Fleet)),
    ("GroupId", Names(Kind::SecurityGroup)),
    ("GroupIds", Names(Kind::SecurityGroup)),
    ("GroupName", Names(Kind::GroupName)),
    ("GroupNames", Names(Kind::GroupName)),
    ("Groups", Names(Kind::SecurityGroup)),
    ("InstanceId", Names(Kind::Instance)),
    ("NetworkAclIds", Names(Kind::NetworkAcl)),
    ("NetworkInterfaceId", Names(Kind::Interface)),
    ("NetworkInterfaceIds", Names(Kind::Interface)),
    ("NextToken", Names(Kind::Page)),
    ("PeerVpcId", Names(Kind::Vpc)),
    ("PutScalingPolicy.Name", Names(Kind::Policy)),
    ("ReferencedGroupId", Names(Kind::SecurityGroup)),
    ("ResourceARN", Names(Kind::Arn)),
    ("Resources", NamesTagged),
    ("RouteTableId", Names(Kind::RouteTable)),
    ("RouteTableIds", Names(Kind::RouteTable)),
    ("SecurityGroupRuleId", Names(Kind::Rule)),
    ("SecurityGroupRuleIds", Names(Kind::Rule)),
    ("SourceSecurityGroupName", Names(Kind::GroupName)),
    ("StorageLocation.Bucket", Names(Kind::Bucket)),
    ("StorageLocation.Key", Names(Kind::Object)),
    ("SubnetId", Names(Kind::Subnet)),
    ("SubnetIds", Names(Kind::Subnet)),
    ("VpcId", Names(Kind::Vpc)),
    ("VpcIds", Names(Kind::Vpc)),
    ("VpcPeeringConnectionId", Names(Kind::Peering)),
    ("VpcPeeringConnectionIds", Names(Kind::Peering)),
    ("Filters.Values", Filters),
    // What Tombolo has none of, so that nobody owns one.
    ("CarrierGatewayId", Value),
    ("CoreNetworkArn", Value),
    ("CustomerOwnedIpv4Pool", Value),
    ("DestinationPrefixListId", Value),
    ("EgressOnlyInternetGatewayId", Value),
    ("GatewayId", Value),
    ("InstanceRoleArn", Value),
    ("Ipv4IpamPoolId", Value),
    ("Ipv6IpamPoolId", Value),
    ("Ipv6Pool", Value),
    ("LocalGatewayId", Value),
    ("NatGatewayId", Value),
    ("ObjectVersion", Value),
    ("OdbNetworkArn", Value),
    ("OutpostArn", Value),
    ("PrefixListId", Value),
    ("PublicIpv4Pool", Value),
    ("RoleArn", Value),
    ("ScriptId", Value),
    ("TransitGatewayId", Value),
    ("VpcEndpointId", Value),
    // Places, which are the server's.
    ("AvailabilityZone", Value),
    ("AvailabilityZoneId", Value),
    ("Ipv6CidrBlockNetworkBorderGroup", Value),
    ("Location", Value),
    ("Locations", Value),
    ("PeerRegion", Value),
    ("RegionNames", Value),
    ("ZoneIds", Value),
    ("ZoneNames", Value),
    // Addresses, which are not unique among accounts.
    ("CidrBlock", Value),
    ("CidrIp", Value),
    ("CidrIpv4", Value),
    ("CidrIpv6", Value),
    ("DestinationCidrBlock", Value),
    ("DestinationIpv6CidrBlock", Value),
    ("IpRange", Value),
    ("Ipv4Prefix", Value),
    ("Ipv6Address", Value),
    ("Ipv6CidrBlock", Value),
    ("Ipv6Prefix", Value),
    ("PrivateIpAddress", Value),
    // What is kept with what the request makes or changes.
    ("Cost", Value),
    ("Description", Value),
    ("Description.Value", Value),
    ("Filters.Name", Value),
    ("IpProtocol", Value),
    ("Key", Value),
    ("LaunchPath", Value),
    ("LogPaths", Value),
    ("MetricGroups", Value),
    ("Name", Value),
    ("Parameters", Value),
    ("PeeringStatus", Value),
    ("Principal", Value),
    ("ServerLaunchParameters", Value),
    ("ServerLaunchPath", Value),
    ("ServerSdkVersion", Value),
    ("TagKeys", Value),
    ("Tags.Value", Value),
    ("Version", Value),
];

/// What the text at the end of a path is. `None`: nobody has said so.
pub(crate) fn member(operation: &str, path: &Path) -> Option<Member> {
    let full = format!("{operation}.{}", path.name());
    let fits = |end: &str| full == end || full.ends_with(&format!(".{end}"));
    let fitting = MEMBERS.iter().filter(|(end, _)| fits(end));
    fitting
        .max_by_key(|(end, _)| end.len())
        .map(|(_, member)| *member)
}

/// The rows of the table that no path of `all`, each with its operation, ends with.
pub(crate) fn unused(all: &[(&str, Path)]) -> Vec<&'static str> {
    let names: Vec<_> = all
        .iter()
        .map(|(operation, path)| format!(".{operation}.{}", path.name()))
        .collect();
    let is_used = |end: &str| names.iter().any(|name| name.ends_with(&format!(".{end}")));
    MEMBERS
        .iter()
        .map(|(end, _)| *end)
        .filter(|end| !is_used(end))
        .collect()
}

/// The way from an input to one of its texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(pub(crate) Vec<Step>);

/// A step of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// To a member.
    Member(&'static str),
    /// To the first element of a list.
    First,
}

impl Path {
    /// The names of its members, with dots between them.
    pub(crate) fn name(&self) -> String {
        let members = self.0.iter().filter_map(|step| match step {
            Step::Member(name) => Some(*name),
            Step::First => None,
        });
        members.collect::<Vec<_>>().join(".")
    }

    /// What is there.
    pub(crate) fn get<'v>(
        &self,
        mut value: &'v serde_json::Value,
    ) -> Option<&'v serde_json::Value> {
        for step in &self.0 {
            value = match step {
                Step::Member(name) => value.get(name)?,
                Step::First => value.get(0)?,
            };
        }
        Some(value)
    }

    /// `input` with `value` there, and with what has to be around it.
    pub(crate) fn set(
        &self,
        input: &serde_json::Value,
        value: serde_json::Value,
    ) -> serde_json::Value {
        let mut input = input.clone();
        let mut place = &mut input;
        for step in &self.0 {
            place = match step {
                Step::Member(name) => {
                    if place.is_null() {
                        *place = serde_json::json!({});
                    }
                    &mut place[*name]
                }
                Step::First => {
                    if place.is_null() {
                        *place = serde_json::json!([null]);
                    }
                    &mut place[0]
                }
            };
        }
        *place = value;
        input
    }
}

/// The ways to all texts of a shape that may be anything.
pub(crate) fn texts(model: &Service, shape: ShapeId) -> Vec<Path> {
    let mut found = Vec::new();
    walk(model, shape, &mut Vec::new(), &mut found);
    found
}

fn walk(model: &Service, shape: ShapeId, way: &mut Vec<Step>, found: &mut Vec<Path>) {
    match &model.shape(shape).kind {
        Shape::Structure(structure) => {
            for member in &structure.members {
                way.push(Step::Member(member.name));
                walk(model, member.shape, way, found);
                way.pop();
            }
        }
        Shape::List(list) => {
            way.push(Step::First);
            walk(model, list.member, way, found);
            way.pop();
        }
        Shape::Text { values, .. } if values.is_empty() => found.push(Path(way.clone())),
        Shape::Text { .. }
        | Shape::Integer(_)
        | Shape::Double
        | Shape::Boolean
        | Shape::Timestamp => {}
    }
}

/// The filters of EC2's Describe operations that look at ids, names of resources and accounts, and
/// of what kind these are.
pub(crate) const FILTERS: &[(&str, Kind)] = &[
    ("accepter-vpc-info.owner-id", Kind::Account),
    ("accepter-vpc-info.vpc-id", Kind::Vpc),
    ("association.association-id", Kind::AclAssociation),
    ("association.network-acl-id", Kind::NetworkAcl),
    ("association.route-table-association-id", Kind::Association),
    ("association.route-table-id", Kind::RouteTable),
    ("association.subnet-id", Kind::Subnet),
    ("attachment.attachment-id", Kind::Attachment),
    ("attachment.instance-id", Kind::Instance),
    ("attachment.instance-owner-id", Kind::Account),
    ("cidr-block-association.association-id", Kind::Association),
    ("egress.ip-permission.group-id", Kind::SecurityGroup),
    ("egress.ip-permission.group-name", Kind::GroupName),
    ("egress.ip-permission.user-id", Kind::Account),
    ("group-id", Kind::SecurityGroup),
    ("group-name", Kind::GroupName),
    ("ip-permission.group-id", Kind::SecurityGroup),
    ("ip-permission.group-name", Kind::GroupName),
    ("ip-permission.user-id", Kind::Account),
    ("network-acl-id", Kind::NetworkAcl),
    ("network-interface-id", Kind::Interface),
    ("owner-id", Kind::Account),
    ("requester-vpc-info.owner-id", Kind::Account),
    ("requester-vpc-info.vpc-id", Kind::Vpc),
    ("resource-id", Kind::Vpc),
    ("route-table-id", Kind::RouteTable),
    ("route.instance-id", Kind::Instance),
    ("route.vpc-peering-connection-id", Kind::Peering),
    ("security-group-rule-id", Kind::Rule),
    ("subnet-arn", Kind::SubnetArn),
    ("subnet-id", Kind::Subnet),
    ("vpc-id", Kind::Vpc),
    ("vpc-peering-connection-id", Kind::Peering),
];

/// Filters that look at ids of what Tombolo has none of, or of the server's places.
pub(crate) const FILTERS_BY_VALUE: &[&str] = &[
    "association.gateway-id",
    "availability-zone-id",
    "dhcp-options-id",
    "egress.ip-permission.prefix-list-id",
    "ip-permission.prefix-list-id",
    "ipv6-cidr-block-association.association-id",
    "outpost-arn",
    "parent-zone-id",
    "route.destination-prefix-list-id",
    "route.egress-only-internet-gateway-id",
    "route.gateway-id",
    "route.nat-gateway-id",
    "route.transit-gateway-id",
    "zone-id",
];
