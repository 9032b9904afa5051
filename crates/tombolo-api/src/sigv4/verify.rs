//! Verifies a request's signature, and makes the principal who signed it.

use std::sync::Arc;

use ::http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tombolo_domain::Scope;
use tombolo_domain::id::{AccessKeyId, Region};
use tombolo_domain::principal::{Credential, Identity, Principal, Session};

use super::canonical::PathEncoding;
use super::claim::{Claim, CredentialScope};
use super::key::SigningKeys;
use super::request::SignedRequest;
use super::token::is_token;
use super::{canonical, time};
use crate::error::{ApiError, CommonError, excerpt};
use crate::http::Credentials;
use crate::model::ServiceName;

/// How far a signature's time may be from the server's, either way.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// What differs from service to service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rules {
    /// The name in the credential's scope.
    service: &'static str,
    paths: PathEncoding,
    /// What is said of an access key that is not known, or a token that is not its own.
    unrecognized: &'static str,
    invalid_token: &'static str,
    /// What is said of a temporary credential whose time is over.
    expired: &'static str,
}

impl Rules {
    const S3: Rules = Rules {
        service: "s3",
        paths: PathEncoding::Keys,
        unrecognized: "The AWS Access Key Id you provided does not exist in our records.",
        invalid_token: "The provided token is malformed or otherwise invalid.",
        expired: "The provided token has expired.",
    };

    fn of(service: ServiceName) -> Self {
        const INVALID: &str = "The security token included in the request is invalid.";
        const EC2: &str = "AWS was not able to validate the provided access credentials";
        let unrecognized = match service {
            ServiceName::Ec2 => EC2,
            _ => INVALID,
        };
        Rules {
            service: service.as_str(),
            paths: PathEncoding::Normalized,
            unrecognized,
            invalid_token: unrecognized,
            expired: "The security token included in the request is expired",
        }
    }
}

/// A credential whose signature was right.
struct Signed {
    credential: Credential,
    access_key_id: AccessKeyId,
    region: Region,
}

impl Signed {
    /// Who signed, if the credential may be used for the service of `rules` at all.
    fn principal(self, rules: Rules) -> Result<Principal, ApiError> {
        let Signed {
            credential,
            access_key_id,
            region: asked,
        } = self;
        let refused = match &credential.identity {
            Identity::User { .. } | Identity::Admin => None,
            Identity::UploadSession { build, .. } if rules != Rules::S3 => Some(format!(
                "Temporary credential {access_key_id} may upload build {build} to Amazon S3 and do \
                 nothing else: sign with an access key of a user (AKIA…)."
            )),
            Identity::UploadSession { region, .. } => (*region != asked)
                .then(|| format!("This temporary credential is for Region {region}, not {asked}.")),
        };
        if let Some(message) = refused {
            return Err(ApiError::new(CommonError::AccessDenied, message));
        }
        let scope = Scope {
            account: credential.account,
            region: asked,
        };
        #[expect(clippy::disallowed_methods, reason = "the signature was verified")]
        let principal = Principal::authenticated(scope, credential.identity, access_key_id);
        Ok(principal)
    }
}

/// What the head of a request claims of its signature, and what of that holds without the secret key.
/// Nothing is known yet of who signed it.
#[derive(Debug)]
pub struct HeadClaim<'a> {
    claim: Claim<'a>,
    region: Region,
}

/// What S3's clients write in place of the hash of a body that is not signed.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Verifies signatures for one server.
pub struct Verifier {
    regions: Vec<Region>,
    credentials: Arc<dyn Credentials>,
    keys: SigningKeys,
}

impl Verifier {
    /// Accepts credentials of `credentials` that are scoped to one of `regions`.
    pub fn new(regions: Vec<Region>, credentials: Arc<dyn Credentials>) -> Self {
        Verifier {
            regions,
            credentials,
            keys: SigningKeys::default(),
        }
    }

