//! Golden files of everything that the store keeps: what a release wrote is read by every later one.
//!
//! `golden/KIND/v1.txt` has what version 1 of a kind's records looks like: on each line a key, a
//! space and the record. `golden/KIND/v1-older.txt` has what earlier servers wrote as version 1, with
//! members missing or under other names, and indented by a tab the same record as the last server that
//! wrote version 1 had it. A golden file never changes. `UPDATE_GOLDEN=1` writes the ones that are missing, of today's version.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails is meant to panic"
)]

#[path = "records/samples.rs"]
mod samples;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tombolo_store::keys::{AnyKey, Kind};
use tombolo_store::typed::{Committed, Transaction, check};
use tombolo_store::{KeyRange, MemoryStore, SqliteStore, Store, Txn};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The file of a version of a kind's records.
fn golden(kind: Kind, version: u8) -> PathBuf {
    directory()
        .join(kind.name())
        .join(format!("v{version}.txt"))
}

/// What the store holds once the samples are written, by the files that it belongs in.
async fn written() -> BTreeMap<PathBuf, String> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut tx = Transaction::new(store.clone());
    samples::put_all(&mut tx).unwrap();
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    let everything = KeyRange {
        start: Bytes::new(),
        end: Bytes::from_static(&[0xff]),
    };
    let page = store.range(&everything, usize::MAX).await.unwrap();
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for entry in page.entries {
        let key = str::from_utf8(&entry.key).unwrap();
        let (version, record) = entry.value.split_first().unwrap();
        let file = golden(Kind::of(&entry.key).unwrap(), *version);
        let record = str::from_utf8(record).unwrap();
        *files.entry(file).or_default() += &format!("{key} {record}\n");
    }
    files
}

#[tokio::test]
async fn every_kind_is_written_as_its_golden_file_has_it() {
    let written = written().await;
    for kind in Kind::ALL {
        let file = golden(*kind, kind.version());
        assert!(written.contains_key(&file), "no sample of {}", kind.name());
    }
    for (file, lines) in written {
        if std::env::var_os("UPDATE_GOLDEN").is_some() && !file.exists() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &lines).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", file.display())
        });
        assert_eq!(lines, golden, "{}", file.display());
    }
}

/// What each format of the store's file has: `FORMAT n: kind=version …`, a line a format.
const FORMATS: &str = "tests/records/formats.txt";

/// The release before refuses a file of a later format by a sentence. It would misread one that has a
/// new kind, or a new version of a record, under the format that it knows.
#[test]
fn a_new_kind_or_version_comes_with_a_new_format() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FORMATS);
    let mut formats = std::fs::read_to_string(&file).unwrap();
    let mut kinds: Vec<String> = Kind::ALL
        .iter()
        .map(|kind| format!("{}={}", kind.name(), kind.version()))
        .collect();
    kinds.sort();
    let start = format!("FORMAT {}: ", SqliteStore::FORMAT);
    let is_known = formats.lines().any(|line| line.starts_with(&start));
    let line = format!("{start}{}\n", kinds.join(" "));
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !is_known {
        formats += &line;
        std::fs::write(&file, &formats).unwrap();
    }
    assert!(
        is_known || formats.ends_with(&line),
        "{FORMATS} has no line of FORMAT {}; UPDATE_GOLDEN=1 writes it",
        SqliteStore::FORMAT
    );
    assert!(
        formats.ends_with(&line),
        "the kinds and versions are not those of FORMAT {} in {FORMATS}: raise FORMAT in \
         sqlite/database.rs and run this again with UPDATE_GOLDEN=1; if no release has had this \
         format yet, delete its line instead. Today's is\n{line}",
        SqliteStore::FORMAT
    );
}

/// A line of a golden file, and what becomes of it.
struct Line {
    key: String,
    record: String,
    /// The same record, as the last server that wrote its version had it. `None`: this one did, and
    /// the file of today's version has the same key.
    becomes: Option<String>,
}

fn lines(file: &Path) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let text = std::fs::read_to_string(file)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", file.display()));
    for line in text.lines() {
        match line.strip_prefix('\t') {
            Some(becomes) => lines.last_mut().unwrap().becomes = Some(becomes.to_owned()),
            None => {
                let (key, record) = line.split_once(' ').unwrap();
                lines.push(Line {
                    key: key.to_owned(),
                    record: record.to_owned(),
                    becomes: None,
                });
            }
        }
    }
    lines
}

/// What is written today for a record of the line's key, once it was read.
fn written_again(kind: Kind, version: u8, line: &Line, record: &str) -> String {
    let value = [&[version], record.as_bytes()].concat();
    let value = kind.rewrite(line.key.as_bytes(), &value).unwrap();
    assert_eq!(value[0], kind.version());
    str::from_utf8(&value[1..]).unwrap().to_owned()
}

