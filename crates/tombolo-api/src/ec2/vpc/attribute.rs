//! ModifyVpcAttribute and DescribeVpcAttribute. Tombolo has no DNS server of a VPC and measures no
//! address usage: the attributes are stored, shown, and validated by EC2's rules.

use serde::{Deserialize, Serialize};
use tombolo_domain::id::VpcId;

use crate::ec2::Empty;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::{invalid, invalid_value};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

/// EC2's AttributeBooleanValue.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Flag {
    value: Option<bool>,
}

impl Flag {
    fn of(value: bool) -> Option<Self> {
        Some(Flag { value: Some(value) })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Modify {
    vpc_id: String,
    enable_dns_support: Option<Flag>,
    enable_dns_hostnames: Option<Flag>,
    enable_network_address_usage_metrics: Option<Flag>,
}

/// Changes one attribute.
pub(crate) async fn modify_vpc_attribute(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Modify,
) -> Result<Empty> {
    let mut vpc = tx.vpc(&input.vpc_id).to(call.action()).await?;
    let asked = |flag: Option<Flag>| flag.and_then(|flag| flag.value);
    let attributes = &mut vpc.attributes;
    match (
        asked(input.enable_dns_support),
        asked(input.enable_dns_hostnames),
        asked(input.enable_network_address_usage_metrics),
    ) {
        (Some(value), None, None) => attributes.dns_support = value,
        (None, Some(true), None) if !attributes.dns_support => {
            return Err(invalid(format!(
                "DNS hostnames of VPC {} cannot be enabled while its DNS support is disabled; \
                 enable that first.",
                vpc.id
            )));
        }
        (None, Some(value), None) => attributes.dns_hostnames = value,
        (None, None, Some(value)) => attributes.network_address_usage_metrics = value,
        (None, None, None) => return Err(not_one("No attributes specified; name one.")),
        _ => {
            return Err(not_one(
                "Only one attribute can be modified at a time: EnableDnsSupport, \
                 EnableDnsHostnames or EnableNetworkAddressUsageMetrics.",
            ));
        }
    }
    tx.put(&vpc)?;
    Ok(Empty {})
}

fn not_one(message: &str) -> Error {
    Error::new(Ec2Error::InvalidParameterCombination, message)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    vpc_id: String,
    attribute: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    vpc_id: VpcId,
    enable_dns_support: Option<Flag>,
    enable_dns_hostnames: Option<Flag>,
    enable_network_address_usage_metrics: Option<Flag>,
}

/// Shows one attribute.
pub(crate) async fn describe_vpc_attribute(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let vpc = tx.vpc(&input.vpc_id).to(call.action()).await?;
    let mut described = Described {
        vpc_id: vpc.id,
        enable_dns_support: None,
        enable_dns_hostnames: None,
        enable_network_address_usage_metrics: None,
    };
    let attributes = vpc.attributes;
    match input.attribute.as_str() {
        "enableDnsSupport" => described.enable_dns_support = Flag::of(attributes.dns_support),
        "enableDnsHostnames" => described.enable_dns_hostnames = Flag::of(attributes.dns_hostnames),
        "enableNetworkAddressUsageMetrics" => {
            let value = attributes.network_address_usage_metrics;
            described.enable_network_address_usage_metrics = Flag::of(value);
        }
        other => {
            return Err(invalid_value(
                "attribute",
                other,
                "Use enableDnsSupport, enableDnsHostnames or enableNetworkAddressUsageMetrics.",
            ));
        }
    }
    Ok(described)
}