    /// What the head of a request claims of its signature, if it claims one that may be right: made
    /// about now with an access key that is known, for a Region that is served. The body is not
    /// looked at, so that it need not be read of a request that is refused here. `now` is the real
    /// time: clients sign with theirs, whatever a rehearsal's clock shows.
    ///
    /// # Errors
    /// One of the authentication kinds of [`CommonError`] with AWS's text, or
    /// [`CommonError::Internal`] when the access key could not be looked up.
    pub async fn check_head<'a>(
        &self,
        head: &SignedRequest<'a>,
        service: Option<ServiceName>,
        now: Timestamp,
    ) -> Result<HeadClaim<'a>, ApiError> {
        let rules = service.map(Rules::of);
        let head = self.claimed(head, rules, now)?;
        let scope = head.claim.scope()?;
        // A form of EC2's or STS's shows only with its body whose it is.
        let rules = rules.unwrap_or_else(|| match scope.service {
            "sts" => Rules::of(ServiceName::Sts),
            _ => Rules::of(ServiceName::Ec2),
        });
        self.credential(&head.claim, &scope, rules).await?;
        Ok(head)
    }

    /// Who signed `request` for `service`, by the claim of its head. The access key is looked up
    /// once more: it may have been deleted while the body arrived.
    ///
    /// # Errors
    /// As [`check_head`](Verifier::check_head), and [`CommonError::AccessDenied`] for a temporary
    /// credential, which is good for S3 only.
    pub async fn verify(
        &self,
        request: &SignedRequest<'_>,
        head: HeadClaim<'_>,
        service: ServiceName,
    ) -> Result<Principal, ApiError> {
        let rules = Rules::of(service);
        check_service(head.claim.scope()?.service, rules)?;
        let payload = check_payload(request)?;
        let signed = self.signed(request, head, rules, &payload).await?;
        signed.principal(rules)
    }

    /// Who signed the head of `request` for S3. The caller must verify the body against
    /// `x-amz-content-sha256`, which is signed.
    ///
    /// # Errors
    /// As [`verify`](Verifier::verify); with [`CommonError::AccessDenied`] for a temporary
    /// credential of another Region.
    pub async fn verify_head_for_s3(
        &self,
        request: &SignedRequest<'_>,
        now: Timestamp,
    ) -> Result<Principal, ApiError> {
        let rules = Rules::S3;
        let head = self.claimed(request, Some(rules), now)?;
        let payload = claimed_payload(request)?;
        let payload = match head.claim.expires {
            // Who makes a link does not know what will be put there.
            Some(_) => UNSIGNED,
            None => &payload,
        };
        let signed = self.signed(request, head, rules, payload).await?;
        signed.principal(rules)
    }

    /// The claim of a request, as far as it can be checked without its secret key.
    fn claimed<'a>(
        &self,
        request: &SignedRequest<'a>,
        rules: Option<Rules>,
        now: Timestamp,
    ) -> Result<HeadClaim<'a>, ApiError> {
        let claim = Claim::read(request)?;
        let scope = claim.scope()?;
        check_coverage(request, &claim)?;
        check_time(&claim, now)?;
        check_day(&claim, &scope)?;
        if let Some(rules) = rules {
            check_service(scope.service, rules)?;
        }
        let region = self.check_region(&scope)?.clone();
        Ok(HeadClaim { claim, region })
    }

    /// The credential that a claim names, with its session token.
    async fn credential(
        &self,
        claim: &Claim<'_>,
        scope: &CredentialScope<'_>,
        rules: Rules,
    ) -> Result<(AccessKeyId, Credential), ApiError> {
        let unrecognized = || ApiError::new(CommonError::UnrecognizedClient, rules.unrecognized);
        let id: AccessKeyId = scope.access_key_id.parse().map_err(|_| unrecognized())?;
        let credential = self.credentials.credential(&id).await;
        let credential = credential
            .map_err(|source| <ApiError>::internal("looking up an access key", source))?
            .ok_or_else(unrecognized)?;
        check_token(claim, &credential, rules)?;
        Ok((id, credential))
    }

    async fn signed(
        &self,
        request: &SignedRequest<'_>,
        head: HeadClaim<'_>,
        rules: Rules,
        payload: &str,
    ) -> Result<Signed, ApiError> {
        let HeadClaim { claim, region } = head;
        let scope = claim.scope()?;
        let (access_key_id, credential) = self.credential(&claim, &scope, rules).await?;
        let canonical = canonical::request(request, &claim, rules.paths, payload);
        let string_to_sign = canonical::string_to_sign(&claim, &scope, &canonical);
        let key = self.keys.get(&credential.secret, &scope);
        let expected = key.sign(string_to_sign.as_bytes());
        if !bool::from(expected.as_bytes().ct_eq(claim.signature.as_bytes())) {
            return Err(mismatch(
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method. \
                 Consult the service documentation for details.",
            ));
        }
        if let Some(Session {
            has_expired: true, ..
        }) = credential.session
        {
            return Err(ApiError::new(CommonError::ExpiredToken, rules.expired));
        }
        Ok(Signed {
            credential,
            access_key_id,
            region,
        })
    }

    fn check_region(&self, scope: &CredentialScope<'_>) -> Result<&Region, ApiError> {
        let mut regions = self.regions.iter();
        regions
            .find(|region| region.as_str() == scope.region)
            .ok_or_else(|| {
                let served: Vec<_> = self.regions.iter().map(Region::as_str).collect();
                mismatch(format!(
                    "Credential should be scoped to a valid Region, not '{}'. This server's: {}.",
                    excerpt(scope.region),
                    served.join(", ")
                ))
            })
    }
}

