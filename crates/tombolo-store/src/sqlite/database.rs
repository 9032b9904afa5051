//! The SQLite file: its schema, how it is opened, read once, and written.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, params};

use super::group::{CommitError, Journal};
use crate::batch::Writes;
use crate::history::Limits;
use crate::state::{State, Versioned};
use crate::store::{Revision, StoreError};

/// The format that this version writes, in the file's `user_version`. It is one more than the release
/// before's as soon as something is written that the release before could not read: a record of a new
/// version, or of a new kind, which `tests/records.rs` holds. Earlier formats are read; a file has the new one from the first commit
/// on.
pub(super) const FORMAT: u32 = 3;

/// "TMBL", in the file's `application_id`, so that no other program's database is taken for ours.
const APPLICATION_ID: u32 = 0x544d_424c;

/// A table with row ids, not `WITHOUT ROWID`: values go to the end of the table one after the
/// other instead of into overflow pages of the key's tree, which halves what a commit writes.
const SCHEMA: &str = "
    CREATE TABLE entry (key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, modified INTEGER NOT NULL);
    CREATE TABLE head (revision INTEGER NOT NULL);
    INSERT INTO head (revision) VALUES (0);
";

/// The cache only serves writes, since reads are answered from memory. In KiB.
const CACHE_KIB: u32 = 256;

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// SQLite's lock on the file is held.
    #[error(
        "{path} is in use by another process; stop that server, or give this one a data \
         directory of its own"
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error(
        "{path} has format {found}, and this version of Tombolo reads up to {known}; run the \
         version that wrote it, or use another data directory"
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// It is missing or has no store in it, and should have one.
    #[error(
        "{path} is missing or empty, although its directory was used by a server; restore it from a \
         backup, or remove the directory to start anew"
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is a database of something else.
    #[error("{path} is a SQLite database, but not Tombolo's; use another data directory")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be made, or not be kept from others.
    #[error("cannot make {path} readable and writable for its owner only")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// SQLite refused.
    #[error(
        "SQLite cannot open {path}; if the file is damaged, restore the data directory from a backup"
    )]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
}

/// An open, locked database.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    /// The format of the file.
    format: u32,
    /// The format of what is written to it.
    writes: u32,
    /// Whether the log stays as it is when the database is closed.
    keeps_log: bool,
}

/// What is done with a file that is missing or has no store in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfEmpty {
    /// A store is made there.
    Create,
    /// It is refused.
    Refuse,
}

impl Database {
    /// Opens the database at `path` and locks it until it is dropped. Nothing in it changes before the
    /// first commit, also not when it is dropped before.
    pub(super) fn open(path: &Path, if_empty: IfEmpty) -> Result<Self, OpenError> {
        Self::open_to_write(path, if_empty, FORMAT)
    }

    /// As [`open`](Database::open), as a version that writes format `writes` does.
    fn open_to_write(path: &Path, if_empty: IfEmpty, writes: u32) -> Result<Self, OpenError> {
        let empty = || OpenError::Empty {
            path: path.to_owned(),
        };
        if if_empty == IfEmpty::Refuse && !path.exists() {
            return Err(empty());
        }
        keep_private(path).map_err(|source| OpenError::File {
            path: path.to_owned(),
            source,
        })?;
        let refused = |source: rusqlite::Error| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse {
                path: path.to_owned(),
            },
            _ => OpenError::Sqlite {
                path: path.to_owned(),
                source,
            },
        };

