//! Where the output of server processes is.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use tombolo_domain::id::InstanceId;
use tombolo_reconcile::logs_directory;
use tombolo_store::keys;

use super::{Door, find_account};
use crate::admin::message::{FindLogs, FleetLogs, LogFile};
use crate::report::hinted;

impl Door {
    /// The files that a fleet's server processes wrote, by instance and process; there are also
    /// those of instances that are gone.
    pub(crate) async fn find_logs(self: Arc<Self>, ask: FindLogs) -> Result<FleetLogs> {
        let mut tx = self.read();
        let account = match &ask.account {
            Some(account) => Some(find_account(&mut tx, account).await?.id),
            None => None,
        };
        let fleets = tx.peek(&keys::all_fleets()).await?;
        let known = fleets.iter().find(|fleet| {
            fleet.id == ask.fleet && account.is_none_or(|id| id == fleet.scope.account)
        });
        let fleet = known.ok_or_else(|| {
            hinted(
                format!("there is no fleet {}", ask.fleet),
                "`aws gamelift list-fleets` shows an account's",
            )
        })?;
        let directory = logs_directory(&self.directory, &ask.fleet);
        let files =
            find(&directory).with_context(|| format!("looking into {}", directory.display()))?;
        Ok(FleetLogs {
            status: fleet.status,
            files,
        })
    }
}

fn find(directory: &Path) -> io::Result<Vec<LogFile>> {
    let mut files = Vec::new();
    for instance in entries(directory)? {
        let Some(id) = instance
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        for file in entries(&instance.path())? {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "log")
                && let Some(process) = path.file_stem().and_then(|name| name.to_str())
            {
                let process = process.to_owned();
                files.push(LogFile {
                    instance: InstanceId::clone(&id),
                    process,
                    path,
                });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// What is in a directory; nothing if it is not there yet.
fn entries(directory: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
