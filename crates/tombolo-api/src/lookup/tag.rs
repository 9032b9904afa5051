//! The tags of resources. While a resource has none, there is no record of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tombolo_domain::Scope;
use tombolo_domain::principal::Action;
use tombolo_domain::tag::Tags;
use tombolo_store::StoreError;
use tombolo_store::keys::{self, TagsKey};
use tombolo_store::typed::Records;

use super::{Failed, Listing, ScopedTransaction};

impl<'p> ScopedTransaction<'p> {
    /// The tags that the principal's account gave a resource, which the caller must have looked up:
    /// this takes any id. The commit depends on them.
    pub async fn tags_of(&mut self, resource: &str) -> Result<Option<Tags>, StoreError> {
        self.get_own(|owner| keys::tags(owner, resource)).await
    }

    /// As [`tags_of`](ScopedTransaction::tags_of), with an empty record for a resource without tags.
    pub async fn tags_or_empty(&mut self, resource: &str) -> Result<Tags, StoreError> {
        let found = self.tags_of(resource).await?;
        Ok(found.unwrap_or_else(|| empty_tags(self.principal().scope(), resource)))
    }

    /// Writes the tags of a resource, or deletes its record if none are left.
    pub fn put_tags(&mut self, tags: &Tags) -> Result<(), StoreError> {
        if tags.tags.is_empty() {
            self.remove(tags);
            return Ok(());
        }
        self.put(tags)
    }

    /// The tags of all resources.
    pub fn tags(&mut self) -> Listing<'_, 'p, TagsKey> {
        Listing::new(self, |tx| tx.scan_own(keys::all_tags))
    }
}

/// The tags of all of an account's resources in a Region, to look some up.
pub(crate) struct AllTags {
    scope: Scope,
    records: Records<TagsKey>,
}

impl AllTags {
    /// Those of a resource.
    pub(crate) fn of(&self, resource: &str) -> Option<Arc<Tags>> {
        self.records.get(&keys::tags(&self.scope, resource))
    }
}

impl ScopedTransaction<'_> {
    /// The tags of all resources, only to be shown: the commit does not depend on them.
    pub(crate) async fn all_tags(&mut self, action: Action) -> Result<AllTags, Failed> {
        let scope = self.principal().scope().clone();
        let records = self.tags().to(action)?.records().await?;
        Ok(AllTags { scope, records })
    }
}

/// The record of a resource without tags.
pub(crate) fn empty_tags(scope: &Scope, resource: &str) -> Tags {
    Tags {
        scope: scope.clone(),
        resource: resource.to_owned(),
        tags: BTreeMap::new(),
    }
}
