//! DescribeSecurityGroupRules.

use serde::{Deserialize, Serialize};

use super::peering::ActivePeerings;
use super::rule::RuleView;
use crate::ec2::error::Result;
use crate::ec2::selection::Selection;
use crate::ec2::tag::TagsOf;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeRules {
    #[serde(default)]
    security_group_rule_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribedRules {
    security_group_rules: Vec<RuleView>,
    next_token: Option<String>,
}

/// The rules of the security groups of the caller's VPCs.
pub(crate) async fn describe_security_group_rules(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: DescribeRules,
) -> Result<DescribedRules> {
    let vpcs = tx.vpcs().to(call.action()).await?;
    let peerings = ActivePeerings::of_all(tx, call).await?;
    let mut tags = TagsOf::read(tx, call).await?;
    let mut views = Vec::new();
    for group in tx.security_groups_in(&vpcs).await? {
        let rules = group.rules.iter();
        views.extend(rules.map(|rule| RuleView::new(&group, rule, &peerings, tags.take(&rule.id))));
    }
    let ids = ("securityGroupRuleIds", &input.security_group_rule_ids[..]);
    let page = input.selection.named(call, ids, views)?;
    Ok(DescribedRules {
        security_group_rules: page.items,
        next_token: page.next_token,
    })
}
