//! ModifySecurityGroupRules, and UpdateSecurityGroupRuleDescriptionsIngress and -Egress: rules that
//! exist say something else.

use std::collections::BTreeMap;

use serde::Deserialize;
use tombolo_domain::id::SecurityGroupRuleId;
use tombolo_domain::vpc::{RuleDirection, SecurityGroup, SecurityGroupRule};

use super::parameter::{self, NamedGroup};
use super::permission::{self, IpPermission, Permission};
use super::protocol::ProtocolAndPorts;
use super::rules;
use super::source::{GroupReference, Source, SourceResolver};
use crate::ec2::Success;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::{ResourceId, invalid, parse_id};
use crate::error::CommonError;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Modify {
    group_id: String,
    security_group_rules: Vec<Update>,
}

/// EC2's SecurityGroupRuleUpdate.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Update {
    security_group_rule_id: String,
    security_group_rule: Option<RuleRequest>,
}

/// EC2's SecurityGroupRuleRequest: all that the rule is to say from now on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RuleRequest {
    #[serde(flatten)]
    protocol: ProtocolAndPorts,
    cidr_ipv4: Option<String>,
    cidr_ipv6: Option<String>,
    prefix_list_id: Option<String>,
    referenced_group_id: Option<String>,
    description: Option<String>,
}

impl RuleRequest {
    fn parse(self) -> Result<Permission> {
        let group = self.referenced_group_id.as_deref();
        let group = group.map(|id| GroupReference::parse(None, id, None, None));
        let cidr = self.cidr_ipv4.as_deref();
        let cidr = cidr.map(|cidr| permission::address_range(Some(cidr)));
        let sources = [
            cidr.transpose()?.map(Source::Cidr),
            group.transpose()?.map(Source::Group),
            self.cidr_ipv6.map(Source::Ipv6),
            self.prefix_list_id.map(Source::PrefixList),
        ];
        let mut sources = sources.into_iter().flatten();
        let source = sources.next().ok_or_else(|| {
            Error::new(
                CommonError::MissingParameter.into(),
                "A rule names neither addresses nor a security group. Give it CidrIpv4 or \
                 ReferencedGroupId.",
            )
        })?;
        if sources.next().is_some() {
            return Err(Error::new(
                Ec2Error::InvalidParameterCombination,
                "A rule names more than one source or destination. Give it CidrIpv4 or \
                 ReferencedGroupId, not both.",
            ));
        }
        Ok(Permission {
            protocol: self.protocol.parse()?,
            source,
            description: parameter::rule_description(self.description)?,
        })
    }
}

/// Makes rules of one group say something else, under the ids that they have: all of them, or none.
/// A rule that a peering connection made becomes the caller's own when it is changed.
pub(crate) async fn modify_security_group_rules(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Modify,
) -> Result<Success> {
    let updates = parse_updates(input.security_group_rules)?;
    let mut group = tx.security_group(&input.group_id).to(call.action()).await?;
    let unchanged = group.clone();
    let mut resolver = SourceResolver::new(&unchanged);
    for (id, wanted) in updates {
        let Some(rule) = group.rules.iter_mut().find(|rule| rule.id == id) else {
            return Err(Error::no_such(SecurityGroupRuleId::KIND, id));
        };
        rule.protocol = wanted.protocol;
        rule.peer = resolver.resolve(tx, &wanted.source).await?;
        rule.description = wanted.description;
        rule.made_by = None;
    }
    refuse_duplicates(&group, &unchanged)?;
    tx.put(&group)?;
    Ok(Success::default())
}

fn parse_updates(updates: Vec<Update>) -> Result<BTreeMap<SecurityGroupRuleId, Permission>> {
    if updates.is_empty() {
        return Err(Error::missing_parameter("securityGroupRule"));
    }
    let mut parsed = BTreeMap::new();
    for update in updates {
        let id: SecurityGroupRuleId = parse_id(&update.security_group_rule_id)?;
        let wanted = update
            .security_group_rule
            .ok_or_else(|| Error::missing_parameter("securityGroupRule"))?;
        if parsed.insert(id, wanted.parse()?).is_some() {
            return Err(invalid(format!(
                "The security group rule ID '{}' is there twice. Name each rule once.",
                update.security_group_rule_id
            )));
        }
    }
    Ok(parsed)
}

