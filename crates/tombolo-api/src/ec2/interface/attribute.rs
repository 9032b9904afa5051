//! ModifyNetworkInterfaceAttribute and DescribeNetworkInterfaceAttribute.

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{NetworkInterfaceId, SecurityGroupId};
use tombolo_domain::quota::Quotas;

use super::new;
use super::view::{AttachmentView, Context, GroupIdentifier, InterfaceView};
use crate::ec2::Empty;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::{OtherParameters, invalid_value, unsupported};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Modify {
    network_interface_id: String,
    description: Option<Text>,
    source_dest_check: Option<Flag>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(flatten)]
    others: OtherParameters,
}

/// EC2's AttributeValue.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Text {
    value: Option<String>,
}

/// EC2's AttributeBooleanValue.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Flag {
    value: Option<bool>,
}

/// What one request changes.
enum Change {
    Description(String),
    SourceDestCheck(bool),
    Groups(Vec<SecurityGroupId>),
}

/// Changes one attribute of a network interface. Another set of security groups decides about the
/// next packet, also of flows that are running.
pub(crate) async fn modify_network_interface_attribute(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Modify,
) -> Result<Empty> {
    input.others.refuse()?;
    let change = change(&tx.quotas().await?, &input)?;
    let mut interface = tx
        .interface(&input.network_interface_id)
        .to(call.action())
        .await?;
    match change {
        Change::Description(description) => interface.description = description,
        Change::Groups(groups) => {
            new::require_groups(tx, &interface, &groups).await?;
            interface.groups = groups;
        }
        // It is on for every interface.
        Change::SourceDestCheck(true) => {}
        Change::SourceDestCheck(false) => {
            return Err(unsupported(
                "SourceDestCheck cannot be turned off: no interface of Tombolo's sends packets \
                 from another's address.",
            ));
        }
    }
    tx.put(&interface)?;
    Ok(Empty {})
}

/// The only attribute that the request names.
fn change(quotas: &Quotas, input: &Modify) -> Result<Change> {
    let combination = |why| Err(Error::new(Ec2Error::InvalidParameterCombination, why));
    match (
        &input.description,
        &input.source_dest_check,
        &input.groups[..],
    ) {
        (Some(description), None, []) => {
            let description = description.value.clone();
            Ok(Change::Description(description.unwrap_or_default()))
        }
        (None, Some(check), []) => {
            let check = check.value;
            let check = check.ok_or_else(|| Error::missing_parameter("sourceDestCheck"))?;
            Ok(Change::SourceDestCheck(check))
        }
        (None, None, []) => combination(
            "No attributes specified. Give one of Description, Groups and SourceDestCheck.",
        ),
        (None, None, groups) => Ok(Change::Groups(super::wanted_groups(quotas, groups)?)),
        _ => combination(
            "Fields for multiple attribute types specified. Change one attribute at a time.",
        ),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeAttribute {
    network_interface_id: String,
    attribute: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribedAttribute {
    network_interface_id: NetworkInterfaceId,
    #[serde(flatten)]
    attribute: Attribute,
}

/// The attribute that was asked for, as the member of its name.
#[derive(Debug, Serialize)]
enum Attribute {
    Attachment(Option<AttachmentView>),
    Description(Text),
    Groups(Vec<GroupIdentifier>),
    SourceDestCheck(Flag),
    AssociatePublicIpAddress(bool),
}

/// One attribute of a network interface.
pub(crate) async fn describe_network_interface_attribute(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: DescribeAttribute,
) -> Result<DescribedAttribute> {
    let Some(name) = input.attribute.as_deref() else {
        return Err(Error::missing_parameter("attribute"));
    };
    let interface = tx
        .interface(&input.network_interface_id)
        .to(call.action())
        .await?;
    let InterfaceView {
        network_interface_id,
        attachment,
        description,
        groups,
        source_dest_check,
        ..
    } = Context::of_one(tx, &interface).await?.view(interface);
    let attribute = match name {
        "attachment" => Attribute::Attachment(attachment),
        "description" => Attribute::Description(Text {
            value: Some(description),
        }),
        "groupSet" => Attribute::Groups(groups),
        "sourceDestCheck" => Attribute::SourceDestCheck(Flag {
            value: Some(source_dest_check),
        }),
        "associatePublicIpAddress" => Attribute::AssociatePublicIpAddress(false),
        other => {
            return Err(invalid_value(
                "attribute",
                other,
                "A network interface has no such attribute.",
            ));
        }
    };
    Ok(DescribedAttribute {
        network_interface_id,
        attribute,
    })
}
