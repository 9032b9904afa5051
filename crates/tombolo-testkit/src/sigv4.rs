//! Signature version 4 in the most literal way. It shares no code with the verifier, puts nothing in
//! order and encodes nothing, so that a request can be wrong in one place and right in all others,
//! its signature included.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The name of the algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Who signs, when and for what.
#[derive(Debug, Clone, Copy)]
pub struct SigningKey<'a> {
    /// The access key's id.
    pub access_key_id: &'a str,
    /// The access key's secret.
    pub secret_access_key: &'a str,
    /// The time of the request, such as `20261122T143000Z`.
    pub time: &'a str,
    /// The day of the credential scope, such as `20261122`.
    pub day: &'a str,
    /// The Region of the credential scope.
    pub region: &'a str,
    /// The service of the credential scope, such as `gamelift`.
    pub service: &'a str,
}

impl SigningKey<'_> {
    /// The access key's id and the credential scope.
    pub fn credential(&self) -> String {
        format!("{}/{}", self.access_key_id, self.scope())
    }

    /// The value of the header `Authorization`.
    pub fn authorization(&self, request: &CanonicalRequest<'_>) -> String {
        format!(
            "{ALGORITHM} Credential={}, SignedHeaders={}, Signature={}",
            self.credential(),
            request.signed_headers(),
            self.signature(request)
        )
    }

    /// The signature, in hexadecimal digits.
    pub fn signature(&self, request: &CanonicalRequest<'_>) -> String {
        let to_sign = format!(
            "{ALGORITHM}\n{}\n{}\n{}",
            self.time,
            self.scope(),
            hash(request.text().as_bytes())
        );
        let secret = format!("AWS4{}", self.secret_access_key).into_bytes();
        let parts = [self.day, self.region, self.service, "aws4_request"];
        let key = parts.iter().fold(secret, |key, part| hmac(&key, part));
        hex::encode(hmac(&key, &to_sign))
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day, self.region, self.service)
    }
}

/// What is signed of a request, each part as it is written.
#[derive(Debug, Clone, Copy)]
pub struct CanonicalRequest<'a> {
    /// `POST`.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query without its question mark.
    pub query: &'a str,
    /// The signed headers.
    pub headers: &'a [(String, String)],
    /// The body's [`hash`], or one of the words that S3 has in its place.
    pub payload: &'a str,
}

impl CanonicalRequest<'_> {
    /// The names of the signed headers.
    pub fn signed_headers(&self) -> String {
        let names = self.headers.iter().map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(";")
    }

    fn text(&self) -> String {
        let headers = self.headers.iter();
        let headers: String = headers
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            self.method,
            self.path,
            self.query,
            self.signed_headers(),
            self.payload
        )
    }
}

/// The SHA-256 of a body, in hexadecimal digits.
pub fn hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get-vanilla` of AWS's signing test suite.
    #[test]
    fn a_request_is_signed_as_aws_signs_it() {
        let key = SigningKey {
            access_key_id: "AKIDEXAMPLE",
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            time: "20150830T123600Z",
            day: "20150830",
            region: "us-east-1",
            service: "service",
        };
        let headers = [
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = CanonicalRequest {
            method: "GET",
            path: "/",
            query: "",
            headers: &headers,
            payload: &hash(b""),
        };
        assert_eq!(
            key.signature(&request),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }
}
