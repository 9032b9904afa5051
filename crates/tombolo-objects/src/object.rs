//! Objects that are put, read and deleted whole.

use http::HeaderMap;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    PutObjectInput, PutObjectOutput, Range, StreamingBlob,
};
use s3s::{S3ErrorCode, S3Request, S3Result};
use tombolo_api::lookup::{InBucket, ScopedTransaction};
use tombolo_domain::object::{MAX_PUT_SIZE, Object, ObjectHeaders};
use tombolo_domain::principal::{Action, Principal};

use crate::blob::Received;
use crate::checksums::ExpectedChecksums;
use crate::error::{ObjectError, no_such_key, refuse};
use crate::list::timestamp;
use crate::object_service::{
    ObjectService, authorized, destination, own_bucket, store_error, transact,
};

/// The most bytes of an object's metadata, names and values together, as in S3.
const MAX_METADATA_SIZE: usize = 2048;

/// The most objects that one DeleteObjects names, as in S3.
const MAX_DELETED_OBJECTS: usize = 1000;

impl ObjectService {
    /// Puts an object: first its bytes into a file, then its record into the store.
    pub(crate) async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<PutObjectOutput> {
        let (principal, action) = authorized(&request)?;
        let expected = ExpectedChecksums::of(&request);
        let input = request.input;
        let condition = only_if_absent(input.if_match.is_some(), input.if_none_match.as_ref())?;
        let headers = headers(input.content_type, input.metadata)?;
        // Checked before the body is read, so that a refused upload is not received at all.
        destination(&mut self.begin(&principal), action, &input.bucket).await?;
        check_length(&request.headers, MAX_PUT_SIZE)?;
        let body = input.body.unwrap_or_else(empty);
        let mut received = self.blobs.receive(body, MAX_PUT_SIZE, expected).await?;

        let (blob, etag) = (received.blob.clone(), received.md5.clone());
        received.keep();
        let put = transact!(self, principal, tx, {
            let bucket = destination(tx, action, &input.bucket).await?;
            if condition == Condition::Absent {
                refuse_present(tx, &bucket, &input.key).await?;
            }
            let object = Object {
                scope: principal.scope().clone(),
                bucket: bucket.bucket().clone(),
                key: input.key.clone(),
                size: blob.size,
                blobs: vec![blob.clone()],
                etag: etag.clone(),
                modified: self.clock.now(),
                headers: headers.clone(),
                upload: None,
            };
            tx.replace_object(&object).await.map_err(store_error)
        });
        keep_or_discard(put, received).await?;
        Ok(PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            ..PutObjectOutput::default()
        })
    }

    /// An object, or a range of it.
    pub(crate) async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<GetObjectOutput> {
        let (principal, action) = authorized(&request)?;
        let input = request.input;
        let object = self
            .own_object(&principal, action, &input.bucket, &input.key)
            .await?;
        let preconditions = Preconditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        preconditions.check(&object)?;
        let (from, to) = match &input.range {
            None => (0, object.size),
            Some(range) => byte_range(range, object.size)?,
        };
        let body = self.blobs.read(&object.blobs, from, to);
        let range = format!("bytes {from}-{}/{}", to.saturating_sub(1), object.size);
        Ok(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::wrap(body)),
            content_length: i64::try_from(to - from).ok(),
            content_range: input.range.is_some().then_some(range),
            content_type: object.headers.content_type,
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(timestamp(object.modified)),
            metadata: Some(object.headers.metadata.into_iter().collect()),
            ..GetObjectOutput::default()
        })
    }

    /// The headers that [`get_object`](ObjectService::get_object) gives, without the object's
    /// bytes.
    pub(crate) async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<HeadObjectOutput> {
        let (principal, action) = authorized(&request)?;
        let input = request.input;
        let object = self
            .own_object(&principal, action, &input.bucket, &input.key)
            .await?;
        let preconditions = Preconditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        preconditions.check(&object)?;
        Ok(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(object.size).ok(),
            content_type: object.headers.content_type,
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(timestamp(object.modified)),
            metadata: Some(object.headers.metadata.into_iter().collect()),
            ..HeadObjectOutput::default()
        })
    }

    /// Deletes an object; one that is not there is no error, as in S3.
    pub(crate) async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<DeleteObjectOutput> {
        let (principal, action) = authorized(&request)?;
        let input = request.input;
        transact!(self, principal, tx, {
            delete(tx, action, &input.bucket, &input.key).await?;
            Ok(DeleteObjectOutput::default())
        })
    }

    /// Deletes several objects of a bucket, all or none.
    pub(crate) async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<DeleteObjectsOutput> {
        let (principal, action) = authorized(&request)?;
        let input = request.input;
        if input.delete.objects.len() > MAX_DELETED_OBJECTS {
            return Err(refuse(
                ObjectError::MalformedXml,
                format!("At most {MAX_DELETED_OBJECTS} objects can be deleted at a time."),
            ));
        }
        transact!(self, principal, tx, {
            for object in &input.delete.objects {
                delete(tx, action, &input.bucket, &object.key).await?;
            }
            Ok(())
        })?;
        let is_quiet = input.delete.quiet.unwrap_or(false);
        let deleted = input
            .delete
            .objects
            .into_iter()
            .map(|object| DeletedObject {
                key: Some(object.key),
                ..DeletedObject::default()
            });
        Ok(DeleteObjectsOutput {
            deleted: (!is_quiet).then(|| deleted.collect()),
            ..DeleteObjectsOutput::default()
        })
    }

    async fn own_object(
        &self,
        principal: &Principal,
        action: Action,
        bucket: &str,
        key: &str,
    ) -> S3Result<Object> {
        let mut tx = self.begin(principal);
        let bucket = own_bucket(&mut tx, action, bucket).await?;
        let found = tx.object_in(&bucket, key).await.map_err(store_error)?;
        found.ok_or_else(|| no_such_key(&bucket.name, key))
    }
}

