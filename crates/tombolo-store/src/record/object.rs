//! Buckets and objects.

pub(crate) mod v1 {
    use std::collections::BTreeMap;

    use tombolo_domain::Timestamp;
    use tombolo_domain::id::{BlobId, UploadId};
    use tombolo_domain::object::{self, BucketName};

    use crate::record::scope::v1::Scope;

    record! {
        struct Bucket of object::Bucket {
            scope: Scope,
            name: BucketName,
            created: Timestamp,
        }

        struct Object of object::Object {
            scope: Scope,
            bucket: BucketName,
            key: String,
            blobs: Vec<Blob>,
            size: u64,
            etag: String,
            modified: Timestamp,
            headers: ObjectHeaders,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            upload: Option<UploadId>,
        }

        struct Blob of object::Blob {
            id: BlobId,
            size: u64,
        }

        struct ObjectHeaders of object::ObjectHeaders {
            content_type: Option<String>,
            metadata: BTreeMap<String, String>,
        }

        struct MultipartUpload of object::MultipartUpload {
            scope: Scope,
            bucket: BucketName,
            key: String,
            id: UploadId,
            begun: Timestamp,
            headers: ObjectHeaders,
        }

        struct UploadedPart of object::UploadedPart {
            scope: Scope,
            upload: UploadId,
            number: u16,
            blob: Blob,
            etag: String,
            modified: Timestamp,
        }
    }
}
