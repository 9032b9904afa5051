//! Which host this is.
//!
//! A host has an id for as long as its data directory lives, in the file `host-id`; it is made at the
//! first start. A boot has the kernel's id. The machine's name is a label for people.

use std::collections::BTreeMap;
use std::fmt;
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
    /// The host of the file is none that the database knows, so its instances would be nobody's.
    #[error(
        "{path} says {found}, but the database is of {known}: put the host-id file that belongs to \
         this database back, or write the right id into it"
    )]
    Unknown {
        /// The file.
        path: String,
        /// The host that it says.
        found: HostId,
        /// The hosts that the database knows.
        known: KnownHosts,
    },
    /// There is no file, and the database does not say which of its hosts this is.
    #[error(
        "{path} is missing, and the database is of {known}: put the file back, or write the id of \
         this host into it"
    )]
    Missing {
        /// The file.
        path: String,
        /// The hosts that the database knows.
        known: KnownHosts,
    },
    /// The store could not say which hosts there are.
    #[error("reading which hosts there are")]
    Store(#[from] StoreError),
    /// The thread that reads files panicked.
    #[error("reading files")]
    Panicked(#[from] JoinError),
}

/// The hosts that a database knows, each with its label.
#[derive(Debug)]
pub struct KnownHosts(BTreeMap<HostId, String>);

impl fmt::Display for KnownHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (host, label)) in self.0.iter().enumerate() {
            let before = if number == 0 { "" } else { ", " };
            write!(f, "{before}{host}")?;
            if !label.is_empty() {
                write!(f, " ({label})")?;
            }
        }
        Ok(())
    }
}

/// This host and its boot. The first time that there is something in `directory`, the host gets its
/// id.
///
/// The id and the database belong together: with another one, the host's own instances would be
/// another host's, which nothing is done for.
///
/// # Errors
/// [`HostError`]; nothing was written then.
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
    let KnownHosts(known) = known(store).await?;
    let shown = path.display().to_string();
    if let Some(found) = found {
        if !known.is_empty() && !known.contains_key(&found) {
            let known = KnownHosts(known);
            return Err(HostError::Unknown {
                path: shown,
                found,
                known,
            });
        }
        return Ok(HostBoot { host: found, boot });
    }
    // Whoever puts the database alone into another directory has not made another host of it.
    let mut hosts = known.keys();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => HostId::generate(ids),
        (Some(only), None) => only.clone(),
        (Some(_), Some(_)) => {
            let known = KnownHosts(known);
            return Err(HostError::Missing { path: shown, known });
        }
    };
    let text = format!("{host}\n");
    spawn_blocking(move || {
        write_private(&path, text.as_bytes()).map_err(|source| HostError::File {
            doing: "writing",
            path: shown,
            source,
        })
    })
    .await??;
    Ok(HostBoot { host, boot })
}

/// The hosts that have reported to the store or have instances in it.
async fn known(store: &Arc<dyn Store>) -> Result<KnownHosts, StoreError> {
    let mut tx = Transaction::new(store.clone());
    let instances = tx.peek(&keys::all_instances()).await?.into_iter();
    let mut known: BTreeMap<HostId, String> = instances
        .filter_map(|instance| Some((instance.host?, String::new())))
        .collect();
    let reported = tx.peek(&keys::reported_hosts()).await?.into_iter();
    known.extend(reported.map(|host| (host.id, host.label)));
    Ok(KnownHosts(known))
}

/// The id in a file, which ends with a line feed; `None` if there is no file.
fn parse<T: std::str::FromStr<Err = MalformedId>>(path: &Path) -> Result<Option<T>, HostError> {
    let unreadable = |source| HostError::File {
        doing: "reading",
        path: path.display().to_string(),
        source,
    };
    let bytes = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => std::fs::read(path).map_err(unreadable)?,
        // Nothing else is read: a FIFO, for instance, would have the start wait for ever.
        Ok(_) => Vec::new(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(source)),
    };
    let id = String::from_utf8_lossy(&bytes).trim_end().parse();
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
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "this is how a test fails"
)]
mod tests {
    use std::fs;

    use tombolo_domain::Scope;
    use tombolo_domain::fleet::Instance;
    use tombolo_domain::id::{FleetId, InstanceId, NetworkInterfaceId};
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

    fn report(label: &str, id: &HostId, ids: &SeededIds) -> ReportedHost {
        ReportedHost {
            id: id.clone(),
            label: label.to_owned(),
            boot: BootId::generate(ids),
        }
    }

