//! CreateSecurityGroup.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use tombolo_domain::id::{SecurityGroupId, SecurityGroupRuleId};
use tombolo_domain::vpc::{
    Peer, Protocol, RuleDirection, SecurityGroup, SecurityGroupNumber, SecurityGroupRule, Vpc,
};

use super::{arn, wording};
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::tag::{self, Tag, TagSpecification};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    group_name: String,
    description: String,
    vpc_id: Option<String>,
    #[serde(default)]
    tag_specifications: Vec<TagSpecification>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    group_id: SecurityGroupId,
    security_group_arn: String,
    tags: Vec<Tag>,
}

/// Makes a group that lets nothing in and everything out.
pub(crate) async fn create_security_group(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Create,
) -> Result<Created> {
    let name = wording::group_name(&input.group_name)?;
    let description = wording::group_description(input.description)?;
    let Some(vpc) = &input.vpc_id else {
        return Err(Error::new(
            Ec2Error::VpcIdNotSpecified,
            "No default VPC for this user. Tombolo makes none: give VpcId.",
        ));
    };
    let vpc = tx.vpc(vpc).to(call.action()).await?;
    refuse_taken(tx, &vpc, &name).await?;
    refuse_over_quota(tx, call).await?;

    let group = SecurityGroup {
        scope: vpc.scope,
        id: SecurityGroupId::generate(call.ids),
        vpc: vpc.id,
        number: Some(SecurityGroupNumber(call.numbers.next(tx).await?)),
        name,
        description,
        rules: vec![everything_out(call)],
    };
    tx.put(&group)?;
    let tags = tag::write_new(tx, &group.scope, &group.id, input.tag_specifications)?;
    Ok(Created {
        security_group_arn: arn(&group),
        group_id: group.id,
        tags,
    })
}

/// Names are unique in a VPC, whatever their case.
async fn refuse_taken(tx: &mut ScopedTransaction<'_>, vpc: &Vpc, name: &str) -> Result<()> {
    let groups = tx.security_groups_of(vpc).list().await?;
    if !groups
        .iter()
        .any(|other| other.name.eq_ignore_ascii_case(name))
    {
        return Ok(());
    }
    Err(Error::new(
        Ec2Error::InvalidGroupDuplicate,
        format!(
            "The security group '{name}' already exists for VPC '{}'",
            vpc.id
        ),
    ))
}

/// The quota is of a whole Region, and the commit does not depend on all of its groups: of groups
/// made at the same moment, a few more may come to be.
async fn refuse_over_quota(tx: &mut ScopedTransaction<'_>, call: &Call<'_>) -> Result<()> {
    let most = call.settings.quotas.security_groups_per_region;
    let vpcs = tx.vpcs().to(call.action()).await?;
    if tx.security_groups_in(&vpcs).await?.len() < most {
        return Ok(());
    }
    Err(Error::new(
        Ec2Error::SecurityGroupLimitExceeded,
        format!(
            "The maximum number of security groups for Region {} has been reached: the quota is \
             {most}. Delete one that is not used.",
            call.principal.region()
        ),
    ))
}

/// The rule that a new group has (Amazon VPC User Guide, "Security group rules").
fn everything_out(call: &Call<'_>) -> SecurityGroupRule {
    SecurityGroupRule {
        id: SecurityGroupRuleId::generate(call.ids),
        direction: RuleDirection::Egress,
        protocol: Protocol::All,
        peer: Peer::Cidr(Ipv4Net::default()),
        description: None,
        made_by: None,
    }
}
