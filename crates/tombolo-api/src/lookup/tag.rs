//! The tags of resources. While a resource has none, there is no record of them.

use tombolo_domain::tag::Tags;
use tombolo_store::StoreError;
use tombolo_store::keys::{self, TagsKey};

use super::{Listing, ScopedTransaction};

impl<'p> ScopedTransaction<'p> {
    /// The tags that the principal's account gave a resource, which the caller must have looked up:
    /// this takes any id. The commit depends on them.
    pub async fn tags_of(&mut self, resource: &str) -> Result<Option<Tags>, StoreError> {
        self.get_own(|owner| keys::tags(owner, resource)).await
    }

    /// The tags of all resources.
    pub fn tags(&mut self) -> Listing<'_, 'p, TagsKey> {
        Listing::new(self, |tx| tx.scan_own(keys::all_tags))
    }
}
