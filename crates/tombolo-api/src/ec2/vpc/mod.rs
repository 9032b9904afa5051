//! VPCs: made and deleted here, and shown by [`view`]; their attributes and their further blocks of
//! addresses have files of their own.

mod attribute;
mod cidr_block;
mod view;

pub(crate) use attribute::{describe_vpc_attribute, modify_vpc_attribute};
pub(crate) use cidr_block::{associate_vpc_cidr_block, disassociate_vpc_cidr_block};
pub(crate) use view::describe_vpcs;

use serde::{Deserialize, Serialize};
use tombolo_domain::peering::{Connection, Step};
use tombolo_domain::vpc::Vpc;

use self::view::VpcView;
use crate::ec2::Empty;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::{OtherParameters, parse_cidr, unsupported};
use crate::ec2::tag::{self, TagSpecification};
use crate::lookup::ScopedTransaction;
use crate::operation::{self, Call};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    cidr_block: Option<String>,
    instance_tenancy: Option<String>,
    #[serde(default)]
    tag_specifications: Vec<TagSpecification>,
    #[serde(flatten)]
    others: OtherParameters,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    vpc: VpcView,
}

/// Makes a VPC with one block of addresses, its main route table and its default security group.
pub(crate) async fn create_vpc(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Create,
) -> Result<Created> {
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
    let cidr = parse_cidr(input.cidr_block.as_deref(), Ec2Error::InvalidVpcRange)?;
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
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Delete,
) -> Result<Empty> {
    let vpc = tx.vpc(&input.vpc_id).to(call.action()).await?;
    let connections = tx.connections_of_vpc(&vpc).await?;
    if let Some(dependency) = dependency(tx, &vpc, &connections).await? {
        return Err(Error::new(
            Ec2Error::DependencyViolation,
            format!(
                "The vpc '{}' has dependencies and cannot be deleted; {dependency} first.",
                vpc.id
            ),
        ));
    }
    end_connections(tx, call, &vpc, connections)?;
    remove_authorizations(tx, &vpc).await?;
    tx.remove_vpc(&vpc).await?;
    Ok(Empty {})
}

/// What has to be done before the VPC can go, if anything has.
async fn dependency(
    tx: &mut ScopedTransaction<'_>,
    vpc: &Vpc,
    connections: &[Connection],
) -> Result<Option<String>> {
    // An interface is always in a subnet, which cannot go before it, so subnets stand for both.
    if let Some(subnet) = tx.subnets_of(vpc).list().await?.first() {
        return Ok(Some(format!("delete {}", subnet.id)));
    }
    let groups = tx.security_groups_of(vpc).list().await?;
    if let Some(group) = groups.iter().find(|group| !group.is_default()) {
        return Ok(Some(format!("delete {}", group.id)));
    }
    let tables = tx.route_tables_of(vpc).list().await?;
    if let Some(table) = tables.iter().find(|table| table.main.is_none()) {
        return Ok(Some(format!("delete {}", table.id)));
    }
    let mut connections = connections.iter();
    let asked = connections.find(|connection| is_unanswered(connection, vpc));
    Ok(asked.map(|connection| format!("reject {}", connection.id)))
}

/// Whether another account waits for an answer from the VPC's owner (Amazon VPC Peering Guide: such
/// a VPC cannot be deleted until the request is rejected). A fleet's request needs none: the
/// authorization is the answer.
fn is_unanswered(connection: &Connection, vpc: &Vpc) -> bool {
    connection.fleet.is_none()
        && connection.accepter.vpc == vpc.id
        && connection.requester.account != vpc.scope.account
        && connection.state.is_request()
}

/// Writes that the VPC's live connections are to end; the network reconciler carries it out.
fn end_connections(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    vpc: &Vpc,
    connections: Vec<Connection>,
) -> Result<()> {
    for mut connection in connections {
        if connection.state.is_live() {
            let ended = connection.apply(Step::Delete(vpc.scope.account), call.now);
            ended.map_err(|error| Error::internal("ending a live connection", error))?;
            tx.put(&connection)?;
        }
    }
    Ok(())
}

async fn remove_authorizations(tx: &mut ScopedTransaction<'_>, vpc: &Vpc) -> Result<()> {
    for authorization in tx.authorizations_of(vpc).list().await? {
        tx.remove_authorization(&authorization);
    }
    Ok(())
}
