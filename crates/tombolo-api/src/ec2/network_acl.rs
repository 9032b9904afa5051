//! DescribeNetworkAcls: the default ACL of each VPC, which lets everything through.
//!
//! Tools ask for it when they look at a VPC. It cannot be changed and so is no record: its id has
//! the digits of the VPC's, its associations' those of the subnets'.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{AccountId, NetworkAclAssociationId, NetworkAclId, SubnetId, VpcId};
use tombolo_domain::vpc::Vpc;

use super::filter::{Field, Filtered};
use super::selection::{Describable, Selection, well_formed};
use super::tag::Tag;
use crate::ec2::error::Result;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    network_acl_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    network_acls: Vec<AclView>,
    next_token: Option<String>,
}

/// The default ACLs of the caller's VPCs, each with all subnets of its VPC.
pub(crate) async fn describe_network_acls(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let vpcs = match &input.network_acl_ids[..] {
        [] => input.selection.vpcs(tx, call).await?,
        ids => {
            let ids = well_formed::<NetworkAclId>(ids).into_iter();
            let ids: Vec<_> = ids.map(|id| id.vpc()).collect();
            tx.vpcs().of_ids(call.action(), &ids).await?
        }
    };
    let mut subnets: BTreeMap<VpcId, Vec<SubnetId>> = BTreeMap::new();
    for subnet in tx.subnets_in(&vpcs).await? {
        subnets.entry(subnet.vpc).or_default().push(subnet.id);
    }
    let all = vpcs.into_iter().map(|vpc| {
        let subnets = subnets.remove(&vpc.id).unwrap_or_default();
        AclView::default_of(vpc, subnets)
    });
    let ids = ("networkAclIds", &input.network_acl_ids[..]);
    let page = input.selection.by_ids(call, ids, all.collect())?;
    Ok(Described {
        network_acls: page.items,
        next_token: page.next_token,
    })
}

/// EC2's NetworkAcl.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AclView {
    network_acl_id: NetworkAclId,
    vpc_id: VpcId,
    owner_id: AccountId,
    is_default: bool,
    associations: Vec<Association>,
    entries: [Entry; 4],
    tags: [Tag; 0],
}

/// EC2's NetworkAclAssociation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Association {
    network_acl_association_id: NetworkAclAssociationId,
    network_acl_id: NetworkAclId,
    subnet_id: SubnetId,
}

/// EC2's NetworkAclEntry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    cidr_block: &'static str,
    egress: bool,
    protocol: &'static str,
    rule_action: &'static str,
    rule_number: u16,
}

impl Entry {
    /// The first entry of EC2's default ACL, which allows all traffic.
    const fn allow(egress: bool) -> Self {
        Self::everything(egress, "allow", 100)
    }

    /// The last entry of every ACL, shown as `*`: what nothing before it decides is denied.
    const fn deny(egress: bool) -> Self {
        Self::everything(egress, "deny", 32767)
    }

    const fn everything(egress: bool, rule_action: &'static str, rule_number: u16) -> Self {
        Entry {
            cidr_block: "0.0.0.0/0",
            egress,
            protocol: "-1",
            rule_action,
            rule_number,
        }
    }
}

impl AclView {
    fn default_of(vpc: Vpc, subnets: Vec<SubnetId>) -> Self {
        let id = NetworkAclId::default_of(&vpc.id);
        let associations = subnets.into_iter().map(|subnet| Association {
            network_acl_association_id: NetworkAclAssociationId::default_of(&subnet),
            network_acl_id: id.clone(),
            subnet_id: subnet,
        });
        AclView {
            associations: associations.collect(),
            network_acl_id: id,
            vpc_id: vpc.id,
            owner_id: vpc.scope.account,
            is_default: true,
            entries: [
                Entry::allow(true),
                Entry::deny(true),
                Entry::allow(false),
                Entry::deny(false),
            ],
            tags: [],
        }
    }

    fn of_associations(&self, read: impl Fn(&Association) -> String) -> Vec<String> {
        self.associations.iter().map(read).collect()
    }

    fn of_entries(&self, read: impl Fn(&Entry) -> String) -> Vec<String> {
        self.entries.iter().map(read).collect()
    }
}

impl Filtered for AclView {
    const FIELDS: &'static [Field<Self>] = &[
        ("association.association-id", |acl| {
            acl.of_associations(|one| one.network_acl_association_id.to_string())
        }),
        ("association.network-acl-id", |acl| {
            acl.of_associations(|one| one.network_acl_id.to_string())
        }),
        ("association.subnet-id", |acl| {
            acl.of_associations(|one| one.subnet_id.to_string())
        }),
        ("default", |acl| vec![acl.is_default.to_string()]),
        ("entry.cidr", |acl| {
            acl.of_entries(|entry| entry.cidr_block.to_owned())
        }),
        ("entry.egress", |acl| {
            acl.of_entries(|entry| entry.egress.to_string())
        }),
        // Entries for all protocols have neither messages nor ports.
        ("entry.icmp.code", |_| vec![]),
        ("entry.icmp.type", |_| vec![]),
        ("entry.ipv6-cidr", |_| vec![]),
        ("entry.port-range.from", |_| vec![]),
        ("entry.port-range.to", |_| vec![]),
        ("entry.protocol", |acl| {
            acl.of_entries(|entry| entry.protocol.to_owned())
        }),
        ("entry.rule-action", |acl| {
            acl.of_entries(|entry| entry.rule_action.to_owned())
        }),
        ("entry.rule-number", |acl| {
            acl.of_entries(|entry| entry.rule_number.to_string())
        }),
        ("network-acl-id", |acl| vec![acl.network_acl_id.to_string()]),
        ("owner-id", |acl| vec![acl.owner_id.to_string()]),
        ("vpc-id", |acl| vec![acl.vpc_id.to_string()]),
    ];

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

impl Describable for AclView {
    type Id = NetworkAclId;

    fn id(&self) -> &NetworkAclId {
        &self.network_acl_id
    }
}
