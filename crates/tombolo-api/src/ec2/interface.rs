//! CreateNetworkInterface, DescribeNetworkInterfaces and DeleteNetworkInterface. What changes an
//! interface is in [`attribute`].

mod attribute;

pub(crate) use attribute::{
    describe_network_interface_attribute, modify_network_interface_attribute,
};

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{
    AccountId, InstanceId, NetworkInterfaceId, SecurityGroupId, SubnetId, VpcId,
};
use tombolo_domain::vpc::{Attachment, NetworkInterface, SecurityGroup, Subnet};
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use super::filter::{Field, Filtered};
use super::id;
use super::refuse::{Others, invalid_value, unsupported};
use super::select::{Selection, Shown};
use super::tag::{self, Tag, TagSpecification, TagsOf};
use super::{Nothing, own};
use crate::error::{ApiError, ErrorKind};
use crate::operation::interface::NewInterface;
use crate::operation::time::seconds;
use crate::operation::{self, Call};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    subnet_id: String,
    private_ip_address: Option<String>,
    #[serde(default)]
    private_ip_addresses: Vec<AddressSpecification>,
    #[serde(default)]
    groups: Vec<String>,
    description: Option<String>,
    client_token: Option<String>,
    #[serde(default)]
    tag_specifications: Vec<TagSpecification>,
    #[serde(flatten)]
    others: Others,
}

/// EC2's PrivateIpAddressSpecification.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AddressSpecification {
    private_ip_address: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    network_interface: InterfaceView,
    client_token: Option<String>,
}

/// Makes a network interface that nothing has yet. The same client token again gives the interface
/// that it made, while it exists.
pub(crate) async fn create_network_interface(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Create,
) -> Result<Created, ApiError> {
    input.others.refuse()?;
    let address = wanted_address(&input)?;
    let groups = wanted_groups(call, &input.groups)?;
    let description = input.description.unwrap_or_default();
    let (vpc, subnet) = own::subnet(tx, call, &input.subnet_id).await?;

    let new = NewInterface {
        vpc: &vpc,
        subnet: &subnet,
        address,
        groups,
        mtu: None,
        description,
        attachment: None,
    };
    let token = input.client_token;
    let interface = match made_before(tx, token.as_deref(), &new).await? {
        Some(before) => before,
        None => {
            let mut made = operation::interface::create(tx, call.ids, call.now, new).await?;
            made.client_token.clone_from(&token);
            tx.put(&made)?;
            tag::write_new(tx, &vpc.scope, &made.id, input.tag_specifications)?;
            made
        }
    };
    Ok(Created {
        network_interface: Context::of_one(tx, &interface).await?.view(interface),
        client_token: token,
    })
}

/// The interface of the VPC that the same request made before, as its client token tells.
async fn made_before(
    tx: &mut Transaction,
    token: Option<&str>,
    wanted: &NewInterface<'_>,
) -> Result<Option<NetworkInterface>, ApiError> {
    if token.is_none() {
        return Ok(None);
    }
    let vpc = wanted.vpc;
    let all = tx.list(&keys::interfaces_of(&vpc.scope, &vpc.id)).await?;
    let mut all = all.into_iter();
    let Some(before) = all.find(|other| other.client_token.as_deref() == token) else {
        return Ok(None);
    };
    let same = before.subnet == wanted.subnet.id
        && before.description == wanted.description
        && wanted
            .address
            .is_none_or(|address| before.address == address)
        && (wanted.groups.is_empty() || before.groups == wanted.groups);
    if same {
        return Ok(Some(before));
    }
    Err(ApiError::new(
        ErrorKind::IdempotentParameterMismatch,
        format!(
            "The client token was used to make network interface {} with other parameters; use \
             another token.",
            before.id
        ),
    ))
}

/// The security groups asked for, each once.
fn wanted_groups(call: &Call<'_>, texts: &[String]) -> Result<Vec<SecurityGroupId>, ApiError> {
    let mut groups: Vec<SecurityGroupId> = Vec::with_capacity(texts.len());
    for text in texts {
        let group = id::parse(text)?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let most = call.settings.quotas.security_groups_per_interface;
    if groups.len() <= most {
        return Ok(groups);
    }
    Err(ApiError::new(
        ErrorKind::SecurityGroupsPerInterfaceLimitExceeded,
        format!(
            "The maximum number of security groups per interface has been reached: {} were given, \
             and the quota is {most}.",
            groups.len()
        ),
    ))
}

/// The address asked for, in either of the two members that EC2 has for it.
fn wanted_address(input: &Create) -> Result<Option<Ipv4Addr>, ApiError> {
    let (parameter, text) = match (&input.private_ip_address, &input.private_ip_addresses[..]) {
        (None, []) => return Ok(None),
        (Some(text), []) => ("privateIpAddress", Some(text)),
        (None, [only]) => ("privateIpAddresses", only.private_ip_address.as_ref()),
        _ => {
            return Err(unsupported(
                "A network interface has one private IPv4 address in Tombolo: name at most one, in \
                 PrivateIpAddress or in PrivateIpAddresses.",
            ));
        }
    };
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| invalid_value(parameter, text, "This is not an IPv4 address."))
    };
    text.map(parse).transpose()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    network_interface_id: String,
}

