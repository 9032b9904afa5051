//! Tags as EC2's operations take and show them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tombolo_domain::Scope;
use tombolo_domain::tag::{TagError, Tags};

use super::parameter::{ResourceId, TaggedId, invalid};
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::lookup::{ScopedTransaction, empty_tags};
use crate::operation::Call;
use crate::operation::format::shorten;

/// A key and its value, which may be empty.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    #[serde(default)]
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
}

/// Tags for what an operation makes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagSpecification {
    resource_type: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

/// Writes the tags of a new resource, and gives them as they are shown.
pub(super) fn write_new<I: TaggedId>(
    tx: &mut ScopedTransaction<'_>,
    scope: &Scope,
    id: &I,
    specifications: Vec<TagSpecification>,
) -> Result<Vec<Tag>> {
    let mut wanted = Vec::new();
    for specification in specifications {
        match specification.resource_type.as_deref() {
            Some(kind) if kind == I::TYPE => wanted.extend(specification.tags),
            Some(kind) => {
                return Err(invalid(format!(
                    "'{}' is not a valid taggable resource type for this operation; use '{}'.",
                    shorten(kind),
                    I::TYPE
                )));
            }
            None => {
                return Err(invalid("Tag specification resource type must have a value"));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let mut tags = empty_tags(scope, &id.to_string());
    add(&mut tags, wanted)?;
    tx.put(&tags)?;
    Ok(shown(tags))
}

/// Adds the tags of one request.
pub(super) fn add(tags: &mut Tags, new: Vec<Tag>) -> Result<()> {
    let added = tags.add(new.into_iter().map(|tag| (tag.key, tag.value)));
    added.map_err(|error| match error {
        TagError::TooMany { .. } => Error::new(
            Ec2Error::TagLimitExceeded,
            format!("Resource {}: {error}.", tags.resource),
        ),
        TagError::Duplicate { key } => invalid(format!("Duplicate tag key '{key}' specified.")),
        TagError::Length { .. } | TagError::Reserved { .. } => invalid(format!("{error}.")),
    })
}

/// The tags of the caller's resources, by resource.
pub(super) struct TagsOf(BTreeMap<String, Vec<Tag>>);

impl TagsOf {
    /// Reads those of all, only to be shown: the commit does not depend on them.
    pub(super) async fn read(tx: &mut ScopedTransaction<'_>, call: &Call<'_>) -> Result<Self> {
        let all = tx.tags().to(call.action())?.peek().await?;
        let by_resource = all
            .into_iter()
            .map(|tags| (tags.resource.clone(), shown(tags)));
        Ok(TagsOf(by_resource.collect()))
    }

    /// Reads those of one resource only.
    pub(super) async fn one(tx: &mut ScopedTransaction<'_>, id: &impl ResourceId) -> Result<Self> {
        let id = id.to_string();
        let tags = tx.tags_of(&id).await?;
        Ok(TagsOf(
            tags.map(|tags| (id, shown(tags))).into_iter().collect(),
        ))
    }

    /// Those of one.
    pub(super) fn take(&mut self, id: &impl ResourceId) -> Vec<Tag> {
        self.0.remove(&id.to_string()).unwrap_or_default()
    }
}

fn shown(tags: Tags) -> Vec<Tag> {
    let tags = tags.tags.into_iter();
    tags.map(|(key, value)| Tag { key, value }).collect()
}
