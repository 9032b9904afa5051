//! S3's endpoint: verifies the signature of a request's head, has `s3s` read the body and run the
//! operation, and sends the reply.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use jiff::Timestamp;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use tombolo_api::admission::{Admission, NotAdmitted};
use tombolo_api::error::{ApiError, CommonError, Refusal};
use tombolo_api::http::{Credentials, RequestId};
use tombolo_api::sigv4::{SignedRequest, Verifier, names_service};
use tombolo_domain::id::{AccountId, IdSource, Region};
use tombolo_domain::principal::Principal;
use tombolo_domain::quota::Quotas;
use tombolo_domain::time::Clock;
use tombolo_store::Store;
use tracing::Instrument;

use crate::access_control::{AccessControl, Secrets};
use crate::blob::Blobs;
use crate::body;
use crate::error::{ObjectError, refuse};
use crate::object_service::ObjectService;
use crate::operations::S3Operations;

/// The longest XML that is read, in bytes: ten thousand parts to complete.
pub(crate) const MAX_XML_SIZE: usize = 4 << 20;

/// The parts of the server that the endpoint needs.
pub struct Backend {
    /// The Regions that credentials may be scoped to.
    pub regions: Vec<Region>,
    /// The access keys and their owners.
    pub credentials: Arc<dyn Credentials>,
    /// How much of everything an account may have.
    pub quotas: Quotas,
    /// What may be taken of the server.
    pub admission: Arc<Admission>,
    /// The records.
    pub store: Arc<dyn Store>,
    /// The files.
    pub blobs: Blobs,
    /// The server's time.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// The real time, which clients sign with; never that of a moved clock.
    pub now: fn() -> Timestamp,
}

/// Amazon S3, as far as builds need it.
pub struct Objects {
    verifier: Verifier,
    service: S3Service,
    admission: Arc<Admission>,
    ids: Arc<dyn IdSource>,
    now: fn() -> Timestamp,
}

