//! One request's way, with the id that ties its reply to its log lines: head, body, protocol,
//! signature, input, operation, reply.

use std::error::Error;
use std::fmt;
use std::str::EscapeDefault;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::request::Parts;
use ::http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::State;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use tombolo_domain::error_chain;
use tombolo_domain::id::{AccountId, IdSource, Region};
use tracing::Instrument;
use uuid::Uuid;

use super::credentials::Credentials;
use crate::admission::{ActionClass, Admission, BodyReservation, NotAdmitted};
use crate::error::{ApiError, CommonError, Refusal, excerpt};
use crate::model::{Models, ServiceName, validate};
use crate::operation::Dispatch;
use crate::protocol::{self, Encoded, Protocol};
use crate::registry::{Registry, RegistryError, RequestedOperation, Served, refuse};
use crate::sigv4::{SignedRequest, Verifier};

/// The most bytes of a body that are read.
pub const MAX_BODY: usize = 1 << 20;

/// How long a body may take to arrive: a client that sends a byte a minute must not hold its
/// connection for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What the API needs from the rest of the server.
pub struct Backend {
    /// The Regions that credentials may be scoped to.
    pub regions: Vec<Region>,
    /// Who the access keys belong to.
    pub credentials: Arc<dyn Credentials>,
    /// The operations.
    pub dispatch: Arc<dyn Dispatch>,
    /// What may be taken of the server.
    pub admission: Arc<Admission>,
    /// Where request ids come from.
    pub ids: Arc<dyn IdSource>,
    /// The real time, which clients sign with; never a rehearsal's.
    pub now: fn() -> Timestamp,
}

/// The API: all services and protocols on one port.
pub struct Api {
    registry: Registry,
    verifier: Verifier,
    dispatch: Arc<dyn Dispatch>,
    admission: Arc<Admission>,
    ids: Arc<dyn IdSource>,
    now: fn() -> Timestamp,
}

/// What is known of a request so far, for its reply and its log line.
struct Progress<'r> {
    protocol: Protocol,
    service: ServiceName,
    operation: Option<RequestedOperation<'r>>,
    account: Option<AccountId>,
    /// Whether some of the body may still be arriving.
    is_body_unread: bool,
}

impl Api {
    /// Joins operations and models.
    ///
    /// # Errors
    /// A model that is compiled in has something that this build cannot handle, or is not of the
    /// operations that are served.
    pub fn new(backend: Backend) -> Result<Self, RegistryError> {
        Ok(Api {
            registry: Registry::load()?,
            verifier: Verifier::new(backend.regions, backend.credentials),
            dispatch: backend.dispatch,
            admission: backend.admission,
            ids: backend.ids,
            now: backend.now,
        })
    }

    /// The models that the API serves.
    pub fn models(&self) -> &Models {
        self.registry.models()
    }

