//! Recording a build: GameLift's CreateBuild and `tombolo build import` do the same thing here.

use tombolo_domain::fleet::{Build, BuildSource, BuildStatus, OperatingSystem};
use tombolo_domain::id::BuildId;

use crate::error::ApiError;
use crate::lookup::ScopedTransaction;

/// What is known of a new build.
#[derive(Debug, Clone)]
pub struct NewBuild {
    /// Its id, which the importer of its files needs before there is a record.
    pub id: BuildId,
    /// Its display name.
    pub name: Option<String>,
    /// Its version, as the client writes it.
    pub version: Option<String>,
    /// What it was built for.
    pub operating_system: OperatingSystem,
    /// The version of the server SDK that it was built with.
    pub server_sdk_version: Option<String>,
    /// Its files.
    pub files: BuildFiles,
}

/// Whether a new build's files are here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildFiles {
    /// They are to be uploaded: the build is `INITIALIZED`.
    Awaited,
    /// They are in an object of the account's, and are to be unpacked: the build is `INITIALIZED`.
    In(BuildSource),
    /// They are where instances find them: the build is `READY`.
    Here {
        /// Their size, in bytes.
        size: u64,
    },
}

/// Makes a build of the principal's account in its Region.
///
/// # Errors
/// Only the server's own: the record could not be written.
pub fn create(tx: &mut ScopedTransaction<'_>, new: NewBuild) -> Result<Build, ApiError> {
    let (status, size_on_disk, source) = match new.files {
        BuildFiles::Awaited => (BuildStatus::Initialized, None, None),
        BuildFiles::In(source) => (BuildStatus::Initialized, None, Some(source)),
        BuildFiles::Here { size } => (BuildStatus::Ready, Some(size), None),
    };
    let build = Build {
        scope: tx.principal().scope().clone(),
        id: new.id,
        name: new.name,
        version: new.version,
        status,
        size_on_disk,
        source,
        failure: None,
        operating_system: new.operating_system,
        server_sdk_version: new.server_sdk_version,
        created: tx.now(),
    };
    tx.put(&build)?;
    Ok(build)
}
