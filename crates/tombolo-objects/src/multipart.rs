//! Objects that come in parts. Completing an upload copies nothing: the object's record names the
//! parts' blobs.

use std::collections::BTreeSet;

use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, ListPartsInput, ListPartsOutput, Part, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3Request, S3Result};
use tombolo_api::lookup::{InBucket, ScopedTransaction};
use tombolo_domain::id::{BlobId, UploadId};
use tombolo_domain::object::{
    MAX_OBJECT_SIZE, MAX_PARTS, MAX_PUT_SIZE, MIN_PART_SIZE, MultipartUpload, Object, UploadedPart,
};
use tombolo_domain::principal::Action;
use tombolo_store::keys;

use crate::checksums::ExpectedChecksums;
use crate::error::{ObjectError, no_such_upload, refuse};
use crate::list::timestamp;
use crate::object::{
    Condition, check_length, empty, headers, keep_or_discard, only_if_absent, refuse_present,
};
use crate::object_service::{
    ObjectService, authorized, destination, own_bucket, store_error, transact,
};

/// The most parts of one ListParts, as in S3.
const MAX_LISTED_PARTS: usize = 1000;

/// The most multipart uploads of one build's object: one, and one more for a client that begins
/// again. The account's thousand are not for a temporary credential to use up.
const MAX_UPLOADS_OF_BUILD: usize = 2;

