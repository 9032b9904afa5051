//! Which host this is.
//!
//! A host has an id for as long as its data directory lives, in the file `host-id`; it is made at the
//! first start. A boot has the kernel's id. The machine's name is a label for people.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::task::{JoinError, spawn_blocking};
use tombolo_domain::host::HostBoot;
use tombolo_domain::id::{BootId, HostId, IdSource, MalformedId};
use tombolo_fleet::write_private;
use tombolo_store::typed::Transaction;
use tombolo_store::{Store, StoreError, keys};

/// The file in the data directory.
const FILE: &str = "host-id";
/// Where the kernel has the boot's id: random(4).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Where it has the machine's name: proc_sys_kernel(5).
const NAME: &str = "/proc/sys/kernel/hostname";

/// Why it is not known which host this is.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The file with the host's id could not be read or made.
    #[error("{doing} {path}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: String,
        /// Why it could not be.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path} does not hold a host id; restore the data directory from a backup")]
    Malformed {
        /// The file.
        path: String,
        /// What it holds.
        #[source]
        source: MalformedId,
    },
    /// The store could not say which hosts there are.
    #[error("reading which hosts there are")]
    Store(#[from] StoreError),
    /// The thread that reads files panicked.
    #[error("reading files")]
    Panicked(#[from] JoinError),
}

/// This host and its boot. The first time that there is something in `directory`, the host gets its
/// id.
///
/// # Errors
/// [`HostError`].
pub async fn identify(
    directory: &Path,
    store: &Arc<dyn Store>,
    ids: &dyn IdSource,
) -> Result<HostBoot, HostError> {
    let boot = spawn_blocking(|| parse(Path::new(BOOT_ID))).await??;
    let boot: BootId = boot.ok_or_else(|| HostError::File {
        doing: "reading",
        path: BOOT_ID.to_owned(),
        source: io::ErrorKind::NotFound.into(),
    })?;
    let path = directory.join(FILE);
    let found = {
        let path = path.clone();
        spawn_blocking(move || parse(&path)).await??
    };
    if let Some(host) = found {
        return Ok(HostBoot { host, boot });
    }
    let host = known(store).await?;
    let host = host.unwrap_or_else(|| HostId::generate(ids));
    let text = format!("{host}\n");
    spawn_blocking(move || {
        write_private(&path, text.as_bytes()).map_err(|source| HostError::File {
            doing: "writing",
            path: path.display().to_string(),
            source,
        })
    })
    .await??;
    Ok(HostBoot { host, boot })
}

/// The host that the store is of: whoever puts the database alone into another directory has not made
/// another host of it, and its instances are still this one's. `None` if it knows none or several.
async fn known(store: &Arc<dyn Store>) -> Result<Option<HostId>, StoreError> {
    let mut tx = Transaction::new(store.clone());
    let hosts = tx.peek(&keys::reported_hosts()).await?;
    Ok(match <[_; 1]>::try_from(hosts) {
        Ok([host]) => Some(host.id),
        Err(_) => None,
    })
}

/// The id in a file, which ends with a line feed; `None` if there is no file.
fn parse<T: std::str::FromStr<Err = MalformedId>>(path: &Path) -> Result<Option<T>, HostError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(HostError::File {
                doing: "reading",
                path: path.display().to_string(),
                source,
            });
        }
    };
    let id = text.trim_end().parse();
    id.map(Some).map_err(|source| HostError::Malformed {
        path: path.display().to_string(),
        source,
    })
}

/// The machine's name, as it is now; empty if the kernel does not say.
pub(crate) async fn label() -> String {
    let name = spawn_blocking(|| std::fs::read_to_string(NAME)).await;
    let name = name.ok().and_then(Result::ok).unwrap_or_default();
    name.trim_end().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "this is how a test fails")]
mod tests {
    use std::fs;

    use tombolo_domain::reported::ReportedHost;
    use tombolo_domain::testing::SeededIds;
    use tombolo_store::MemoryStore;
    use tombolo_store::typed::Committed;

    use super::*;

    #[tokio::test]
    async fn a_host_keeps_its_id_and_has_the_kernels_boot_id() {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let ids = SeededIds::new(1);
        let first = identify(directory.path(), &store, &ids).await.unwrap();
        let again = identify(directory.path(), &store, &ids).await.unwrap();
        assert_eq!(first, again);
        let kernels = fs::read_to_string(BOOT_ID).unwrap();
        assert_eq!(first.boot.as_str(), kernels.trim_end());
        let other = tempfile::tempdir().unwrap();
        let other = identify(other.path(), &store, &ids).await.unwrap();
        assert_ne!(first.host, other.host);
    }

    #[tokio::test]
    async fn a_database_without_its_file_is_still_of_the_host_that_it_was_of() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let ids = SeededIds::new(1);
        let report = |id| ReportedHost {
            id,
            label: "pc".to_owned(),
            boot: BootId::generate(&ids),
        };
        for (number, expects) in [(1, true), (2, false)] {
            let host = HostId::generate(&ids);
            let mut tx = Transaction::new(store.clone());
            tx.put(&report(host.clone())).unwrap();
            assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
            let directory = tempfile::tempdir().unwrap();
            let here = identify(directory.path(), &store, &ids).await.unwrap();
            assert_eq!(here.host == host, expects, "with {number} hosts");
        }
    }

    #[tokio::test]
    async fn a_file_with_something_else_is_refused_and_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        fs::write(&path, "pc\n").unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let refused = identify(directory.path(), &store, &SeededIds::new(1)).await;
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.ends_with("does not hold a host id; restore the data directory from a backup")
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "pc\n");
    }
}
