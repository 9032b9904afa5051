//! ModifySubnetAttribute. What it changes in EC2 — public and IPv6 addresses, names — Tombolo does
//! not have, so a subnet's attributes can be set to what they are.

use serde::Deserialize;

use super::Empty;
use super::parameter::{Others, unsupported};
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::text::shorten;

/// What a new subnet has for PrivateDnsHostnameTypeOnLaunch.
pub(super) const HOSTNAME_TYPE: &str = "ip-name";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Modify {
    subnet_id: String,
    private_dns_hostname_type_on_launch: Option<String>,
    #[serde(flatten)]
    others: Others,
}

/// Sets one attribute to the value that it has.
pub(crate) async fn modify_subnet_attribute(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Modify,
) -> Result<Empty> {
    let hostname_type = input.private_dns_hostname_type_on_launch;
    let attributes = usize::from(hostname_type.is_some()) + input.others.count();
    if attributes != 1 {
        return Err(Error::new(
            Ec2Error::InvalidParameterCombination,
            format!(
                "One attribute can be modified at a time, and the request has {attributes}; use a \
                 request for each."
            ),
        ));
    }
    input.others.refuse()?;
    if let Some(other) = hostname_type.filter(|name| name != HOSTNAME_TYPE) {
        return Err(unsupported(format!(
            "PrivateDnsHostnameTypeOnLaunch {} is not supported: Tombolo names no hosts. Use \
             {HOSTNAME_TYPE}.",
            shorten(&other)
        )));
    }
    tx.subnet(&input.subnet_id).to(call.action()).await?;
    Ok(Empty {})
}