impl ObjectService {
    /// Begins an upload in parts.
    pub(crate) async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let (principal, action) = authorized(&request)?;
        let input = request.input;
        let headers = headers(input.content_type, input.metadata)?;
        let id = UploadId::generate(&*self.ids);
        transact!(self, principal, tx, {
            let bucket = destination(tx, action, &input.bucket).await?;
            if principal.upload().is_some() {
                let same = tx.uploads_to(&bucket).list().await;
                let same = same.map_err(store_error)?.into_iter();
                if same.filter(|upload| upload.key == input.key).count() >= MAX_UPLOADS_OF_BUILD {
                    return Err(refuse(
                        ObjectError::SlowDown,
                        format!(
                            "The build has {MAX_UPLOADS_OF_BUILD} multipart uploads, the most there \
                             may be; complete or abort one."
                        ),
                    ));
                }
            }
            let upload = MultipartUpload {
                scope: principal.scope().clone(),
                bucket: bucket.bucket().clone(),
                key: input.key.clone(),
                id: id.clone(),
                begun: self.clock.now(),
                headers: headers.clone(),
            };
            tx.put(&upload).map_err(store_error)
        })?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id.to_string()),
            ..CreateMultipartUploadOutput::default()
        })
    }

    /// Puts a part: first its bytes into a file, then its record into the store. It replaces a part
    /// of the same number.
    pub(crate) async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let (principal, action) = authorized(&request)?;
        let expected = ExpectedChecksums::of(&request);
        let input = request.input;
        let number = part_number(input.part_number)?;
        let at = UploadRef {
            bucket: &input.bucket,
            key: &input.key,
            upload: &input.upload_id,
        };
        // Checked before the body is read, so that a refused upload is not received at all.
        upload(&mut self.begin(&principal), action, at).await?;
        check_length(&request.headers, MAX_PUT_SIZE)?;
        let body = input.body.unwrap_or_else(empty);
        let mut received = self.blobs.receive(body, MAX_PUT_SIZE, expected).await?;

        let (blob, etag) = (received.blob.clone(), received.md5.clone());
        received.keep();
        let put = transact!(self, principal, tx, {
            let upload = upload(tx, action, at).await?;
            if let Some(old) = tx.part_of(&upload, number).await.map_err(store_error)? {
                tx.drop_blobs([&old.blob]).map_err(store_error)?;
            }
            let part = UploadedPart {
                scope: principal.scope().clone(),
                upload: upload.id,
                number,
                blob: blob.clone(),
                etag: etag.clone(),
                modified: self.clock.now(),
            };
            tx.put(&part).map_err(store_error)
        });
        keep_or_discard(put, received).await?;
        Ok(UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            ..UploadPartOutput::default()
        })
    }

    /// Makes the object of the parts that the request names, and removes the other parts.
    pub(crate) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let (principal, action) = authorized(&request)?;
        let input = request.input;
        let condition = only_if_absent(input.if_match.is_some(), input.if_none_match.as_ref())?;
        let named = input.multipart_upload.and_then(|upload| upload.parts);
        let named = named_parts(named.unwrap_or_default())?;
        let at = UploadRef {
            bucket: &input.bucket,
            key: &input.key,
            upload: &input.upload_id,
        };
        let etag = transact!(self, principal, tx, {
            if let Some(done) = completed(tx, action, at).await? {
                return Ok(done.etag);
            }
            let upload = upload(tx, action, at).await?;
            if condition == Condition::Absent {
                refuse_present(tx, &upload, &upload.key).await?;
            }
            let parts = tx.parts_of(&upload).list().await;
            let parts = parts.map_err(store_error)?;
            let object = self.object_of(&upload, &parts, &named)?;
            let kept: BTreeSet<&BlobId> = object.blobs.iter().map(|blob| &blob.id).collect();
            for part in &parts {
                if !kept.contains(&part.blob.id) {
                    tx.drop_blobs([&part.blob]).map_err(store_error)?;
                }
                tx.remove(part);
            }
            tx.remove(&upload);
            tx.replace_object(&object).await.map_err(store_error)?;
            Ok(object.etag)
        })?;
        Ok(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(etag)),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    fn object_of(
        &self,
        upload: &MultipartUpload,
        parts: &[UploadedPart],
        named: &[(u16, String)],
    ) -> S3Result<Object> {
        let mut blobs = Vec::with_capacity(named.len());
        let mut size = 0;
        let mut hash = Md5::new();
        for (at, (number, etag)) in named.iter().enumerate() {
            // They come in the order of their numbers.
            let found = parts.binary_search_by_key(number, |part| part.number);
            let part = found.ok().map(|at| &parts[at]);
            let part = part.filter(|part| part.etag == *etag).ok_or_else(|| {
                refuse(
                    ObjectError::InvalidPart,
                    format!(
                        "Part {number} with ETag \"{etag}\" was not uploaded; upload it first."
                    ),
                )
            })?;
            if part.blob.size < MIN_PART_SIZE && at + 1 < named.len() {
                return Err(refuse(
                    ObjectError::EntityTooSmall,
                    format!(
                        "Part {number} has {} bytes; every part but the last needs {MIN_PART_SIZE}.",
                        part.blob.size
                    ),
                ));
            }
            size += part.blob.size;
            hash.update(&hex::decode(&part.etag).unwrap_or_default());
            blobs.push(part.blob.clone());
        }
        if size > MAX_OBJECT_SIZE {
            return Err(refuse(
                ObjectError::EntityTooLarge,
                format!("The parts have {size} bytes; the most of an object is {MAX_OBJECT_SIZE}."),
            ));
        }
        Ok(Object {
            scope: upload.scope.clone(),
            bucket: upload.bucket.clone(),
            key: upload.key.clone(),
            size,
            blobs,
            etag: format!("{}-{}", hex::encode(hash.finalize()), named.len()),
            modified: self.clock.now(),
            headers: upload.headers.clone(),
            upload: Some(upload.id.clone()),
        })
    }

    /// Removes an upload and its parts.
    pub(crate) async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<AbortMultipartUploadOutput> {
        let (principal, action) = authorized(&request)?;
        let input = request.input;
        let at = UploadRef {
            bucket: &input.bucket,
            key: &input.key,
            upload: &input.upload_id,
        };
        transact!(self, principal, tx, {
            let upload = upload(tx, action, at).await?;
            tx.remove_upload(&upload).await.map_err(store_error)?;
            Ok(AbortMultipartUploadOutput::default())
        })
    }

    /// The parts that an upload has so far.
    pub(crate) async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<ListPartsOutput> {
        let (principal, action) = authorized(&request)?;
        let input = request.input;
        let mut tx = self.begin(&principal);
        let at = UploadRef {
            bucket: &input.bucket,
            key: &input.key,
            upload: &input.upload_id,
        };
        let upload = upload(&mut tx, action, at).await?;
        let most = input
            .max_parts
            .and_then(|asked| usize::try_from(asked).ok());
        let most = most.unwrap_or(MAX_LISTED_PARTS).min(MAX_LISTED_PARTS);
        let after = input.part_number_marker.unwrap_or(0).max(0);
        // No part has a higher number than that.
        let after = u16::try_from(after).unwrap_or(u16::MAX);
        let after = keys::part(principal.scope(), &upload.id, after).behind();
        let page = tx.parts_of(&upload).page(Some(&after), most).await;
        let page = page.map_err(store_error)?;
        let last = page.records.last().map(|(_, part)| i32::from(part.number));
        let parts = page.records.into_iter().map(|(_, part)| Part {
            e_tag: Some(ETag::Strong(part.etag)),
            last_modified: Some(timestamp(part.modified)),
            part_number: Some(i32::from(part.number)),
            size: i64::try_from(part.blob.size).ok(),
            ..Part::default()
        });
        Ok(ListPartsOutput {
            parts: Some(parts.collect()),
            is_truncated: Some(page.more),
            next_part_number_marker: last.filter(|_| page.more),
            max_parts: i32::try_from(most).ok(),
            part_number_marker: input.part_number_marker,
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            ..ListPartsOutput::default()
        })
    }
}

