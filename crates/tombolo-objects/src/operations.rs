//! S3's operations: its table, and what `s3s` calls for each.
//!
//! The rows are as those of the services that `tombolo-api` serves
//! ([`Operation`](tombolo_api::operation::Operation)), except for the handler, which is a method of
//! [`ObjectService`], by S3's own types, which `s3s` reads and writes. Several operations share an
//! action, as they do in IAM:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>.

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};
use tombolo_api::admission::{ActionClass, class};
use tombolo_api::operation::ResourceType;
use tombolo_domain::principal::Action;

use crate::object_service::ObjectService;

/// A row: one operation of S3's.
#[derive(Debug)]
pub struct ObjectOperation {
    /// Its name: `PutObject`.
    pub name: &'static str,
    /// The IAM action that allows it: `s3:PutObject`.
    pub action: Action,
    /// What that action is allowed on.
    pub resource: ResourceType,
    /// Which of an account's buckets a request takes a token of.
    pub class: ActionClass,
    /// The part of S3 under which the user docs list it.
    pub section: &'static str,
}

/// The row of an operation, if it is served.
pub(crate) fn operation(name: &str) -> Option<&'static ObjectOperation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

/// The implementation of `s3s`'s trait, which calls the methods of [`ObjectService`].
pub(crate) struct S3Operations(pub(crate) ObjectService);

/// Makes the table, and of [`S3Operations`] what `s3s` calls. Each row is
/// `Name: method(Input) -> Output, "Action" class on ResourceType;`, with the class `reads` or
/// `writes`.
macro_rules! operations {
    ($(section $section:literal {
        $($name:ident: $method:ident($input:ident) -> $output:ident,
            $action:literal $class:ident on $resource:ident;)*
    })*) => {
        /// Every operation that is served, in the order of the user docs.
        pub static OPERATIONS: &[ObjectOperation] = &[$($(ObjectOperation {
            name: stringify!($name),
            action: Action::new("s3", $action),
            resource: ResourceType::$resource,
            class: class!($class),
            section: $section,
        },)*)*];

        #[async_trait::async_trait]
        impl S3 for S3Operations {
            $($(async fn $method(
                &self,
                request: S3Request<$input>,
            ) -> S3Result<S3Response<$output>> {
                Ok(S3Response::new(self.0.$method(request).await?))
            })*)*
        }
    };
}

operations! {
    section "buckets" {
        CreateBucket: create_bucket(CreateBucketInput) -> CreateBucketOutput,
            "CreateBucket" writes on Bucket;
        HeadBucket: head_bucket(HeadBucketInput) -> HeadBucketOutput, "ListBucket" reads on Bucket;
        GetBucketLocation: get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput,
            "GetBucketLocation" reads on Bucket;
        ListBuckets: list_buckets(ListBucketsInput) -> ListBucketsOutput,
            "ListAllMyBuckets" reads on Any;
        DeleteBucket: delete_bucket(DeleteBucketInput) -> DeleteBucketOutput,
            "DeleteBucket" writes on Bucket;
    }

    section "objects" {
        PutObject: put_object(PutObjectInput) -> PutObjectOutput,
            "PutObject" writes on Object;
        GetObject: get_object(GetObjectInput) -> GetObjectOutput, "GetObject" reads on Object;
        HeadObject: head_object(HeadObjectInput) -> HeadObjectOutput, "GetObject" reads on Object;
        DeleteObject: delete_object(DeleteObjectInput) -> DeleteObjectOutput,
            "DeleteObject" writes on Object;
        DeleteObjects: delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput,
            "DeleteObject" writes on Object;
        ListObjectsV2: list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output,
            "ListBucket" reads on Bucket;
    }

    section "uploads in parts" {
        CreateMultipartUpload: create_multipart_upload(CreateMultipartUploadInput)
            -> CreateMultipartUploadOutput,
            "PutObject" writes on Object;
        UploadPart: upload_part(UploadPartInput) -> UploadPartOutput,
            "PutObject" writes on Object;
        CompleteMultipartUpload: complete_multipart_upload(CompleteMultipartUploadInput)
            -> CompleteMultipartUploadOutput,
            "PutObject" writes on Object;
        AbortMultipartUpload: abort_multipart_upload(AbortMultipartUploadInput)
            -> AbortMultipartUploadOutput,
            "AbortMultipartUpload" writes on Object;
        ListParts: list_parts(ListPartsInput) -> ListPartsOutput,
            "ListMultipartUploadParts" reads on Object;
    }
}
