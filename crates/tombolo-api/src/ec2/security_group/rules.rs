//! AuthorizeSecurityGroupIngress and -Egress add rules, RevokeSecurityGroupIngress and -Egress
//! remove them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::SecurityGroupRuleId;
use tombolo_domain::vpc::{RuleDirection, SecurityGroup, SecurityGroupRule};

use super::parameter::NamedGroup;
use super::permission::{Permission, Permissions};
use super::rule_view::{self, RevokedRule, RuleView};
use super::source::SourceResolver;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::{ResourceId, parse_id};
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
    let most = tx.quotas().await?.rules_per_security_group;
    refuse_over_quota(most, &group, direction, permissions.len())?;

    let mut resolver = SourceResolver::new(&group);
    let mut new = Vec::with_capacity(permissions.len());
    for permission in permissions {
        new.push(SecurityGroupRule {
            id: SecurityGroupRuleId::generate(call.ids),
            direction,
            protocol: permission.protocol,
            peer: resolver.resolve(tx, &permission.source).await?,
            description: permission.description,
            made_by: None,
        });
    }
    let peerings = resolver.into_peerings();
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

/// The rules that peering connections made do not count: no client asked for each of them, and a
/// connection must not fail on a full group.
fn refuse_over_quota(
    most: usize,
    group: &SecurityGroup,
    direction: RuleDirection,
    new: usize,
) -> Result<()> {
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
        there.any(|other| other.has_same_permission(rule))
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
            rule_view::error_text(rule)
        ),
    )
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Revoke {
    #[serde(flatten)]
    group: NamedGroup,
    #[serde(flatten)]
    permissions: Permissions,
    #[serde(default)]
    security_group_rule_ids: Vec<String>,
}

/// UnknownIpPermissions is for groups of a default VPC, where EC2 passes over what it does not
/// find. In every other VPC it refuses, and so it does here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Revoked {
    r#return: bool,
    revoked_security_group_rules: Vec<RevokedRule>,
}

/// Removes rules for packets to the interfaces that carry a group: all of them, or none.
pub(crate) async fn revoke_security_group_ingress(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Revoke,
) -> Result<Revoked> {
    revoke(tx, call, input, RuleDirection::Ingress).await
}

/// Removes rules for packets from the interfaces that carry a group: all of them, or none.
pub(crate) async fn revoke_security_group_egress(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Revoke,
) -> Result<Revoked> {
    revoke(tx, call, input, RuleDirection::Egress).await
}

/// A rule that a peering connection made is revoked like any other; the connection then has nothing
/// left to remove.
async fn revoke(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Revoke,
    direction: RuleDirection,
) -> Result<Revoked> {
    let Revoke {
        group,
        permissions,
        security_group_rule_ids: ids,
    } = input;
    if !ids.is_empty() && !permissions.is_empty() {
        return Err(Error::new(
            Ec2Error::InvalidParameterCombination,
            "The parameter securityGroupRuleIds cannot be used together with rules' properties. \
             Name each rule in one way.",
        ));
    }
    let unwanted = if ids.is_empty() {
        let permissions = permissions.parse(direction)?;
        let group = group.find(tx, call).await?;
        let ids = matching(&group, direction, &permissions)?;
        (group, ids)
    } else {
        let ids = ids.iter().map(|id| parse_id(id));
        let ids = ids.collect::<Result<BTreeSet<_>, _>>()?;
        let group = group.find(tx, call).await?;
        require_all(&group, direction, &ids)?;
        (group, ids)
    };
    let (mut group, ids) = unwanted;
    let gone = group.remove_rules(|rule| ids.contains(&rule.id));
    for rule in &gone {
        tx.remove_tags_of(rule.id.as_str());
    }
    tx.put(&group)?;
    let gone = gone.into_iter();
    Ok(Revoked {
        r#return: true,
        revoked_security_group_rules: gone.map(|rule| RevokedRule::new(&group.id, rule)).collect(),
    })
}

/// The rules that say what one of `permissions` says, of which each must find one.
pub(super) fn matching(
    group: &SecurityGroup,
    direction: RuleDirection,
    permissions: &[Permission],
) -> Result<BTreeSet<SecurityGroupRuleId>> {
    let mut found = BTreeSet::new();
    for permission in permissions {
        let rules = group.rules_of(direction);
        let mut rules = rules
            .filter(|rule| permission.is(rule, group.scope.account))
            .peekable();
        if rules.peek().is_none() {
            return Err(Error::new(
                Ec2Error::InvalidPermissionNotFound,
                format!(
                    "The specified rule does not exist in this security group: '{}' has no rule \
                     {permission}.",
                    group.id
                ),
            ));
        }
        found.extend(rules.map(|rule| rule.id.clone()));
    }
    Ok(found)
}

/// Refuses an id that is none of the group's rules of the direction.
pub(super) fn require_all<'i>(
    group: &SecurityGroup,
    direction: RuleDirection,
    ids: impl IntoIterator<Item = &'i SecurityGroupRuleId>,
) -> Result<()> {
    let there: BTreeSet<_> = group.rules_of(direction).map(|rule| &rule.id).collect();
    match ids.into_iter().find(|id| !there.contains(id)) {
        Some(unknown) => Err(Error::no_such(SecurityGroupRuleId::KIND, unknown)),
        None => Ok(()),
    }
}