fn check_day(claim: &Claim<'_>, scope: &CredentialScope<'_>) -> Result<(), ApiError> {
    let day = claim.date.get(..8).unwrap_or_default();
    if scope.date == day {
        return Ok(());
    }
    Err(mismatch(format!(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
         '{}' != '{day}', from '{}'.",
        excerpt(scope.date),
        claim.date
    )))
}

fn check_service(claimed: &str, rules: Rules) -> Result<(), ApiError> {
    let service = rules.service;
    if claimed == service {
        return Ok(());
    }
    Err(mismatch(format!(
        "Credential should be scoped to correct service: '{service}', not '{}'.",
        excerpt(claimed)
    )))
}

/// A temporary credential comes with its session token, an access key with none.
fn check_token(claim: &Claim<'_>, credential: &Credential, rules: Rules) -> Result<(), ApiError> {
    let invalid = || ApiError::new(CommonError::InvalidToken, rules.invalid_token);
    match (&credential.session, &claim.session_token) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(invalid()),
        // Without a token it is no credential at all.
        (Some(_), None) => Err(ApiError::new(
            CommonError::UnrecognizedClient,
            rules.unrecognized,
        )),
        (Some(session), Some(token)) if is_token(token, &session.token) => Ok(()),
        (Some(_), Some(_)) => Err(invalid()),
    }
}

/// Refuses a request of which something that matters is not signed.
fn check_coverage(request: &SignedRequest<'_>, claim: &Claim<'_>) -> Result<(), ApiError> {
    let signed: Vec<&str> = claim.signed_headers.split(';').collect();
    let lowercase = !claim.signed_headers.bytes().any(|b| b.is_ascii_uppercase());
    if !lowercase || !signed.is_sorted_by(|a, b| a < b) {
        return Err(mismatch(
            "SignedHeaders must be lowercase, each name once, in ascending order.",
        ));
    }
    if !signed.contains(&"host") {
        return Err(mismatch(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    if let Some(absent) = signed
        .iter()
        .find(|name| request.values(name).next().is_none())
    {
        return Err(mismatch(format!(
            "The request has no header '{}', which SignedHeaders names.",
            excerpt(absent)
        )));
    }
    let names = request.headers.keys().map(|name| name.as_str());
    let mut unsigned = names.filter(|name| name.starts_with("x-amz-") && !signed.contains(name));
    match unsigned.next() {
        Some(name) => Err(mismatch(format!(
            "There were headers present in the request which were not signed: {}",
            excerpt(name)
        ))),
        None => Ok(()),
    }
}

fn check_time(claim: &Claim<'_>, now: Timestamp) -> Result<(), ApiError> {
    let valid = match claim.expires {
        Some(seconds) => SignedDuration::from_secs(seconds.into()),
        None => MAX_CLOCK_SKEW,
    };
    let (date, at) = (&claim.date, time::format(now));
    // Differences of timestamps, because sums may leave the range of times.
    let age = now.duration_since(claim.signed_at);
    let message = if age > valid {
        let limit = time::format(now - valid);
        let rule = match claim.expires {
            Some(seconds) => format!("{at} - {seconds} s"),
            None => format!("{at} - 15 min."),
        };
        format!("Signature expired: {date} is now earlier than {limit} ({rule})")
    } else if age < -MAX_CLOCK_SKEW {
        let limit = time::format(now + MAX_CLOCK_SKEW);
        format!("Signature not yet current: {date} is still later than {limit} ({at} + 15 min.)")
    } else {
        return Ok(());
    };
    Err(ApiError::new(CommonError::RequestExpired, message))
}

/// The body's hash, which a claimed one must equal.
fn check_payload(request: &SignedRequest<'_>) -> Result<String, ApiError> {
    let hash = format!("{:x}", Sha256::digest(request.body));
    for claimed in request.values("x-amz-content-sha256") {
        if claimed != hash.as_bytes() {
            return Err(mismatch(format!(
                "The value of x-amz-content-sha256 must be the SHA-256 of the body, {hash}, not '{}'.",
                excerpt(&String::from_utf8_lossy(claimed))
            )));
        }
    }
    Ok(hash)
}

/// What a request to S3 says of its body's hash, which it must.
fn claimed_payload(request: &SignedRequest<'_>) -> Result<String, ApiError> {
    let mut claimed = request.values("x-amz-content-sha256");
    match (claimed.next(), claimed.next()) {
        (Some(hash), None) => Ok(String::from_utf8_lossy(hash).into_owned()),
        // A link has none, and needs none.
        (None, _) if request.headers.get(AUTHORIZATION).is_none() => Ok(UNSIGNED.to_owned()),
        _ => Err(ApiError::new(
            CommonError::Validation,
            "A request that is signed by its Authorization header needs one header \
             x-amz-content-sha256.",
        )),
    }
}

fn mismatch(message: impl Into<String>) -> ApiError {
    ApiError::new(CommonError::SignatureMismatch, message)
}
