//! The checksums of a body: those that the client sends, verified against the bytes received.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::Checksum;
use s3s::{S3Request, S3Result, TrailingHeaders};

use crate::error::{ObjectError, refuse};

/// The checksums that a client sends, in base64: in headers, or in trailers after the body.
#[derive(Debug, Default)]
pub(crate) struct ExpectedChecksums {
    md5: Option<String>,
    headers: Checksum,
    /// The names of the trailers to come, which can be read only after the body.
    announced: Vec<String>,
    trailers: Option<TrailingHeaders>,
}

/// Computes the checksums of a body as it is received.
pub(crate) struct Hasher {
    md5: Md5,
    checksums: ChecksumHasher,
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.checksums.update(bytes);
    }
}

/// The checksums that S3 has: the header, the field of [`Checksum`], that of [`ChecksumHasher`], and
/// the algorithm.
macro_rules! each_checksum {
    ($each:ident) => {
        $each!("x-amz-checksum-crc32", checksum_crc32, crc32, Crc32);
        $each!("x-amz-checksum-crc32c", checksum_crc32c, crc32c, Crc32c);
        $each!(
            "x-amz-checksum-crc64nvme",
            checksum_crc64nvme,
            crc64nvme,
            Crc64Nvme
        );
        $each!("x-amz-checksum-sha1", checksum_sha1, sha1, Sha1);
        $each!("x-amz-checksum-sha256", checksum_sha256, sha256, Sha256);
    };
}

impl ExpectedChecksums {
    /// The checksums in the headers of a request, and those announced as trailers of its body.
    pub(crate) fn of<T>(request: &S3Request<T>) -> Self {
        // That each is there at most once was checked when `s3s` read the operation's input.
        let read = |name: &str| {
            let value = request.headers.get(name)?.to_str().ok()?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let mut headers = Checksum::default();
        macro_rules! read_each {
            ($header:literal, $field:ident, $hasher:ident, $algorithm:ident) => {
                headers.$field = read($header);
            };
        }
        each_checksum!(read_each);
        let announced = request.headers.get_all("x-amz-trailer").iter();
        let announced = announced.filter_map(|value| value.to_str().ok());
        let announced = announced.flat_map(|names| names.split(','));
        ExpectedChecksums {
            md5: read("content-md5"),
            headers,
            announced: announced
                .map(|name| name.trim().to_ascii_lowercase())
                .collect(),
            trailers: request.trailing_headers.clone(),
        }
    }

    /// A hasher for the checksums that will be verified.
    pub(crate) fn hasher(&self) -> Hasher {
        let mut hasher = ChecksumHasher::default();
        macro_rules! enable {
            ($header:literal, $field:ident, $hasher:ident, $algorithm:ident) => {
                if self.headers.$field.is_some() || self.announces($header) {
                    hasher.$hasher = Some($algorithm::new());
                }
            };
        }
        each_checksum!(enable);
        Hasher {
            md5: Md5::new(),
            checksums: hasher,
        }
    }

    /// Compares the computed checksums with the expected ones, and gives the MD5 in hexadecimal.
    ///
    /// # Errors
    /// `BadDigest` when a checksum differs, or was announced as a trailer and did not come.
    pub(crate) fn verify(&self, hasher: Hasher) -> S3Result<String> {
        let md5 = hasher.md5.finalize();
        if let Some(expected) = &self.md5 {
            compare("Content-MD5", expected, &STANDARD.encode(md5))?;
        }
        let actual = hasher.checksums.finalize();
        macro_rules! compare_each {
            ($header:literal, $field:ident, $hasher:ident, $algorithm:ident) => {
                if let Some(actual) = &actual.$field {
                    if let Some(expected) = &self.headers.$field {
                        compare($header, expected, actual)?;
                    }
                    if self.announces($header) {
                        compare($header, &self.trailer($header), actual)?;
                    }
                }
            };
        }
        each_checksum!(compare_each);
        Ok(hex::encode(md5))
    }

    fn announces(&self, header: &str) -> bool {
        self.announced.iter().any(|name| name == header)
    }

    /// The value of a trailer; empty if it did not come.
    fn trailer(&self, name: &str) -> String {
        let read = |trailers: &HeaderMap| {
            let value = trailers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let value = self.trailers.as_ref().and_then(|all| all.read(read));
        value.flatten().unwrap_or_default()
    }
}

fn compare(name: &str, expected: &str, actual: &str) -> S3Result {
    if expected == actual {
        return Ok(());
    }
    Err(refuse(
        ObjectError::BadDigest,
        format!(
            "The {name} you specified, '{expected}', did not match what we received, '{actual}'; \
             nothing of it was kept."
        ),
    ))
}
