//! Files at the LogPaths of a fleet.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tombolo_fleet::{Event, Instance};

use crate::fixture::{BINARY, DEADLINE, Fixture, eventually, until};

async fn start(fixture: &Fixture, log_paths: &[&str]) -> Instance {
    let mut spec = fixture.spec();
    spec.log_paths = log_paths.iter().map(|path| (*path).to_owned()).collect();
    Instance::start(Path::new(BINARY), &spec).await.unwrap()
}

/// What is kept of each run, oldest first, by path, with the text.
fn kept(fixture: &Fixture) -> Vec<BTreeMap<String, String>> {
    fn walk(folder: &Path, root: &Path, into: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, into);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                // One of an old run may go meanwhile.
                let text = fs::read_to_string(&path).unwrap_or_default();
                into.insert(name.to_owned(), text);
            }
        }
    }
    let runs = fs::read_dir(fixture.path("logs/server-1.files")).into_iter();
    let mut runs: Vec<PathBuf> = runs.flatten().map(|run| run.unwrap().path()).collect();
    runs.sort();
    let files = |run: &PathBuf| {
        let mut files = BTreeMap::new();
        walk(run, run, &mut files);
        files
    };
    runs.iter().map(files).collect()
}

#[tokio::test]
async fn a_server_that_ends_leaves_its_files_and_the_next_begins_with_none() {
    let fixture = Fixture::with_server(
        "ls /tmp/logs logs; mkdir -p /tmp/logs/deep; read order < control; \
         echo $order > /tmp/logs/deep/a; echo game > logs/b; echo other > /tmp/c; \
         ln -s /local/game/server /tmp/logs/link; exit 7",
    );
    fixture.pipe();
    // A folder of the build's, over which the process has one of its own.
    fixture.file("logs/of-the-build", "", 0o644);
    let instance = start(&fixture, &["/tmp/logs", "/local/game/logs"]).await;
    let mut events = instance.events(0).await.unwrap();
    let log = fixture.path("logs/server-1.log");
    for (index, run) in ["one", "two", "three", "four"].into_iter().enumerate() {
        fixture.order(run).await;
        let ended = |event: &Event| matches!(event, Event::ExitedAtOnce(_) | Event::Crashed(_));
        until(&mut events, ended).await;
        // Its files are seen a little before its copying is over, and of a run that ended meanwhile
        // none would be kept.
        let is_told = || {
            let log = fs::read_to_string(&log).unwrap();
            let told = "some files of its log paths are kept in server-1.files";
            log.matches(told).count() == index + 1
        };
        eventually("the log to say that its files are kept", is_told).await;
        let of_this = ("tmp/logs/deep/a".to_owned(), format!("{run}\n"));
        let of_game = ("local/game/logs/b".to_owned(), "game\n".to_owned());
        let kept = kept(&fixture);
        assert_eq!(kept.last(), Some(&BTreeMap::from([of_this, of_game])));
        assert_eq!(kept.len(), 3.min(index + 1));
    }
    let listed = fixture.log("server-1");
    assert!(!listed.iter().any(|line| line == "deep"), "{listed:?}");
    instance.kill().await.unwrap();
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn an_instance_that_is_stopped_leaves_its_files() {
    let fixture = Fixture::with_server(
        "mkdir /tmp/logs; trap 'echo bye > /tmp/logs/a; exit 0' TERM; echo ready; \
         while :; do sleep 1000 & wait; done",
    );
    let instance = start(&fixture, &["/tmp/logs"]).await;
    fixture.log_until("ready").await;
    instance.stop(DEADLINE).await.unwrap();
    let expected = BTreeMap::from([("tmp/logs/a".to_owned(), "bye\n".to_owned())]);
    assert_eq!(kept(&fixture), [expected]);
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn a_server_that_ends_before_its_last_files_are_kept_is_told_which_are_not() {
    let fixture = Fixture::with_server("truncate -s 64M /tmp/logs/big");
    let mut spec = fixture.spec();
    spec.log_paths = vec!["/tmp/logs".to_owned()];
    // Sooner again than so much is copied.
    (spec.restart.first_delay_ms, spec.restart.longest_delay_ms) = (1, 1);
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let log = fixture.path("logs/server-1.log");
    let is_told = || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        let told = "are not kept: those of an earlier run are still being copied";
        log.lines()
            .any(|line| line.contains("files of its log paths") && line.ends_with(told))
    };
    eventually("the log to say so", is_told).await;
    instance.kill().await.unwrap();
}
