//! Golden files of everything that the store keeps: what a release wrote is read by every later one.
//!
//! `golden/KIND/v1.txt` has what version 1 of a kind's records looks like: on each line a key, a
//! space and the record. `golden/KIND/v1-older.txt` has what earlier servers wrote as version 1, with
//! members missing or under other names, and indented by a tab as what that is written again. A golden
//! file never changes. `UPDATE_GOLDEN=1` writes the ones that are missing.

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
use tombolo_store::keys::Kind;
use tombolo_store::typed::{Committed, Transaction};
use tombolo_store::{KeyRange, MemoryStore, Store};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
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
        let kind = key.split('/').next().unwrap();
        let (version, record) = entry.value.split_first().unwrap();
        let file = golden().join(kind).join(format!("v{version}.txt"));
        let record = str::from_utf8(record).unwrap();
        *files.entry(file).or_default() += &format!("{key} {record}\n");
    }
    files
}

#[tokio::test]
async fn every_kind_is_written_as_its_golden_file_has_it() {
    for (file, lines) in written().await {
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

/// What is written for a record after it was read.
async fn written_again(key: &str, record: &str) -> String {
    let key = Bytes::copy_from_slice(key.as_bytes());
    let value = Bytes::from(format!("\u{1}{record}"));
    let kind = Kind::of(&key).unwrap();
    let value = kind.rewrite(&key, &value).unwrap();
    str::from_utf8(&value[1..]).unwrap().to_owned()
}

#[tokio::test]
async fn what_earlier_servers_wrote_is_read() {
    for directory in std::fs::read_dir(golden()).unwrap() {
        let file = directory.unwrap().path().join("v1-older.txt");
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        let mut out = String::new();
        for line in text.lines().filter(|line| !line.starts_with('\t')) {
            let (key, record) = line.split_once(' ').unwrap();
            out += &format!("{line}\n\t{}\n", written_again(key, record).await);
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() && !text.contains('\t') {
            std::fs::write(&file, &out).unwrap();
        } else {
            assert_eq!(out, text, "{}", file.display());
        }
    }
}
