//! The canonical request: one text for all ways to write the same request.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use sha2::{Digest, Sha256};

use super::ALGORITHM;
use super::claim::{Claim, CredentialScope};
use super::query::parameters;
use super::request::SignedRequest;

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const PATH: &AsciiSet = &RESERVED.remove(b'/');

/// How a service's paths are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathEncoding {
    /// Without empty and dot segments, and encoded once more than they arrived.
    Normalized,
    /// As S3 has it: every segment is part of a key, and is encoded once.
    Keys,
}

/// The canonical request: method, path, query, signed headers, their names, the body's hash.
pub(super) fn request(
    request: &SignedRequest<'_>,
    claim: &Claim<'_>,
    paths: PathEncoding,
    payload: &str,
) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    text.extend_from_slice(request.method.as_bytes());
    text.push(b'\n');
    let path = match paths {
        PathEncoding::Normalized => path(request.path),
        PathEncoding::Keys => key_path(request.path),
    };
    text.extend_from_slice(path.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(query(request.query).as_bytes());
    text.push(b'\n');
    for name in claim.signed_headers.split(';') {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        for (at, value) in request.values(name).enumerate() {
            if at > 0 {
                text.push(b',');
            }
            push_trimmed(&mut text, value);
        }
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(claim.signed_headers.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(payload.as_bytes());
    text
}

/// What the signing key signs.
pub(super) fn string_to_sign(
    claim: &Claim<'_>,
    scope: &CredentialScope<'_>,
    canonical: &[u8],
) -> String {
    let hash = Sha256::digest(canonical);
    format!("{ALGORITHM}\n{}\n{}\n{hash:x}", claim.date, scope.signed())
}

/// The path without empty and dot segments, then encoded: what arrived as `%20` becomes `%2520`.
fn path(path: &str) -> Cow<'_, str> {
    if path == "/" {
        return path.into();
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let mut normal = String::with_capacity(path.len() + 1);
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    if segments.is_empty() || path.ends_with('/') {
        normal.push('/');
    }
    percent_encode(normal.as_bytes(), PATH).to_string().into()
}

/// The path, encoded in the one way that signatures have: what is written `%7E` or `=` becomes `~`
/// and `%3D`.
fn key_path(path: &str) -> Cow<'_, str> {
    let decoded: Cow<'_, [u8]> = percent_decode(path.as_bytes()).into();
    percent_encode(&decoded, PATH).to_string().into()
}

/// The query's parameters without the signature itself, each encoded anew, in order.
fn query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = parameters(query)
        .filter(|(name, _)| **name != *b"X-Amz-Signature")
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    pairs.sort_unstable();
    let mut text = String::with_capacity(query.len());
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}

fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED).to_string()
}

/// A header's value without spaces around it and with one space for several within.
fn push_trimmed(text: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t'));
    for (at, word) in words.filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(word);
    }
}
