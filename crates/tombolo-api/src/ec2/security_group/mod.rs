//! Security groups: made and deleted here; shown by [`view`], and rule by rule by [`rule_view`].
//!
//! What requests say about rules is read by [`permission`], with [`protocol`] and [`source`]. [`rules`]
//! adds and removes them and [`modify`] changes them; [`reference`] finds those that name groups of
//! peered VPCs.

mod modify;
mod parameter;
mod peering;
mod permission;
mod protocol;
mod reference;
mod rule_view;
mod rules;
mod source;
mod view;

pub(crate) use modify::{
    modify_security_group_rules, update_security_group_rule_descriptions_egress,
    update_security_group_rule_descriptions_ingress,
};
pub(crate) use reference::{describe_security_group_references, describe_stale_security_groups};
pub(crate) use rule_view::describe_security_group_rules;
pub(crate) use rules::{
    authorize_security_group_egress, authorize_security_group_ingress,
    revoke_security_group_egress, revoke_security_group_ingress,
};
pub(crate) use view::describe_security_groups;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use tombolo_domain::Scope;
use tombolo_domain::id::{SecurityGroupId, SecurityGroupRuleId};
use tombolo_domain::vpc::{
    Peer, Protocol, RuleDirection, SecurityGroup, SecurityGroupNumber, SecurityGroupRule, Vpc,
};

use self::parameter::NamedGroup;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::tag::{self, Tag, TagSpecification};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

fn arn(group: &SecurityGroup) -> String {
    let Scope { account, region } = &group.scope;
    format!("arn:aws:ec2:{region}:{account}:security-group/{}", group.id)
}

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
    let name = parameter::group_name(&input.group_name)?;
    let description = parameter::group_description(input.description)?;
    let Some(vpc) = &input.vpc_id else {
        return Err(Error::new(
            Ec2Error::VpcIdNotSpecified,
            "No default VPC for this user. Tombolo makes none: give VpcId.",
        ));
    };
    let vpc = tx.vpc(vpc).to(call.action()).await?;
    refuse_taken(tx, &vpc, &name).await?;

    let group = SecurityGroup {
        scope: vpc.scope,
        id: SecurityGroupId::generate(call.ids),
        vpc: vpc.id,
        number: Some(SecurityGroupNumber(call.numbers.next()?)),
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

#[derive(Debug, Deserialize)]
pub(crate) struct Delete {
    #[serde(flatten)]
    group: NamedGroup,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Deleted {
    r#return: bool,
    group_id: SecurityGroupId,
}

/// Deletes a group that no interface carries and no rule of the VPC names. Rules of peered VPCs
/// that name it become stale: another account cannot keep it from being deleted.
pub(crate) async fn delete_security_group(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Delete,
) -> Result<Deleted> {
    let group = input.group.find(tx, call).await?;
    if group.is_default() {
        return Err(Error::new(
            Ec2Error::CannotDelete,
            format!(
                "the specified group: \"{}\" name: \"default\" cannot be deleted by a user; it goes \
                 with its VPC",
                group.id
            ),
        ));
    }
    if let Some(dependent) = dependent(tx, &group).await? {
        return Err(Error::new(
            Ec2Error::DependencyViolation,
            format!("resource {} has a dependent object: {dependent}", group.id),
        ));
    }
    tx.remove(&group);
    Ok(Deleted {
        r#return: true,
        group_id: group.id,
    })
}

/// What needs the group, and what to do about it.
async fn dependent(
    tx: &mut ScopedTransaction<'_>,
    group: &SecurityGroup,
) -> Result<Option<String>> {
    let id = &group.id;
    let interfaces = tx.interfaces_of(group).list().await?;
    let mut interfaces = interfaces.iter();
    if let Some(interface) = interfaces.find(|interface| interface.groups.contains(id)) {
        return Ok(Some(format!(
            "network interface {} carries it; give that another group first",
            interface.id
        )));
    }
    let groups = tx.security_groups_of(group).list().await?;
    let mut others = groups.iter().filter(|other| other.id != *id);
    let other = others.find(|other| other.refers_to(id));
    Ok(other.map(|other| {
        format!(
            "a rule of security group {} names it; revoke that first",
            other.id
        )
    }))
}