/// The bucket, key and upload id of a request.
#[derive(Debug, Clone, Copy)]
struct UploadRef<'a> {
    bucket: &'a str,
    key: &'a str,
    upload: &'a str,
}

/// The upload that a request means, if the caller may go on with it.
async fn upload(
    tx: &mut ScopedTransaction<'_>,
    action: Action,
    at: UploadRef<'_>,
) -> S3Result<MultipartUpload> {
    let bucket = destination(tx, action, at.bucket).await?;
    let found = match at.upload.parse::<UploadId>() {
        Ok(id) => tx.upload_to(&bucket, &id).await,
        Err(_) => Ok(None),
    };
    let found = found.map_err(store_error)?;
    found
        .filter(|upload| upload.key == at.key)
        .ok_or_else(|| no_such_upload(at.upload))
}

/// The object that an upload has become already: a client whose answer was lost asks again.
async fn completed(
    tx: &mut ScopedTransaction<'_>,
    action: Action,
    at: UploadRef<'_>,
) -> S3Result<Option<Object>> {
    // That the build does not await its files any more is because it has them by this upload.
    let found = match tx.bucket_of_builds() {
        Some((bucket, _)) => tx.object_in(&bucket, at.key).await,
        None => {
            let bucket = own_bucket(tx, action, at.bucket).await?;
            tx.object_in(&bucket, at.key).await
        }
    };
    let of_upload = |object: &Object| {
        let upload = object.upload.as_ref();
        upload.is_some_and(|upload| upload.as_str() == at.upload)
    };
    Ok(found.map_err(store_error)?.filter(of_upload))
}

fn part_number(number: i32) -> S3Result<u16> {
    let valid = u16::try_from(number).ok();
    let valid = valid.filter(|number| (1..=MAX_PARTS).contains(number));
    valid.ok_or_else(|| {
        refuse(
            ObjectError::InvalidArgument,
            format!("Part number must be an integer between 1 and {MAX_PARTS}, not {number}."),
        )
    })
}

/// The parts that an object is to be made of, by number and ETag, which must ascend.
fn named_parts(parts: Vec<CompletedPart>) -> S3Result<Vec<(u16, String)>> {
    let malformed = || {
        refuse(
            ObjectError::MalformedXml,
            "Name at least one part, each with its PartNumber and ETag.",
        )
    };
    if parts.is_empty() {
        return Err(malformed());
    }
    let mut named: Vec<(u16, String)> = Vec::with_capacity(parts.len());
    for part in parts {
        let number = part_number(part.part_number.ok_or_else(malformed)?)?;
        if named.last().is_some_and(|(last, _)| *last >= number) {
            return Err(refuse(
                ObjectError::InvalidPartOrder,
                "The list of parts was not in ascending order.",
            ));
        }
        let etag = part.e_tag.ok_or_else(malformed)?;
        named.push((number, etag.value().to_owned()));
    }
    Ok(named)
}
