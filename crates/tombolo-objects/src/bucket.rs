//! Buckets.

use s3s::dto::{
    BucketLocationConstraint, Buckets, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput,
    HeadBucketOutput, ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3Request, S3Result};
use tombolo_domain::object::{Bucket, BucketName};

use crate::error::{ObjectError, refuse};
use crate::list::timestamp;
use crate::object_service::{
    ObjectService, access_denied, authorized, own_bucket, store_error, transact,
};

impl ObjectService {
    /// Creates a bucket. One that the account has already is left as it is, and is an error.
    pub(crate) async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<CreateBucketOutput> {
        let (principal, action) = authorized(&request)?;
        let input = request.input;
        let name = match input.bucket.parse::<BucketName>() {
            Ok(name) if !name.is_reserved() => name,
            _ => {
                return Err(refuse(
                    ObjectError::InvalidBucketName,
                    format!(
                        "The specified bucket is not valid: {}. It has 3 to 63 lowercase letters, \
                         digits, hyphens and dots, and does not start with tombolo-.",
                        input.bucket
                    ),
                ));
            }
        };
        let asked = input
            .create_bucket_configuration
            .and_then(|configuration| configuration.location_constraint);
        if let Some(asked) = asked.filter(|asked| asked.as_str() != principal.region().as_str()) {
            return Err(refuse(
                ObjectError::IllegalLocationConstraint,
                format!(
                    "The {} location constraint is incompatible for the Region {} that the request \
                     was signed for.",
                    asked.as_str(),
                    principal.region()
                ),
            ));
        }
        let location = format!("/{name}");
        transact!(self, principal, tx, {
            let buckets = tx.buckets().to(action).map_err(access_denied)?;
            let buckets = buckets.list().await.map_err(store_error)?;
            if buckets.iter().any(|bucket| bucket.name == name) {
                return Err(refuse(
                    ObjectError::BucketAlreadyOwnedByYou,
                    format!("Your account has the bucket {name} already."),
                ));
            }
            let bucket = Bucket {
                scope: principal.scope().clone(),
                name: name.clone(),
                created: self.clock.now(),
            };
            tx.put(&bucket).map_err(store_error)
        })?;
        Ok(CreateBucketOutput {
            location: Some(location),
        })
    }

    /// Whether the account has a bucket, and where.
    pub(crate) async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<HeadBucketOutput> {
        let (principal, action) = authorized(&request)?;
        own_bucket(&mut self.begin(&principal), action, &request.input.bucket).await?;
        Ok(HeadBucketOutput {
            bucket_region: Some(principal.region().to_string()),
            ..HeadBucketOutput::default()
        })
    }

    /// The Region of a bucket; S3 has none for its first one.
    pub(crate) async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<GetBucketLocationOutput> {
        let (principal, action) = authorized(&request)?;
        own_bucket(&mut self.begin(&principal), action, &request.input.bucket).await?;
        let region = principal.region().to_string();
        let location = (region != "us-east-1").then(|| BucketLocationConstraint::from(region));
        Ok(GetBucketLocationOutput {
            location_constraint: location,
        })
    }

    /// The account's buckets in the Region, by name. There are so few that they are one page.
    pub(crate) async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<ListBucketsOutput> {
        let (principal, action) = authorized(&request)?;
        let start = request.input.prefix.unwrap_or_default();
        let mut tx = self.begin(&principal);
        let found = tx.buckets().to(action).map_err(access_denied)?;
        let found = found.peek().await.map_err(store_error)?;
        let buckets: Buckets = found
            .into_iter()
            .filter(|bucket| bucket.name.as_str().starts_with(&start))
            .map(|bucket| s3s::dto::Bucket {
                bucket_region: Some(principal.region().to_string()),
                creation_date: Some(timestamp(bucket.created)),
                name: Some(bucket.name.to_string()),
            })
            .collect();
        Ok(ListBucketsOutput {
            buckets: Some(buckets),
            prefix: Some(start).filter(|start| !start.is_empty()),
            ..ListBucketsOutput::default()
        })
    }

    /// Deletes a bucket that is empty.
    pub(crate) async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<DeleteBucketOutput> {
        let (principal, action) = authorized(&request)?;
        let name = &request.input.bucket;
        transact!(self, principal, tx, {
            let bucket = own_bucket(tx, action, name).await?;
            let mut objects = tx.objects_of(&bucket);
            let some = objects.page(None, 1).await.map_err(store_error)?;
            // Listed only when there are none, so that the commit depends on that.
            if !some.records.is_empty() || !objects.list().await.map_err(store_error)?.is_empty() {
                return Err(refuse(
                    ObjectError::BucketNotEmpty,
                    format!("The bucket you tried to delete is not empty: {name}"),
                ));
            }
            for upload in tx.uploads_to(&bucket).list().await.map_err(store_error)? {
                tx.remove_upload(&upload).await.map_err(store_error)?;
            }
            tx.remove(&bucket);
            Ok(DeleteBucketOutput::default())
        })
    }
}