    /// Answers one request. Every failure is a reply too.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: HttpBody,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let started = Instant::now();
        let request_id = RequestId::generate(&*self.ids).to_string();
        let span = tracing::info_span!("request", id = %request_id);
        self.answer(request, request_id, started)
            .instrument(span)
            .await
    }

    async fn answer<B>(
        &self,
        request: Request<B>,
        request_id: String,
        started: Instant,
    ) -> Response<Full<Bytes>>
    where
        B: HttpBody,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        if head.method == Method::GET && head.uri.path() == "/health" {
            return health(&request_id);
        }
        let mut progress = Progress::new(protocol::detect_protocol(&head), !body.is_end_stream());
        let outcome = self.call(&head, body, &request_id, &mut progress).await;
        let (status, error, encoded) = match outcome {
            Ok(encoded) => (StatusCode::OK, None, encoded),
            Err(refusal) => {
                progress.log(&refusal);
                let wire = refusal.wire();
                let status = StatusCode::from_u16(wire.status);
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let encoded = protocol::error(progress.protocol, &refusal, &request_id);
                (status, Some(wire.code), encoded)
            }
        };
        tracing::info!(
            method = %head.method,
            service = %progress.service,
            operation = %progress.operation(),
            account = progress.account.map(tracing::field::display),
            status = status.as_u16(),
            error,
            duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
        let mut response = reply(status, progress.protocol, encoded, &request_id);
        if progress.is_body_unread && head.version <= Version::HTTP_11 {
            // The rest of the body may still be arriving, and is not read.
            insert(&mut response, header::CONNECTION.as_str(), "close");
        }
        response
    }

    async fn call<'r, B>(
        &'r self,
        head: &Parts,
        body: B,
        request_id: &str,
        progress: &mut Progress<'r>,
    ) -> Result<Encoded, Refusal>
    where
        B: HttpBody,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let call = protocol::detect_head(&self.registry, head);
        let call = call.map_err(|(protocol, error)| progress.refuse(protocol, error))?;
        progress.operation = call.operation().cloned();
        let source = head.extensions.get().copied().unwrap_or_default();
        let unread = signed(head, &[]);
        let now = (self.now)();
        let claim = match self.verifier.check_head(&unread, call.service(), now).await {
            Ok(claim) => claim,
            Err(error) => {
                drop(body);
                self.admission.refused(source, NotAdmitted::Head).await;
                return Err(progress.refuse(call.protocol_of_refusal(head), error));
            }
        };
        let mut reservation = self.admission.bodies().reserve(source);
        let body = match read(body, &mut reservation).await {
            Ok(body) => body,
            Err(error) => {
                if error.kind() == CommonError::Throttling {
                    self.admission.count(NotAdmitted::Body);
                }
                return Err(progress.refuse(call.protocol_of_refusal(head), error));
            }
        };
        progress.is_body_unread = false;
        let call = call.with_body(head, &body);
        let call = call.map_err(|(protocol, error)| progress.refuse(protocol, error))?;
        let service = call.service;
        let refuse = |error| refuse(service, error);
        progress.protocol = call.protocol;
        progress.service = call.service;
        let named = progress.operation.insert(call.operation);

        let request = signed(head, &body);
        let verified = self.verifier.verify(&request, claim, service).await;
        let class = match &*named {
            RequestedOperation::Served(served) => served.operation.class,
            RequestedOperation::Unknown(_) => ActionClass::NonMutating,
        };
        let principal = match verified {
            Ok(principal) => principal,
            Err(error) => {
                drop(call.input);
                drop((body, reservation));
                let what = NotAdmitted::Signature;
                self.admission.refused(source, what).await;
                return Err(refuse(error));
            }
        };
        progress.account = Some(principal.account());
        if let Err(error) = self.admission.admit(principal.scope(), class) {
            drop(call.input);
            drop((body, reservation));
            self.admission.pause().await;
            return Err(refuse(error));
        }

        let model = self.models().service(service);
        let Served {
            operation,
            model: of_operation,
        } = self.served(service, named).map_err(refuse)?;

        let input = protocol::decode(model, of_operation, &call.input).map_err(refuse)?;
        if let Some(shape) = of_operation.input {
            validate(model, shape, &input).map_err(refuse)?;
        }
        let output = self.dispatch.call(operation, &principal, input).await?;
        protocol::output(call.protocol, model, of_operation, &output, request_id)
            .map_err(|error| refuse(ApiError::internal("writing the output", error)))
    }

    /// The operation that is called, if it is one that is served.
    fn served<'r>(
        &self,
        service: ServiceName,
        named: &RequestedOperation<'r>,
    ) -> Result<&'r Served, ApiError> {
        let name = match named {
            RequestedOperation::Served(served) => return Ok(served),
            RequestedOperation::Unknown(name) => name,
        };
        let is_unserved = self.models().service(service).is_unserved(name);
        let name = excerpt(name);
        if is_unserved {
            return Err(ApiError::new(
                CommonError::NotServed,
                format!("Tombolo does not serve {name} of {service}."),
            ));
        }
        let message = match service {
            ServiceName::GameLift => format!("GameLift has no operation {name}."),
            ServiceName::Ec2 | ServiceName::Sts => {
                format!("The action {name} is not valid for this web service.")
            }
        };
        Err(ApiError::new(CommonError::UnknownOperation, message))
    }
}

/// The request as `sigv4` reads it.
fn signed<'a>(head: &'a Parts, body: &'a [u8]) -> SignedRequest<'a> {
    SignedRequest {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        authority: head.uri.authority().map(|authority| authority.as_str()),
        headers: &head.headers,
        body,
    }
}

