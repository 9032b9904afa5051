//! CreateVpc.

use serde::{Deserialize, Serialize};

use super::view::VpcView;
use crate::ec2::error::{Ec2Error, Result};
use crate::ec2::parameter::{Others, parse_cidr, unsupported};
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
    others: Others,
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
