//! What is kept under a key: records, each kind's in versions.
//!
//! A value is one byte, the version of its record, and then the record as JSON. A record is a type of
//! this module and no other: the domain's types have names, members and variants as the code of today
//! wants them, and what lies on somebody's disk does not change with them. [`Transaction`] takes and
//! gives the domain's types; what is between is here, and costs no second pass over the JSON.
//!
//! A value of an earlier version is migrated when it is read, and is of today's version once it is
//! written again. Each row of the [key space](crate::keys) names today's.
//!
//! **To add a member**, to a record that has been released:
//! 1. Copy the record's type from `v1` into a `v2` module beside it, with the new member, and take
//!    `of …` from the old one, which is a plain struct from now on (`of` is checked against the
//!    domain's type, which has the member now). Records within it that did not change are used from
//!    `v1`.
//! 2. `impl Record for v2::…` with `v1::…` as `Previous`: `migrate` says what an old record has in
//!    place of the member.
//! 3. Name `v2` in the kind's row, and give the sample in `tests/records/samples.rs` the member.
//! 4. Raise `FORMAT` in `sqlite/database.rs`, once a release, so that the release before refuses to
//!    open what it could not read.
//! 5. `UPDATE_GOLDEN=1 cargo test -p tombolo-store --test records every_kind_is_written` writes
//!    `golden/KIND/v2.txt`. No golden file that is there is ever changed. The rest is in
//!    `docs/dev/add-or-change-a-record.md`.
//!
//! Any other change goes the same way. A change of the domain's type only (a name, another type of a
//! member) changes the conversion here, and no version.
//!
//! **Invariant:** what a released version reads never changes. `serde(default)` and `alias` in a `v1`
//! module are what servers wrote before versions were counted, and stay; new ones are a new version.
//!
//! [`Transaction`]: crate::typed::Transaction

#[macro_use]
mod mirror;

pub(crate) mod account;
pub(crate) mod build;
pub(crate) mod fleet;
pub(crate) mod host;
pub(crate) mod instance;
pub(crate) mod network;
pub(crate) mod object;
pub(crate) mod peering;
pub(crate) mod repair;
pub(crate) mod reported;
pub(crate) mod scope;
pub(crate) mod security_group;
pub(crate) mod tag;

use std::cell::Cell;

use bytes::Bytes;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tombolo_domain::id::{AccountId, VpcId};

use crate::StoreError;
pub(crate) use mirror::Mirror;

/// A version of a kind's record.
pub(crate) trait Record: DeserializeOwned {
    /// The version before it; [`None`](NoRecord) for the first.
    type Previous: Record;

    /// Its number, which the value starts with.
    const VERSION: u8 = Self::Previous::VERSION + 1;

    /// The record of this version that stands for one of the version before.
    fn migrate(previous: Self::Previous) -> Self;

    /// Reads a record of this version or an earlier one.
    fn read(version: u8, json: &[u8]) -> Result<Self, Unreadable> {
        if version == Self::VERSION {
            return serde_json::from_slice(json).map_err(Unreadable::Json);
        }
        Self::Previous::read(version, json).map(Self::migrate)
    }
}

/// Why a record could not be read.
pub(crate) enum Unreadable {
    /// It has no such form.
    Json(serde_json::Error),
    /// Its version is none that there is or was.
    Version,
}

/// What was before every kind's first version.
#[derive(serde::Deserialize)]
pub(crate) enum NoRecord {}

impl Record for NoRecord {
    type Previous = NoRecord;
    const VERSION: u8 = 0;

    fn migrate(previous: NoRecord) -> Self {
        previous
    }

    fn read(_version: u8, _json: &[u8]) -> Result<Self, Unreadable> {
        Err(Unreadable::Version)
    }
}

/// Records that have had one version.
macro_rules! first_versions {
    ($($record:ty),* $(,)?) => {$(
        impl Record for $record {
            type Previous = NoRecord;

            fn migrate(previous: NoRecord) -> Self {
                match previous {}
            }
        }
    )*};
}

first_versions!(
    account::v1::AccessKey,
    account::v1::Account,
    account::v1::AccountQuotas,
    account::v1::TemporaryCredential,
    account::v1::User,
    build::v1::Build,
    fleet::v1::Fleet,
    fleet::v1::FleetEvent,
    fleet::v1::ScalingPolicy,
    instance::v1::Instance,
    instance::v1::InstanceRef,
    network::v1::NetworkInterface,
    network::v1::RouteTable,
    network::v1::Subnet,
    network::v1::Vpc,
    object::v1::Bucket,
    object::v1::MultipartUpload,
    object::v1::Object,
    object::v1::UploadedPart,
    peering::v1::Authorization,
    peering::v1::Connection,
    peering::v1::ConnectionRef,
    repair::v1::RepairRecord,
    reported::v1::ReportedBuild,
    reported::v1::ReportedFleet,
    reported::v1::ReportedHost,
    reported::v1::ReportedInstance,
    reported::v1::ReportedNetwork,
    scope::v1::Scope,
    security_group::v1::SecurityGroup,
    tag::v1::Tags,
    // Entries whose value is one word or number, or nothing.
    AccountId,
    VpcId,
    i64,
    u32,
    u64,
    (),
);

/// What is written for a value.
pub(crate) fn encode<R, V>(value: &V) -> Result<Bytes, StoreError>
where
    R: Record + Serialize + Mirror<V>,
{
    // Most records fit. The store keeps a copy of the right length for as long as they live.
    let mut bytes = Vec::with_capacity(1024);
    bytes.push(R::VERSION);
    serde_json::to_writer(&mut bytes, &R::of(value)).map_err(|source| StoreError::Failed {
        doing: "encoding a value",
        source: source.into(),
    })?;
    Ok(Bytes::copy_from_slice(&bytes))
}

