//! Durable writes per second of [`SqliteStore`] beside bare SQLite doing the same work: 1 KiB
//! values under new keys, 32 at a time, WAL with `synchronous=FULL`.
//!
//! Then what a read costs in a store of that size.
//!
//! Prints one line of JSON a figure. Both run in turns on the same disk, and the ratio is the
//! median over the turns, since a virtual machine's disk is seldom as fast twice.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that fails has nothing to clean up"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rusqlite::{Connection, params};
use tombolo_store::{KeyRange, SqliteStore, Store, Txn};

const WRITERS: usize = 32;
const WRITES: usize = 300 * WRITERS;
const VALUE: [u8; 1024] = [0x5a; 1024];
const TURNS: usize = 5;

fn main() {
    let mut turns: Vec<(f64, f64)> = (0..TURNS)
        .map(|_| {
            let directory = tempfile::tempdir().unwrap();
            let bare = per_second(|| bare_batches(&directory.path().join("bare.db")));
            let store = per_second(|| store_writers(&directory.path().join("store.db")));
            (bare, store)
        })
        .collect();
    turns.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let (bare, store) = turns[TURNS / 2];
    print("store.bare_sqlite_writes", bare, "1/s");
    print("store.group_commit_writes", store, "1/s");
    print("store.group_commit_ratio", store / bare, "ratio");
    read_latencies();
}

fn print(name: &str, value: f64, unit: &str) {
    println!(
        "{}",
        serde_json::json!({ "name": name, "value": value, "unit": unit })
    );
}

fn per_second(write_all: impl FnOnce()) -> f64 {
    let start = Instant::now();
    write_all();
    WRITES as f64 / start.elapsed().as_secs_f64()
}

/// Keys as they come in practice: spread over the key space, never twice the same.
fn key(number: usize) -> Bytes {
    let spread = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Bytes::from(format!("bench/{spread:016x}"))
}

fn read_latencies() {
    const READS: usize = 100_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    store_writers(&path);
    let store = SqliteStore::open(&path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        for number in 0..READS {
            assert!(store.get(&key(number % WRITES)).await.unwrap().is_some());
        }
        print("store.get", micros(start) / READS as f64, "µs");
        let start = Instant::now();
        for number in 0..READS {
            let range = KeyRange {
                start: key(number % WRITES),
                end: Bytes::from("bench0"),
            };
            assert!(!store.range(&range, 10).await.unwrap().entries.is_empty());
        }
        print("store.range_of_10", micros(start) / READS as f64, "µs");
    });
}

fn micros(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

fn bare_batches(path: &Path) {
    let mut connection = Connection::open(path).unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    connection
        .pragma_update(None, "synchronous", "FULL")
        .unwrap();
    connection
        .execute_batch("CREATE TABLE entry (key BLOB PRIMARY KEY, value BLOB NOT NULL)")
        .unwrap();
    for batch in 0..WRITES / WRITERS {
        let transaction = connection.transaction().unwrap();
        let mut insert = transaction
            .prepare_cached("INSERT INTO entry (key, value) VALUES (?1, ?2)")
            .unwrap();
        for number in 0..WRITERS {
            insert
                .execute(params![&key(batch * WRITERS + number)[..], &VALUE[..]])
                .unwrap();
        }
        drop(insert);
        transaction.commit().unwrap();
    }
}

fn store_writers(path: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let store = Arc::new(SqliteStore::open(path).unwrap());
    runtime.block_on(async {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            writers.spawn(async move {
                for number in (writer..WRITES).step_by(WRITERS) {
                    let puts = vec![(key(number), Bytes::from_static(&VALUE))];
                    store
                        .txn(Txn {
                            puts,
                            ..Txn::default()
                        })
                        .await
                        .unwrap();
                }
            });
        }
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
    });
}
