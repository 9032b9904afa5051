//! DescribeNetworkInterfaces, and a network interface as EC2 shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{
    AccountId, InstanceId, NetworkInterfaceId, SecurityGroupId, SubnetId, VpcId,
};
use tombolo_domain::vpc::{Attachment, NetworkInterface, SecurityGroup, Subnet};
use tombolo_domain::{Scope, Timestamp};

use crate::ec2::error::Result;
use crate::ec2::filter::{Field, Filtered};
use crate::ec2::selection::{Describable, Selection, well_formed};
use crate::ec2::tag::{Tag, TagsOf};
use crate::lookup::{CustomerVpcs, ScopedTransaction};
use crate::operation::Call;
use crate::operation::format::seconds;

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
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let vpcs = match &input.network_interface_ids[..] {
        [] => input.selection.vpcs(tx, call).await?,
        ids => {
            let ids = well_formed::<NetworkInterfaceId>(ids);
            tx.vpcs().holding(call.action(), &ids).await?
        }
    };
    let mut context = Context::of_all(tx, call, &vpcs).await?;
    let interfaces = tx.interfaces_in(&vpcs).await?;
    let all = interfaces
        .into_iter()
        .map(|interface| context.view(interface));
    let ids = ("networkInterfaceIds", &input.network_interface_ids[..]);
    let page = input.selection.by_ids(call, ids, all.collect())?;
    Ok(Described {
        network_interfaces: page.items,
        next_token: page.next_token,
    })
}

/// What is shown of a network interface and is not in its own record.
pub(super) struct Context {
    group_names: BTreeMap<SecurityGroupId, String>,
    zones: BTreeMap<SubnetId, String>,
    tags: TagsOf,
}

impl Context {
    /// Of all the caller's interfaces.
    async fn of_all(
        tx: &mut ScopedTransaction<'_>,
        call: &Call<'_>,
        vpcs: &CustomerVpcs,
    ) -> Result<Self> {
        let groups = tx.security_groups_in(vpcs).await?;
        let subnets = tx.subnets_in(vpcs).await?;
        Ok(Self::new(groups, subnets, TagsOf::read(tx, call).await?))
    }

    /// Of one interface: what its VPC has, which is little.
    pub(super) async fn of_one(
        tx: &mut ScopedTransaction<'_>,
        interface: &NetworkInterface,
    ) -> Result<Self> {
        let groups = tx.security_groups_of(interface).peek().await?;
        let subnets = tx.subnets_of(interface).peek().await?;
        let tags = TagsOf::one(tx, &interface.id).await?;
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

    pub(super) fn view(&mut self, interface: NetworkInterface) -> InterfaceView {
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
pub(super) struct InterfaceView {
    pub(super) network_interface_id: NetworkInterfaceId,
    subnet_id: SubnetId,
    vpc_id: VpcId,
    owner_id: AccountId,
    availability_zone: Option<String>,
    pub(super) description: String,
    status: &'static str,
    pub(super) attachment: Option<AttachmentView>,
    interface_type: &'static str,
    mac_address: String,
    private_ip_address: String,
    private_ip_addresses: [PrivateAddress; 1],
    ipv6_addresses: [(); 0],
    pub(super) groups: Vec<GroupIdentifier>,
    requester_managed: bool,
    pub(super) source_dest_check: bool,
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
pub(super) struct GroupIdentifier {
    group_id: SecurityGroupId,
    group_name: String,
}

/// EC2's NetworkInterfaceAttachment. A program that was started with `tombolo run` is no instance,
/// so its interface has an attachment without one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttachmentView {
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

impl Describable for InterfaceView {
    type Id = NetworkInterfaceId;

    fn id(&self) -> &NetworkInterfaceId {
        &self.network_interface_id
    }
}
