//! DescribeVpcs, and a VPC as EC2 shows it.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use tombolo_domain::id::{AccountId, VpcCidrAssociationId, VpcId};
use tombolo_domain::vpc::Vpc;

use crate::ec2::error::Result;
use crate::ec2::filter::{Field, Filtered};
use crate::ec2::selection::{Describable, Selection, well_formed};
use crate::ec2::tag::{Tag, TagsOf};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    vpc_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    vpcs: Vec<VpcView>,
    next_token: Option<String>,
}

/// The caller's VPCs.
pub(crate) async fn describe_vpcs(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let mut tags = TagsOf::read(tx, call).await?;
    let vpcs = match &input.vpc_ids[..] {
        [] => input.selection.vpcs(tx, call).await?,
        ids => tx.vpcs().of_ids(call.action(), &well_formed(ids)).await?,
    };
    let all = vpcs.into_iter().map(|vpc| {
        let tags = tags.take(&vpc.id);
        VpcView::new(vpc, tags)
    });
    let ids = ("vpcIds", &input.vpc_ids[..]);
    let page = input.selection.by_ids(call, ids, all.collect())?;
    Ok(Described {
        vpcs: page.items,
        next_token: page.next_token,
    })
}

/// EC2's Vpc.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VpcView {
    vpc_id: VpcId,
    owner_id: AccountId,
    state: &'static str,
    cidr_block: String,
    cidr_block_association_set: Vec<CidrBlockAssociation>,
    dhcp_options_id: &'static str,
    instance_tenancy: &'static str,
    is_default: bool,
    tags: Vec<Tag>,
}

/// EC2's VpcCidrBlockAssociation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CidrBlockAssociation {
    association_id: VpcCidrAssociationId,
    cidr_block: String,
    cidr_block_state: CidrBlockState,
}

/// EC2's VpcCidrBlockState.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CidrBlockState {
    state: &'static str,
}

impl CidrBlockAssociation {
    /// One in force: a block is the VPC's as soon as the call that adds it returns, so nobody ever
    /// sees EC2's `associating`.
    pub(super) fn associated(id: VpcCidrAssociationId, cidr: Ipv4Net) -> Self {
        Self::in_state(id, cidr, "associated")
    }

    /// One that has just ended.
    pub(super) fn disassociated(id: VpcCidrAssociationId, cidr: Ipv4Net) -> Self {
        Self::in_state(id, cidr, "disassociated")
    }

    fn in_state(id: VpcCidrAssociationId, cidr: Ipv4Net, state: &'static str) -> Self {
        CidrBlockAssociation {
            association_id: id,
            cidr_block: cidr.to_string(),
            cidr_block_state: CidrBlockState { state },
        }
    }
}

impl VpcView {
    pub(super) fn new(vpc: Vpc, tags: Vec<Tag>) -> Self {
        let primary =
            CidrBlockAssociation::associated(VpcCidrAssociationId::primary_of(&vpc.id), vpc.cidr);
        let secondary = vpc.secondary_cidrs.into_iter();
        let secondary = secondary.map(|one| CidrBlockAssociation::associated(one.id, one.cidr));
        VpcView {
            owner_id: vpc.scope.account,
            state: "available",
            cidr_block: vpc.cidr.to_string(),
            cidr_block_association_set: std::iter::once(primary).chain(secondary).collect(),
            // EC2's own name for "no DHCP options".
            dhcp_options_id: "default",
            instance_tenancy: "default",
            is_default: false,
            tags,
            vpc_id: vpc.id,
        }
    }

    fn of_associations(&self, read: impl Fn(&CidrBlockAssociation) -> String) -> Vec<String> {
        self.cidr_block_association_set.iter().map(read).collect()
    }
}

impl Filtered for VpcView {
    const FIELDS: &'static [Field<Self>] = &[
        ("cidr", |vpc| vec![vpc.cidr_block.clone()]),
        ("cidr-block-association.association-id", |vpc| {
            vpc.of_associations(|one| one.association_id.to_string())
        }),
        ("cidr-block-association.cidr-block", |vpc| {
            vpc.of_associations(|one| one.cidr_block.clone())
        }),
        ("cidr-block-association.state", |vpc| {
            vpc.of_associations(|one| one.cidr_block_state.state.to_owned())
        }),
        ("dhcp-options-id", |vpc| {
            vec![vpc.dhcp_options_id.to_owned()]
        }),
        // No VPC has IPv6 blocks, so a filter for one matches none.
        ("ipv6-cidr-block-association.association-id", |_| vec![]),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |_| vec![]),
        ("ipv6-cidr-block-association.ipv6-pool", |_| vec![]),
        ("ipv6-cidr-block-association.state", |_| vec![]),
        ("is-default", |vpc| vec![vpc.is_default.to_string()]),
        // Not in the reference, and in so much that is written about EC2 that it accepts it.
        ("isDefault", |vpc| vec![vpc.is_default.to_string()]),
        ("owner-id", |vpc| vec![vpc.owner_id.to_string()]),
        ("state", |vpc| vec![vpc.state.to_owned()]),
        ("vpc-id", |vpc| vec![vpc.vpc_id.to_string()]),
    ];

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

impl Describable for VpcView {
    type Id = VpcId;

    fn id(&self) -> &VpcId {
        &self.vpc_id
    }
}
