//! Tags as EC2's operations take and show them.

use serde::{Deserialize, Serialize};
use tombolo_domain::Scope;
use tombolo_domain::tag::{TagError, Tags};

use super::parameter::{ResourceId, TaggedId, invalid};
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::lookup::{AllTags, ScopedTransaction, empty_tags};
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
pub(super) enum TagsOf {
    /// Of all of them.
    All(AllTags),
    /// Of one of them.
    One(Vec<Tag>),
}

impl TagsOf {
    /// Reads those of all, only to be shown: the commit does not depend on them.
    pub(super) async fn read(tx: &mut ScopedTransaction<'_>, call: &Call<'_>) -> Result<Self> {
        Ok(TagsOf::All(tx.all_tags(call.action()).await?))
    }

    /// Reads those of one resource only.
    pub(super) async fn one(tx: &mut ScopedTransaction<'_>, id: &impl ResourceId) -> Result<Self> {
        let tags = tx.tags_of(&id.to_string()).await?;
        Ok(TagsOf::One(tags.map(shown).unwrap_or_default()))
    }

    /// Those of one, which is shown once.
    pub(super) fn take(&mut self, id: &impl ResourceId) -> Vec<Tag> {
        match self {
            TagsOf::All(all) => {
                let tags = all.of(&id.to_string());
                tags.map(|tags| shown(Tags::clone(&tags)))
                    .unwrap_or_default()
            }
            TagsOf::One(tags) => std::mem::take(tags),
        }
    }
}

fn shown(tags: Tags) -> Vec<Tag> {
    let tags = tags.tags.into_iter();
    tags.map(|(key, value)| Tag { key, value }).collect()
}
