//! RequestUploadCredentials, and the credentials that CreateBuild gives too.

use jiff::SignedDuration;
use serde::Serialize;
use tombolo_domain::account::{SecretKey, TemporaryCredential};
use tombolo_domain::fleet::{Build, BuildStatus};
use tombolo_domain::id::AccessKeyId;
use tombolo_domain::object::BucketName;

use super::Named;
use crate::gamelift::error::{Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::sigv4::SessionToken;

/// How long credentials for an upload work. AWS says "a limited life span" and no more; its
/// shortest for temporary credentials is this.
const LIFETIME: SignedDuration = SignedDuration::from_mins(15);

/// The shape AwsCredentials.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UploadCredentials {
    access_key_id: AccessKeyId,
    secret_access_key: String,
    session_token: String,
}

/// The shape S3Location.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Location {
    bucket: BucketName,
    key: String,
}

impl Location {
    /// Where a build's files come from.
    pub(super) fn of(build: &Build) -> Self {
        let object = build.object();
        Location {
            bucket: object.bucket,
            key: object.key,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Issued {
    upload_credentials: UploadCredentials,
    storage_location: Location,
}

/// Fresh credentials to upload a build that awaits its files. Those given before keep working for
/// their own time.
pub(crate) async fn request_upload_credentials(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Named,
) -> Result<Issued> {
    let build = tx.build(&input.build_id).to(call.action()).await?;
    if let Some(source) = &build.source {
        return Err(Error::invalid_request(format!(
            "Build {} takes its files from s3://{}/{}; nothing is uploaded for it.",
            build.id, source.bucket, source.key
        )));
    }
    if build.status != BuildStatus::Initialized {
        return Err(Error::invalid_request(format!(
            "Build {} is {}, and a build's files never change; create a new build.",
            build.id, build.status
        )));
    }
    Ok(Issued {
        upload_credentials: issue(tx, call, &build)?,
        storage_location: Location::of(&build),
    })
}

/// Makes a temporary credential for the upload of `build`.
pub(super) fn issue(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    build: &Build,
) -> Result<UploadCredentials> {
    let token = SessionToken::generate(call.ids);
    let credential = TemporaryCredential {
        id: AccessKeyId::generate_temporary(call.ids),
        secret: SecretKey::generate(call.ids),
        token: token.hash(),
        scope: build.scope.clone(),
        build: build.id.clone(),
        expires: call.now + LIFETIME,
    };
    tx.put(&credential)?;
    Ok(UploadCredentials {
        secret_access_key: credential.secret.reveal().to_owned(),
        access_key_id: credential.id,
        session_token: token.reveal(),
    })
}

impl std::fmt::Debug for UploadCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UploadCredentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}
