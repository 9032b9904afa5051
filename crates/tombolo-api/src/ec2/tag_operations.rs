//! CreateTags, DeleteTags and DescribeTags.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{
    NetworkInterfaceId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, SubnetId, VpcId,
    VpcPeeringConnectionId,
};
use tombolo_domain::tag::Tags;

use super::Empty;
use super::filter::{Field, Filtered};
use super::parameter::{TaggedId, invalid, resource_type};
use super::selection::Selection;
use super::tag::{self, Tag};
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::shorten;

/// The most resources of one request (Amazon EC2 API Reference, CreateTags). Some are looked for
/// among all of their kind.
const MAX_RESOURCES: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    resources: Vec<String>,
    tags: Vec<Tag>,
}

/// Adds tags to every resource or, if one of them is refused, to none.
pub(crate) async fn create_tags(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Create,
) -> Result<Empty> {
    refuse_too_many(&input.resources)?;
    for resource in &input.resources {
        let mut tags = tags_of(tx, call, resource).await?;
        tag::add(&mut tags, input.tags.clone())?;
        tx.put_tags(&tags)?;
    }
    Ok(Empty {})
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    resources: Vec<String>,
    #[serde(default)]
    tags: Vec<Unwanted>,
}

/// A tag to delete. Without a value, whatever value the key has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unwanted {
    #[serde(default)]
    key: String,
    value: Option<String>,
}

impl Unwanted {
    fn is(&self, key: &str, value: &str) -> bool {
        self.key == key && self.value.as_deref().is_none_or(|wanted| wanted == value)
    }
}

/// Removes the named tags, or all, from every resource. One that does not exist is no error.
pub(crate) async fn delete_tags(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Delete,
) -> Result<Empty> {
    refuse_too_many(&input.resources)?;
    for resource in &input.resources {
        let mut tags = tags_of(tx, call, resource).await?;
        tags.tags.retain(|key, value| {
            !input.tags.is_empty() && !input.tags.iter().any(|tag| tag.is(key, value))
        });
        tx.put_tags(&tags)?;
    }
    Ok(Empty {})
}

#[derive(Debug, Deserialize)]
pub(crate) struct Describe {
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    tags: Vec<TagView>,
    next_token: Option<String>,
}

/// EC2's TagDescription.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagView {
    resource_id: String,
    resource_type: &'static str,
    #[serde(flatten)]
    tag: Tag,
}

impl Filtered for TagView {
    const FIELDS: &'static [Field<Self>] = &[
        ("key", |view| vec![view.tag.key.clone()]),
        ("value", |view| vec![view.tag.value.clone()]),
        ("resource-id", |view| vec![view.resource_id.clone()]),
        ("resource-type", |view| vec![view.resource_type.to_owned()]),
    ];

    fn tags(&self) -> &[Tag] {
        std::slice::from_ref(&self.tag)
    }
}

/// The tags of the caller's EC2 resources. GameLift's resources have theirs with GameLift.
pub(crate) async fn describe_tags(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let mut views = Vec::new();
    let found = match input.selection.literals("resource-id") {
        None => tx.tags().to(call.action())?.peek().await?,
        Some(resources) => {
            let all = tx.all_tags(call.action()).await?;
            let resources: BTreeSet<_> = resources.collect();
            let found = resources.into_iter().filter_map(|id| all.of(id));
            found.map(|tags| Tags::clone(&tags)).collect()
        }
    };
    for Tags { resource, tags, .. } in found {
        let Some(resource_type) = resource_type(&resource) else {
            continue;
        };
        views.extend(tags.into_iter().map(|(key, value)| TagView {
            resource_id: resource.clone(),
            resource_type,
            tag: Tag { key, value },
        }));
    }
    let page = input.selection.filtered(call, views, |view| {
        format!("{}/{}", view.resource_id, view.tag.key)
    })?;
    Ok(Described {
        tags: page.items,
        next_token: page.next_token,
    })
}

fn refuse_too_many(resources: &[String]) -> Result<()> {
    let count = resources.len();
    if count <= MAX_RESOURCES {
        return Ok(());
    }
    Err(invalid(format!(
        "The request names {count} resources; name at most {MAX_RESOURCES} at a time."
    )))
}

/// The tags of a resource of the caller's, which has to exist; the commit depends on both.
async fn tags_of(tx: &mut ScopedTransaction<'_>, call: &Call<'_>, id: &str) -> Result<Tags> {
    require(tx, call, id).await?;
    Ok(tx.tags_or_empty(id).await?)
}

/// Refuses an id that names nothing of the caller's, as the resource's own operations do.
async fn require(tx: &mut ScopedTransaction<'_>, call: &Call<'_>, id: &str) -> Result<()> {
    match resource_type(id) {
        Some(VpcId::TYPE) => drop(tx.vpc(id).to(call.action()).await?),
        Some(SubnetId::TYPE) => drop(tx.subnet(id).to(call.action()).await?),
        Some(NetworkInterfaceId::TYPE) => drop(tx.interface(id).to(call.action()).await?),
        Some(RouteTableId::TYPE) => drop(tx.route_table(id).to(call.action()).await?),
        Some(SecurityGroupId::TYPE) => drop(tx.security_group(id).to(call.action()).await?),
        Some(SecurityGroupRuleId::TYPE) => drop(tx.group_of_rule(id).to(call.action()).await?),
        Some(VpcPeeringConnectionId::TYPE) => {
            drop(tx.peering_connection(id).to(call.action()).await?)
        }
        _ => {
            return Err(Error::new(
                Ec2Error::InvalidId,
                format!("The ID '{}' is not valid", shorten(id)),
            ));
        }
    }
    Ok(())
}
