//! CreateBuild and RequestUploadCredentials: a build is made before its files are uploaded.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tombolo_domain::account::{SecretKey, TemporaryCredential};
use tombolo_domain::fleet::{Build, BuildSource, BuildStatus, OperatingSystem};
use tombolo_domain::id::{AccessKeyId, BuildId};
use tombolo_domain::object::BucketName;
use tombolo_domain::principal::Action;

use super::{BuildIdInput, BuildView};
use crate::gamelift::error::{Error, Result};
use crate::gamelift::tag::{self, Tag};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::build::{self, BuildFiles, NewBuild};
use crate::operation::format::shorten;
use crate::sigv4::SessionToken;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    name: Option<String>,
    version: Option<String>,
    storage_location: Option<StorageLocation>,
    operating_system: Option<OperatingSystem>,
    tags: Option<Vec<Tag>>,
    server_sdk_version: Option<String>,
}

/// S3Location, as a request has it. A RoleArn is for AWS, where GameLift is another principal than
/// the bucket's owner.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StorageLocation {
    bucket: Option<String>,
    key: Option<String>,
    object_version: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    build: BuildView,
    upload_credentials: Option<UploadCredentials>,
    storage_location: Location,
}

/// Makes a build whose files are still to come: by an upload, for which it gives credentials, or
/// from an object that is there.
pub(crate) async fn create_build(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Create,
) -> Result<Created> {
    let scope = call.scope();
    let files = match &input.storage_location {
        Some(location) => BuildFiles::In(own_object(tx, call, location).await?),
        None => BuildFiles::Awaited,
    };
    let new = NewBuild {
        id: BuildId::generate(call.ids),
        name: input.name,
        version: input.version,
        operating_system: input.operating_system.unwrap_or_default(),
        server_sdk_version: input.server_sdk_version,
        files,
    };
    let build = build::create(tx, new)?;
    let tags = input.tags.unwrap_or_default();
    tag::refuse_creation_only(build.id.as_str(), tags.iter().map(|tag| &*tag.key))?;
    tag::write_first(tx, &scope, build.id.as_str(), tags)?;
    let upload_credentials = match build.source {
        Some(_) => None,
        None => Some(issue(tx, call, &build)?),
    };
    Ok(Created {
        upload_credentials,
        storage_location: Location::of(&build),
        build: build.into(),
    })
}

/// The object of the caller's own that a location names.
async fn own_object(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    location: &StorageLocation,
) -> Result<BuildSource> {
    let needs = |member| {
        Error::invalid_request(format!(
            "StorageLocation.{member}: a location needs a Bucket and a Key."
        ))
    };
    let bucket = location.bucket.as_deref().ok_or_else(|| needs("Bucket"))?;
    let key = location.key.as_deref().ok_or_else(|| needs("Key"))?;
    if location.object_version.is_some() {
        return Err(Error::invalid_request(
            "StorageLocation.ObjectVersion: objects have no versions here; leave it out, and the \
             object that is there is taken.",
        ));
    }
    let found = match bucket.parse::<BucketName>() {
        Ok(name) => {
            // GameLift reads it for the caller, who has to be allowed to (AWS: "Actions, resources, and
            // condition keys for Amazon GameLift", dependent actions).
            tx.object_at(&name, key, Action::GET_OBJECT).await?
        }
        _ => None,
    };
    match found {
        Some(object) => Ok(BuildSource {
            bucket: object.bucket,
            key: object.key,
        }),
        None => Err(Error::invalid_request(format!(
            "StorageLocation: there is no object s3://{}/{} in account {} and Region {}; put the \
             zip file there first.",
            shorten(bucket),
            shorten(key),
            call.principal.account(),
            call.principal.region()
        ))),
    }
}

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
    input: BuildIdInput,
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
fn issue(
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