        // Without one SQLite makes an empty file, and removes that again.
        let log = fs::metadata(beside(path, "-wal"));
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(refused)?;
        connection.busy_timeout(Duration::ZERO).map_err(refused)?;
        // A server that was killed has left a log, which SQLite would move into the file when this
        // connection is closed. A store that is refused stays as it was found; the first commit
        // allows it.
        let keeps_log = log.is_ok_and(|log| log.len() > 0);
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps_log)
            .map_err(refused)?;
        // The lock is taken with the first read and held until the connection is closed. It goes
        // with its process, so that nothing has to be cleaned up after `kill -9`.
        connection
            .pragma_update(None, "locking_mode", "EXCLUSIVE")
            .map_err(refused)?;

        // Looked at before anything is written: another program's file stays as it is.
        let found = match contents(&connection).map_err(refused)? {
            Contents::Nothing if if_empty == IfEmpty::Refuse => return Err(empty()),
            Contents::Nothing => None,
            Contents::Store { format } if format > writes => {
                let path = path.to_owned();
                return Err(OpenError::NewerFormat {
                    path,
                    found: format,
                    known: writes,
                });
            }
            Contents::Store { format } => Some(format),
            Contents::Foreign => {
                return Err(OpenError::Foreign {
                    path: path.to_owned(),
                });
            }
        };
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(refused)?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(refused)?;
        let cache = -i64::from(CACHE_KIB);
        connection
            .pragma_update(None, "cache_size", cache)
            .map_err(refused)?;
        if found.is_none() {
            create(&connection, writes).map_err(refused)?;
        }
        Ok(Self {
            connection,
            format: found.unwrap_or(writes),
            writes,
            keeps_log,
        })
    }

    /// Lets SQLite move its log into the file when the database is closed.
    fn allow_checkpoints(&mut self) -> rusqlite::Result<()> {
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        self.keeps_log = false;
        Ok(())
    }

    /// Reads everything.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for an entry that is newer than the store's revision, and for one that
    /// no version of Tombolo wrote so.
    pub(super) fn load(&self, limits: Limits) -> Result<State, StoreError> {
        let failed = |source| StoreError::Failed {
            doing: "reading the database, which is damaged unless the disk refuses: then restore the \
                    data directory from a backup",
            source: Box::new(source),
        };
        let head = "SELECT revision FROM head";
        let revision = self
            .connection
            .query_one(head, [], |row| row.get(0))
            .map(Revision);
        let revision = revision.map_err(failed)?;

        let mut entries = BTreeMap::new();
        let all = "SELECT key, value, modified FROM entry";
        let mut all = self.connection.prepare(all).map_err(failed)?;
        let mut rows = all.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let (key, versioned) = entry(row)?;
            if versioned.modified > revision {
                return Err(StoreError::Corrupt {
                    key: key.escape_ascii().to_string(),
                    reason: format!(
                        "it was changed at revision {}, but the store's last is {}",
                        versioned.modified.0, revision.0
                    ),
                });
            }
            entries.insert(key, versioned);
        }
        Ok(State::new(entries, revision, limits))
    }

    fn write(&self, writes: &Writes, revision: Revision) -> rusqlite::Result<()> {
        let mut put = self.connection.prepare_cached(
            "INSERT INTO entry (key, value, modified) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET value = ?2, modified = ?3",
        )?;
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM entry WHERE key = ?1")?;
        let mut advance = self
            .connection
            .prepare_cached("UPDATE head SET revision = ?1")?;
        for (key, written) in writes {
            let key: &[u8] = key;
            match written {
                Some(Versioned { value, modified }) => {
                    put.execute(params![key, &value[..], modified.0])?
                }
                None => delete.execute([key])?,
            };
        }
        advance.execute([revision.0])?;
        if self.format < self.writes {
            self.connection
                .pragma_update(None, "user_version", self.writes)?;
        }
        Ok(())
    }

    /// After a failure inside a transaction: whether it is certain that nothing of it stands.
    fn roll_back(&self, cause: rusqlite::Error) -> CommitError {
        // SQLite ends the transaction by itself after some errors, and ROLLBACK fails then.
        let rolled_back =
            self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok();
        let cause: Arc<dyn Error + Send + Sync> = Arc::new(cause);
        match rolled_back {
            true => CommitError::RolledBack(cause),
            false => CommitError::OutcomeUnknown(cause),
        }
    }
}

impl Journal for Database {
    fn commit(&mut self, writes: &Writes, revision: Revision) -> Result<(), CommitError> {
        if self.keeps_log {
            self.allow_checkpoints()
                .map_err(|cause| CommitError::RolledBack(Arc::new(cause)))?;
        }
        self.connection
            .execute_batch("BEGIN IMMEDIATE")
            .and_then(|()| self.write(writes, revision))
            .map_err(|cause| self.roll_back(cause))?;
        self.connection.execute_batch("COMMIT").map_err(|cause| {
            match cause.sqlite_error_code() {
                // The commit record did not fit, and the next commit writes over what did.
                Some(ErrorCode::DiskFull) => self.roll_back(cause),
                // After a failed fsync the kernel may forget the pages and report success next time.
                _ => CommitError::OutcomeUnknown(Arc::new(cause)),
            }
        })?;
        self.format = self.writes;
        Ok(())
    }
}

enum Contents {
    Nothing,
    Store { format: u32 },
    Foreign,
}

fn contents(connection: &Connection) -> rusqlite::Result<Contents> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: u32 = connection.query_one(tables, [], |row| row.get(0))?;
    Ok(
        match (pragma("application_id")?, pragma("user_version")?, tables) {
            (APPLICATION_ID, format, _) => Contents::Store { format },
            (0, 0, 0) => Contents::Nothing,
            _ => Contents::Foreign,
        },
    )
}

/// All or nothing: a server killed half-way leaves an empty database, which is fresh again.
fn create(connection: &Connection, format: u32) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         {SCHEMA}
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {format};
         COMMIT;"
    ))
}

