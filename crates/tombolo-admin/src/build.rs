//! Importing builds, and showing them.

use anyhow::{Result, bail};
use tombolo_api::operation::build::{BuildFiles as Files, NewBuild, create};
use tombolo_domain::arn;
use tombolo_domain::fleet::Build;
use tombolo_domain::id::BuildId;
use tombolo_fleet::build::BuildFiles;
use tombolo_store::keys;

use crate::hint::hinted;
use crate::message::{ImportBuild, ImportedBuild, ListBuilds};
use crate::service::{AdminService, find_account};

impl AdminService {
    /// Copies a directory into the server's own and makes a READY build of it. The files come
    /// first: a record says that they are here.
    pub async fn import_build(&self, request: ImportBuild) -> Result<ImportedBuild> {
        if !request.root.is_absolute() {
            bail!("the root {:?} must be an absolute path", request.root);
        }
        let account = find_account(&mut self.read(), &request.account).await?;
        let principal = self.principal(&account, request.region)?;
        let id = BuildId::generate(&*self.ids);
        let into = self.builds.join(id.as_str());

        let files = BuildFiles::import(&request.root, &into)?;
        let new = NewBuild {
            id,
            name: Some(request.name.into()),
            version: Some(request.version.into()),
            operating_system: request.operating_system,
            server_sdk_version: None,
            files: Files::Here {
                size: files.size_bytes,
            },
        };
        let made = self
            .transact_as(&principal, async |tx| Ok(create(tx, new.clone())?))
            .await;
        match made {
            Ok(build) => Ok(ImportedBuild {
                build_arn: arn::build(&build.scope, &build.id),
                build_id: build.id,
                files: files.files,
                size_on_disk: files.size_bytes,
            }),
            Err(error) => {
                if let Err(left) = BuildFiles::remove(&into) {
                    tracing::warn!(error = %left, "could not remove {}", into.display());
                }
                Err(error)
            }
        }
    }

    /// The builds of an account in all Regions, the newest last.
    pub async fn list_builds(&self, request: ListBuilds) -> Result<Vec<Build>> {
        let mut tx = self.read();
        let account = find_account(&mut tx, &request.account).await?.id;
        let mut builds = tx.peek(&keys::all_builds()).await?;
        builds.retain(|build| build.scope.account == account);
        if let Some(id) = request.build {
            builds.retain(|build| build.id == id);
            if builds.is_empty() {
                return Err(hinted(
                    format!("account {account} has no build {id}"),
                    "`tombolo build list` shows those that there are",
                ));
            }
        }
        builds.sort_by_key(|build| build.created);
        Ok(builds)
    }
}
