//! A client that signs: with the real time, and whatever it is given.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tombolo_testkit::sigv4::{ALGORITHM, CanonicalRequest, SigningKey, hash};

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
        let hash = hash(&request.body);
        self.sign_with(request, &hash)
    }

    /// The same with `hash` in place of the body's hash: one of the words that S3 has for bodies
    /// that are not signed, or in pieces.
    pub fn sign_with(&self, request: Request, hash: &str) -> Request {
        let time = self.time();
        let request = request.header("x-amz-date", &time);
        let (path, query) = split(&request.target);
        let authorization = self.key(&time).authorization(&CanonicalRequest {
            method: &request.method,
            path: &canonical_path(path),
            query: &canonical_query(query),
            headers: &canonical_headers(&request),
            payload: hash,
        });
        request.header("authorization", &authorization)
    }

    /// Signs by query parameters that say how long the URL is good for.
    pub fn presign(&self, mut request: Request, expires: SignedDuration) -> Request {
        let time = self.time();
        let key = self.key(&time);
        let (path, query) = split(&request.target);
        let mut canonical = CanonicalRequest {
            method: &request.method,
            path: &canonical_path(path),
            query: "",
            headers: &canonical_headers(&request),
            payload: &hash(&request.body),
        };
        let mut query = query.to_owned();
        for (name, value) in [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &key.credential()),
            ("X-Amz-Date", &time),
            ("X-Amz-Expires", &expires.as_secs().to_string()),
            ("X-Amz-SignedHeaders", &canonical.signed_headers()),
        ] {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&format!("{name}={}", encode(value)));
        }
        let query = canonical_query(&query);
        canonical.query = &query;
        let signature = key.signature(&canonical);
        request.target = format!("{path}?{query}&X-Amz-Signature={signature}");
        request
    }

    fn key<'a>(&'a self, time: &'a str) -> SigningKey<'a> {
        SigningKey {
            access_key_id: &self.access_key_id,
            secret_access_key: &self.secret_access_key,
            time,
            day: &time[..8],
            region: &self.region,
            service: &self.service,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a client signs with the real time"
    )]
    fn time(&self) -> String {
        let now = Timestamp::now() + self.skew;
        now.strftime("%Y%m%dT%H%M%SZ").to_string()
    }
}

fn canonical_path(path: &str) -> String {
    path.split('/').map(encode).collect::<Vec<_>>().join("/")
}

/// Each name once, in lower case and in order, with all its values.
fn canonical_headers(request: &Request) -> Vec<(String, String)> {
    let mut headers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in &request.headers {
        let values = headers.entry(name.to_ascii_lowercase()).or_default();
        values.push(value.trim());
    }
    let headers = headers.into_iter();
    headers
        .map(|(name, values)| (name, values.join(",")))
        .collect()
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

fn split(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

/// As AWS wants it in a query, and in a path once more.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
