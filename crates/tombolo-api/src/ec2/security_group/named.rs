//! Which group a request is about.

use serde::Deserialize;
use tombolo_domain::vpc::SecurityGroup;

use crate::ec2::error::{Error, Result};
use crate::ec2::parameter::unsupported;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

/// The two members that EC2 has for it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedGroup {
    group_id: Option<String>,
    group_name: Option<String>,
}

impl NamedGroup {
    /// The caller's group.
    ///
    /// # Errors
    /// A malformed or unknown id, and a name: EC2 takes one for groups of a default VPC only, which
    /// Tombolo does not make.
    pub(super) async fn find(
        &self,
        tx: &mut ScopedTransaction<'_>,
        call: &Call<'_>,
    ) -> Result<SecurityGroup> {
        match (&self.group_id, &self.group_name) {
            (Some(id), _) => Ok(tx.security_group(id).to(call.action()).await?),
            (None, Some(_)) => Err(unsupported(
                "GroupName names a security group of a default VPC, and Tombolo makes none. Use \
                 GroupId.",
            )),
            (None, None) => Err(Error::missing_parameter("groupId")),
        }
    }
}
