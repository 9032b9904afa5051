//! CreateVpc, DescribeVpcs and DeleteVpc.

use serde::{Deserialize, Serialize};
use tombolo_domain::Scope;
use tombolo_domain::id::{AccountId, VpcId};
use tombolo_domain::peering::Step;
use tombolo_domain::vpc::Vpc;
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use super::filter::{Field, Filtered};
use super::refuse::{Others, unsupported};
use super::select::{Selection, Shown};
use super::tag::{self, Tag, TagSpecification, TagsOf};
use super::{Nothing, cidr, own};
use crate::error::{ApiError, ErrorKind};
use crate::operation::{self, Call};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    cidr_block: Option<String>,
    instance_tenancy: Option<String>,
    #[serde(default)]
    tag_specifications: Vec<TagSpecification>,
    #[serde(flatten)]
    others: Others,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    vpc: VpcView,
}

/// Makes a VPC with one block of addresses, its main route table and its default security group.
pub(crate) async fn create_vpc(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Create,
) -> Result<Created, ApiError> {
    input.others.refuse()?;
    if let Some(tenancy) = input
        .instance_tenancy
        .filter(|tenancy| tenancy != "default")
    {
        return Err(unsupported(format!(
            "InstanceTenancy {tenancy} is not supported: Tombolo has no dedicated hardware. Use \
             default."
        )));
    }
    let cidr = cidr::parse(input.cidr_block.as_deref(), ErrorKind::InvalidVpcRange)?;
    let vpc = operation::vpc::create(tx, call, cidr, None).await?;
    let tags = tag::write_new(tx, &vpc.scope, &vpc.id, input.tag_specifications)?;
    Ok(Created {
        vpc: VpcView::new(vpc, tags),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    vpc_id: String,
}

/// Deletes a VPC with nothing in it but what came with it. Its peering connections end with it, as
/// with EC2, and the authorizations for it go.
pub(crate) async fn delete_vpc(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Delete,
) -> Result<Nothing, ApiError> {
    let vpc = own::vpc(tx, call, &input.vpc_id).await?;
    refuse_dependencies(tx, &vpc).await?;
    end_peerings(tx, call, &vpc).await?;
    forget_authorizations(tx, &vpc).await?;
    tx.remove_vpc(&vpc.scope, &vpc.id).await?;
    Ok(Nothing {})
}

async fn refuse_dependencies(tx: &mut Transaction, vpc: &Vpc) -> Result<(), ApiError> {
    // An interface is always in a subnet, which cannot go before it, so subnets stand for both.
    let subnets = tx.list(&keys::subnets_of(&vpc.scope, &vpc.id)).await?;
    let groups = tx
        .list(&keys::security_groups_of(&vpc.scope, &vpc.id))
        .await?;
    let group = groups.iter().find(|group| !group.is_default());
    let dependency = subnets
        .first()
        .map(|subnet| subnet.id.to_string())
        .or_else(|| group.map(|group| group.id.to_string()));
    match dependency {
        None => Ok(()),
        Some(dependency) => Err(ApiError::new(
            ErrorKind::DependencyViolation,
            format!(
                "The vpc '{}' has dependencies and cannot be deleted; delete {dependency} first.",
                vpc.id
            ),
        )),
    }
}

/// Writes that the VPC's live connections are to end; the network reconciler carries it out.
async fn end_peerings(tx: &mut Transaction, call: &Call<'_>, vpc: &Vpc) -> Result<(), ApiError> {
    let peerings = keys::peerings_of(&vpc.scope, &vpc.id);
    for (id, at) in tx.list_keyed(&peerings).await? {
        let id = id
            .parse()
            .map_err(|error| ApiError::internal("reading a VPC's peering connections", error))?;
        let key = keys::connection(&vpc.scope.region, at.account, &at.asker, &id);
        let Some(mut connection) = tx.get(&key).await? else {
            continue;
        };
        if connection.state.is_live() {
            let ended = connection.take(Step::Delete(vpc.scope.account), call.now);
            ended.map_err(|error| ApiError::internal("ending a live connection", error))?;
            tx.put(&connection)?;
        }
    }
    Ok(())
}

async fn forget_authorizations(tx: &mut Transaction, vpc: &Vpc) -> Result<(), ApiError> {
    let Scope { account, region } = &vpc.scope;
    for authorization in tx
        .list(&keys::authorizations_of(&vpc.scope, &vpc.id))
        .await?
    {
        let fleets = authorization.fleet_account;
        tx.delete(&keys::authorized(region, fleets, *account, &vpc.id));
        tx.delete(&keys::authorization(region, *account, &vpc.id, fleets));
    }
    Ok(())
}

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
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described, ApiError> {
    let mut tags = TagsOf::read(tx, call).await?;
    let all = own::vpcs(tx, call).await?.into_iter().map(|vpc| {
        let tags = tags.take(&vpc.id);
        VpcView::new(vpc, tags)
    });
    let ids = ("vpcIds", &input.vpc_ids[..]);
    let page = input
        .selection
        .named(call, "DescribeVpcs", ids, all.collect())?;
    Ok(Described {
        vpcs: page.items,
        next_token: page.next_token,
    })
}

/// EC2's Vpc.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct VpcView {
    vpc_id: VpcId,
    owner_id: AccountId,
    state: &'static str,
    cidr_block: String,
    cidr_block_association_set: [CidrBlockAssociation; 1],
    dhcp_options_id: &'static str,
    instance_tenancy: &'static str,
    is_default: bool,
    tags: Vec<Tag>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CidrBlockAssociation {
    association_id: String,
    cidr_block: String,
    cidr_block_state: CidrBlockState,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CidrBlockState {
    state: &'static str,
}

impl VpcView {
    fn new(vpc: Vpc, tags: Vec<Tag>) -> Self {
        let digits = vpc.id.as_str().trim_start_matches(VpcId::PREFIX);
        VpcView {
            owner_id: vpc.scope.account,
            state: "available",
            cidr_block: vpc.cidr.to_string(),
            cidr_block_association_set: [CidrBlockAssociation {
                association_id: format!("vpc-cidr-assoc-{digits}"),
                cidr_block: vpc.cidr.to_string(),
                cidr_block_state: CidrBlockState {
                    state: "associated",
                },
            }],
            // EC2's own name for "no DHCP options".
            dhcp_options_id: "default",
            instance_tenancy: "default",
            is_default: false,
            tags,
            vpc_id: vpc.id,
        }
    }

    fn association(&self) -> &CidrBlockAssociation {
        let [association] = &self.cidr_block_association_set;
        association
    }
}

impl Filtered for VpcView {
    const FIELDS: &'static [Field<Self>] = &[
        ("cidr", |vpc| vec![vpc.cidr_block.clone()]),
        ("cidr-block-association.association-id", |vpc| {
            vec![vpc.association().association_id.clone()]
        }),
        ("cidr-block-association.cidr-block", |vpc| {
            vec![vpc.association().cidr_block.clone()]
        }),
        ("cidr-block-association.state", |vpc| {
            vec![vpc.association().cidr_block_state.state.to_owned()]
        }),
        ("dhcp-options-id", |vpc| {
            vec![vpc.dhcp_options_id.to_owned()]
        }),
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

impl Shown for VpcView {
    type Id = VpcId;

    fn id(&self) -> &VpcId {
        &self.vpc_id
    }
}