/// Refuses changed rules that say what another of the group says.
fn refuse_duplicates(group: &SecurityGroup, before: &SecurityGroup) -> Result<()> {
    let is_changed = |rule: &&SecurityGroupRule| !before.rules.contains(rule);
    for direction in [RuleDirection::Ingress, RuleDirection::Egress] {
        for changed in group.rules_of(direction).filter(is_changed) {
            let mut others = group.rules_of(direction);
            if others.any(|other| other.id != changed.id && other.has_same_permission(changed)) {
                return Err(rules::duplicate_error(changed));
            }
        }
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateDescriptions {
    #[serde(flatten)]
    group: NamedGroup,
    #[serde(default)]
    ip_permissions: Vec<IpPermission>,
    #[serde(default)]
    security_group_rule_descriptions: Vec<RuleDescription>,
}

/// EC2's SecurityGroupRuleDescription.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RuleDescription {
    security_group_rule_id: Option<String>,
    description: Option<String>,
}

/// What each rule is to be described with.
type Descriptions = BTreeMap<SecurityGroupRuleId, Option<String>>;

/// Describes rules for packets to the interfaces that carry a group. One without a description
/// loses that which it has.
pub(crate) async fn update_security_group_rule_descriptions_ingress(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: UpdateDescriptions,
) -> Result<Success> {
    update_descriptions(tx, call, input, RuleDirection::Ingress).await
}

/// Describes rules for packets from the interfaces that carry a group. One without a description
/// loses that which it has.
pub(crate) async fn update_security_group_rule_descriptions_egress(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: UpdateDescriptions,
) -> Result<Success> {
    update_descriptions(tx, call, input, RuleDirection::Egress).await
}

async fn update_descriptions(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: UpdateDescriptions,
    direction: RuleDirection,
) -> Result<Success> {
    let UpdateDescriptions {
        group,
        ip_permissions: permissions,
        security_group_rule_descriptions: by_id,
    } = input;
    let (mut group, mut wanted) = if by_id.is_empty() {
        let permissions = permission::parse_all(permissions)?;
        let group = group.find(tx, call).await?;
        let wanted = of_permissions(&group, direction, permissions)?;
        (group, wanted)
    } else if permissions.is_empty() {
        let wanted = of_ids(by_id)?;
        let group = group.find(tx, call).await?;
        rules::require_all(&group, direction, wanted.keys())?;
        (group, wanted)
    } else {
        return Err(Error::new(
            Ec2Error::InvalidParameterCombination,
            "The parameter ipPermissions cannot be used with the parameter \
             securityGroupRuleDescriptions",
        ));
    };
    for rule in &mut group.rules {
        if let Some(description) = wanted.remove(&rule.id) {
            rule.description = description;
        }
    }
    tx.put(&group)?;
    Ok(Success::default())
}

fn of_permissions(
    group: &SecurityGroup,
    direction: RuleDirection,
    permissions: Vec<Permission>,
) -> Result<Descriptions> {
    let mut wanted = Descriptions::new();
    for permission in permissions {
        let found = rules::matching(group, direction, std::slice::from_ref(&permission))?;
        let described = found
            .into_iter()
            .map(|id| (id, permission.description.clone()));
        wanted.extend(described);
    }
    Ok(wanted)
}

fn of_ids(descriptions: Vec<RuleDescription>) -> Result<Descriptions> {
    let mut wanted = Descriptions::new();
    for one in descriptions {
        let id = one
            .security_group_rule_id
            .ok_or_else(|| Error::missing_parameter("securityGroupRuleId"))?;
        let description = parameter::rule_description(one.description)?;
        wanted.insert(parse_id(&id)?, description);
    }
    Ok(wanted)
}
