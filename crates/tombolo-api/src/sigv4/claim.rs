//! What a request claims about its signature, read from the header or the query.

use std::borrow::Cow;

use ::http::header::AUTHORIZATION;
use jiff::Timestamp;

use super::query::parameters;
use super::request::SignedRequest;
use super::{ALGORITHM, TERMINATOR, time};
use crate::error::{ApiError, CommonError, excerpt};

/// A presigned request may be valid for at most a week, in seconds.
const MAX_EXPIRES: u32 = 604_800;

/// The parts of a signature, none of them verified yet.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    /// `key/date/region/service/aws4_request`, as one text.
    pub(super) credential: Cow<'a, str>,
    /// Names of signed headers, ascending, separated by `;`.
    pub(super) signed_headers: Cow<'a, str>,
    /// 64 lowercase hexadecimal digits, if it is right.
    pub(super) signature: Cow<'a, str>,
    /// When it was signed, as written.
    pub(super) date: Cow<'a, str>,
    /// When it was signed.
    pub(super) signed_at: Timestamp,
    /// How long it is valid, in seconds: presigned requests only.
    pub(super) expires: Option<u32>,
    /// The session token, which comes with a temporary credential.
    pub(super) session_token: Option<Cow<'a, [u8]>>,
}

/// The credential scope with its access key: `key/date/region/service/aws4_request`.
#[derive(Debug, Clone, Copy)]
pub(super) struct CredentialScope<'a> {
    /// All of them, as one text.
    pub(super) text: &'a str,
    pub(super) access_key_id: &'a str,
    /// `20261122`
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl CredentialScope<'_> {
    /// The scope without the access key, which is signed.
    pub(super) fn signed(&self) -> &str {
        &self.text[self.access_key_id.len() + 1..]
    }
}

impl<'a> Claim<'a> {
    /// Reads the claim of `request`.
    ///
    /// # Errors
    /// [`CommonError::MissingAuthenticationToken`] without a signature,
    /// [`CommonError::IncompleteSignature`] when a part is missing, doubled or unreadable.
    pub(super) fn read(request: &SignedRequest<'a>) -> Result<Self, ApiError> {
        let mut headers = request.headers.get_all(AUTHORIZATION).iter();
        let presigned = Query::read(request.query);
        match (headers.next(), presigned) {
            (None, None) => Err(ApiError::new(
                CommonError::MissingAuthenticationToken,
                "Request is missing Authentication Token",
            )),
            (Some(_), Some(_)) => Err(incomplete(
                "Only one signature is allowed: in the Authorization header or in the query, not both.",
            )),
            (Some(_), None) if headers.next().is_some() => {
                Err(incomplete("Only one Authorization header is allowed."))
            }
            (Some(value), None) => match value.to_str() {
                Ok(value) => Self::from_header(request, value),
                Err(_) => Err(incomplete("The Authorization header must be ASCII text.")),
            },
            (None, Some(query)) => Self::from_query(request, query),
        }
    }

    fn from_header(request: &SignedRequest<'a>, value: &'a str) -> Result<Self, ApiError> {
        let (algorithm, rest) = value.split_once(' ').unwrap_or((value, ""));
        if algorithm != ALGORITHM {
            return Err(unsupported_algorithm(algorithm));
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for parameter in rest.split(',').map(str::trim) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                "" => continue,
                _ => {
                    return Err(incomplete(format!(
                        "Authorization header has a parameter that is not known: '{}'.",
                        excerpt(name)
                    )));
                }
            };
            if slot.replace(value).is_some() {
                return Err(incomplete(format!(
                    "Authorization header has parameter '{name}' twice."
                )));
            }
        }
        let mut dates = request.headers.get_all("x-amz-date").iter();
        let date = dates.next().and_then(|date| date.to_str().ok());
        match (credential, signed_headers, signature, date) {
            (Some(credential), Some(signed_headers), Some(signature), Some(date))
                if dates.next().is_none() =>
            {
                Ok(Claim {
                    credential: credential.into(),
                    signed_headers: signed_headers.into(),
                    signature: signature.into(),
                    date: date.into(),
                    signed_at: signed_at(date)?,
                    expires: None,
                    session_token: session_token(request)?,
                })
            }
            (credential, signed_headers, signature, _) => {
                let required = [
                    (credential.is_none(), "'Credential' parameter"),
                    (signature.is_none(), "'Signature' parameter"),
                    (signed_headers.is_none(), "'SignedHeaders' parameter"),
                ];
                let mut message: Vec<_> = required
                    .iter()
                    .filter(|(missing, _)| *missing)
                    .map(|(_, what)| format!("Authorization header requires {what}."))
                    .collect();
                if message.is_empty() {
                    message.push("Authorization header requires one 'X-Amz-Date' header.".into());
                }
                Err(incomplete(message.join(" ")))
            }
        }
    }

    fn from_query(request: &SignedRequest<'a>, query: Query<'a>) -> Result<Self, ApiError> {
        if query.doubled {
            return Err(incomplete(
                "A presigned request has each X-Amz- parameter once.",
            ));
        }
        let need = |value: Option<Cow<'a, str>>, name| {
            value.ok_or_else(|| {
                incomplete(format!(
                    "AWS query-string parameters must include '{name}'."
                ))
            })
        };
        let algorithm = need(query.algorithm, "X-Amz-Algorithm")?;
        if algorithm != ALGORITHM {
            return Err(unsupported_algorithm(&algorithm));
        }
        let session_token = match (query.security_token, session_token(request)?) {
            (Some(_), Some(_)) => return Err(two_tokens()),
            (token, None) => token.map(|token| Cow::Owned(token.into_owned().into_bytes())),
            (None, token) => token,
        };
        let date = need(query.date, "X-Amz-Date")?;
        let expires = need(query.expires, "X-Amz-Expires")?;
        Ok(Claim {
            credential: need(query.credential, "X-Amz-Credential")?,
            signed_headers: need(query.signed_headers, "X-Amz-SignedHeaders")?,
            signature: need(query.signature, "X-Amz-Signature")?,
            signed_at: signed_at(&date)?,
            date,
            expires: Some(lifetime(&expires)?),
            session_token,
        })
    }

    /// The credential's parts.
    ///
    /// # Errors
    /// [`CommonError::IncompleteSignature`] unless there are exactly five.
    pub(super) fn scope(&self) -> Result<CredentialScope<'_>, ApiError> {
        let parts: Vec<&str> = self.credential.split('/').collect();
        let [access_key_id, date, region, service, terminator] = parts[..] else {
            return Err(incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, \
                 e.g. keyid/date/region/service/term, got '{}'",
                excerpt(&self.credential)
            )));
        };
        if terminator != TERMINATOR {
            return Err(ApiError::new(
                CommonError::SignatureMismatch,
                format!(
                    "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{}'.",
                    excerpt(terminator)
                ),
            ));
        }
        Ok(CredentialScope {
            text: &self.credential,
            access_key_id,
            date,
            region,
            service,
        })
    }
}