#[test]
fn every_golden_file_is_read() {
    let mut read: BTreeMap<(Kind, u8), usize> = BTreeMap::new();
    for of_kind in std::fs::read_dir(directory()).unwrap() {
        let of_kind = of_kind.unwrap();
        let name = of_kind.file_name().into_string().unwrap();
        let kind = Kind::named(&name)
            .unwrap_or_else(|| panic!("golden/{name} is of a kind that nothing reads any more"));
        let today = lines(&golden(kind, kind.version())).into_iter();
        let today: BTreeMap<String, String> = today.map(|one| (one.key, one.record)).collect();
        for file in std::fs::read_dir(of_kind.path()).unwrap() {
            let file = file.unwrap().path();
            let version = file
                .file_stem()
                .and_then(|stem| stem.to_str()?.strip_prefix('v'));
            let version = version.map(|version| version.trim_end_matches("-older"));
            let version = version.and_then(|version| version.parse().ok());
            let Some(version) = version.filter(|version| (1..=kind.version()).contains(version))
            else {
                panic!("{}: there is no code that reads it", file.display());
            };
            for line in lines(&file) {
                assert_eq!(AnyKey::parse(line.key.as_bytes()).unwrap().kind(), kind);
                let again = written_again(kind, version, &line, &line.record);
                let expected = match &line.becomes {
                    Some(becomes) if version == kind.version() => Some(becomes.clone()),
                    Some(becomes) => Some(written_again(kind, version, &line, becomes)),
                    None => today.get(&line.key).cloned(),
                };
                assert_eq!(Some(again), expected, "{}: {}", file.display(), line.key);
                *read.entry((kind, version)).or_default() += 1;
            }
        }
    }
    for kind in Kind::ALL {
        for version in 1..=kind.version() {
            let file = golden(*kind, version);
            assert!(read.contains_key(&(*kind, version)), "{}", file.display());
        }
    }
}

/// A server goes on with what every release wrote: each record is readable, and is its key's.
#[tokio::test]
async fn a_store_of_any_golden_file_is_gone_on_with() {
    for kind in Kind::ALL {
        for file in std::fs::read_dir(directory().join(kind.name())).unwrap() {
            let file = file.unwrap().path();
            let stem = file.file_stem().unwrap().to_str().unwrap();
            let version = stem.trim_start_matches('v').trim_end_matches("-older");
            let version: u8 = version.parse().unwrap();
            let puts = lines(&file).into_iter().map(|line| {
                let value = [&[version], line.record.as_bytes()].concat();
                (line.key.into(), value.into())
            });
            let store = MemoryStore::new();
            let txn = Txn {
                puts: puts.collect(),
                ..Txn::default()
            };
            store.txn(txn).await.unwrap();
            let checked = check(&store).await;
            checked.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
}

#[test]
fn a_record_of_a_newer_version_is_refused_by_name() {
    for kind in Kind::ALL {
        let line = lines(&golden(*kind, kind.version())).remove(0);
        let newer = kind.version() + 1;
        let value = [&[newer], line.record.as_bytes()].concat();
        let error = kind.rewrite(line.key.as_bytes(), &value).unwrap_err();
        let known = kind.version();
        assert_eq!(
            error.to_string(),
            format!(
                "the record of key {} has version {newer}, and this version of Tombolo reads up to \
                 {known}; run the version that wrote it, or restore the data directory from a backup",
                line.key
            )
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    /// A letter more, a letter less: an error with the key, or another value; never a panic.
    #[test]
    fn a_record_that_does_not_parse_is_refused_by_name(
        kind in select(Kind::ALL),
        which in any::<Index>(),
        at in any::<Index>(),
        cut in 0..3usize,
        put in select(vec!["", "{", "\"", "0", "null", "-1", "\u{0}", "ü"]),
    ) {
        let lines = lines(&golden(kind, kind.version()));
        let line = &lines[which.index(lines.len())];
        let mut letters: Vec<char> = line.record.chars().collect();
        let at = at.index(letters.len());
        letters.splice(at..(at + cut).min(letters.len()), put.chars());
        let record: String = letters.into_iter().collect();
        let value = [&[kind.version()], record.as_bytes()].concat();
        if let Err(error) = kind.rewrite(line.key.as_bytes(), &value) {
            let (error, start) = (error.to_string(), format!("the value of key {} is not", line.key));
            prop_assert!(error.starts_with(&start));
            prop_assert!(error.ends_with("; restore the data directory from a backup"));
        }
    }
}