/// An entry of the file. SQLite keeps a value of any type in any column.
fn entry(row: &Row<'_>) -> Result<(Bytes, Versioned), StoreError> {
    let corrupt = |key: &[u8], source: rusqlite::Error| StoreError::Corrupt {
        key: key.escape_ascii().to_string(),
        reason: source.to_string(),
    };
    let key = row.get_ref(0).map_err(|source| corrupt(b"", source))?;
    let key = match key {
        ValueRef::Blob(key) => key.to_vec(),
        // What is text was not written by Tombolo, and is named all the same.
        ValueRef::Text(text) => {
            return Err(StoreError::Corrupt {
                key: text.escape_ascii().to_string(),
                reason: "the key is kept as text instead of bytes".to_owned(),
            });
        }
        other => {
            return Err(StoreError::Corrupt {
                key: format!("{other:?}"),
                reason: "the key is a number or nothing instead of bytes".to_owned(),
            });
        }
    };
    let value: Vec<u8> = row.get(1).map_err(|source| corrupt(&key, source))?;
    let modified = row.get(2).map_err(|source| corrupt(&key, source))?;
    let versioned = Versioned {
        value: value.into(),
        modified: Revision(modified),
    };
    Ok((key.into(), versioned))
}

/// Makes the file if it is missing, and shuts others out: it holds secret keys. SQLite gives its
/// `-wal` and `-shm` files the mode of this one, but leaves existing ones as they are.
fn keep_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => return sync_directory(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    // By path: opening and closing an existing file here would drop SQLite's POSIX locks on it.
    for suffix in ["", "-wal", "-shm"] {
        match fs::set_permissions(beside(path, suffix), Permissions::from_mode(0o600)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// The file that SQLite has beside the one at `path`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut file = path.as_os_str().to_owned();
    file.push(suffix);
    file.into()
}

/// A file's name is durable once its directory is synced.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "this is how a test fails"
)]
mod tests {
    use super::*;
    use crate::store::KeyRange;

    fn writes(key: &'static str, size: usize, revision: u64) -> Writes {
        let value = Bytes::from(vec![b'x'; size]);
        let modified = Revision(revision);
        Writes::from([(Bytes::from(key), Some(Versioned { value, modified }))])
    }

    fn keys(database: &Database) -> Vec<Bytes> {
        let state = database.load(Limits::DEFAULT).unwrap();
        let range = KeyRange {
            start: Bytes::new(),
            end: Bytes::from_static(b"\xff"),
        };
        state
            .page(&range, 10)
            .entries
            .into_iter()
            .map(|entry| entry.key)
            .collect()
    }

    #[test]
    fn a_full_disk_rolls_back_and_what_fits_is_still_taken() {
        let directory = tempfile::tempdir().unwrap();
        let mut database =
            Database::open(&directory.path().join("store.db"), IfEmpty::Create).unwrap();
        database.commit(&writes("a", 10, 1), Revision(1)).unwrap();
        database
            .connection
            .pragma_update(None, "max_page_count", 20)
            .unwrap();

        let refused = database
            .commit(&writes("b", 1 << 20, 2), Revision(2))
            .unwrap_err();
        let CommitError::RolledBack(cause) = refused else {
            panic!("{refused:?}")
        };
        assert!(cause.to_string().contains("full"), "{cause}");
        assert_eq!(keys(&database), ["a"]);

        database.commit(&writes("c", 10, 2), Revision(2)).unwrap();
        assert_eq!(keys(&database), ["a", "c"]);
    }

    #[test]
    fn a_file_of_an_earlier_format_has_the_new_one_with_the_first_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let mut earlier = Database::open_to_write(&path, IfEmpty::Create, 1).unwrap();
        earlier.commit(&writes("a", 10, 1), Revision(1)).unwrap();
        drop(earlier);

        // What is only read can still be opened by the version before.
        drop(Database::open_to_write(&path, IfEmpty::Create, 2).unwrap());
        drop(Database::open_to_write(&path, IfEmpty::Create, 1).unwrap());

        let mut later = Database::open_to_write(&path, IfEmpty::Create, 2).unwrap();
        assert_eq!(keys(&later), ["a"]);
        later.commit(&writes("b", 10, 2), Revision(2)).unwrap();
        drop(later);
        let refused = Database::open_to_write(&path, IfEmpty::Create, 1).unwrap_err();
        assert!(
            matches!(
                refused,
                OpenError::NewerFormat {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{refused}"
        );
        assert_eq!(
            keys(&Database::open_to_write(&path, IfEmpty::Create, 2).unwrap()),
            ["a", "b"]
        );
    }

    #[test]
    fn a_server_killed_while_creating_leaves_a_file_that_opens() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        File::create(&path).unwrap();
        assert_eq!(
            keys(&Database::open(&path, IfEmpty::Create).unwrap()),
            Vec::<Bytes>::new()
        );
    }
}
