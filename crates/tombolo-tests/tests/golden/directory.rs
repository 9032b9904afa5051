//! A data directory of each format that the store has had, made by the release that had it, and what
//! is answered of it: whoever upgrades finds everything as it was.
//!
//! ```text
//! golden/data/FORMAT/directory/   what a killed server left: store.db, builds/, objects/, and host-id
//!                                 since format 2
//! golden/data/FORMAT/records.txt  store.db as text, a record a line, for a reader of reviews
//! golden/data/FORMAT/about.json   which program made it, and when by its clock
//! golden/data/FORMAT/answers.txt  what both accounts and the operator are told of it
//! ```
//!
//! The file itself is kept, not only its text, since it is what a server has to open: pages, schema,
//! numbers in the header, and whatever else SQLite or we may one day read otherwise. The text is
//! derived from it, and held against it.
//!
//! A directory is never made anew: of a format that is gone nobody can. A format that has none asks for
//! one, made by [`world`] as root (it takes real packets for some records).
//!
//! Time stands still in it: it was recorded on a clock that had been moved to a day decades ahead, and
//! each replay moves its own to the same minute, so nothing in it expires until that day has come.

pub(crate) mod world;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tombolo_tests::binary;
use tombolo_tests::dev::Dev;
use tombolo_tests::server::Server;
use tombolo_tests::wait;

use crate::expect::{expect, folder, is_recording};
use crate::transcript::{Protocol, Transcript, Who, s3};

/// Who made a directory.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    /// The release.
    made_by: String,
    /// The server's time when it was killed.
    now: Timestamp,
}

fn data() -> PathBuf {
    folder().join("data")
}

/// The formats that there are directories of.
fn formats() -> Vec<String> {
    let Ok(entries) = fs::read_dir(data()) else {
        return Vec::new();
    };
    let mut formats: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    formats.sort();
    formats
}

/// One of the database's own numbers.
fn number(database: &Connection, pragma: &str) -> u32 {
    let number = database.pragma_query_value(None, pragma, |row| row.get(0));
    number.unwrap()
}

/// Opens a database that nobody writes, and leaves nothing beside it.
fn open(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let uri = format!("file:{}?immutable=1", path.display());
    Connection::open_with_flags(uri, flags).unwrap()
}

/// The records of a store, as text.
fn records(path: &Path) -> String {
    let database = open(path);
    let revision: i64 = database
        .query_one("SELECT revision FROM head", [], |row| row.get(0))
        .unwrap();
    let mut text = format!(
        "application_id {:#x}, user_version {}, revision {revision}\n",
        number(&database, "application_id"),
        number(&database, "user_version")
    );
    let mut schema = database
        .prepare("SELECT sql FROM sqlite_schema WHERE sql NOT NULL")
        .unwrap();
    for table in schema.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        text.push_str(&format!("{}\n", table.unwrap()));
    }
    let all = "SELECT key, value, modified FROM entry ORDER BY key";
    let mut all = database.prepare(all).unwrap();
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let mut by_kind: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows.unwrap() {
        let (key, value, modified): (Vec<u8>, Vec<u8>, i64) = row.unwrap();
        let key = String::from_utf8(key).unwrap();
        let (version, record) = value.split_first().unwrap();
        let record = String::from_utf8(record.to_vec()).unwrap();
        let kind = key.split('/').next().unwrap().to_owned();
        let line = format!("{key} @{modified} v{version} {record}");
        by_kind.entry(kind).or_default().push(line);
    }
    for (kind, lines) in by_kind {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n# {kind}: {}\n{}\n", lines.len(), lines.join("\n"));
    }
    text
}

/// Kinds of records that came after the newest directory was recorded.
const LATER: [&str; 1] = ["account-quotas"];