async fn delete(
    tx: &mut ScopedTransaction<'_>,
    action: Action,
    bucket: &str,
    key: &str,
) -> S3Result<()> {
    let bucket = own_bucket(tx, action, bucket).await?;
    match tx.object_in(&bucket, key).await.map_err(store_error)? {
        Some(object) => tx.remove_object(&object).map_err(store_error),
        None => Ok(()),
    }
}

/// The precondition of a request that puts an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    /// No object may have the key: `If-None-Match: *`.
    Absent,
}

/// The condition of a request that puts an object.
pub(crate) fn only_if_absent(
    has_if_match: bool,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<Condition> {
    match (has_if_match, if_none_match) {
        (false, None) => Ok(Condition::None),
        (false, Some(condition)) if condition.is_any() => Ok(Condition::Absent),
        _ => Err(refuse(
            ObjectError::NotImplemented,
            "The only condition for putting an object that Tombolo serves is If-None-Match: *.",
        )),
    }
}

/// Refuses if an object is there already.
pub(crate) async fn refuse_present(
    tx: &mut ScopedTransaction<'_>,
    bucket: &impl InBucket,
    key: &str,
) -> S3Result<()> {
    let found = tx.object_in(bucket, key).await;
    if found.map_err(store_error)?.is_some() {
        return Err(refuse(
            ObjectError::PreconditionFailed,
            format!(
                "There is an object {key} in bucket {} already.",
                bucket.bucket()
            ),
        ));
    }
    Ok(())
}

/// The headers and metadata that are stored with an object.
pub(crate) fn headers(
    content_type: Option<String>,
    metadata: Option<s3s::dto::Metadata>,
) -> S3Result<ObjectHeaders> {
    let metadata = metadata.unwrap_or_default().into_iter().collect();
    let headers = ObjectHeaders {
        content_type,
        metadata,
    };
    let all = headers.metadata.iter();
    let size: usize = all.map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_METADATA_SIZE {
        return Err(refuse(
            ObjectError::MetadataTooLarge,
            format!(
                "Your metadata headers have {size} bytes; the most there may be is {MAX_METADATA_SIZE}."
            ),
        ));
    }
    Ok(headers)
}

/// Refuses a body whose Content-Length is too large, before any of it is received.
pub(crate) fn check_length(headers: &HeaderMap, most: u64) -> S3Result<()> {
    let length = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    let decoded = length("x-amz-decoded-content-length").or_else(|| length("content-length"));
    match decoded {
        Some(bytes) if bytes > most => Err(refuse(
            ObjectError::EntityTooLarge,
            format!(
                "Your proposed upload of {bytes} bytes exceeds the maximum allowed size of {most}."
            ),
        )),
        _ => Ok(()),
    }
}

/// An empty body.
pub(crate) fn empty() -> StreamingBlob {
    StreamingBlob::from(s3s::Body::empty())
}

/// Keeps the received file if its record was committed, and discards it otherwise. After an
/// internal error the outcome of the commit is unknown, so the file stays.
pub(crate) async fn keep_or_discard<T>(outcome: S3Result<T>, received: Received) -> S3Result<T> {
    if let Err(error) = &outcome
        && *error.code() != S3ErrorCode::InternalError
    {
        received.discard().await;
    }
    outcome
}

/// The conditions of a request that reads an object.
struct Preconditions {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
}

impl Preconditions {
    /// Refuses as RFC 9110 has it (13.1.1 and 13.1.2).
    fn check(&self, object: &Object) -> S3Result<()> {
        let is_this = |condition: &ETagCondition| {
            let etag = condition.as_etag().map(ETag::value);
            condition.is_any() || etag == Some(object.etag.as_str())
        };
        if self.if_match.as_ref().is_some_and(|etag| !is_this(etag)) {
            return Err(refuse(
                ObjectError::PreconditionFailed,
                format!("The object's ETag is \"{}\".", object.etag),
            ));
        }
        if self.if_none_match.as_ref().is_some_and(is_this) {
            return Err(refuse(ObjectError::NotModified, "Not Modified"));
        }
        Ok(())
    }
}

/// The first byte of a range, and the one after its last.
fn byte_range(range: &Range, size: u64) -> S3Result<(u64, u64)> {
    let found = range.check(size).map_err(|_| {
        refuse(
            ObjectError::InvalidRange,
            format!("The requested range is not satisfiable: the object has {size} bytes."),
        )
    })?;
    Ok((found.start, found.end))
}
