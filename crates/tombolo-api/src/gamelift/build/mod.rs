//! CreateBuild, DescribeBuild, ListBuilds, UpdateBuild, DeleteBuild and RequestUploadCredentials.
//!
//! A build that CreateBuild makes is INITIALIZED until its archive is here: uploaded to Amazon S3
//! with the credentials that the build comes with, or in a bucket of the account's own. The build
//! reconciler unpacks it, and makes the build READY or FAILED. `tombolo build import` makes a READY
//! one at once.

mod create;

pub(crate) use create::{create_build, request_upload_credentials};

use serde::{Deserialize, Serialize};
use tombolo_domain::fleet::{Build, BuildStatus, FleetStatus, OperatingSystem};
use tombolo_domain::id::BuildId;
use tombolo_domain::{Timestamp, arn};

use super::page::Window;
use crate::gamelift::Empty;
use crate::gamelift::error::{Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::seconds;

/// The shape Build.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BuildView {
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

impl From<Build> for BuildView {
    fn from(build: Build) -> Self {
        BuildView {
            build_arn: arn::build(&build.scope, &build.id),
            build_id: build.id,
            name: build.name,
            version: build.version,
            status: build.status,
            // "When the build status is INITIALIZED or when using a custom Amazon S3 storage location,
            // this value is 0" (API reference, Build).
            size_on_disk: match build.source {
                Some(_) => 0,
                None => build.size_on_disk.unwrap_or(0),
            },
            operating_system: build.operating_system,
            creation_time: build.created,
            server_sdk_version: build.server_sdk_version,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct One {
    build: BuildView,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BuildIdInput {
    build_id: String,
}

/// One build.
pub(crate) async fn describe_build(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: BuildIdInput,
) -> Result<One> {
    let build = tx.build(&input.build_id).to(call.action()).await?;
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
    builds: Vec<BuildView>,
    next_token: Option<String>,
}

/// The caller's builds, or those of one status.
pub(crate) async fn list_builds(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: List,
) -> Result<Listed> {
    let builds = tx.builds().to(call.action())?;
    let window = Window::new(&builds, input.limit, input.next_token.as_deref())?;
    let asked = |build: &Build| input.status.is_none_or(|status| build.status == status);
    let page = window.read(builds, asked, |_| true).await?;
    Ok(Listed {
        builds: page.records.into_iter().map(Into::into).collect(),
        next_token: page.next_token,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Update {
    build_id: String,
    name: Option<String>,
    version: Option<String>,
}

/// Gives a build another name or version; what is left out stays as it is.
pub(crate) async fn update_build(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Update,
) -> Result<One> {
    let mut build = tx.build(&input.build_id).to(call.action()).await?;
    build.name = input.name.or(build.name);
    build.version = input.version.or(build.version);
    tx.put(&build)?;
    Ok(One {
        build: build.into(),
    })
}

/// Forgets a build that no fleet runs, and what was uploaded for it; its files go later. AWS deletes
/// a build from under its fleets. Here they start their instances from its files again and again,
/// so it may not go.
pub(crate) async fn delete_build(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: BuildIdInput,
) -> Result<Empty> {
    let build = tx.build(&input.build_id).to(call.action()).await?;
    let fleets = tx.fleets().to(call.action())?.list().await?;
    let user = fleets.iter().find(|fleet| {
        let runs_it = fleet.managed().is_some_and(|of| of.build == build.id);
        runs_it && fleet.status != FleetStatus::Terminated
    });
    if let Some(fleet) = user {
        return Err(Error::invalid_request(format!(
            "Build {} is used by fleet {}, which is {}; delete the fleet first.",
            build.id, fleet.id, fleet.status
        )));
    }
    tx.remove_build(&build).await?;
    tx.remove_tags_of(build.id.as_str());
    Ok(Empty {})
}
