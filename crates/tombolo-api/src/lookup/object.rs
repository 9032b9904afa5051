//! Buckets, objects and multipart uploads.

use tombolo_domain::Scope;
use tombolo_domain::arn::Resource;
use tombolo_domain::fleet::Build;
use tombolo_domain::id::{BuildId, UploadId};
use tombolo_domain::object::{Bucket, BucketName, MultipartUpload, Object, UploadedPart};
use tombolo_domain::principal::Action;
use tombolo_store::StoreError;
use tombolo_store::keys::{self, BucketKey, ObjectKey, PartKey, UploadKey};

use super::{Failed, Listing, Lookup, LookupKey, Scan, ScopedTransaction};

/// A bucket that the principal was authorized for. What is in the bucket is read with a value of such
/// a type only.
pub trait InBucket: Sync {
    /// The bucket's name.
    fn bucket(&self) -> &BucketName;
}

impl InBucket for Bucket {
    fn bucket(&self) -> &BucketName {
        &self.name
    }
}

impl InBucket for MultipartUpload {
    fn bucket(&self) -> &BucketName {
        &self.bucket
    }
}

/// The server's own bucket, as an upload session may access it.
#[derive(Debug)]
pub struct BucketOfBuilds(BucketName);

impl InBucket for BucketOfBuilds {
    fn bucket(&self) -> &BucketName {
        &self.0
    }
}

impl LookupKey for BucketName {
    type Record = Bucket;

    fn resource<'a>(&'a self, _: &'a Scope) -> Option<Resource<'a>> {
        // The resource of most of S3's operations is an object, not its bucket, and was authorized
        // before `s3s` read the body.
        None
    }

    async fn read(
        self,
        tx: &mut ScopedTransaction<'_>,
        _: Action,
    ) -> Result<Option<Bucket>, Failed> {
        Ok(tx.get_own(|owner| keys::bucket(owner, &self)).await?)
    }
}

impl<'p> ScopedTransaction<'p> {
    /// A bucket.
    pub fn bucket<'t>(&'t mut self, name: &'t str) -> Lookup<'t, 'p, BucketName> {
        self.look_up(name)
    }

    /// The buckets.
    pub fn buckets(&mut self) -> Listing<'_, 'p, BucketKey> {
        Listing::new(self, |tx| tx.scan_own(keys::buckets))
    }

    /// The bucket that builds are uploaded to, and which build, for the upload session that was
    /// given for it; `None` for every other principal (decision 29).
    pub fn bucket_of_builds(&self) -> Option<(BucketOfBuilds, &'p BuildId)> {
        let build = self.principal().upload()?;
        Some((BucketOfBuilds(BucketName::of_builds()), build))
    }

    /// The build that an upload session is for. The commit depends on it.
    pub async fn build_to_upload(&mut self, build: &BuildId) -> Result<Option<Build>, StoreError> {
        match self.principal().upload() {
            Some(own) if own == build => self.get_own(|owner| keys::build(owner, own)).await,
            _ => Ok(None),
        }
    }

    /// An object in a bucket of the account's own, to do `action` on it: to make a build of it, for
    /// instance. There are none in the server's buckets. The commit depends on it.
    pub async fn object_at(
        &mut self,
        bucket: &BucketName,
        key: &str,
        action: Action,
    ) -> Result<Option<Object>, Failed> {
        if bucket.is_reserved() {
            return Ok(None);
        }
        let resource = Resource::Object {
            bucket: bucket.as_str(),
            key,
        };
        self.authorize(action, &resource)?;
        let found = self.get_own(|owner| keys::object(owner, bucket, key));
        Ok(found.await?)
    }

    /// An object of a bucket. The commit depends on it.
    pub async fn object_in(
        &mut self,
        of: &impl InBucket,
        key: &str,
    ) -> Result<Option<Object>, StoreError> {
        self.get_own(|owner| keys::object(owner, of.bucket(), key))
            .await
    }

    /// The objects of a bucket.
    pub fn objects_of(&mut self, of: &impl InBucket) -> Scan<'_, ObjectKey> {
        self.scan_own(|owner| keys::objects_of(owner, of.bucket()))
    }

    /// The objects of a bucket whose keys start with `start`.
    pub fn objects_that_start(&mut self, of: &impl InBucket, start: &str) -> Scan<'_, ObjectKey> {
        self.scan_own(|owner| keys::objects_that_start(owner, of.bucket(), start))
    }

    /// The multipart uploads to a bucket.
    pub fn uploads_to(&mut self, of: &impl InBucket) -> Scan<'_, UploadKey> {
        self.scan_own(|owner| keys::uploads_to(owner, of.bucket()))
    }

    /// A multipart upload to a bucket. The commit depends on it.
    pub async fn upload_to(
        &mut self,
        of: &impl InBucket,
        upload: &UploadId,
    ) -> Result<Option<MultipartUpload>, StoreError> {
        self.get_own(|owner| keys::upload(owner, of.bucket(), upload))
            .await
    }

    /// The parts of a multipart upload, by their numbers.
    pub fn parts_of(&mut self, upload: &MultipartUpload) -> Scan<'_, PartKey> {
        self.scan_own(|owner| keys::parts_of(owner, &upload.id))
    }

    /// A part of a multipart upload. The commit depends on it.
    pub async fn part_of(
        &mut self,
        upload: &MultipartUpload,
        number: u16,
    ) -> Result<Option<UploadedPart>, StoreError> {
        self.get_own(|owner| keys::part(owner, &upload.id, number))
            .await
    }
}
