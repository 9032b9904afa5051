//! DeleteSecurityGroup.

use serde::{Deserialize, Serialize};
use tombolo_domain::id::SecurityGroupId;
use tombolo_domain::vpc::SecurityGroup;

use super::named::NamedGroup;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

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
/// that name it become stale: another account cannot hold it.
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
