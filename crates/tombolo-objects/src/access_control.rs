//! Authorization: which principal may do which action, decided before `s3s` reads a body.

use std::sync::Arc;

use s3s::S3Result;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use tombolo_api::admission::{ActionClass, Admission};
use tombolo_api::error::CommonError;
use tombolo_api::http::Credentials;
use tombolo_domain::arn::Resource;
use tombolo_domain::object::{BucketName, build_key};
use tombolo_domain::principal::Principal;

use crate::error::{ObjectError, Unverified, denied, internal, refuse};
use crate::operations::operation;

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

/// Allows operations that are served and that the principal may do, as often as its account may.
pub(crate) struct AccessControl(pub(crate) Arc<Admission>);

#[async_trait::async_trait]
impl S3Access for AccessControl {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = operation(cx.s3_op().name());
        let Some(principal) = cx.extensions_mut().get::<Principal>().cloned() else {
            return Err(internal("finding the principal", Unverified));
        };
        let class = operation.map_or(ActionClass::NonMutating, |operation| operation.class);
        if let Err(error) = self.0.admit(principal.scope(), class) {
            self.0.pause().await;
            return Err(refuse(error.kind(), error.to_string()));
        }
        let resource = match cx.s3_path() {
            S3Path::Root => Resource::Any,
            S3Path::Bucket { bucket } => Resource::Bucket(bucket),
            S3Path::Object { bucket, key } => Resource::Object { bucket, key },
        };
        let action = operation.map(|operation| operation.action);
        match (action, principal.upload()) {
            (Some(action), _) if principal.may(action, &resource) => {
                cx.extensions_mut().insert(action);
                Ok(())
            }
            // An upload credential learns nothing about other resources.
            (_, Some(build)) => Err(denied(format!(
                "This temporary credential may upload s3://{}/{}, and do nothing else.",
                BucketName::of_builds(),
                build_key(principal.scope(), build)
            ))),
            (Some(action), None) => Err(denied(format!(
                "User: {} is not authorized to perform: {action} on resource: \"{resource}\"",
                principal.arn()
            ))),
            (None, None) => Err(refuse(
                ObjectError::NotImplemented,
                format!("Tombolo does not serve {} of Amazon S3.", cx.s3_op().name()),
            )),
        }
    }
}
