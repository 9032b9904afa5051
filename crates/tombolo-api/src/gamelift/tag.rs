//! ListTagsForResource, TagResource and UntagResource: the tags of fleets and builds, by ARN.

use std::fmt;

use serde::{Deserialize, Serialize};
use tombolo_domain::Scope;
use tombolo_domain::arn::{self, GameLiftResource};
use tombolo_domain::tag::Tags;

use super::Empty;
use super::error::not_found;
use super::fleet::{FORCED_BLOCK_TAG, INTERNET_TAG};
use crate::gamelift::error::{Error, GameLiftError, Result};
use crate::lookup::{ScopedTransaction, empty_tags};
use crate::operation::Call;
use crate::operation::format::shorten;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(super) key: String,
    pub(super) value: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResourceInput {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed {
    tags: Vec<Tag>,
}

/// The tags of one resource, by key.
pub(crate) async fn list_tags_for_resource(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: ResourceInput,
) -> Result<Listed> {
    let resource = resource(tx, call, &input.resource_arn).await?;
    let found = tx.tags_or_empty(&resource).await?;
    let tags = found
        .tags
        .into_iter()
        .map(|(key, value)| Tag { key, value });
    Ok(Listed {
        tags: tags.collect(),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Add {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tags: Vec<Tag>,
}

/// Adds tags, or gives new values to keys that are there.
pub(crate) async fn tag_resource(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Add,
) -> Result<Empty> {
    let resource = resource(tx, call, &input.resource_arn).await?;
    refuse_creation_only(&resource, input.tags.iter().map(|tag| &*tag.key))?;
    let mut tags = tx.tags_or_empty(&resource).await?;
    add(&mut tags, input.tags)?;
    tx.put_tags(&tags)?;
    Ok(Empty {})
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Remove {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tag_keys: Vec<String>,
}

/// Removes tags. A key that the resource does not have is no error.
pub(crate) async fn untag_resource(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Remove,
) -> Result<Empty> {
    let resource = resource(tx, call, &input.resource_arn).await?;
    refuse_creation_only(&resource, input.tag_keys.iter().map(String::as_str))?;
    let mut tags = tx.tags_or_empty(&resource).await?;
    for key in &input.tag_keys {
        tags.tags.remove(key);
    }
    tx.put_tags(&tags)?;
    Ok(Empty {})
}

/// Writes the tags that a new resource comes with.
pub(super) fn write_first(
    tx: &mut ScopedTransaction<'_>,
    scope: &Scope,
    resource: &str,
    tags: Vec<Tag>,
) -> Result<()> {
    let mut written = empty_tags(scope, resource);
    add(&mut written, tags)?;
    Ok(tx.put_tags(&written)?)
}

/// What says at a fleet's creation how it is for life.
const CREATION_ONLY: [(&str, &str); 2] = [
    (FORCED_BLOCK_TAG, "forces its CIDR block"),
    (INTERNET_TAG, "lets its instances reach the internet"),
];

/// Refuses the tags that count at creation only: on an existing fleet they would be wrong.
pub(super) fn refuse_creation_only<'a>(
    resource: &str,
    mut keys: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let found = keys.find_map(|key| CREATION_ONLY.into_iter().find(|(only, _)| *only == key));
    match found {
        None => Ok(()),
        Some((key, what)) => Err(failed(
            resource,
            format_args!(
                "tag key \"{key}\" counts only when a fleet is created, and {what} for life"
            ),
        )),
    }
}

/// The id of the caller's fleet or build that an ARN names.
async fn resource(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    resource_arn: &str,
) -> Result<String> {
    let scope = call.scope();
    let named = arn::parse_gamelift(&scope, resource_arn).map_err(|_| {
        Error::invalid_request(format!(
            "Value '{}' at 'resourceARN' is not an ARN of Amazon GameLift, such as {}.",
            shorten(resource_arn),
            format_args!(
                "arn:aws:gamelift:{}:{}:fleet/fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa",
                scope.region, scope.account
            )
        ))
    })?;
    let id = match named {
        Some(GameLiftResource::Fleet(id)) => {
            let found = tx.fleet(id.as_str()).find(call.action()).await?;
            found.map(|fleet| fleet.id.to_string())
        }
        Some(GameLiftResource::Build(id)) => {
            let found = tx.build(id.as_str()).find(call.action()).await?;
            found.map(|build| build.id.to_string())
        }
        None => None,
    };
    id.ok_or_else(|| not_found(&scope, "Resource", resource_arn))
}

fn add(to: &mut Tags, tags: Vec<Tag>) -> Result<()> {
    let pairs = tags.into_iter().map(|tag| (tag.key, tag.value));
    to.add(pairs)
        .map_err(|error| failed(&to.resource, format_args!("{error}")))
}

fn failed(resource: &str, why: fmt::Arguments<'_>) -> Error {
    Error::new(
        GameLiftError::TaggingFailed,
        format!("Tagging {resource} failed: {why}."),
    )
}