    /// A store that these hosts have reported to.
    async fn store_of(hosts: &[ReportedHost]) -> Arc<dyn Store> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let mut tx = Transaction::new(store.clone());
        for host in hosts {
            tx.put(host).unwrap();
        }
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
        store
    }

    #[tokio::test]
    async fn a_database_without_its_file_is_still_of_the_host_that_it_was_of() {
        let ids = SeededIds::new(1);
        let host = HostId::generate(&ids);
        let store = store_of(&[report("pc", &host, &ids)]).await;
        let directory = tempfile::tempdir().unwrap();
        let here = identify(directory.path(), &store, &ids).await.unwrap();
        assert_eq!(here.host, host);
        let again = identify(directory.path(), &store, &ids).await.unwrap();
        assert_eq!(again, here);
    }

    #[tokio::test]
    async fn a_database_of_several_hosts_without_the_file_is_refused_and_names_them() {
        let ids = SeededIds::new(1);
        let mut hosts = [HostId::generate(&ids), HostId::generate(&ids)];
        hosts.sort();
        let reports = [
            report("pc", &hosts[0], &ids),
            report("laptop", &hosts[1], &ids),
        ];
        let store = store_of(&reports).await;
        let directory = tempfile::tempdir().unwrap();
        let refused = identify(directory.path(), &store, &ids).await;
        let path = directory.path().join(FILE);
        assert_eq!(
            refused.unwrap_err().to_string(),
            format!(
                "{} is missing, and the database is of {} (pc), {} (laptop): put the file back, or \
                 write the id of this host into it",
                path.display(),
                hosts[0],
                hosts[1]
            )
        );
        assert!(!path.exists());
    }

    /// A data directory whose database was replaced by another one's, for instance.
    #[tokio::test]
    async fn a_file_of_a_host_that_the_database_does_not_know_is_refused_and_left() {
        let ids = SeededIds::new(1);
        let (here, there) = (HostId::generate(&ids), HostId::generate(&ids));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        fs::write(&path, format!("{here}\n")).unwrap();
        let store = store_of(&[report("pc", &there, &ids)]).await;
        let refused = identify(directory.path(), &store, &ids).await;
        assert_eq!(
            refused.unwrap_err().to_string(),
            format!(
                "{} says {here}, but the database is of {there} (pc): put the host-id file that \
                 belongs to this database back, or write the right id into it",
                path.display()
            )
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{here}\n"));
        fs::write(&path, format!("{there}\n")).unwrap();
        let found = identify(directory.path(), &store, &ids).await.unwrap();
        assert_eq!(found.host, there);
    }

    #[tokio::test]
    async fn a_host_that_has_instances_is_known_before_it_has_reported() {
        let ids = SeededIds::new(1);
        let host = HostId::generate(&ids);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let mut tx = Transaction::new(store.clone());
        tx.put(&Instance {
            scope: Scope {
                account: "111122223333".parse().unwrap(),
                region: "us-west-2".parse().unwrap(),
            },
            fleet: FleetId::generate(&ids),
            id: InstanceId::generate(&ids),
            host: Some(host.clone()),
            number: 1,
            interface: NetworkInterfaceId::generate(&ids),
            ports: Vec::new(),
            running: true,
            active_processes: 1,
            ending: false,
            earlier_position: None,
            created: jiff::Timestamp::UNIX_EPOCH,
        })
        .unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
        let directory = tempfile::tempdir().unwrap();
        let here = identify(directory.path(), &store, &ids).await.unwrap();
        assert_eq!(here.host, host);
    }

    #[tokio::test]
    async fn a_file_with_something_else_is_refused_and_left() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        type Write = fn(&Path);
        let writes: [(&str, Write); 4] = [
            ("a name", |path| fs::write(path, "pc\n").unwrap()),
            ("no text", |path| fs::write(path, b"h-\xff\n").unwrap()),
            ("a folder", |path| fs::create_dir(path).unwrap()),
            ("a FIFO", |path| {
                nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
            }),
        ];
        for (what, write) in writes {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join(FILE);
            write(&path);
            let before = fs::symlink_metadata(&path).unwrap();
            let ids = SeededIds::new(1);
            let identified = identify(directory.path(), &store, &ids);
            let deadline = std::time::Duration::from_secs(10);
            let refused = tokio::time::timeout(deadline, identified).await;
            let refused = refused.expect(what).unwrap_err().to_string();
            assert!(
                refused
                    .ends_with("does not hold a host id; restore the data directory from a backup"),
                "{what}: {refused}"
            );
            let after = fs::symlink_metadata(&path).unwrap();
            assert_eq!(after.file_type(), before.file_type(), "{what}");
            assert_eq!(after.len(), before.len(), "{what}");
        }
    }
}