thread_local! {
    static DECODES: Cell<u64> = const { Cell::new(0) };
}

/// How many records were decoded on this thread: what an operation costs besides its reply.
pub fn decodes() -> u64 {
    DECODES.get()
}

/// Reads what is written under `key`.
pub(crate) fn decode<R, V>(key: &[u8], bytes: &[u8]) -> Result<V, StoreError>
where
    R: Record + Mirror<V>,
{
    DECODES.set(DECODES.get() + 1);
    let version = version::<R>(key, bytes)?;
    match R::read(version, &bytes[1..]) {
        Ok(record) => Ok(record.into_domain()),
        Err(Unreadable::Json(error)) => Err(corrupt(key, error.to_string())),
        Err(Unreadable::Version) => Err(corrupt(key, format!("there is no version {version}"))),
    }
}

/// The version of what is written under `key`, if it is one that can be read. A later one is one only
/// with JSON behind it, as every version has: what is damaged is not for a newer server to read.
fn version<R: Record>(key: &[u8], bytes: &[u8]) -> Result<u8, StoreError> {
    match bytes.first() {
        None | Some(0) => Err(corrupt(key, "it has no version".to_owned())),
        Some(&version) if version > R::VERSION => {
            match serde_json::from_slice::<IgnoredAny>(&bytes[1..]) {
                Ok(_) => Err(StoreError::NewerRecord {
                    key: key.escape_ascii().to_string(),
                    version,
                    known: R::VERSION,
                }),
                Err(_) => Err(corrupt(key, "it has no version".to_owned())),
            }
        }
        Some(&version) => Ok(version),
    }
}

/// Whether a record that is kept under `key` is the one of that key.
pub(crate) fn check_key(key: &[u8], own: &[u8]) -> Result<(), StoreError> {
    match key == own {
        true => Ok(()),
        false => Err(corrupt(
            key,
            format!("it is the record of key {}", own.escape_ascii()),
        )),
    }
}

fn corrupt(key: &[u8], reason: String) -> StoreError {
    StoreError::Corrupt {
        key: key.escape_ascii().to_string(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// A lease as three releases had it.
    mod v1 {
        use super::*;

        #[derive(Deserialize)]
        pub(crate) struct Lease {
            pub(crate) holder: String,
        }
    }

    mod v2 {
        use super::*;

        #[derive(Deserialize)]
        pub(crate) struct Lease {
            pub(crate) holder: String,
            pub(crate) seconds: u32,
        }
    }

    #[derive(Debug, PartialEq)]
    pub(crate) struct Lease {
        holders: Vec<String>,
        seconds: u32,
    }

    mod v3 {
        record! {
            struct Lease of super::Lease {
                holders: Vec<String>,
                seconds: u32,
            }
        }
    }

    impl Record for v1::Lease {
        type Previous = NoRecord;

        fn migrate(previous: NoRecord) -> Self {
            match previous {}
        }
    }

    impl Record for v2::Lease {
        type Previous = v1::Lease;

        fn migrate(v1::Lease { holder }: v1::Lease) -> Self {
            v2::Lease {
                holder,
                seconds: 60,
            }
        }
    }

    impl Record for v3::Lease {
        type Previous = v2::Lease;

        fn migrate(v2::Lease { holder, seconds }: v2::Lease) -> Self {
            v3::Lease {
                holders: vec![holder],
                seconds,
            }
        }
    }

    fn read(value: &str) -> Result<Lease, StoreError> {
        decode::<v3::Lease, _>(b"lease/one", value.as_bytes())
    }

    #[test]
    fn a_record_of_each_version_is_read_as_todays() {
        let lease = |seconds| Lease {
            holders: vec!["a".to_owned()],
            seconds,
        };
        let read = |value| read(value).unwrap();
        assert_eq!(read("\u{1}{\"holder\":\"a\"}"), lease(60));
        assert_eq!(read("\u{2}{\"holder\":\"a\",\"seconds\":5}"), lease(5));
        assert_eq!(read("\u{3}{\"holders\":[\"a\"],\"seconds\":5}"), lease(5));
    }

    #[test]
    fn a_record_that_was_migrated_is_written_as_todays() {
        let lease = read("\u{1}{\"holder\":\"a\"}").unwrap();
        let written = encode::<v3::Lease, _>(&lease).unwrap();
        assert_eq!(written, "\u{3}{\"holders\":[\"a\"],\"seconds\":60}");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_to_do() {
        let refused = |value| read(value).unwrap_err().to_string();
        assert_eq!(
            refused("\u{4}{}"),
            "the record of key lease/one has version 4, and this version of Tombolo reads up to 3; \
             run the version that wrote it, or restore the data directory from a backup"
        );
        for value in [
            "",
            "\0{}",
            "\u{3}",
            "\u{3}{\"holder\":\"a\"}",
            "\u{1}[]",
            // Without a version, or with something else than a record behind it.
            "{\"holders\":[\"a\"],\"seconds\":5}",
            "{}",
            "\u{4}{\"holders\":",
            "\u{4}",
        ] {
            let refused = refused(value);
            assert!(
                refused.starts_with("the value of key lease/one is not readable: "),
                "{refused}"
            );
            assert!(
                refused.ends_with("; restore the data directory from a backup"),
                "{refused}"
            );
        }
    }
}