impl Progress<'_> {
    fn new(protocol: Protocol, is_body_unread: bool) -> Self {
        Progress {
            protocol,
            service: protocol.usual_service(),
            operation: None,
            account: None,
            is_body_unread,
        }
    }

    /// What is wrong with the request, before its service is known for certain.
    fn refuse(&mut self, protocol: Protocol, error: ApiError) -> Refusal {
        self.protocol = protocol;
        self.service = protocol.usual_service();
        refuse(self.service, error)
    }

    /// The operation as a line of the log shows it, escaped: the caller may have written anything.
    fn operation(&self) -> EscapeDefault<'_> {
        let name = self
            .operation
            .as_ref()
            .map_or("", RequestedOperation::as_str);
        excerpt(name).escape_default()
    }

    /// Logs what the client does not see of a request that failed.
    fn log(&self, error: &Refusal) {
        if error.is_internal() {
            tracing::error!(
                service = %self.service,
                operation = %self.operation(),
                "{}",
                error_chain(error)
            );
        } else {
            tracing::debug!(code = error.wire().code, "{error}");
        }
    }
}

/// Reads the body, if it is not longer than [`MAX_BODY`] and there is memory for it.
async fn read<B>(body: B, reservation: &mut BodyReservation) -> Result<Bytes, ApiError>
where
    B: HttpBody,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIMEOUT, collect(body, reservation)).await {
        Ok(collected) => collected,
        Err(_) => Err(ApiError::new(
            CommonError::Serialization,
            format!(
                "The body did not arrive within {} seconds.",
                BODY_TIMEOUT.as_secs()
            ),
        )),
    }
}

/// Collects the body in one buffer, which grows with what has arrived: what a client only announces
/// takes no memory, and pieces of a few bytes each take no more than they are. A body that is there at
/// once is never waited for, and takes nothing of the budget.
async fn collect<B>(body: B, reservation: &mut BodyReservation) -> Result<Bytes, ApiError>
where
    B: HttpBody,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut body = std::pin::pin!(body);
    let mut collected = Bytes::new();
    let mut buffer = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::new(
                CommonError::Serialization,
                format!("The body could not be read to its end: {}", error.into()),
            )
        })?;
        // What are not data are trailers, which nobody signs and no operation reads.
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        let length = buffer.len() + collected.len() + data.remaining();
        if length > MAX_BODY {
            return Err(too_large());
        }
        let is_first = buffer.is_empty() && collected.is_empty();
        if is_first && body.is_end_stream() {
            return Ok(data.copy_to_bytes(data.remaining()));
        }
        let capacity = match is_first || length <= buffer.capacity() {
            true => length.max(buffer.capacity()),
            false => (2 * length).min(MAX_BODY),
        };
        if !reservation.resize(capacity) {
            return Err(ApiError::new(
                CommonError::Throttling,
                "Too many bodies are being received, from this address or in all. Send it again \
                 later, and fewer at once.",
            ));
        }
        if is_first {
            collected = data.copy_to_bytes(data.remaining());
            continue;
        }
        buffer.reserve(capacity - buffer.len());
        buffer.extend_from_slice(&std::mem::take(&mut collected));
        buffer.put(data);
    }
    if buffer.is_empty() {
        return Ok(collected);
    }
    Ok(buffer.freeze())
}

fn too_large() -> ApiError {
    ApiError::new(
        CommonError::RequestTooLarge,
        format!("The body is longer than {MAX_BODY} bytes, the most that is read."),
    )
}

fn health(request_id: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"ok")));
    insert(&mut response, header::CONTENT_TYPE.as_str(), "text/plain");
    insert(&mut response, "x-amzn-requestid", request_id);
    response
}

fn reply(
    status: StatusCode,
    protocol: Protocol,
    encoded: Encoded,
    request_id: &str,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(encoded.body)));
    *response.status_mut() = status;
    insert(
        &mut response,
        header::CONTENT_TYPE.as_str(),
        encoded.content_type,
    );
    insert(&mut response, "x-amzn-requestid", request_id);
    if protocol == Protocol::RpcCbor {
        insert(&mut response, "smithy-protocol", "rpc-v2-cbor");
    }
    response
}

fn insert(response: &mut Response<Full<Bytes>>, name: &'static str, value: &str) {
    // Request ids and media types are ASCII, so that this never skips one.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A request's id: a UUID (RFC 9562), version 4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new id.
    pub fn generate(ids: &dyn IdSource) -> Self {
        RequestId(ids.uuid())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A router that answers every request with `api`, `GET /health` included. It has one fallback,
/// because the path does not tell the protocol.
pub fn router(api: Arc<Api>) -> Router {
    Router::new().fallback(answer).with_state(api)
}

async fn answer(State(api): State<Arc<Api>>, request: Request<Body>) -> Response<Body> {
    api.handle(request).await.map(Body::new)
}
