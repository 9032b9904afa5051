//! A request of every operation of S3's, which has no model: what names something in it is said
//! here.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::wire::Ask;
use crate::world::Things;

/// What of a request names something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Bucket,
    Key,
    Upload,
}

/// What a request names.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) upload: String,
}

impl Names {
    pub(crate) fn of(own: &Things) -> Self {
        Names {
            bucket: own.bucket.clone(),
            key: own.object.clone(),
            upload: own.upload.clone(),
        }
    }

    pub(crate) fn set(&mut self, part: Part, name: &str) {
        let place = match part {
            Part::Bucket => &mut self.bucket,
            Part::Key => &mut self.key,
            Part::Upload => &mut self.upload,
        };
        name.clone_into(place);
    }
}

/// An operation of S3's.
pub(crate) struct Call {
    pub(crate) operation: &'static str,
    pub(crate) parts: &'static [Part],
    /// The request.
    pub(crate) ask: fn(&Names, &Things) -> Ask,
    /// What it names when an account calls it on its own and it succeeds.
    pub(crate) own: fn(&Things) -> Names,
}

const OF_BUCKET: &[Part] = &[Part::Bucket];
const OF_OBJECT: &[Part] = &[Part::Bucket, Part::Key];
const OF_UPLOAD: &[Part] = &[Part::Bucket, Part::Key, Part::Upload];

fn on_bucket(method: &'static str, names: &Names, query: &str) -> Ask {
    Ask::of(method, &format!("/{}", names.bucket), query)
}

fn on_object(method: &'static str, names: &Names, query: &str) -> Ask {
    Ask::of(method, &format!("/{}/{}", names.bucket, names.key), query)
}

fn empty_bucket(own: &Things) -> Names {
    Names {
        bucket: own.empty_bucket.clone(),
        ..Names::of(own)
    }
}

fn new_bucket(own: &Things) -> Names {
    Names {
        bucket: "lagoon".to_owned(),
        ..Names::of(own)
    }
}

/// All of them.
pub(crate) fn calls() -> Vec<Call> {
    let call = |operation, parts, ask| Call {
        operation,
        parts,
        ask,
        own: Names::of,
    };
    vec![
        Call {
            own: new_bucket,
            ..call("CreateBucket", OF_BUCKET, |names, _| {
                on_bucket("PUT", names, "")
            })
        },
        call("HeadBucket", OF_BUCKET, |names, _| {
            on_bucket("HEAD", names, "")
        }),
        call("GetBucketLocation", OF_BUCKET, |names, _| {
            on_bucket("GET", names, "location=")
        }),
        call("ListBuckets", &[], |_, _| Ask::of("GET", "/", "")),
        Call {
            own: empty_bucket,
            ..call("DeleteBucket", OF_BUCKET, |names, _| {
                on_bucket("DELETE", names, "")
            })
        },
        call("PutObject", OF_OBJECT, |names, _| {
            on_object("PUT", names, "").body("lagoon".to_owned())
        }),
        call("GetObject", OF_OBJECT, |names, _| {
            on_object("GET", names, "")
        }),
        call("HeadObject", OF_OBJECT, |names, _| {
            on_object("HEAD", names, "")
        }),
        call("DeleteObject", OF_OBJECT, |names, _| {
            on_object("DELETE", names, "")
        }),
        call("DeleteObjects", OF_OBJECT, |names, _| {
            let body = format!("<Delete><Object><Key>{}</Key></Object></Delete>", names.key);
            let hash = BASE64_STANDARD.encode(Sha256::digest(&body));
            on_bucket("POST", names, "delete=")
                .header("x-amz-checksum-sha256", &hash)
                .body(body)
        }),
        call("ListObjectsV2", OF_BUCKET, |names, _| {
            on_bucket("GET", names, "list-type=2")
        }),
        call("CreateMultipartUpload", OF_OBJECT, |names, _| {
            on_object("POST", names, "uploads=")
        }),
        call("UploadPart", OF_UPLOAD, |names, _| {
            let query = format!("partNumber=1&uploadId={}", names.upload);
            on_object("PUT", names, &query).body("part".to_owned())
        }),
        call("CompleteMultipartUpload", OF_UPLOAD, |names, own| {
            let part = format!(
                "<Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>",
                own.etag
            );
            let body = format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>");
            on_object("POST", names, &format!("uploadId={}", names.upload)).body(body)
        }),
        call("AbortMultipartUpload", OF_UPLOAD, |names, _| {
            on_object("DELETE", names, &format!("uploadId={}", names.upload))
        }),
        call("ListParts", OF_UPLOAD, |names, _| {
            on_object("GET", names, &format!("uploadId={}", names.upload))
        }),
    ]
}
