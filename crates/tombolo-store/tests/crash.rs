//! `kill -9` under load, again and again: what was acknowledged is there, and no transaction is
//! there by half.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tombolo_store::{KeyRange, Page, SqliteStore, Store, Txn, TxnOutcome};

/// Set in the child: the file that it writes until it is killed.
const CHILD_FILE: &str = "TOMBOLO_STORE_CRASH_TEST_FILE";
const WRITERS: usize = 16;
const ROUNDS: usize = 12;

/// Parent and child are this same test, in two processes of this same binary.
#[test]
fn acknowledged_transactions_survive_kill_9() {
    match std::env::var_os(CHILD_FILE) {
        Some(file) => write_until_killed(Path::new(&file)),
        None => kill_again_and_again(),
    }
}

fn kill_again_and_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("store.db");
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        let enough = 1 + rng.next_u32() as usize % 2_000;
        let mut writing = Writing::start(&file);
        let lines = BufReader::new(writing.acknowledgements()).lines();
        // What stands in the pipe when the child dies was acknowledged too.
        for (count, line) in lines.enumerate() {
            if count == enough {
                writing.kill();
            }
            if let Some((writer, number)) = acknowledgement(&line.unwrap()) {
                acknowledged.insert(writer, number);
            }
        }
        verify(&file, &acknowledged, round);
    }
    assert_eq!(acknowledged.len(), WRITERS, "every writer got through");
}

/// The child, ended with the test however that goes.
struct Writing(Child);

impl Writing {
    fn start(file: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "acknowledged_transactions_survive_kill_9",
                "--nocapture",
            ])
            .env(CHILD_FILE, file)
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    fn acknowledgements(&mut self) -> ChildStdout {
        self.0.stdout.take().unwrap()
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.0.kill().unwrap();
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `ack WRITER NUMBER`, whole; the last line may be cut, and the test harness has lines too.
fn acknowledgement(line: &str) -> Option<(usize, u64)> {
    let (writer, number) = line
        .strip_prefix("ack ")?
        .strip_suffix(" .")?
        .split_once(' ')?;
    Some((writer.parse().unwrap(), number.parse().unwrap()))
}

fn verify(file: &Path, acknowledged: &BTreeMap<usize, u64>, round: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(file).unwrap();
        for writer in 0..WRITERS {
            let last = last_number(&store, writer).await;
            let promised = acknowledged.get(&writer).copied().unwrap_or(0);
            assert!(
                last >= promised,
                "round {round}: writer {writer} lost {promised} > {last}"
            );
            assert!(
                last <= promised + 1,
                "round {round}: {last} was never asked for"
            );
            let log = log(&store, writer).await;
            let expected: Vec<_> = (1..=last).map(|number| log_key(writer, number)).collect();
            let keys: Vec<_> = log.entries.iter().map(|entry| entry.key.clone()).collect();
            assert_eq!(
                keys, expected,
                "round {round}: writer {writer}'s log is whole"
            );
        }
    });
}

/// Each transaction puts the writer's next number on its left and on its right, and a log entry.
fn write_until_killed(file: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(file).unwrap());
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            writers.spawn(async move {
                // Ends when the parent is gone, and with it the pipe.
                for number in last_number(&store, writer).await + 1.. {
                    let outcome = store.txn(step(writer, number)).await.unwrap();
                    assert!(matches!(outcome, TxnOutcome::Committed(_)));
                    if writeln!(std::io::stdout(), "ack {writer} {number} .").is_err() {
                        break;
                    }
                }
            });
        }
        writers.join_all().await;
    });
}

fn step(writer: usize, number: u64) -> Txn {
    let value = Bytes::from(number.to_string());
    let payload = Bytes::from(vec![b'x'; 300]);
    let puts = vec![
        (side_key(writer, "left"), value.clone()),
        (log_key(writer, number), payload),
        (side_key(writer, "right"), value),
    ];
    Txn {
        puts,
        ..Txn::default()
    }
}

fn side_key(writer: usize, side: &str) -> Bytes {
    format!("{side}/{writer:02}").into()
}

fn log_key(writer: usize, number: u64) -> Bytes {
    format!("log/{writer:02}/{number:010}").into()
}

/// The writer's last number, the same on both sides.
async fn last_number(store: &SqliteStore, writer: usize) -> u64 {
    let mut numbers = vec![];
    for side in ["left", "right"] {
        let entry = store.get(&side_key(writer, side)).await.unwrap();
        numbers.push(entry.map_or(0, |entry| {
            std::str::from_utf8(&entry.value).unwrap().parse().unwrap()
        }));
    }
    assert_eq!(
        numbers[0], numbers[1],
        "writer {writer}: a transaction is there by half"
    );
    numbers[0]
}

async fn log(store: &SqliteStore, writer: usize) -> Page {
    let range = KeyRange {
        start: log_key(writer, 0),
        end: log_key(writer, 9_999_999_999),
    };
    store.range(&range, usize::MAX).await.unwrap()
}
