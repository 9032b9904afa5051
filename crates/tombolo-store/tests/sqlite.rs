//! What only the SQLite engine promises: its file, and what stays of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::FutureExt;
use rusqlite::Connection;
use tempfile::TempDir;
use tombolo_store::{
    KeyRange, Revision, SqliteStore, Store, StoreError, Txn, TxnOutcome, WatchError,
};

struct File {
    directory: TempDir,
    path: PathBuf,
}

fn file() -> File {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    File { directory, path }
}

fn put(key: &'static str, value: &'static str) -> Txn {
    let entry = (
        Bytes::from_static(key.as_bytes()),
        Bytes::from_static(value.as_bytes()),
    );
    Txn {
        puts: vec![entry],
        ..Txn::default()
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// The revision of the store in a file.
fn revision(file: &File) -> Revision {
    run(SqliteStore::open(&file.path).unwrap().revision()).unwrap()
}

/// The error and its causes, as a log shows them.
fn refusal(path: &Path) -> String {
    let error = SqliteStore::open(path).expect_err("it must not open");
    let causes = std::iter::successors(Some(&error as &dyn Error), |&error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_store_opened_again_is_as_it_was_left() {
    let file = file();
    run(async {
        let store = SqliteStore::open(&file.path).unwrap();
        store.txn(put("a", "1")).await.unwrap();
        store.txn(put("b", "1")).await.unwrap();
        store.txn(put("a", "2")).await.unwrap();
        let delete = Txn {
            deletes: vec!["b".into()],
            ..Txn::default()
        };
        store.txn(delete).await.unwrap();
        drop(store);

        let store = SqliteStore::open(&file.path).unwrap();
        assert_eq!(store.revision().await.unwrap(), Revision(4));
        let a = store.get(b"a").await.unwrap().unwrap();
        assert_eq!((&a.value[..], a.modified), (&b"2"[..], Revision(3)));
        assert_eq!(store.get(b"b").await.unwrap(), None);
        let outcome = store.txn(put("c", "1")).await.unwrap();
        assert_eq!(outcome, TxnOutcome::Committed(Revision(5)));
    });
}

#[test]
fn after_opening_again_watches_start_at_the_last_revision() {
    let file = file();
    run(async {
        let store = SqliteStore::open(&file.path).unwrap();
        store.txn(put("a", "1")).await.unwrap();
        store.txn(put("a", "2")).await.unwrap();
        drop(store);

        let store = SqliteStore::open(&file.path).unwrap();
        let mut before = store.watch(b"", Revision(1)).await.unwrap();
        assert_eq!(before.next().await, Err(WatchError::Compacted(Revision(1))));
        let mut from_here = store
            .watch(b"", store.revision().await.unwrap())
            .await
            .unwrap();
        store.txn(put("a", "3")).await.unwrap();
        assert_eq!(from_here.next().await.unwrap()[0].revision, Revision(3));
    });
}

#[test]
fn dropping_the_store_finishes_what_it_accepted() {
    let file = file();
    run(async {
        let store = SqliteStore::open(&file.path).unwrap();
        // Fewer than a task may do in tokio's one go (128), so that each is handed over.
        for number in 0..100 {
            let entry = (format!("{number:03}").into(), Bytes::new());
            let txn = Txn {
                puts: vec![entry],
                ..Txn::default()
            };
            // Polled once, which hands it over, and never asked for its outcome.
            let _ = store.txn(txn).now_or_never();
        }
        drop(store);
        let store = SqliteStore::open(&file.path).unwrap();
        assert_eq!(store.revision().await.unwrap(), Revision(100));
    });
}

#[test]
fn a_log_cut_off_anywhere_opens_as_a_whole_number_of_transactions() {
    const TRANSACTIONS: u64 = 12;
    let file = file();
    let store = SqliteStore::open(&file.path).unwrap();
    for number in 1..=TRANSACTIONS {
        let pair = ["left", "right"].map(|side| {
            (
                Bytes::from(format!("{side}/{number}")),
                Bytes::from(vec![b'x'; 900]),
            )
        });
        run(store.txn(Txn {
            puts: pair.to_vec(),
            ..Txn::default()
        }))
        .unwrap();
    }
    let database = fs::read(&file.path).unwrap();
    let log = fs::read(file.directory.path().join("store.db-wal")).unwrap();

    let mut revisions = vec![];
    for length in (0..=log.len()).rev().step_by(1_777) {
        let torn = self::file();
        fs::write(&torn.path, &database).unwrap();
        fs::write(torn.directory.path().join("store.db-wal"), &log[..length]).unwrap();
        let store = SqliteStore::open(&torn.path).unwrap();
        let everything = KeyRange {
            start: Bytes::new(),
            end: Bytes::from_static(b"z"),
        };
        let page = run(store.range(&everything, usize::MAX)).unwrap();
        assert_eq!(
            page.entries.len() as u64,
            2 * page.revision.0,
            "cut at {length}"
        );
        revisions.push(page.revision.0);
    }
    assert!(
        revisions.is_sorted_by(|a, b| a >= b),
        "a shorter log never holds more"
    );
    revisions.dedup();
    assert_eq!(
        revisions,
        (0..=TRANSACTIONS).rev().collect::<Vec<_>>(),
        "each cut was met"
    );
}

#[test]
fn the_database_and_its_log_are_for_the_owner_only() {
    let file = file();
    let store = SqliteStore::open(&file.path).unwrap();
    run(store.txn(put("a", "secret"))).unwrap();
    let mut seen = vec![];
    for found in fs::read_dir(&file.directory).unwrap() {
        let path = found.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        seen.push(path.file_name().unwrap().to_owned());
    }
    seen.sort();
    assert_eq!(seen, ["store.db", "store.db-wal"]);
}

#[test]
fn a_database_that_others_could_read_is_closed_to_them() {
    let file = file();
    drop(SqliteStore::open(&file.path).unwrap());
    fs::set_permissions(&file.path, fs::Permissions::from_mode(0o644)).unwrap();
    let _store = SqliteStore::open(&file.path).unwrap();
    assert_eq!(mode(&file.path), 0o600);
}

#[test]
fn a_second_server_is_refused_until_the_first_is_gone() {
    let file = file();
    let first = SqliteStore::open(&file.path).unwrap();
    let refused = refusal(&file.path);
    assert!(
        refused.contains(&format!("{} is in use", file.path.display())),
        "{refused}"
    );
    assert!(refused.contains("stop that server"), "{refused}");
    // Being refused has not loosened the first one's lock, and the first goes on.
    assert!(refusal(&file.path).contains("is in use"));
    run(first.txn(put("a", "1"))).unwrap();
    drop(first);
    assert_eq!(revision(&file), Revision(1));
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let file = file();
    drop(SqliteStore::open(&file.path).unwrap());
    let connection = Connection::open(&file.path).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    connection.close().unwrap();
    let before = fs::read(&file.path).unwrap();
    let refused = refusal(&file.path);
    assert!(refused.contains("has format 7"), "{refused}");
    assert!(
        refused.contains("reads up to 3; run the version that wrote it"),
        "{refused}"
    );
    assert_eq!(fs::read(&file.path).unwrap(), before);
}

/// The file and its log, as a server that was killed leaves them.
fn killed(file: &File, change: impl FnOnce(&Connection)) {
    let store = SqliteStore::open(&file.path).unwrap();
    run(store.txn(put("a", "1"))).unwrap();
    drop(store);
    let left = self::file();
    let connection = Connection::open(&file.path).unwrap();
    change(&connection);
    for name in ["store.db", "store.db-wal"] {
        let of = file.directory.path().join(name);
        fs::copy(of, left.directory.path().join(name)).unwrap();
    }
    drop(connection);
    for name in ["store.db", "store.db-wal"] {
        let of = left.directory.path().join(name);
        fs::copy(of, file.directory.path().join(name)).unwrap();
    }
    let log = fs::metadata(file.directory.path().join("store.db-wal")).unwrap();
    assert_ne!(log.len(), 0, "the test is too easy");
}

/// Every file of the directory.
fn contents(file: &File) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(&file.directory).unwrap();
    let mut files: Vec<_> = files.map(|one| one.unwrap().path()).collect();
    files.sort();
    let contents = files.into_iter().map(|path| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    });
    contents.collect()
}

#[test]
fn a_newer_format_in_a_log_is_refused_and_both_files_left_alone() {
    let file = file();
    killed(&file, |connection| {
        connection.pragma_update(None, "user_version", 7).unwrap();
    });
    let before = contents(&file);
    assert!(refusal(&file.path).contains("has format 7"));
    assert!(contents(&file) == before, "a file has changed");
}

#[test]
fn a_store_that_is_only_looked_at_is_left_alone() {
    let file = file();
    killed(&file, |connection| {
        connection
            .execute("UPDATE entry SET value = x'02'", [])
            .unwrap();
    });
    let before = contents(&file);
    let store = SqliteStore::open(&file.path).unwrap();
    let a = run(store.get(b"a")).unwrap().unwrap();
    assert_eq!(&a.value[..], b"\x02", "the log was not read");
    drop(store);
    assert!(contents(&file) == before, "a file has changed");

    let store = SqliteStore::open(&file.path).unwrap();
    run(store.txn(put("b", "1"))).unwrap();
    drop(store);
    assert_eq!(contents(&file).len(), 1, "a log is left");
    assert_eq!(revision(&file), Revision(2));
}

#[test]
fn a_file_that_should_have_a_store_and_has_none_is_refused() {
    let file = file();
    let refused = |path| {
        let error = SqliteStore::open_existing(path).unwrap_err();
        error.source().unwrap().to_string()
    };
    let told = format!(
        "{} is missing or empty, although its directory was used by a server; restore it from a \
         backup, or remove the directory to start anew",
        file.path.display()
    );
    assert_eq!(refused(&file.path), told);
    assert_eq!(contents(&file), []);
    fs::write(&file.path, "").unwrap();
    assert_eq!(refused(&file.path), told);
    assert_eq!(contents(&file), [(file.path.clone(), Vec::new())]);

    // What a server that was killed right after its first commit has left, without the log.
    fs::remove_file(&file.path).unwrap();
    let store = SqliteStore::open(&file.path).unwrap();
    let other = self::file();
    fs::copy(&file.path, &other.path).unwrap();
    drop(store);
    assert!(refused(&other.path).contains("is missing or empty"));
    SqliteStore::open_existing(&file.path).unwrap();
}

#[test]
fn what_is_no_entry_is_told_by_its_key_with_what_to_do() {
    for (change, key) in [
        ("UPDATE entry SET value = 'text'", "a"),
        ("UPDATE entry SET value = 7", "a"),
        ("UPDATE entry SET modified = -1", "a"),
        ("UPDATE entry SET modified = 'text'", "a"),
        ("UPDATE entry SET key = 'b'", "b"),
        ("UPDATE entry SET key = 7", "Integer(7)"),
    ] {
        let file = file();
        let store = SqliteStore::open(&file.path).unwrap();
        run(store.txn(put("a", "1"))).unwrap();
        drop(store);
        let connection = Connection::open(&file.path).unwrap();
        connection.execute(change, []).unwrap();
        connection.close().unwrap();
        let refused = refusal(&file.path);
        let start = format!("the value of key {key} is not readable: ");
        assert!(refused.starts_with(&start), "{change}: {refused}");
        assert!(
            refused.ends_with("; restore the data directory from a backup"),
            "{change}: {refused}"
        );
    }
}

#[test]
fn a_store_without_its_revision_is_told_with_what_to_do() {
    let file = file();
    drop(SqliteStore::open(&file.path).unwrap());
    let connection = Connection::open(&file.path).unwrap();
    connection.execute("DELETE FROM head", []).unwrap();
    connection.close().unwrap();
    let refused = refusal(&file.path);
    assert!(
        refused.contains("restore the data directory from a backup"),
        "{refused}"
    );
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let file = file();
    let connection = Connection::open(&file.path).unwrap();
    connection
        .execute_batch("CREATE TABLE bookmarks (url TEXT)")
        .unwrap();
    connection.close().unwrap();
    let before = fs::read(&file.path).unwrap();
    assert!(refusal(&file.path).contains("but not Tombolo's"));
    assert_eq!(fs::read(&file.path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let file = file();
    fs::write(&file.path, "dear diary, ".repeat(1_000)).unwrap();
    let refused = refusal(&file.path);
    assert!(refused.contains("file is not a database"), "{refused}");
    assert!(
        refused.contains("restore the data directory from a backup"),
        "{refused}"
    );
    assert!(
        refused.contains(&file.path.display().to_string()),
        "{refused}"
    );
}

#[test]
fn a_directory_that_is_missing_is_named() {
    let file = file();
    let refused = refusal(&file.directory.path().join("nowhere/store.db"));
    assert!(refused.contains("nowhere/store.db"), "{refused}");
    assert!(refused.contains("No such file or directory"), "{refused}");
}

#[test]
fn an_entry_newer_than_the_store_is_corrupt_by_name() {
    let file = file();
    let store = SqliteStore::open(&file.path).unwrap();
    run(store.txn(put("a\n", "1"))).unwrap();
    drop(store);
    let connection = Connection::open(&file.path).unwrap();
    connection
        .execute("UPDATE head SET revision = 0", [])
        .unwrap();
    connection.close().unwrap();
    let error = SqliteStore::open(&file.path).unwrap_err();
    assert!(
        matches!(&error, StoreError::Corrupt { key, .. } if key == r"a\n"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("revision 1, but the store's last is 0"),
        "{error}"
    );
}

#[test]
fn printing_a_store_for_a_log_shows_no_entry() {
    let file = file();
    let store = SqliteStore::open(&file.path).unwrap();
    run(store.txn(put("the-key", "the-secret"))).unwrap();
    let printed = format!("{store:?}");
    assert!(printed.contains("Revision(1)"), "{printed}");
    assert!(
        !printed.contains("the-secret") && !printed.contains("the-key"),
        "{printed}"
    );
}
