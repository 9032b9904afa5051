//! What a client says of the bytes that it sends, and whether it is so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::Checksum;
use s3s::{S3Result, TrailingHeaders};

use crate::error::{ObjectError, refuse};

/// The sums that a client promises, in base64: in headers, or in trailers behind the body.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    md5: Option<String>,
    headers: Checksum,
    /// The names of the trailers that are to come, which can be read once the body was.
    announced: Vec<String>,
    trailers: Option<TrailingHeaders>,
}

/// The sums of bytes that are being received.
pub(crate) struct Sums {
    md5: Md5,
    others: ChecksumHasher,
}

impl Sums {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.others.update(bytes);
    }
}

/// The checksums that S3 has: the header's name, where `s3s` keeps what it says, and the sum.
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

impl Checks {
    /// What the headers of a request promise, and the trailers behind its body.
    pub(crate) fn of(
        headers: &HeaderMap,
        md5: Option<String>,
        promised: Checksum,
        trailers: Option<TrailingHeaders>,
    ) -> Self {
        let announced = headers.get_all("x-amz-trailer").iter();
        let announced = announced.filter_map(|value| value.to_str().ok());
        let announced = announced.flat_map(|names| names.split(','));
        Checks {
            md5,
            headers: promised,
            announced: announced
                .map(|name| name.trim().to_ascii_lowercase())
                .collect(),
            trailers,
        }
    }

    /// Begins to sum up what will have to be checked.
    pub(crate) fn begin(&self) -> Sums {
        let mut others = ChecksumHasher::default();
        macro_rules! begin {
            ($header:literal, $promised:ident, $sum:ident, $algorithm:ident) => {
                if self.headers.$promised.is_some() || self.announces($header) {
                    others.$sum = Some($algorithm::new());
                }
            };
        }
        each_checksum!(begin);
        Sums {
            md5: Md5::new(),
            others,
        }
    }

    /// Holds the sums against what was promised, and gives the MD5 in hexadecimal.
    ///
    /// # Errors
    /// `BadDigest` when a sum differs, or was announced and did not come.
    pub(crate) fn end(&self, sums: Sums) -> S3Result<String> {
        let md5 = sums.md5.finalize();
        if let Some(promised) = &self.md5 {
            compare("Content-MD5", promised, &STANDARD.encode(md5))?;
        }
        let actual = sums.others.finalize();
        macro_rules! check {
            ($header:literal, $promised:ident, $sum:ident, $algorithm:ident) => {
                if let Some(actual) = &actual.$promised {
                    if let Some(promised) = &self.headers.$promised {
                        compare($header, promised, actual)?;
                    }
                    if self.announces($header) {
                        compare($header, &self.trailer($header), actual)?;
                    }
                }
            };
        }
        each_checksum!(check);
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

fn compare(name: &str, promised: &str, actual: &str) -> S3Result {
    if promised == actual {
        return Ok(());
    }
    Err(refuse(
        ObjectError::BadDigest,
        format!(
            "The {name} you specified, '{promised}', did not match what we received, '{actual}'; \
             nothing of it was kept."
        ),
    ))
}
