//! Buckets and objects, in Amazon S3's sense: what builds are uploaded as.
//!
//! An object's bytes are in blobs, files that never change once they are whole. A record names its
//! blobs; a blob that no record names is unused and is removed.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::id::{BlobId, BuildId, MalformedId, UploadId};

/// The longest key, in bytes of UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects").
pub const MAX_KEY_LENGTH: usize = 1024;

/// The most bytes of one PutObject or UploadPart: 5 GiB, as in S3.
pub const MAX_PUT_SIZE: u64 = 5 << 30;

/// The most bytes of one object: 20 GiB, the largest build.
pub const MAX_OBJECT_SIZE: u64 = 20 << 30;

/// The fewest bytes of a part that is not an upload's last: 5 MiB, as in S3.
pub const MIN_PART_SIZE: u64 = 5 << 20;

/// The highest number of a part, as in S3.
pub const MAX_PARTS: u16 = 10_000;

/// A bucket of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The owner.
    pub scope: Scope,
    /// The name, unique among the owner's in the Region.
    pub name: BucketName,
    /// When it was made.
    pub created: Timestamp,
}

/// Some bytes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its file.
    pub id: BlobId,
    /// How many bytes it has.
    pub size: u64,
}

/// An object, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The bucket's owner.
    pub scope: Scope,
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: String,
    /// The bytes, one blob behind the other.
    pub blobs: Vec<Blob>,
    /// How many bytes there are.
    pub size: u64,
    /// The ETag, without quotes: the MD5 of the bytes, or of the parts' and how many they were.
    pub etag: String,
    /// When it was put there.
    pub modified: Timestamp,
    /// What its maker says of it.
    pub headers: ObjectHeaders,
    /// The multipart upload that it was made by, so that completing that again is recognized.
    pub upload: Option<UploadId>,
}

/// The headers that are stored with an object, and returned with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectHeaders {
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `x-amz-meta-…`, by the names behind that.
    pub metadata: BTreeMap<String, String>,
}

/// An object that is uploaded in parts, and is none before it is completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartUpload {
    /// The bucket's owner.
    pub scope: Scope,
    /// The bucket.
    pub bucket: BucketName,
    /// The key that the object will have.
    pub key: String,
    /// The id.
    pub id: UploadId,
    /// When it was begun.
    pub begun: Timestamp,
    /// What its maker says of it.
    pub headers: ObjectHeaders,
}

/// A part of a multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedPart {
    /// The bucket's owner.
    pub scope: Scope,
    /// The upload.
    pub upload: UploadId,
    /// Its number, from 1 to [`MAX_PARTS`].
    pub number: u16,
    /// The bytes.
    pub blob: Blob,
    /// The ETag, without quotes: the MD5 of the bytes.
    pub etag: String,
    /// When it was put there.
    pub modified: Timestamp,
}

/// A bucket's name: 3 to 63 lowercase letters, digits, hyphens and dots, by S3's rules.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(Box<str>);

/// What starts the names of the server's own buckets, which no account can make.
const RESERVED: &str = "tombolo-";

impl BucketName {
    /// The server's own bucket, where builds are uploaded. No account sees it; a build's temporary
    /// credential may put that build's object there.
    pub fn of_builds() -> Self {
        BucketName(format!("{RESERVED}builds").into())
    }

    /// Whether it is the server's own.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key of the object that a build is uploaded as, in [`BucketName::of_builds`].
pub fn build_key(scope: &Scope, build: &BuildId) -> String {
    format!("{}/{build}", scope.account)
}

impl FromStr for BucketName {
    type Err = MalformedId;

    /// Follows "General purpose bucket naming rules" of the Amazon S3 User Guide.
    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        let outer = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        let is_address =
            text.split('.').count() == 4 && text.split('.').all(|part| part.parse::<u8>().is_ok());
        let is_name = (3..=63).contains(&bytes.len())
            && bytes.iter().copied().all(allowed)
            && outer(bytes.first())
            && outer(bytes.last())
            && !text.contains("..")
            && !is_address;
        if is_name {
            Ok(BucketName(text.into()))
        } else {
            Err(MalformedId::new(
                text,
                "a bucket's name (3 to 63 lowercase letters, digits, hyphens and dots)",
            ))
        }
    }
}

impl TryFrom<String> for BucketName {
    type Error = MalformedId;
    fn try_from(text: String) -> Result<Self, MalformedId> {
        text.parse()
    }
}

impl From<BucketName> for String {
    fn from(name: BucketName) -> String {
        name.0.into()
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
