//! What server processes write, kept within bounds.

use std::fs;
use std::path::PathBuf;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tokio::io::AsyncWriteExt;
use tombolo_fleet::{Ended, Event, Events, Exit};

use crate::fixture::{DEADLINE, Fixture, eventually, until};

/// What three files of a log may hold.
const MAX_OUTPUT: u64 = 3 * (16 << 20);

/// How the first process ended that did.
async fn first_end(events: &mut Events) -> Ended {
    let seen = until(events, |event| matches!(event, Event::ExitedAtOnce(_))).await;
    match seen.into_iter().last().map(|last| last.event) {
        Some(Event::ExitedAtOnce(ended)) => ended,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_flood_is_bounded_and_the_others_are_heard() {
    let mut fixture = Fixture::with_server("exec yes 0123456789012345678901234567890123456789");
    let ticks = "#!/bin/sh\nwhile echo tick; do sleep 0.05; done\n";
    fixture.file("ticks", ticks, 0o755);
    fixture.run("/local/game/ticks", "", 1);
    let (instance, _events) = fixture.start_healthy().await;

    let file = |name: &str| fixture.path("logs").join(name);
    let exists = |name| move || file(name).exists();
    eventually("it is put aside", exists("server-1.log.1")).await;
    let ticks = fixture.log("ticks-2").len();
    eventually("it is put aside again", exists("server-1.log.2")).await;
    let more = fixture.log("ticks-2").len();
    assert!(more >= ticks + 3, "{ticks} and {more} lines of the other");
    let oldest = fs::metadata(file("server-1.log.2")).unwrap().modified();
    let modified = || fs::metadata(file("server-1.log.2")).and_then(|file| file.modified());
    let oldest = oldest.unwrap();
    eventually("the oldest goes", || modified().unwrap() > oldest).await;

    let names = ["server-1.log", "server-1.log.1", "server-1.log.2"];
    let sizes = names.map(|name| fs::metadata(file(name)).map_or(0, |file| file.len()));
    assert!(sizes.iter().sum::<u64>() <= MAX_OUTPUT, "{sizes:?}");
    assert!(fs::read_dir(fixture.path("logs")).unwrap().count() <= 4);
    // The supervisor is not kept from anything by it.
    instance.stop(DEADLINE).await.unwrap();
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn nothing_that_a_process_wrote_before_its_end_is_lost() {
    let fixture = Fixture::with_server("seq 1 8000; echo last >&2; exit 3");
    let instance = fixture.start_to_exit().await;
    let ended = first_end(&mut instance.events(0).await.unwrap()).await;
    assert_eq!(ended.exit, Exit::Code(3));
    assert_eq!(ended.last_lines[18..], ["8000", "last"]);
    let mut expected: Vec<_> = (1..=8000).map(|number| number.to_string()).collect();
    expected.push("last".to_owned());
    assert_eq!(fixture.log("server-1")[..8001], expected);
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn a_helper_that_holds_the_output_open_hangs_nobody() {
    let fixture = Fixture::with_server("setsid yes & echo bye; exit 3");
    let instance = fixture.start_to_exit().await;
    let mut events = instance.events(0).await.unwrap();
    assert_eq!(first_end(&mut events).await.exit, Exit::Code(3));
    assert_eq!(first_end(&mut events).await.exit, Exit::Code(3));
    instance.kill().await.unwrap();
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn a_server_that_closes_its_output_runs_on() {
    let fixture = Fixture::with_server("echo bye; exec sleep 1000 >/dev/null 2>&1");
    let (instance, _events) = fixture.start_healthy().await;
    fixture.log_until("bye").await;
    let status = instance.status().await.unwrap();
    assert!(status.processes[0].pid.is_some(), "{status:?}");
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn standard_streams_have_names_too() {
    let fixture = Fixture::with_server(
        "echo one > /dev/stdout; echo two > /dev/stderr; echo done; exec sleep 1000",
    );
    let (instance, _events) = fixture.start_healthy().await;
    assert_eq!(fixture.log_until("done").await, ["one", "two"]);
    instance.kill().await.unwrap();
}

/// A small file system for logs, unmounted also when a test fails.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(path: PathBuf) -> Self {
        fs::create_dir(&path).unwrap();
        let options = Some("size=64k");
        mount(
            Some("tmpfs"),
            &path,
            Some("tmpfs"),
            MsFlags::empty(),
            options,
        )
        .unwrap();
        SmallDisk(path)
    }

    fn grow(&self) {
        let flags = MsFlags::MS_REMOUNT;
        mount(None::<&str>, &self.0, None::<&str>, flags, Some("size=1m")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[tokio::test]
async fn a_game_goes_on_when_the_disk_is_full_and_the_log_says_what_is_missing() {
    let fixture = Fixture::with_server(
        "seq 1 30000; read order < control; echo after; echo done; exec sleep 1000",
    );
    fixture.pipe();
    let disk = SmallDisk::at(fixture.path("logs"));
    let (instance, _events) = fixture.start_healthy().await;
    let mut pipe = fixture.waiting().await;
    assert_eq!(fixture.log("server-1")[0], "1");
    let status = instance.status().await.unwrap();
    assert_eq!(status.processes[0].restarts, 0, "{status:?}");

    disk.grow();
    pipe.write_all(b"go\n").await.unwrap();
    pipe.flush().await.unwrap();
    fixture.log_until("done").await;
    let log = fs::read_to_string(fixture.path("logs/server-1.log")).unwrap();
    let kept = fixture.log("server-1").len() as u64;
    let (_, note) = log
        .split_once("--- tombolo: ")
        .unwrap()
        .1
        .split_once("--- tombolo: ")
        .unwrap();
    let (lines, why) = note.split_once(" lines were dropped here: ").unwrap();
    assert!(why.starts_with("No space left on device"), "{why}");
    let dropped: u64 = lines.parse().unwrap();
    // The line that was cut in two is among both.
    assert_eq!(kept + dropped, 30_000 + 2 + 1);
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn logs_of_names_that_are_no_more_are_kept_as_far_as_they_are_few() {
    let fixture = Fixture::with_server("echo ready; exec sleep 1000");
    let logs = fixture.path("logs");
    fs::create_dir(&logs).unwrap();
    let at = |seconds| std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    for number in 0..150 {
        let log = logs.join(format!("old-{number}.log"));
        fs::write(&log, "old").unwrap();
        fs::File::open(&log)
            .unwrap()
            .set_modified(at(1_000 + number))
            .unwrap();
        for more in [".log.1", ".log.2"] {
            fs::write(logs.join(format!("old-{number}{more}")), "older").unwrap();
            let more = logs.join(format!("old-{number}{more}"));
            fs::File::open(more)
                .unwrap()
                .set_modified(at(number))
                .unwrap();
        }
        let files = logs.join(format!("old-{number}.files"));
        fs::create_dir_all(files.join("run/tmp")).unwrap();
        fs::write(files.join("run/tmp/a"), "a").unwrap();
        fs::File::open(files)
            .unwrap()
            .set_modified(at(number))
            .unwrap();
    }
    fs::write(logs.join("of-nobody"), "").unwrap();
    let instance = fixture.start().await;
    fixture.log_until("ready").await;
    let number_of = |name: &str| {
        Some(
            name.strip_prefix("old-")?
                .split('.')
                .next()?
                .parse()
                .unwrap(),
        )
    };
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(&logs).unwrap() {
        names.push(entry.unwrap().file_name().into_string().unwrap());
    }
    let old: std::collections::BTreeSet<u32> =
        names.iter().filter_map(|name| number_of(name)).collect();
    assert_eq!(old, (51..150).collect());
    assert_eq!(names.len(), 99 * 4 + 2, "{names:?}");
    instance.kill().await.unwrap();
}
