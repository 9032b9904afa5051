//! Who may do what, before `s3s` reads a body.

use std::sync::Arc;

use s3s::S3Result;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use tombolo_api::error::CommonError;
use tombolo_api::http::{Credentials, ObjectCaller};
use tombolo_domain::object::{BucketName, build_key};

use crate::error::{ObjectError, Unverified, denied, internal, refuse};

/// What an upload credential may do with its object.
const UPLOAD: [&str; 6] = [
    "PutObject",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "ListParts",
];

/// What is served.
const SERVED: [&str; 16] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteObject",
    "DeleteObjects",
    "GetBucketLocation",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "UploadPart",
];

/// Gives `s3s` the secrets that it verifies bodies with.
pub(crate) struct Secrets(pub(crate) Arc<dyn Credentials>);

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let unknown = || {
            refuse(
                CommonError::UnrecognizedClient,
                "The AWS Access Key Id you provided does not exist in our records.",
            )
        };
        let id = access_key.parse().map_err(|_| unknown())?;
        match self.0.credential(&id).await {
            Ok(Some(credential)) => Ok(credential.secret.into()),
            Ok(None) => Err(unknown()),
            Err(error) => {
                tracing::error!(error, "looking up an access key");
                Err(refuse(
                    CommonError::Internal,
                    "An internal error occurred. The server's log has the cause.",
                ))
            }
        }
    }
}

/// Lets through what is served, and of an upload credential's requests those for its object.
pub(crate) struct Gate;

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = cx.s3_op().name().to_owned();
        let Some(caller) = cx.extensions_mut().get::<ObjectCaller>().cloned() else {
            return Err(internal("finding the caller", Unverified));
        };
        if let Some(build) = &caller.upload {
            let key = build_key(&caller.scope, build);
            let is_own = matches!(
                cx.s3_path(),
                S3Path::Object { bucket, key: asked }
                    if **bucket == *BucketName::of_builds().as_str() && **asked == *key
            );
            if !is_own || !UPLOAD.contains(&operation.as_str()) {
                return Err(denied(format!(
                    "This temporary credential may upload s3://{}/{key}, and do nothing else.",
                    BucketName::of_builds()
                )));
            }
        }
        if SERVED.contains(&operation.as_str()) {
            return Ok(());
        }
        Err(refuse(
            ObjectError::NotImplemented,
            format!("Tombolo does not serve {operation} of Amazon S3."),
        ))
    }
}
