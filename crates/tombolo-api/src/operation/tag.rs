//! A resource's record of tags. While the resource has no tags, there is none.

use std::collections::BTreeMap;

use tombolo_domain::Scope;
use tombolo_domain::tag::Tags;

use crate::error::ApiError;
use crate::lookup::ScopedTransaction;

/// The record of a resource without tags.
pub(crate) fn none_of(scope: &Scope, resource: &str) -> Tags {
    Tags {
        scope: scope.clone(),
        resource: resource.to_owned(),
        tags: BTreeMap::new(),
    }
}

/// The tags of a resource; the commit depends on them.
pub(crate) async fn read(tx: &mut ScopedTransaction<'_>, resource: &str) -> Result<Tags, ApiError> {
    let found = tx.tags_of(resource).await?;
    Ok(found.unwrap_or_else(|| none_of(tx.principal().scope(), resource)))
}

/// Writes the tags of a resource, or takes its record away if it has none left.
pub(crate) fn write(tx: &mut ScopedTransaction<'_>, tags: &Tags) -> Result<(), ApiError> {
    if tags.tags.is_empty() {
        tx.remove(tags);
    } else {
        tx.put(tags)?;
    }
    Ok(())
}
