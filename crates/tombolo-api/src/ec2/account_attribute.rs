//! DescribeAccountAttributes: what tools ask an account before they use it.

use serde::{Deserialize, Serialize};
use tombolo_domain::quota::Quotas;

use super::parameter::invalid_value;
use crate::ec2::error::Result;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    account_attributes: Vec<Attribute>,
}

/// EC2's AccountAttribute.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_name: &'static str,
    attribute_values: [Value; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Value {
    attribute_value: String,
}

/// The attributes that are asked for, or all.
pub(crate) async fn describe_account_attributes(
    tx: &mut ScopedTransaction<'_>,
    _: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let all = attributes(&tx.quotas().await?);
    let asked = &input.attribute_names;
    let unknown = |asked: &&String| !all.iter().any(|(name, _)| name == asked);
    if let Some(unknown) = asked.iter().find(unknown) {
        let known = all.map(|(name, _)| name).join(", ");
        let why = format!("Use one of {known}.");
        return Err(invalid_value("attributeName", unknown, &why));
    }
    let asked_for = all
        .into_iter()
        .filter(|(name, _)| asked.is_empty() || asked.iter().any(|asked| asked == name));
    Ok(Described {
        account_attributes: asked_for
            .map(|(name, value)| Attribute {
                attribute_name: name,
                attribute_values: [Value {
                    attribute_value: value,
                }],
            })
            .collect(),
    })
}

/// Tombolo has VPCs only, none of them by default, and neither EC2 instances nor public addresses.
fn attributes(quotas: &Quotas) -> [(&'static str, String); 6] {
    let groups = quotas.security_groups_per_interface;
    [
        ("supported-platforms", "VPC".to_owned()),
        ("default-vpc", "none".to_owned()),
        ("max-instances", "0".to_owned()),
        ("max-elastic-ips", "0".to_owned()),
        ("vpc-max-elastic-ips", "0".to_owned()),
        ("vpc-max-security-groups-per-interface", groups.to_string()),
    ]
}