impl Objects {
    /// S3 over what is in the backend's store.
    pub fn new(backend: Backend) -> Self {
        let mut builder = S3ServiceBuilder::new(S3Operations(ObjectService::new(
            backend.store,
            backend.quotas,
            backend.blobs,
            backend.clock,
            backend.ids.clone(),
        )));
        builder.set_auth(Secrets(backend.credentials.clone()));
        builder.set_access(AccessControl(backend.admission.clone()));
        builder.set_host(Hosts);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config()))));
        Objects {
            verifier: Verifier::new(backend.regions, backend.credentials),
            service: builder.build(),
            admission: backend.admission,
            ids: backend.ids,
            now: backend.now,
        }
    }

    /// Whether a request is for S3, by the service that its credential says to be for. Of these
    /// services only S3 has Signature Version 2, which is refused here.
    pub fn is_for(head: &Parts) -> bool {
        names_service(head, "s3") || is_version_2(head)
    }

    /// Answers one request. Every failure is a reply too.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let started = Instant::now();
        let request_id = RequestId::generate(&*self.ids).to_string();
        let span = tracing::info_span!("request", id = %request_id);
        async {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let may_be_reused = request.version() > Version::HTTP_11;
            let (account, mut response) = self.answer(request).await;
            if let Ok(value) = HeaderValue::from_str(&request_id) {
                response.headers_mut().insert("x-amz-request-id", value);
            }
            let status = response.status();
            let is_refused = status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE;
            if is_refused && !may_be_reused {
                // The rest of the body may still be arriving, and is not read.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            tracing::info!(
                %method,
                service = "s3",
                path = %path.escape_default(),
                account = account.map(tracing::field::display),
                status = response.status().as_u16(),
                duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
                "answered"
            );
            response
        }
        .instrument(span)
        .await
    }

    async fn answer(&self, request: Request<Body>) -> (Option<AccountId>, Response<Body>) {
        let (mut head, body) = request.into_parts();
        let is_head = head.method == Method::HEAD;
        let principal = match self.admit(&head).await {
            Ok(principal) => principal,
            Err(error) => {
                drop(body);
                let source = head.extensions.get().copied().unwrap_or_default();
                self.admission.refused(source, NotAdmitted::Head).await;
                return (None, without_body_if(is_head, refused_at_head(error)));
            }
        };
        let account = Some(principal.account());
        head.extensions.insert(principal);
        let (body, lacked_memory) = body::admit(&head, body, &self.admission);
        let body = s3s::Body::http_body_unsync(body);
        let response = match self.service.call(Request::from_parts(head, body)).await {
            // Whoever read the body knows only that it ended too soon.
            Ok(response) if lacked_memory.get() && !response.status().is_success() => error_reply(
                ObjectError::SlowDown,
                "Too many bodies are being received, from this address or in all. Send it again \
                 later, and fewer at once.",
            ),
            Ok(response) => response.map(Body::new),
            Err(error) => {
                let error: Box<dyn Error + Send + Sync> = error.into();
                tracing::error!(error = &*error as &(dyn Error + 'static), "answering");
                let kind = CommonError::Internal.into();
                without_body_if(is_head, error_reply(kind, "An internal error occurred."))
            }
        };
        (account, response)
    }

    /// The principal of a request, from its verified head.
    async fn admit(&self, head: &Parts) -> Result<Principal, ApiError<ObjectError>> {
        refuse_other_signatures(head)?;
        let request = SignedRequest {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            authority: head.uri.authority().map(|authority| authority.as_str()),
            headers: &head.headers,
            body: &[],
        };
        let verified = self.verifier.verify_head_for_s3(&request, (self.now)());
        Ok(verified.await?)
    }
}

/// Refuses requests that another signature than the head's would authenticate: a form with a policy
/// (which `s3s` would read into memory), and Signature Version 2.
fn refuse_other_signatures(head: &Parts) -> Result<(), ApiError<ObjectError>> {
    let is_form = |headers: &HeaderMap| {
        let kind = headers.get(header::CONTENT_TYPE);
        let kind = kind
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("multipart/")
    };
    if head.method == Method::POST && is_form(&head.headers) {
        return Err(ApiError::new(
            ObjectError::InvalidRequest,
            "Objects are put by PUT; forms with a policy are not served.",
        ));
    }
    if is_version_2(head) {
        return Err(ApiError::new(
            ObjectError::InvalidRequest,
            "Signature Version 2 is not served; sign with AWS4-HMAC-SHA256 (boto3: \
             Config(signature_version='s3v4')).",
        ));
    }
    Ok(())
}

/// Whether a request is signed as S3's clients did before 2014, which boto3 still does for links.
fn is_version_2(head: &Parts) -> bool {
    let header = head.headers.get(header::AUTHORIZATION);
    let query = head.uri.query().unwrap_or_default();
    header.is_some_and(|value| value.as_bytes().starts_with(b"AWS "))
        || query
            .split('&')
            .any(|pair| pair.starts_with("AWSAccessKeyId="))
}

/// The reply to a request that was refused at its head. What the client does not see is logged.
fn refused_at_head(error: ApiError<ObjectError>) -> Response<Body> {
    let kind = error.kind();
    let refusal = Refusal::from(error);
    if refusal.is_internal() {
        tracing::error!(
            error = &refusal as &(dyn Error + 'static),
            "admitting a request"
        );
    }
    error_reply(kind, &refusal.client_message(""))
}

/// The reply to a request that fails, in the XML that `s3s` writes of an operation's errors, too.
pub fn error_reply(kind: ObjectError, message: &str) -> Response<Body> {
    match refuse(kind, message).to_http_response() {
        Ok(response) => response.map(Body::new),
        Err(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

/// The reply to HEAD has no body (RFC 9110, 9.3.2).
fn without_body_if(is_head: bool, reply: Response<Body>) -> Response<Body> {
    if is_head {
        reply.map(|_| Body::empty())
    } else {
        reply
    }
}

fn config() -> S3Config {
    let mut config = S3Config::default();
    config.xml_max_body_size = MAX_XML_SIZE;
    config.post_object_max_file_size = 0;
    config.form_max_field_size = 0;
    config.form_max_fields_size = 0;
    config.form_max_parts = 0;
    config
}

/// Buckets in the host's name: `BUCKET.localhost`, which leads to this machine whatever the bucket
/// is called. Every other host is the server's own, with the bucket in the path.
pub(crate) struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> s3s::S3Result<VirtualHost<'a>> {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        let plain = VirtualHost::new(name);
        Ok(match name.strip_suffix(".localhost") {
            Some(bucket) if !bucket.is_empty() => plain.with_bucket(bucket),
            _ => plain,
        })
    }
}