/// The names of all kinds of records: each has a folder of golden records in the store's crate.
fn kinds() -> Vec<String> {
    let golden = binary::workspace().join("crates/tombolo-store/golden");
    let folders = fs::read_dir(golden).unwrap();
    let mut names: Vec<String> = folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_text_of_each_directory_is_that_of_its_database() {
    formats().iter().for_each(|format| hold_text(format));
}

fn hold_text(format: &str) {
    let path = data().join(format).join("directory/store.db");
    expect(&format!("data/{format}/records.txt"), &records(&path));
}

#[test]
fn every_kind_of_record_is_in_one_of_the_directories() {
    if is_recording() {
        return;
    }
    let recorded = formats()
        .into_iter()
        .map(|format| fs::read_to_string(data().join(format).join("records.txt")).unwrap());
    let recorded: String = recorded.collect();
    let missing: Vec<_> = kinds()
        .into_iter()
        .filter(|kind| !LATER.contains(&kind.as_str()))
        .filter(|kind| !recorded.contains(&format!("\n# {kind}: ")))
        .collect();
    assert!(
        missing.is_empty(),
        "no directory has a record of {missing:?}"
    );
}

/// A change of the store's format needs a directory of it, before it is gone again.
#[test]
fn there_is_a_directory_of_the_present_format() {
    let server = Dev::start_simulated();
    let database = server.directory().join("store.db");
    // The server has it for itself; the header is in the file since it was made.
    let copy = server.directory().join("copy.db");
    fs::copy(&database, &copy).unwrap();
    fs::copy(with_suffix(&database, "-wal"), with_suffix(&copy, "-wal")).unwrap();
    let format = number(&Connection::open(&copy).unwrap(), "user_version").to_string();
    drop(server);
    if formats().contains(&format) {
        return;
    }
    assert!(
        is_recording(),
        "there is no data directory of format {format}; record one, as root: UPDATE_EXPECT=1 cargo \
         test -p tombolo-tests --test golden directory"
    );
    record(&data().join(&format));
    hold_text(&format);
    hold_answers(&format);
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Makes a world, kills its server, and keeps what that left.
fn record(into: &Path) {
    let (server, now) = world::make();
    let kept = into.join("directory");
    for folder in ["builds", "objects"] {
        copy(&server.directory().join(folder), &kept.join(folder));
    }
    fs::copy(server.directory().join("host-id"), kept.join("host-id")).unwrap();
    let database = kept.join("store.db");
    for suffix in ["", "-wal"] {
        let from = with_suffix(&server.directory().join("store.db"), suffix);
        fs::copy(from, with_suffix(&database, suffix)).unwrap();
    }
    // What is in the log goes into the file with the last connection.
    let connection = Connection::open(&database).unwrap();
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    connection.query_one(checkpoint, [], |_| Ok(())).unwrap();
    drop(connection);
    let made_by = format!("tombolo {}", env!("CARGO_PKG_VERSION"));
    let about = serde_json::to_string_pretty(&About { made_by, now }).unwrap();
    fs::write(into.join("about.json"), about + "\n").unwrap();
}

/// Copies what git keeps of a folder: no folder that is empty, and the modes of files only as far as
/// they can be run.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => {
                fs::create_dir_all(to).unwrap();
                fs::copy(&path, &target).unwrap();
            }
        }
    }
}

/// A server over a copy of a directory, at the time at which it was recorded.
fn server_over(format: &str) -> Dev {
    // Time passes in the directory from when its clock is turned, and building the program takes long.
    binary::tombolo();
    let place = data().join(format);
    let about: About =
        serde_json::from_slice(&fs::read(place.join("about.json")).unwrap()).unwrap();
    Dev::start_over(
        |directory| {
            copy(&place.join("directory"), directory);
            turn_clock(&directory.join("store.db"), about.now);
        },
        &[&["--network", "simulated"], world::PLAYERS].concat(),
    )
}

/// Has the server of a database come up at the first full second after `now`, so that whatever it writes
/// is later than what is there, and what is shown for a minute after its end is shown for most of it.
fn turn_clock(database: &Path, now: Timestamp) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the offset is from the real time"
    )]
    let offset = now.as_second() + 1 - Timestamp::now().as_second();
    assert!(
        offset > 0,
        "the recorded directory's day, {now}, has come; record one for later"
    );
    let database = Connection::open(database).unwrap();
    let of_clock = "WHERE key = CAST('clock-offset' AS BLOB)";
    let value = format!("SELECT value FROM entry {of_clock}");
    let value: Vec<u8> = database.query_one(&value, [], |row| row.get(0)).unwrap();
    // Whatever version the record has, there is one number in it.
    let (version, record) = value.split_first().unwrap();
    let record = str::from_utf8(record).unwrap();
    let number = record.trim_matches(|c: char| !c.is_ascii_digit());
    let record = record.replace(number, &offset.to_string());
    let value = [&[*version], record.as_bytes()].concat();
    let change = format!("UPDATE entry SET value = ?1 {of_clock}");
    database.execute(&change, [value]).unwrap();
}

/// A server over a copy of a directory, when it has come to rest.
pub(crate) fn settled(format: &str) -> Dev {
    let server = server_over(format);
    let records = fs::read_to_string(data().join(format).join("records.txt")).unwrap();
    let fleets = records.lines().filter(|line| line.starts_with("fleet/"));
    settle(&server, fleets.count());
    server
}

