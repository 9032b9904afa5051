//! Network interfaces: one file an operation, and what several of them share.

mod attribute;
mod create;
mod delete;
mod describe;
pub mod new;
mod view;

pub(crate) use attribute::{
    describe_network_interface_attribute, modify_network_interface_attribute,
};
pub(crate) use create::create_network_interface;
pub(crate) use delete::delete_network_interface;
pub(crate) use describe::describe_network_interfaces;

use tombolo_domain::id::SecurityGroupId;

use super::parameter::parse_id;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::operation::Call;

/// The security groups asked for, each once.
fn wanted_groups(call: &Call<'_>, texts: &[String]) -> Result<Vec<SecurityGroupId>> {
    let mut groups: Vec<SecurityGroupId> = Vec::with_capacity(texts.len());
    for text in texts {
        let group = parse_id(text)?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let most = call.settings.quotas.security_groups_per_interface;
    if groups.len() <= most {
        return Ok(groups);
    }
    Err(Error::new(
        Ec2Error::SecurityGroupsPerInterfaceLimitExceeded,
        format!(
            "The maximum number of security groups per interface has been reached: {} were given, \
             and the quota is {most}.",
            groups.len()
        ),
    ))
}
