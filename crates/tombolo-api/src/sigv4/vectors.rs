//! AWS's signing test suite, read from the package of crate `aws-sigv4`, so that nothing of it is
//! copied here.

#![allow(clippy::unwrap_used, reason = "tests fail by panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ::http::HeaderMap;
use ::http::header::{HeaderName, HeaderValue};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::canonical::{self, PathEncoding};
use super::claim::Claim;
use super::key::SigningKey;
use super::request::SignedRequest;

/// These cases keep dot segments and double slashes, which is S3's way; other services' servers
/// normalize, so that their signatures must come out differently here.
const UNNORMALIZED: &[&str] = &[
    "get-relative-relative-unnormalized",
    "get-relative-unnormalized",
    "get-slash-dot-slash-unnormalized",
    "get-slash-pointless-dot-unnormalized",
    "get-slash-unnormalized",
    "get-slashes-unnormalized",
];

/// The case's canonical request has another date than its signed request, so that only the path
/// can be compared, which is what the case is about.
const OTHER_DATE: &str = "double-encode-path";

/// The token in this query was added after signing. A signature covers the whole query here, and
/// session tokens are refused anyhow.
const TOKEN_ADDED_LATER: (&str, &str) = ("post-sts-header-after", "query");

#[test]
fn every_case_of_the_signing_test_suite_is_signed_as_aws_signs_it() {
    let (mut headers, mut queries) = (0, 0);
    for case in fs::read_dir(suite()).unwrap() {
        let case = case.unwrap().path();
        headers += usize::from(check(&case, "header"));
        queries += usize::from(check(&case, "query"));
    }
    // double-encode-path and double-url-encode have no presigned form.
    assert_eq!((headers, queries), (40, 38));
}

/// Checks one form of one case; false if the case does not have it.
fn check(case: &Path, form: &str) -> bool {
    let name = case.file_name().unwrap().to_str().unwrap().to_owned();
    // Some of the suite's files end with a line feed that is not part of the text.
    let read = |file: &str| {
        let text = fs::read_to_string(case.join(format!("{form}-{file}.txt")));
        text.map(|text| text.trim_end_matches('\n').to_owned())
    };
    let Ok(text) = read("signed-request") else {
        return false;
    };
    let context: Value = fs::read_to_string(case.join("context.json"))
        .map(|text| serde_json::from_str(&text).unwrap())
        .unwrap_or_default();
    let secret = context["credentials"]["secret_access_key"].as_str();
    let signed = Parsed::new(&text);
    let request = signed.request();
    let claim = Claim::read(&request).unwrap();
    let scope = claim.scope().unwrap();

    let payload = hex::encode(Sha256::digest(request.body));
    let canonical = canonical::request(&request, &claim, PathEncoding::Normalized, &payload);
    let expected = read("canonical-request").unwrap();
    let canonical_text = String::from_utf8_lossy(&canonical);
    if UNNORMALIZED.contains(&name.as_str()) || (&*name, form) == TOKEN_ADDED_LATER {
        assert_ne!(canonical_text, expected, "{name}");
        return true;
    }
    if name == OTHER_DATE {
        assert_eq!(
            canonical_text.lines().nth(1),
            expected.lines().nth(1),
            "{name}"
        );
        return true;
    }
    assert_eq!(canonical_text, expected, "{name}");
    let string_to_sign = canonical::string_to_sign(&claim, &scope, &canonical);
    assert_eq!(string_to_sign, read("string-to-sign").unwrap(), "{name}");
    let Some(secret) = secret else {
        return true;
    };
    let signature = SigningKey::derive(secret, &scope).sign(string_to_sign.as_bytes());
    assert_eq!(signature, claim.signature, "{name}");
    true
}

/// The suite's directory, where cargo unpacked the package.
fn suite() -> PathBuf {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages
        .iter()
        .find(|package| package["name"] == "aws-sigv4");
    let manifest = Path::new(package.unwrap()["manifest_path"].as_str().unwrap());
    manifest.with_file_name("aws-signing-test-suite").join("v4")
}

/// A request as the suite writes it: HTTP/1.1, more leniently than HTTP allows.
struct Parsed<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: HeaderMap,
    body: &'a str,
}

impl<'a> Parsed<'a> {
    fn new(text: &'a str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let (start, lines) = head.split_once('\n').unwrap_or((head, ""));
        let start = start.strip_suffix(" HTTP/1.1").unwrap_or(start);
        let (method, target) = start.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        // A folded line continues the value before it (RFC 9112, 5.2).
        let unfolded = lines.replace("\n ", " ");
        let mut headers = HeaderMap::new();
        for line in unfolded.lines() {
            let (name, value) = line.split_once(':').unwrap();
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
        }
        Parsed {
            method,
            path,
            query,
            headers,
            body,
        }
    }

    fn request(&self) -> SignedRequest<'_> {
        SignedRequest {
            method: self.method,
            path: self.path,
            query: self.query,
            authority: None,
            headers: &self.headers,
            body: self.body.as_bytes(),
        }
    }
}