/// Deletes a network interface that no workload has.
pub(crate) async fn delete_network_interface(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Delete,
) -> Result<Nothing, ApiError> {
    let interface = own::interface(tx, call, &input.network_interface_id).await?;
    let user = match &interface.attachment {
        None => {
            tx.remove(&interface);
            return Ok(Nothing {});
        }
        Some(Attachment::Instance { instance, .. }) => format!("instance {instance}"),
        Some(Attachment::Program { pid, .. }) => format!("the program with process id {pid}"),
    };
    Err(ApiError::new(
        ErrorKind::NetworkInterfaceInUse,
        format!(
            "Network interface '{}' is currently in use by {user}, and goes with it when it ends.",
            interface.id
        ),
    ))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    network_interface_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    network_interfaces: Vec<InterfaceView>,
    next_token: Option<String>,
}

/// The network interfaces in the caller's VPCs.
pub(crate) async fn describe_network_interfaces(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described, ApiError> {
    let vpcs = own::vpc_ids(tx, call).await?;
    let mut context = Context::of_all(tx, call).await?;
    let mut interfaces = tx.peek(&keys::interfaces(&call.scope())).await?;
    interfaces.retain(|interface| vpcs.contains(&interface.vpc));
    let all = interfaces
        .into_iter()
        .map(|interface| context.view(interface));
    let ids = ("networkInterfaceIds", &input.network_interface_ids[..]);
    let page = input
        .selection
        .named(call, "DescribeNetworkInterfaces", ids, all.collect())?;
    Ok(Described {
        network_interfaces: page.items,
        next_token: page.next_token,
    })
}

/// What is shown of a network interface and is not in its own record.
struct Context {
    group_names: BTreeMap<SecurityGroupId, String>,
    zones: BTreeMap<SubnetId, String>,
    tags: TagsOf,
}

impl Context {
    /// Of all the caller's interfaces.
    async fn of_all(tx: &mut Transaction, call: &Call<'_>) -> Result<Self, ApiError> {
        let scope = call.scope();
        let groups = tx.peek(&keys::security_groups(&scope)).await?;
        let subnets = tx.peek(&keys::subnets(&scope)).await?;
        Ok(Self::new(groups, subnets, TagsOf::read(tx, call).await?))
    }

    /// Of one interface: what its VPC has, which is little.
    async fn of_one(tx: &mut Transaction, interface: &NetworkInterface) -> Result<Self, ApiError> {
        let NetworkInterface { scope, vpc, .. } = interface;
        let groups = tx.peek(&keys::security_groups_of(scope, vpc)).await?;
        let subnets = tx.peek(&keys::subnets_of(scope, vpc)).await?;
        let tags = TagsOf::one(tx, scope, &interface.id).await?;
        Ok(Self::new(groups, subnets, tags))
    }

    fn new(groups: Vec<SecurityGroup>, subnets: Vec<Subnet>, tags: TagsOf) -> Self {
        Context {
            group_names: groups
                .into_iter()
                .map(|group| (group.id, group.name))
                .collect(),
            zones: subnets
                .into_iter()
                .map(|subnet| (subnet.id, subnet.availability_zone))
                .collect(),
            tags,
        }
    }

    fn view(&mut self, interface: NetworkInterface) -> InterfaceView {
        let group_name = |id: &SecurityGroupId| self.group_names.get(id).cloned();
        let groups = interface.groups.iter().map(|id| GroupIdentifier {
            group_id: id.clone(),
            group_name: group_name(id).unwrap_or_default(),
        });
        let address = interface.address.to_string();
        InterfaceView {
            attachment: AttachmentView::of(&interface),
            owner_id: interface.scope.account,
            status: if interface.attachment.is_some() {
                "in-use"
            } else {
                "available"
            },
            availability_zone: self.zones.get(&interface.subnet).cloned(),
            groups: groups.collect(),
            interface_type: "interface",
            ipv6_addresses: [],
            mac_address: interface.mac.to_string(),
            private_ip_addresses: [PrivateAddress {
                primary: true,
                private_ip_address: address.clone(),
            }],
            private_ip_address: address,
            requester_managed: false,
            source_dest_check: true,
            tag_set: self.tags.take(&interface.id),
            description: interface.description,
            network_interface_id: interface.id,
            subnet_id: interface.subnet,
            vpc_id: interface.vpc,
        }
    }
}

/// EC2's NetworkInterface.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InterfaceView {
    network_interface_id: NetworkInterfaceId,
    subnet_id: SubnetId,
    vpc_id: VpcId,
    owner_id: AccountId,
    availability_zone: Option<String>,
    description: String,
    status: &'static str,
    attachment: Option<AttachmentView>,
    interface_type: &'static str,
    mac_address: String,
    private_ip_address: String,
    private_ip_addresses: [PrivateAddress; 1],
    ipv6_addresses: [(); 0],
    groups: Vec<GroupIdentifier>,
    requester_managed: bool,
    source_dest_check: bool,
    tag_set: Vec<Tag>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PrivateAddress {
    primary: bool,
    private_ip_address: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupIdentifier {
    group_id: SecurityGroupId,
    group_name: String,
}

/// EC2's NetworkInterfaceAttachment. A program that was started with `tombolo run` is no instance,
/// so its interface has an attachment without one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AttachmentView {
    attachment_id: String,
    #[serde(serialize_with = "seconds")]
    attach_time: Timestamp,
    delete_on_termination: bool,
    device_index: u8,
    network_card_index: u8,
    instance_id: Option<InstanceId>,
    instance_owner_id: AccountId,
    status: &'static str,
}

impl AttachmentView {
    fn of(interface: &NetworkInterface) -> Option<Self> {
        let NetworkInterface {
            id, scope, created, ..
        } = interface;
        let Scope { account, .. } = scope;
        let digits = id.as_str().trim_start_matches(NetworkInterfaceId::PREFIX);
        let instance_id = match interface.attachment.as_ref()? {
            Attachment::Instance { instance, .. } => Some(instance.clone()),
            Attachment::Program { .. } => None,
        };
        Some(AttachmentView {
            attachment_id: format!("eni-attach-{digits}"),
            // An interface is made for its workload and attached from the start.
            attach_time: *created,
            delete_on_termination: true,
            device_index: 0,
            network_card_index: 0,
            instance_id,
            instance_owner_id: *account,
            status: "attached",
        })
    }
}

impl InterfaceView {
    /// The values that `read` finds in the attachment.
    fn attached(&self, read: impl Fn(&AttachmentView) -> Option<String>) -> Vec<String> {
        self.attachment
            .as_ref()
            .and_then(read)
            .into_iter()
            .collect()
    }
}

impl Filtered for InterfaceView {
    const FIELDS: &'static [Field<Self>] = &[
        ("addresses.primary", |_| vec![true.to_string()]),
        ("addresses.private-ip-address", |i| {
            vec![i.private_ip_address.clone()]
        }),
        ("attachment.attachment-id", |i| {
            i.attached(|a| Some(a.attachment_id.clone()))
        }),
        ("attachment.delete-on-termination", |i| {
            i.attached(|a| Some(a.delete_on_termination.to_string()))
        }),
        ("attachment.device-index", |i| {
            i.attached(|a| Some(a.device_index.to_string()))
        }),
        ("attachment.instance-id", |i| {
            i.attached(|a| a.instance_id.as_ref().map(ToString::to_string))
        }),
        ("attachment.instance-owner-id", |i| {
            i.attached(|a| Some(a.instance_owner_id.to_string()))
        }),
        ("attachment.status", |i| {
            i.attached(|a| Some(a.status.to_owned()))
        }),
        ("availability-zone", |i| {
            i.availability_zone.iter().cloned().collect()
        }),
        ("description", |i| vec![i.description.clone()]),
        ("group-id", |i| {
            i.groups.iter().map(|g| g.group_id.to_string()).collect()
        }),
        // Left out of the newer references, and still accepted.
        ("group-name", |i| {
            i.groups.iter().map(|g| g.group_name.clone()).collect()
        }),
        ("interface-type", |i| vec![i.interface_type.to_owned()]),
        ("mac-address", |i| vec![i.mac_address.clone()]),
        ("network-interface-id", |i| {
            vec![i.network_interface_id.to_string()]
        }),
        ("owner-id", |i| vec![i.owner_id.to_string()]),
        ("private-ip-address", |i| vec![i.private_ip_address.clone()]),
        ("requester-managed", |i| {
            vec![i.requester_managed.to_string()]
        }),
        ("source-dest-check", |i| {
            vec![i.source_dest_check.to_string()]
        }),
        ("status", |i| vec![i.status.to_owned()]),
        ("subnet-id", |i| vec![i.subnet_id.to_string()]),
        ("vpc-id", |i| vec![i.vpc_id.to_string()]),
    ];

    fn tags(&self) -> &[Tag] {
        &self.tag_set
    }
}

impl Shown for InterfaceView {
    type Id = NetworkInterfaceId;

    fn id(&self) -> &NetworkInterfaceId {
        &self.network_interface_id
    }
}
