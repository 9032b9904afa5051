//! S3's operations by their names, each where it is written.

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::shelf::Shelf;

/// What `s3s` calls.
pub(crate) struct Served(pub(crate) Shelf);

macro_rules! serve {
    ([$($name:ident: $input:ident => $output:ident by $method:ident;)*]
     and nothing by: $($bare:ident: $bare_input:ident => $bare_output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Served {
            $(async fn $name(
                &self,
                request: S3Request<$input>,
            ) -> S3Result<S3Response<$output>> {
                Ok(S3Response::new(self.0.$method(request).await?))
            })*
            $(async fn $bare(
                &self,
                request: S3Request<$bare_input>,
            ) -> S3Result<S3Response<$bare_output>> {
                self.0.$bare(request).await?;
                Ok(S3Response::new($bare_output::default()))
            })*
        }
    };
}

serve! {
    [
    create_bucket: CreateBucketInput => CreateBucketOutput by create_bucket;
    head_bucket: HeadBucketInput => HeadBucketOutput by head_bucket;
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput by get_bucket_location;
    list_buckets: ListBucketsInput => ListBucketsOutput by list_buckets;
    put_object: PutObjectInput => PutObjectOutput by put_object;
    get_object: GetObjectInput => GetObjectOutput by get_object;
    head_object: HeadObjectInput => HeadObjectOutput by head_object;
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput by delete_objects;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output by list_objects;
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput by create_multipart_upload;
    upload_part: UploadPartInput => UploadPartOutput by upload_part;
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput by complete_multipart_upload;
    list_parts: ListPartsInput => ListPartsOutput by list_parts;
    ]
    and nothing by:
    delete_bucket: DeleteBucketInput => DeleteBucketOutput;
    delete_object: DeleteObjectInput => DeleteObjectOutput;
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput;
}
