//! AuthorizeSecurityGroupIngress and AuthorizeSecurityGroupEgress.

use serde::{Deserialize, Serialize};
use tombolo_domain::id::SecurityGroupRuleId;
use tombolo_domain::vpc::{RuleDirection, SecurityGroup, SecurityGroupRule};

use super::named::NamedGroup;
use super::permission::Permissions;
use super::rule::{self, RuleView};
use super::source::Finder;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::tag::{self, TagSpecification};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Authorize {
    #[serde(flatten)]
    group: NamedGroup,
    #[serde(flatten)]
    permissions: Permissions,
    #[serde(default)]
    tag_specifications: Vec<TagSpecification>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Authorized {
    r#return: bool,
    security_group_rules: Vec<RuleView>,
}

/// Adds rules for packets to the interfaces that carry a group: all of them, or none.
pub(crate) async fn authorize_security_group_ingress(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Authorize,
) -> Result<Authorized> {
    authorize(tx, call, input, RuleDirection::Ingress).await
}

/// Adds rules for packets from the interfaces that carry a group: all of them, or none.
pub(crate) async fn authorize_security_group_egress(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Authorize,
) -> Result<Authorized> {
    authorize(tx, call, input, RuleDirection::Egress).await
}

async fn authorize(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Authorize,
    direction: RuleDirection,
) -> Result<Authorized> {
    let permissions = input.permissions.parse(direction)?;
    let mut group = input.group.find(tx, call).await?;
    refuse_over_quota(call, &group, direction, permissions.len())?;

    let mut finder = Finder::new(&group);
    let mut new = Vec::with_capacity(permissions.len());
    for permission in permissions {
        new.push(SecurityGroupRule {
            id: SecurityGroupRuleId::generate(call.ids),
            direction,
            protocol: permission.protocol,
            peer: finder.find(tx, &permission.source).await?,
            description: permission.description,
            made_by: None,
        });
    }
    let peerings = finder.into_peerings();
    refuse_duplicates(&group, &new)?;

    let mut views = Vec::with_capacity(new.len());
    for rule in &new {
        let tags = input.tag_specifications.clone();
        let tags = tag::write_new(tx, &group.scope, &rule.id, tags)?;
        views.push(RuleView::new(&group, rule, &peerings, tags));
    }
    group.rules.extend(new);
    tx.put(&group)?;
    Ok(Authorized {
        r#return: true,
        security_group_rules: views,
    })
}

/// The rules that peering connections made do not count: nobody asked for them one by one, and a
/// connection must not fail on a full group.
fn refuse_over_quota(
    call: &Call<'_>,
    group: &SecurityGroup,
    direction: RuleDirection,
    new: usize,
) -> Result<()> {
    let most = call.settings.quotas.rules_per_security_group;
    let there = group
        .rules_of(direction)
        .filter(|rule| rule.made_by.is_none());
    let wanted = there.count() + new;
    if wanted <= most {
        return Ok(());
    }
    let way = match direction {
        RuleDirection::Ingress => "inbound",
        RuleDirection::Egress => "outbound",
    };
    Err(Error::new(
        Ec2Error::RulesPerSecurityGroupLimitExceeded,
        format!(
            "The maximum number of rules per security group has been reached: '{}' would have \
             {wanted} {way} rules, and the quota is {most}.",
            group.id
        ),
    ))
}

/// Refuses rules that say what another of the group says already.
fn refuse_duplicates(group: &SecurityGroup, new: &[SecurityGroupRule]) -> Result<()> {
    let duplicate = new.iter().find(|rule| {
        let mut there = group.rules_of(rule.direction);
        there.any(|other| other.says_same_as(rule))
    });
    match duplicate {
        Some(rule) => Err(duplicate_error(rule)),
        None => Ok(()),
    }
}

/// [`Ec2Error::InvalidPermissionDuplicate`] in EC2's words.
pub(super) fn duplicate_error(rule: &SecurityGroupRule) -> Error {
    Error::new(
        Ec2Error::InvalidPermissionDuplicate,
        format!(
            "the specified rule \"{}\" already exists",
            rule::spoken(rule)
        ),
    )
}
