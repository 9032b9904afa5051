//! Writes of more than one record, or under keys that no record knows.
//!
//! A handler got their arguments by a look-up, or made them itself, so that nothing is authorized
//! again.

use tombolo_domain::fleet::Build;
use tombolo_domain::object::{Blob, MultipartUpload, Object};
use tombolo_domain::peering::{Authorization, Connection};
use tombolo_domain::vpc::Vpc;
use tombolo_store::{StoreError, keys};

use super::ScopedTransaction;

impl ScopedTransaction<'_> {
    /// Writes a VPC that is made now, and whose it is, by which it is found from elsewhere.
    pub fn put_new_vpc(&mut self, vpc: &Vpc) -> Result<(), StoreError> {
        self.put(vpc)?;
        let key = keys::vpc_scope(&vpc.id);
        self.unscoped().put_at(&key, &vpc.scope)
    }

    /// Deletes a VPC with everything that is kept under it.
    pub async fn remove_vpc(&mut self, vpc: &Vpc) -> Result<(), StoreError> {
        self.unscoped().remove_vpc(&vpc.scope, &vpc.id).await
    }

    /// Writes an authorization, also where the account finds it that it names.
    pub fn put_authorization(&mut self, authorization: &Authorization) -> Result<(), StoreError> {
        self.unscoped().put_authorization(authorization)
    }

    /// Deletes an authorization.
    pub fn remove_authorization(&mut self, authorization: &Authorization) {
        self.unscoped().remove_authorization(authorization);
    }

    /// Writes a connection that its accepter is to see from now on.
    pub fn put_delivered(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.unscoped().put_delivered(connection)
    }

    /// Deletes the tags of a resource of the principal's own.
    pub fn remove_tags_of(&mut self, resource: &str) {
        let key = keys::tags(self.principal().scope(), resource);
        self.unscoped().delete(&key);
    }

    /// Puts an object in place of what is there under its key.
    pub async fn replace_object(&mut self, object: &Object) -> Result<(), StoreError> {
        self.unscoped().replace_object(object).await
    }

    /// Deletes an object with its bytes.
    pub fn remove_object(&mut self, object: &Object) -> Result<(), StoreError> {
        self.unscoped().remove_object(object)
    }

    /// Deletes a multipart upload with its parts.
    pub async fn remove_upload(&mut self, upload: &MultipartUpload) -> Result<(), StoreError> {
        self.unscoped().remove_upload(upload).await
    }

    /// Deletes a build with what was uploaded for it, and with what hosts reported of it.
    pub async fn remove_build(&mut self, build: &Build) -> Result<(), StoreError> {
        self.unscoped().remove_build(build).await
    }

    /// Marks blobs as unreferenced, in the transaction that removes them from a record.
    pub fn drop_blobs<'b>(
        &mut self,
        blobs: impl IntoIterator<Item = &'b Blob>,
    ) -> Result<(), StoreError> {
        self.unscoped().drop_blobs(blobs)
    }

    /// Reserves numbers up to `last`.
    pub(crate) fn reserve_numbers(&mut self, last: u32) -> Result<(), StoreError> {
        self.unscoped().put_at(&keys::vpc_number(), &last)
    }
}
