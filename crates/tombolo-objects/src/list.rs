//! Listing the objects of a bucket.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use s3s::dto::{
    CommonPrefix, ETag, EncodingType, ListObjectsV2Input, ListObjectsV2Output, ObjectStorageClass,
    Timestamp,
};
use s3s::{S3Request, S3Result};
use tombolo_domain::Scope;
use tombolo_domain::object::{BucketName, Object};
use tombolo_store::keys::{self, Cursor, Key, ObjectKey};

use crate::error::{ObjectError, refuse};
use crate::object_service::{ObjectService, authorized, own_bucket, store_error};

/// The most keys and common prefixes of one page, as in S3.
const MAX_KEYS: usize = 1000;

/// What S3 leaves as it is in keys that it encodes for XML.
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'/')
    .remove(b'*');

impl ObjectService {
    /// The objects of a bucket in the order of their keys' bytes. Keys with the delimiter after the
    /// prefix are rolled up into common prefixes.
    pub(crate) async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<ListObjectsV2Output> {
        let (principal, action) = authorized(&request)?;
        let input = request.input;
        let mut tx = self.begin(&principal);
        let bucket = own_bucket(&mut tx, action, &input.bucket).await?;
        let most = match input.max_keys {
            None => MAX_KEYS,
            Some(asked) => usize::try_from(asked)
                .map_err(|_| {
                    refuse(
                        ObjectError::InvalidArgument,
                        format!("max-keys must not be negative: {asked}"),
                    )
                })?
                .min(MAX_KEYS),
        };
        let start = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.clone().unwrap_or_default();
        let after = match &input.continuation_token {
            Some(token) => Some(read_token(token)?),
            None => input.start_after.clone().map(After::Key),
        };

        // Of the keys that share a common prefix, only the prefix is listed: read few at a time.
        let at_once = if delimiter.is_empty() { MAX_KEYS } else { 64 };
        let mut found = Page::default();
        let mut after = after.and_then(|after| after.within(&start));
        // Without a delimiter one read fills the page; with one, a read ends at a common prefix.
        while !found.is_full(most) {
            let behind = after.as_ref();
            let behind = behind.map(|after| after.cursor(principal.scope(), &bucket.name));
            let room = (most - found.len()).min(at_once);
            let mut objects = tx.objects_that_start(&bucket, &start);
            let page = objects.page(behind.as_ref(), room).await;
            let page = page.map_err(store_error)?;
            let Some(last) = found.add(page.records, &start, &delimiter) else {
                after = None;
                break;
            };
            after = Some(last).filter(|_| page.more || found.was_cut);
            if after.is_none() {
                break;
            }
        }
        // The page is complete; one more read tells whether another follows, as IsTruncated says.
        let mut next = None;
        if let Some(last) = after {
            let behind = last.cursor(principal.scope(), &bucket.name);
            let mut objects = tx.objects_that_start(&bucket, &start);
            let more = objects.page(Some(&behind), 1).await;
            if !more.map_err(store_error)?.records.is_empty() {
                next = Some(last.token());
            }
        }

        let is_url = input
            .encoding_type
            .as_ref()
            .is_some_and(|encoding| encoding.as_str() == EncodingType::URL);
        let encode = |text: String| match is_url {
            true => percent_encode(text.as_bytes(), KEY).to_string(),
            false => text,
        };
        let count = found.len();
        let contents = found
            .objects
            .into_iter()
            .map(|object| to_output(object, encode));
        let prefixes = found.prefixes.into_iter().map(|prefix| CommonPrefix {
            prefix: Some(encode(prefix)),
        });
        Ok(ListObjectsV2Output {
            name: Some(bucket.name.to_string()),
            prefix: Some(encode(start)),
            max_keys: i32::try_from(most).ok(),
            key_count: i32::try_from(count).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            contents: Some(contents.collect()),
            common_prefixes: Some(prefixes.collect()),
            delimiter: input.delimiter.map(encode),
            encoding_type: input.encoding_type,
            start_after: input.start_after.map(encode),
            ..ListObjectsV2Output::default()
        })
    }
}

