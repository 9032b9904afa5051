//! Objects, and the blobs that go with them.

use tombolo_domain::Scope;
use tombolo_domain::fleet::Build;
use tombolo_domain::object::{Blob, MultipartUpload, Object};

use super::Transaction;
use crate::StoreError;
use crate::keys;

impl Transaction {
    /// Marks blobs as nobody's, in the transaction that takes them out of a record; their files go
    /// afterwards.
    pub fn drop_blobs<'b>(
        &mut self,
        blobs: impl IntoIterator<Item = &'b Blob>,
    ) -> Result<(), StoreError> {
        for blob in blobs {
            self.put_at(&keys::unused_blob(&blob.id), &())?;
        }
        Ok(())
    }

    /// Deletes an object with its bytes.
    pub fn remove_object(&mut self, object: &Object) -> Result<(), StoreError> {
        self.drop_blobs(&object.blobs)?;
        self.remove(object);
        Ok(())
    }

    /// Puts an object in place of what is there under its key.
    pub async fn replace_object(&mut self, object: &Object) -> Result<(), StoreError> {
        let key = keys::object(&object.scope, &object.bucket, &object.key);
        if let Some(old) = self.get(&key).await? {
            self.drop_blobs(&old.blobs)?;
        }
        self.put(object)
    }

    /// Deletes a multipart upload with its parts.
    pub async fn remove_upload(&mut self, upload: &MultipartUpload) -> Result<(), StoreError> {
        for part in self
            .list(&keys::parts_of(&upload.scope, &upload.id))
            .await?
        {
            self.drop_blobs([&part.blob])?;
            self.remove(&part);
        }
        self.remove(upload);
        Ok(())
    }

    /// Deletes what was uploaded for a build so far.
    pub async fn remove_upload_of_build(&mut self, build: &Build) -> Result<(), StoreError> {
        if build.source.is_some() {
            // It is the account's own object, which stays.
            return Ok(());
        }
        let scope: &Scope = &build.scope;
        let at = build.object();
        if let Some(object) = self.get(&keys::object(scope, &at.bucket, &at.key)).await? {
            self.remove_object(&object)?;
        }
        for upload in self.list(&keys::uploads_to(scope, &at.bucket)).await? {
            if upload.key == at.key {
                self.remove_upload(&upload).await?;
            }
        }
        Ok(())
    }

    /// Deletes a build with what was uploaded for it, and with what hosts reported of it.
    pub async fn remove_build(&mut self, build: &Build) -> Result<(), StoreError> {
        self.remove_upload_of_build(build).await?;
        let reports = keys::reports_of_build(&build.scope, &build.id);
        for report in self.list(&reports).await? {
            self.remove(&report);
        }
        self.remove(build);
        Ok(())
    }
}