#[test]
fn what_is_answered_of_each_directory_is_what_was() {
    formats().iter().for_each(|format| hold_answers(format));
}

fn hold_answers(format: &str) {
    let mut transcript = Transcript::with(settled(format), Protocol::AwsJson);
    ask(&mut transcript);
    expect(&format!("data/{format}/answers.txt"), transcript.text());
}

/// Waits until what the directory was killed in the middle of has come to its end: fleets to a status
/// in which they stay, with as many instances as they should have, and the interface of a program that
/// does not run any more to be gone.
fn settle(server: &Dev, fleets: usize) {
    let (studio, backend) = (server.studio(), server.backend());
    let list = |operation: &str, member: &str| {
        let mut found = studio.gamelift(operation, &json!({})).expect(operation);
        match found[member].take() {
            Value::Array(list) => list,
            other => panic!("{member} is {other}"),
        }
    };
    let mut unsettled = Vec::new();
    let settled = wait::within(wait::TIMEOUT, || {
        unsettled.clear();
        let found = list("DescribeFleetAttributes", "FleetAttributes");
        if found.len() != fleets {
            unsettled.push(format!("{} fleets of {fleets}", found.len()));
        }
        let counts = list("DescribeFleetCapacity", "FleetCapacity");
        for fleet in &found {
            let counts = counts.iter().find(|one| one["FleetId"] == fleet["FleetId"]);
            let counts = counts.map(|one| &one["InstanceCounts"]);
            let is_at_rest = match fleet["Status"].as_str().unwrap() {
                // One of compute type ANYWHERE has no instances of its own.
                "ACTIVE" => counts.is_none_or(|counts| counts["ACTIVE"] == counts["DESIRED"]),
                status => ["ERROR", "TERMINATED"].contains(&status),
            };
            if !is_at_rest {
                unsettled.push(format!("{fleet} with instances {counts:?}"));
            }
        }
        let interfaces = backend.ec2("DescribeNetworkInterfaces", &[]);
        let interfaces = interfaces.expect("DescribeNetworkInterfaces").0;
        if interfaces.contains(&format!(">{}<", world::PROGRAM)) {
            unsettled.push(interfaces);
        }
        unsettled.is_empty().then_some(())
    });
    assert!(settled.is_some(), "not settled: {unsettled:#?}");
}

/// Asks for everything that can be listed.
fn ask(t: &mut Transcript) {
    const GAMELIFT: [&str; 6] = [
        "ListFleets",
        "DescribeFleetAttributes",
        "DescribeFleetCapacity",
        "DescribeFleetUtilization",
        "ListBuilds",
        "DescribeVpcPeeringAuthorizations",
    ];
    const OF_FLEET: [&str; 7] = [
        "DescribeFleetEvents",
        "DescribeFleetLocationAttributes",
        "DescribeFleetPortSettings",
        "DescribeInstances",
        "DescribeRuntimeConfiguration",
        "DescribeScalingPolicies",
        "DescribeVpcPeeringConnections",
    ];
    const EC2: [&str; 9] = [
        "DescribeVpcs",
        "DescribeSubnets",
        "DescribeNetworkInterfaces",
        "DescribeRouteTables",
        "DescribeSecurityGroups",
        "DescribeSecurityGroupRules",
        "DescribeVpcPeeringConnections",
        "DescribeTags",
        "DescribeNetworkAcls",
    ];
    for who in [Who::Studio, Who::Backend] {
        for operation in GAMELIFT {
            t.gamelift(who, operation, json!({}));
        }
        for action in EC2 {
            t.ec2(who, action, &[]);
        }
        t.ec2_elsewhere(who, "DescribeVpcs");
        s3::everything(t, who);
    }
    let fleets = t.gamelift(Who::Studio, "DescribeFleetAttributes", json!({}));
    for fleet in fleets["FleetAttributes"].as_array().unwrap() {
        for operation in OF_FLEET {
            t.gamelift(
                Who::Studio,
                operation,
                json!({ "FleetId": fleet["FleetId"] }),
            );
        }
        t.gamelift(
            Who::Studio,
            "ListTagsForResource",
            json!({ "ResourceARN": fleet["FleetArn"] }),
        );
    }
    let vpcs = t.ec2(Who::Backend, "DescribeVpcs", &[]);
    for vpc in vpcs.all("vpcId") {
        t.ec2(
            Who::Backend,
            "DescribeVpcAttribute",
            &[("VpcId", &vpc), ("Attribute", "enableDnsHostnames")],
        );
        t.ec2(
            Who::Backend,
            "DescribeStaleSecurityGroups",
            &[("VpcId", &vpc)],
        );
    }
}
