//! CreateBuild, DescribeBuild, ListBuilds and DeleteBuild.
//!
//! A build gets its files by `tombolo build import`, which makes it READY at once. One that
//! CreateBuild makes stays INITIALIZED: uploads are not served yet.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tombolo_domain::fleet::{Build, BuildStatus, FleetStatus, OperatingSystem};
use tombolo_domain::id::BuildId;
use tombolo_domain::{Timestamp, arn};
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use super::Nothing;
use super::named::own_build;
use super::page::Window;
use super::tag::{self, Tag};
use crate::error::ApiError;
use crate::operation::Call;
use crate::operation::build::{self, BuildFiles, NewBuild};
use crate::operation::time::seconds;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    name: Option<String>,
    version: Option<String>,
    storage_location: Option<Value>,
    operating_system: Option<OperatingSystem>,
    tags: Option<Vec<Tag>>,
    server_sdk_version: Option<String>,
}

/// The shape Build.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    build_id: BuildId,
    build_arn: String,
    name: Option<String>,
    version: Option<String>,
    status: BuildStatus,
    size_on_disk: u64,
    operating_system: OperatingSystem,
    #[serde(serialize_with = "seconds")]
    creation_time: Timestamp,
    server_sdk_version: Option<String>,
}

impl From<Build> for Shown {
    fn from(build: Build) -> Self {
        Shown {
            build_arn: arn::build(&build.scope, &build.id),
            build_id: build.id,
            name: build.name,
            version: build.version,
            status: build.status,
            // "When the build is in INITIALIZED status, this value is 0" (API reference, Build).
            size_on_disk: build.size_on_disk.unwrap_or(0),
            operating_system: build.operating_system,
            creation_time: build.created,
            server_sdk_version: build.server_sdk_version,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct One {
    build: Shown,
}

/// Makes a build whose files are still to come.
pub(crate) async fn create_build(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Create,
) -> Result<One, ApiError> {
    if input.storage_location.is_some() {
        return Err(ApiError::invalid_request(
            "StorageLocation: builds from Amazon S3 are not served yet; use `tombolo build import` \
             to make a build from a directory.",
        ));
    }
    let scope = call.scope();
    let new = NewBuild {
        id: BuildId::generate(call.ids),
        name: input.name,
        version: input.version,
        operating_system: input.operating_system.unwrap_or_default(),
        server_sdk_version: input.server_sdk_version,
        files: BuildFiles::Awaited,
    };
    let build = build::create(tx, &scope, call.now, new)?;
    let tags = input.tags.unwrap_or_default();
    tag::refuse_creation_only(build.id.as_str(), tags.iter().map(|tag| &*tag.key))?;
    tag::write_first(tx, &scope, build.id.as_str(), tags)?;
    Ok(One {
        build: build.into(),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Named {
    build_id: String,
}

/// One build.
pub(crate) async fn describe_build(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Named,
) -> Result<One, ApiError> {
    let build = own_build(tx, call, &input.build_id).await?;
    Ok(One {
        build: build.into(),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct List {
    status: Option<BuildStatus>,
    limit: Option<u64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed {
    builds: Vec<Shown>,
    next_token: Option<String>,
}

/// The caller's builds, or those of one status.
pub(crate) async fn list_builds(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: List,
) -> Result<Listed, ApiError> {
    let prefix = keys::builds(&call.scope());
    let window = Window::new(&prefix, input.limit, input.next_token.as_deref())?;
    let asked = |build: &Build| input.status.is_none_or(|status| build.status == status);
    let page = window.read(tx, &prefix, asked, |_| true).await?;
    Ok(Listed {
        builds: page.records.into_iter().map(Into::into).collect(),
        next_token: page.next_token,
    })
}

/// Forgets a build that no fleet runs; its files go later. AWS deletes a build from under its
/// fleets. Here they start their instances from its files again and again, so it may not go.
pub(crate) async fn delete_build(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Named,
) -> Result<Nothing, ApiError> {
    let build = own_build(tx, call, &input.build_id).await?;
    let scope = call.scope();
    let fleets = tx.list(&keys::fleets(&scope)).await?;
    let user = fleets.iter().find(|fleet| {
        let runs_it = fleet.managed().is_some_and(|of| of.build == build.id);
        runs_it && fleet.status != FleetStatus::Terminated
    });
    if let Some(fleet) = user {
        return Err(ApiError::invalid_request(format!(
            "Build {} is used by fleet {}, which is {}; delete the fleet first.",
            build.id, fleet.id, fleet.status
        )));
    }
    tx.delete(&keys::tags(&scope, build.id.as_str()));
    tx.delete(&keys::build(&scope, &build.id));
    Ok(Nothing {})
}