/// Whether a request's credential scope names `service`, by the header or the query. Nothing of it
/// is verified: this selects the service that verifies it.
pub fn names_service(head: &::http::request::Parts, service: &str) -> bool {
    let of_service = |credential: &str| credential.split('/').nth(3) == Some(service);
    let header = head.headers.get(AUTHORIZATION);
    let header = header.and_then(|value| value.to_str().ok());
    let in_header = header
        .and_then(|value| value.strip_prefix(ALGORITHM))
        .and_then(|rest| rest.split_once("Credential="))
        .and_then(|(_, rest)| rest.split([',', ' ']).next());
    if let Some(credential) = in_header {
        return of_service(credential);
    }
    let query = head.uri.query().unwrap_or_default();
    parameters(query).any(|(name, value)| {
        let is_credential = *name == *b"X-Amz-Credential";
        is_credential && of_service(&String::from_utf8_lossy(&value))
    })
}

/// The signature's part of a query.
#[derive(Default)]
struct Query<'a> {
    algorithm: Option<Cow<'a, str>>,
    credential: Option<Cow<'a, str>>,
    date: Option<Cow<'a, str>>,
    expires: Option<Cow<'a, str>>,
    signed_headers: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    security_token: Option<Cow<'a, str>>,
    doubled: bool,
}

impl<'a> Query<'a> {
    /// None if no parameter is a signature's.
    fn read(query: &'a str) -> Option<Self> {
        let mut found = Query::default();
        let mut any = false;
        for (name, value) in parameters(query) {
            let slot = match &*name {
                b"X-Amz-Algorithm" => &mut found.algorithm,
                b"X-Amz-Credential" => &mut found.credential,
                b"X-Amz-Date" => &mut found.date,
                b"X-Amz-Expires" => &mut found.expires,
                b"X-Amz-SignedHeaders" => &mut found.signed_headers,
                b"X-Amz-Signature" => &mut found.signature,
                b"X-Amz-Security-Token" => &mut found.security_token,
                _ => continue,
            };
            any = true;
            let value = String::from_utf8_lossy(&value).into_owned();
            found.doubled |= slot.replace(value.into()).is_some();
        }
        any.then_some(found)
    }
}

fn signed_at(date: &str) -> Result<Timestamp, ApiError> {
    time::parse(date).ok_or_else(|| {
        incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{}'. \
             See http://en.wikipedia.org/wiki/ISO_8601",
            excerpt(date)
        ))
    })
}

fn lifetime(expires: &str) -> Result<u32, ApiError> {
    let valid = |seconds: &u32| (1..=MAX_EXPIRES).contains(seconds);
    expires.parse().ok().filter(valid).ok_or_else(|| {
        incomplete(format!(
            "X-Amz-Expires must be a whole number of seconds from 1 to {MAX_EXPIRES} (a week), not '{}'.",
            excerpt(expires)
        ))
    })
}

/// The token in the header, which there is at most once.
fn session_token<'a>(request: &SignedRequest<'a>) -> Result<Option<Cow<'a, [u8]>>, ApiError> {
    let mut tokens = request.headers.get_all("x-amz-security-token").iter();
    let token = tokens.next().map(|token| Cow::Borrowed(token.as_bytes()));
    match tokens.next() {
        Some(_) => Err(two_tokens()),
        None => Ok(token),
    }
}

fn two_tokens() -> ApiError {
    incomplete("Only one X-Amz-Security-Token is allowed.")
}

fn unsupported_algorithm(algorithm: &str) -> ApiError {
    incomplete(format!(
        "Unsupported AWS 'algorithm': '{}'. Only {ALGORITHM} is supported.",
        excerpt(algorithm)
    ))
}

fn incomplete(message: impl Into<String>) -> ApiError {
    ApiError::new(CommonError::IncompleteSignature, message)
}
