//! Signature version 4, written for the tests: it signs whatever it is given, so that a request
//! can be wrong in one place and right in all others, signature included.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use hmac::{Hmac, Mac};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::http::Request;

/// What everything but an unreserved character is encoded by.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Who signs, for what.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret_access_key: String,
    /// The Region of the credential scope.
    pub region: String,
    /// The service of the credential scope, such as `gamelift`.
    pub service: String,
    /// How far the client's clock is off.
    pub skew: SignedDuration,
}

impl Signer {
    /// Signs every header there is, and adds the signature as headers.
    pub fn sign(&self, request: Request) -> Request {
        let hash = hex::encode(Sha256::digest(&request.body));
        self.sign_with(request, &hash)
    }

    /// The same with `hash` in place of the body's hash: one of the words that S3 has for bodies
    /// that are not signed, or in pieces.
    pub fn sign_with(&self, request: Request, hash: &str) -> Request {
        let (date, time) = self.time();
        let request = request.header("x-amz-date", &time);
        let names = header_names(&request);
        let scope = self.scope(&date);
        let (path, query) = split(&request.target);
        let canonical = canonical(&request, path, &canonical_query(query), &names, hash);
        let signature = self.signature(&date, &time, &scope, &canonical);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            self.access_key_id,
            names.join(";"),
        );
        request.header("authorization", &authorization)
    }

    /// Signs by query parameters that say how long the URL is good for.
    pub fn presign(&self, mut request: Request, expires: SignedDuration) -> Request {
        let (date, time) = self.time();
        let scope = self.scope(&date);
        let names = header_names(&request);
        let (path, query) = split(&request.target);
        let credential = format!("{}/{scope}", self.access_key_id);
        let mut query = query.to_owned();
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &time),
            ("X-Amz-Expires", &expires.as_secs().to_string()),
            ("X-Amz-SignedHeaders", &names.join(";")),
        ] {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&format!("{name}={}", encode(value)));
        }
        let query = canonical_query(&query);
        let hash = hex::encode(Sha256::digest(&request.body));
        let canonical = canonical(&request, path, &query, &names, &hash);
        let signature = self.signature(&date, &time, &scope, &canonical);
        request.target = format!("{path}?{query}&X-Amz-Signature={signature}");
        request
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a client signs with the real time"
    )]
    fn time(&self) -> (String, String) {
        let now = Timestamp::now() + self.skew;
        (
            now.strftime("%Y%m%d").to_string(),
            now.strftime("%Y%m%dT%H%M%SZ").to_string(),
        )
    }

    fn scope(&self, date: &str) -> String {
        format!("{date}/{}/{}/aws4_request", self.region, self.service)
    }

    fn signature(&self, date: &str, time: &str, scope: &str, canonical: &str) -> String {
        let digest = hex::encode(Sha256::digest(canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let secret = format!("AWS4{}", self.secret_access_key);
        let key = [date, &self.region, &self.service, "aws4_request"]
            .iter()
            .fold(secret.into_bytes(), |key, part| hmac(&key, part));
        hex::encode(hmac(&key, &to_sign))
    }
}

fn canonical(request: &Request, path: &str, query: &str, names: &[String], hash: &str) -> String {
    let mut headers = String::new();
    for name in names {
        let values = request
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let values: Vec<&str> = values.map(|(_, value)| value.trim()).collect();
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    let path = path.split('/').map(encode).collect::<Vec<_>>().join("/");
    let names = names.join(";");
    format!(
        "{}\n{path}\n{query}\n{headers}\n{names}\n{hash}",
        request.method
    )
}

/// Parameters are already encoded in the target; they only have to be sorted.
fn canonical_query(query: &str) -> String {
    let mut parameters: Vec<String> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| match parameter.contains('=') {
            true => parameter.to_owned(),
            false => format!("{parameter}="),
        })
        .collect();
    parameters.sort();
    parameters.join("&")
}

fn header_names(request: &Request) -> Vec<String> {
    let names = request.headers.iter();
    let mut names: Vec<String> = names.map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    names.dedup();
    names
}

fn split(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

/// As AWS wants it in a query, and in a path once more.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
