//! Builds.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::id::BuildId;
use crate::object::{self, BucketName};

/// The files that a fleet's instances run, and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The owner.
    pub scope: Scope,
    /// The id.
    pub id: BuildId,
    /// What people call it.
    pub name: Option<String>,
    /// Its version, in the words of whoever made it.
    pub version: Option<String>,
    /// Where it stands.
    pub status: BuildStatus,
    /// The size of its files, in bytes, once they are there.
    pub size_on_disk: Option<u64>,
    /// Where its files come from, if not by an upload of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<BuildSource>,
    /// Why its files could not be had, or could not so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What it was built for; shown, and without meaning here.
    pub operating_system: OperatingSystem,
    /// The version of the server SDK that it was built with.
    pub server_sdk_version: Option<String>,
    /// When it was made.
    pub created: Timestamp,
}

/// An archive in a bucket of the account's own, which CreateBuild's StorageLocation names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSource {
    /// The bucket.
    pub bucket: BucketName,
    /// The object's key.
    pub key: String,
}

impl Build {
    /// The object that its files come in.
    pub fn object(&self) -> BuildSource {
        self.source.clone().unwrap_or_else(|| BuildSource {
            bucket: BucketName::of_builds(),
            key: object::build_key(&self.scope, &self.id),
        })
    }
}

/// A build's name or version, as long as CreateBuild allows: clients check what they are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BuildLabel(String);

impl BuildLabel {
    /// The most characters that it has.
    pub const MAX_LENGTH: usize = 1024;
}

/// A text that is no [`BuildLabel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it has {length} characters, and a build's name or version has 1 to {}",
    BuildLabel::MAX_LENGTH
)]
pub struct InvalidBuildLabel {
    /// How many characters it has.
    pub length: usize,
}

impl TryFrom<String> for BuildLabel {
    type Error = InvalidBuildLabel;

    fn try_from(text: String) -> Result<Self, InvalidBuildLabel> {
        match text.chars().count() {
            1..=BuildLabel::MAX_LENGTH => Ok(BuildLabel(text)),
            length => Err(InvalidBuildLabel { length }),
        }
    }
}

impl FromStr for BuildLabel {
    type Err = InvalidBuildLabel;

    fn from_str(text: &str) -> Result<Self, InvalidBuildLabel> {
        text.to_owned().try_into()
    }
}

impl From<BuildLabel> for String {
    fn from(label: BuildLabel) -> Self {
        label.0
    }
}

/// Where a build stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BuildStatus {
    /// Its files are not here yet.
    Initialized,
    /// A fleet can use it.
    Ready,
    /// Its files could not be had.
    Failed,
}

impl fmt::Display for BuildStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BuildStatus::Initialized => "INITIALIZED",
            BuildStatus::Ready => "READY",
            BuildStatus::Failed => "FAILED",
        })
    }
}

/// A build's OperatingSystem, in GameLift's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum OperatingSystem {
    #[serde(rename = "WINDOWS_2012")]
    Windows2012,
    #[serde(rename = "AMAZON_LINUX")]
    AmazonLinux,
    #[serde(rename = "AMAZON_LINUX_2")]
    AmazonLinux2,
    #[serde(rename = "WINDOWS_2016")]
    Windows2016,
    #[default]
    #[serde(rename = "AMAZON_LINUX_2023")]
    AmazonLinux2023,
    #[serde(rename = "WINDOWS_2022")]
    Windows2022,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_as_long_as_create_build_allows_however_it_is_read() {
        for length in [1, BuildLabel::MAX_LENGTH] {
            // Characters count, and not bytes.
            let text = "ä".repeat(length);
            let label: BuildLabel = text.parse().unwrap();
            let json = serde_json::to_string(&label).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<BuildLabel>(&json).unwrap(), label);
        }
        for length in [0, BuildLabel::MAX_LENGTH + 1] {
            let text = "ä".repeat(length);
            let expected =
                format!("it has {length} characters, and a build's name or version has 1 to 1024");
            let refused = text.parse::<BuildLabel>().unwrap_err();
            assert_eq!(refused.to_string(), expected);
            let refused = serde_json::from_str::<BuildLabel>(&format!("{text:?}"));
            assert_eq!(refused.unwrap_err().to_string(), expected);
        }
    }
}
