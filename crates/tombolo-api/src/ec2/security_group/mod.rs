//! Security groups and their rules.
//!
//! What requests say about rules is read by [`permission`], with [`protocol`] and [`source`]; how
//! rules are shown is in [`rule`], one by one, and in [`permission_view`], within their group.

mod authorize;
mod create;
mod delete;
mod describe;
mod describe_rules;
mod modify;
mod named;
mod peering;
mod permission;
mod permission_view;
mod protocol;
mod reference;
mod revoke;
mod rule;
mod rule_description;
mod source;
mod stale;
mod wording;

pub(crate) use authorize::{authorize_security_group_egress, authorize_security_group_ingress};
pub(crate) use create::create_security_group;
pub(crate) use delete::delete_security_group;
pub(crate) use describe::describe_security_groups;
pub(crate) use describe_rules::describe_security_group_rules;
pub(crate) use modify::modify_security_group_rules;
pub(crate) use reference::describe_security_group_references;
pub(crate) use revoke::{revoke_security_group_egress, revoke_security_group_ingress};
pub(crate) use rule_description::{
    update_security_group_rule_descriptions_egress, update_security_group_rule_descriptions_ingress,
};
pub(crate) use stale::describe_stale_security_groups;

use serde::Serialize;
use tombolo_domain::Scope;
use tombolo_domain::vpc::SecurityGroup;

/// The output of an operation that says only that it happened, in a member of the model's own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Done {
    r#return: bool,
}

impl Default for Done {
    fn default() -> Self {
        Done { r#return: true }
    }
}

fn arn(group: &SecurityGroup) -> String {
    let Scope { account, region } = &group.scope;
    format!("arn:aws:ec2:{region}:{account}:security-group/{}", group.id)
}