fn to_output(object: Object, encode: impl Fn(String) -> String) -> s3s::dto::Object {
    s3s::dto::Object {
        e_tag: Some(ETag::Strong(object.etag)),
        key: Some(encode(object.key)),
        last_modified: Some(timestamp(object.modified)),
        size: i64::try_from(object.size).ok(),
        storage_class: Some(ObjectStorageClass::from_static(
            ObjectStorageClass::STANDARD,
        )),
        ..s3s::dto::Object::default()
    }
}

/// A time, as `s3s` writes it: in whole seconds, as S3 tells when something was changed, so that a
/// listing and the header `Last-Modified` agree.
pub(crate) fn timestamp(at: jiff::Timestamp) -> Timestamp {
    let whole = jiff::Timestamp::from_second(at.as_second()).unwrap_or(at);
    SystemTime::from(whole).into()
}

/// The keys and common prefixes of a page so far.
#[derive(Default)]
struct Page {
    objects: Vec<Object>,
    prefixes: Vec<String>,
    /// Whether the last read ended at a common prefix, so that more records may follow.
    was_cut: bool,
}

/// The position after which a listing continues.
enum After {
    Key(String),
    /// All keys with this prefix were listed, as one common prefix.
    Prefix(String),
}

impl Page {
    fn len(&self) -> usize {
        self.objects.len() + self.prefixes.len()
    }

    fn is_full(&self, most: usize) -> bool {
        self.len() >= most
    }

    /// Adds objects up to and including the first common prefix. Returns the position after which
    /// the listing continues; `None` if there were no records.
    fn add(
        &mut self,
        records: Vec<(Key<ObjectKey>, Object)>,
        start: &str,
        delimiter: &str,
    ) -> Option<After> {
        let mut last = None;
        self.was_cut = false;
        for (_, object) in records {
            let rest = object.key.get(start.len()..).unwrap_or_default();
            let cut = (!delimiter.is_empty())
                .then(|| rest.find(delimiter))
                .flatten();
            if let Some(at) = cut {
                let prefix = object.key[..start.len() + at + delimiter.len()].to_owned();
                self.prefixes.push(prefix.clone());
                self.was_cut = true;
                return Some(After::Prefix(prefix));
            }
            last = Some(After::Key(object.key.clone()));
            self.objects.push(object);
        }
        last
    }
}

impl After {
    /// The position as a cursor into the bucket's keys.
    fn cursor(&self, scope: &Scope, bucket: &BucketName) -> Cursor<ObjectKey> {
        match self {
            After::Key(key) => keys::object(scope, bucket, key).behind(),
            After::Prefix(prefix) => keys::behind_objects_that_start(scope, bucket, prefix),
        }
    }

    /// The position within the keys that start with `start`. One from another listing may lie
    /// before all of them, so that the listing begins at the first, or after all of them.
    fn within(self, start: &str) -> Option<Self> {
        let text = match &self {
            After::Key(text) | After::Prefix(text) => text,
        };
        if text.starts_with(start) {
            Some(self)
        } else if text.as_str() < start {
            None
        } else {
            Some(After::Prefix(start.to_owned()))
        }
    }

    fn token(&self) -> String {
        let text = match self {
            After::Key(key) => format!("k{key}"),
            After::Prefix(prefix) => format!("p{prefix}"),
        };
        URL_SAFE_NO_PAD.encode(text)
    }
}

fn read_token(token: &str) -> S3Result<After> {
    let bad = || {
        refuse(
            ObjectError::InvalidArgument,
            "The continuation token provided is incorrect",
        )
    };
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    if let Some(key) = text.strip_prefix('k') {
        Ok(After::Key(key.to_owned()))
    } else if let Some(prefix) = text.strip_prefix('p') {
        Ok(After::Prefix(prefix.to_owned()))
    } else {
        Err(bad())
    }
}
