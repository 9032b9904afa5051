//! UpdateSecurityGroupRuleDescriptionsIngress and UpdateSecurityGroupRuleDescriptionsEgress.

use std::collections::BTreeMap;

use serde::Deserialize;
use tombolo_domain::id::SecurityGroupRuleId;
use tombolo_domain::vpc::{RuleDirection, SecurityGroup};

use super::named::NamedGroup;
use super::permission::{self, IpPermission, Permission};
use super::{Done, revoke, wording};
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::parse_id;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Update {
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
    input: Update,
) -> Result<Done> {
    update(tx, call, input, RuleDirection::Ingress).await
}

/// Describes rules for packets from the interfaces that carry a group. One without a description
/// loses that which it has.
pub(crate) async fn update_security_group_rule_descriptions_egress(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Update,
) -> Result<Done> {
    update(tx, call, input, RuleDirection::Egress).await
}

async fn update(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Update,
    direction: RuleDirection,
) -> Result<Done> {
    let Update {
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
        revoke::require_all(&group, direction, wanted.keys())?;
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
    Ok(Done::default())
}

fn of_permissions(
    group: &SecurityGroup,
    direction: RuleDirection,
    permissions: Vec<Permission>,
) -> Result<Descriptions> {
    let mut wanted = Descriptions::new();
    for permission in permissions {
        let found = revoke::matching(group, direction, std::slice::from_ref(&permission))?;
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
        let description = wording::rule_description(one.description)?;
        wanted.insert(parse_id(&id)?, description);
    }
    Ok(wanted)
}
