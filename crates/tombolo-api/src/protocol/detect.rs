//! Which protocol, service and operation a request is for.

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderMap, Method, request::Parts};

use super::form::Form;
use crate::error::{ApiError, CommonError, excerpt};
use crate::model::ServiceName;
use crate::registry::{Registry, RequestedOperation};
use crate::sigv4::{names_service, parameters};

/// The media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>
    AwsJson,
    /// <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>
    RpcCbor,
    /// <https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html>
    Ec2Query,
    /// <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>
    AwsQuery,
}

impl Protocol {
    /// The service that a request is taken to be for, when nothing else of it says so.
    pub fn usual_service(self) -> ServiceName {
        match self {
            Protocol::AwsJson | Protocol::RpcCbor => ServiceName::GameLift,
            Protocol::Ec2Query => ServiceName::Ec2,
            Protocol::AwsQuery => ServiceName::Sts,
        }
    }
}

/// What a request asks for.
#[derive(Debug)]
pub struct Call<'r, 'a> {
    /// How it is written.
    pub protocol: Protocol,
    /// Whose operation.
    pub service: ServiceName,
    /// Which operation.
    pub operation: RequestedOperation<'r>,
    /// Where the input is.
    pub input: Input<'a>,
}

/// An input that is not decoded yet.
#[derive(Debug)]
pub enum Input<'a> {
    /// A JSON text, or nothing.
    Json(&'a [u8]),
    /// A CBOR item, or nothing.
    Cbor(&'a [u8]),
    /// Parameters of a form or query.
    Form(Form),
}

/// What the head of a request asks for. The forms of EC2 and STS name their operation in the body.
#[derive(Debug)]
pub struct CallHead<'r> {
    registry: &'r Registry,
    protocol: Protocol,
    operation: Option<RequestedOperation<'r>>,
}

/// Finds out what a request asks for, as far as its head says it. Nothing of it is verified yet.
///
/// # Errors
/// The head names no operation in any of the protocols, or not in the way the protocol has it. With
/// the error comes the protocol to write it in.
pub fn detect_head<'r>(
    registry: &'r Registry,
    head: &Parts,
) -> Result<CallHead<'r>, (Protocol, ApiError)> {
    let protocol = detect_protocol(head);
    let operation = match protocol {
        Protocol::AwsJson => json(registry, head).map(Some),
        Protocol::RpcCbor => cbor(registry, head).map(Some),
        Protocol::Ec2Query | Protocol::AwsQuery if head.uri.path() == "/" => Ok(None),
        Protocol::Ec2Query | Protocol::AwsQuery => Err(no_operation(head)),
    };
    let operation = operation.map_err(|error| (protocol, error))?;
    Ok(CallHead {
        registry,
        protocol,
        operation,
    })
}

/// The protocol, as far as the head alone shows it: a form's version may still turn
/// ec2Query into awsQuery.
pub fn detect_protocol(head: &Parts) -> Protocol {
    let query = head.uri.query().unwrap_or_default();
    if head.uri.path().starts_with("/service/") || head.headers.contains_key("smithy-protocol") {
        Protocol::RpcCbor
    } else if head.headers.contains_key("x-amz-target") {
        Protocol::AwsJson
    } else if is_type(&head.headers, FORM)
        || query.split('&').any(|pair| pair.starts_with("Action="))
    {
        Protocol::Ec2Query
    } else {
        Protocol::AwsJson
    }
}

impl<'r> CallHead<'r> {
    /// The protocol in which a request is refused before its body is read. A form's own version is
    /// not known then; whose it is shows in the credential or the query.
    pub fn protocol_of_refusal(&self, head: &Parts) -> Protocol {
        let version = self.registry.models().service(ServiceName::Sts).api_version;
        let query = head.uri.query().unwrap_or_default();
        let is_for_sts = || {
            names_service(head, ServiceName::Sts.as_str())
                || parameters(query)
                    .any(|(name, value)| *name == *b"Version" && *value == *version.as_bytes())
        };
        match self.protocol {
            Protocol::Ec2Query if is_for_sts() => Protocol::AwsQuery,
            protocol => protocol,
        }
    }

    /// The operation, if the head names it.
    pub fn operation(&self) -> Option<&RequestedOperation<'r>> {
        self.operation.as_ref()
    }

    /// Whose operation it is, if the head says so.
    pub fn service(&self) -> Option<ServiceName> {
        self.operation
            .is_some()
            .then(|| self.protocol.usual_service())
    }

    /// The whole call. The service decides which credential scope the signature must have.
    ///
    /// # Errors
    /// As [`detect_head`], of the body.
    pub fn with_body<'a>(
        self,
        head: &Parts,
        body: &'a [u8],
    ) -> Result<Call<'r, 'a>, (Protocol, ApiError)> {
        let Some(operation) = self.operation else {
            return query(self.registry, head, body);
        };
        let input = match self.protocol {
            Protocol::RpcCbor => {
                // An operation without input is sent without content type.
                let untyped = body.is_empty() && !head.headers.contains_key(CONTENT_TYPE);
                if !untyped && !is_type(&head.headers, "application/cbor") {
                    let error = unsupported_type(&head.headers, "application/cbor");
                    return Err((self.protocol, error));
                }
                Input::Cbor(body)
            }
            _ => Input::Json(body),
        };
        Ok(Call {
            protocol: self.protocol,
            service: ServiceName::GameLift,
            operation,
            input,
        })
    }
}

fn json<'r>(registry: &'r Registry, head: &Parts) -> Result<RequestedOperation<'r>, ApiError> {
    let mut targets = head.headers.get_all("x-amz-target").iter();
    let target = targets.next().and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix("GameLift."));
    let ("/", Some(operation), None) = (head.uri.path(), operation, targets.next()) else {
        return Err(no_operation(head));
    };
    require_post(head)?;
    if ![
        "application/x-amz-json-1.1",
        "application/x-amz-json-1.0",
        "application/json",
    ]
    .iter()
    .any(|expected| is_type(&head.headers, expected))
    {
        return Err(unsupported_type(
            &head.headers,
            "application/x-amz-json-1.1",
        ));
    }
    Ok(registry.find(ServiceName::GameLift, operation))
}

fn cbor<'r>(registry: &'r Registry, head: &Parts) -> Result<RequestedOperation<'r>, ApiError> {
    let mut path = head.uri.path().split('/').skip(1);
    let route = (
        path.next(),
        path.next(),
        path.next(),
        path.next(),
        path.next(),
    );
    let (Some("service"), Some("GameLift"), Some("operation"), Some(operation), None) = route
    else {
        return Err(unknown_operation(format!(
            "No operation is named by the path {}. It has to be /service/GameLift/operation/<Operation>.",
            excerpt(head.uri.path())
        )));
    };
    require_post(head)?;
    let mut versions = head.headers.get_all("smithy-protocol").iter();
    let version = versions.next().map(|version| version.as_bytes());
    if version != Some(b"rpc-v2-cbor") || versions.next().is_some() {
        return Err(unknown_operation(
            "The header smithy-protocol must be there once, and be rpc-v2-cbor.",
        ));
    }
    Ok(registry.find(ServiceName::GameLift, operation))
}

fn query<'r, 'a>(
    registry: &'r Registry,
    head: &Parts,
    body: &[u8],
) -> Result<Call<'r, 'a>, (Protocol, ApiError)> {
    // A presigned request has no body, whether it is to be sent by GET or by POST.
    let form = if body.is_empty() {
        Form::read(head.uri.query().unwrap_or_default().as_bytes())
    } else if is_type(&head.headers, FORM) {
        Form::read(body)
    } else {
        Err(unsupported_type(&head.headers, FORM))
    };
    let form = form.map_err(|error| (Protocol::Ec2Query, error))?;
    let version = form.get("Version").unwrap_or_default();
    let (protocol, service) = if version == registry.models().service(ServiceName::Ec2).api_version
    {
        (Protocol::Ec2Query, ServiceName::Ec2)
    } else if version == registry.models().service(ServiceName::Sts).api_version {
        (Protocol::AwsQuery, ServiceName::Sts)
    } else {
        // EC2's clients always send EC2's version, so this one expects the other shape.
        let action = excerpt(form.get("Action").unwrap_or_default());
        let error = unknown_operation(format!(
            "Could not find operation {action} for version {}",
            excerpt(version)
        ));
        return Err((Protocol::AwsQuery, error));
    };
    let Some(operation) = form.get("Action") else {
        let error = unknown_operation("The request must contain the parameter Action.");
        return Err((protocol, error));
    };
    Ok(Call {
        protocol,
        service,
        operation: registry.find(service, operation),
        input: Input::Form(form),
    })
}

fn require_post(head: &Parts) -> Result<(), ApiError> {
    if head.method == Method::POST {
        return Ok(());
    }
    Err(unknown_operation(format!(
        "Operations are called by POST, not {}.",
        excerpt(head.method.as_str())
    )))
}

/// Whether the media type is `expected`, whatever its parameters.
fn is_type(headers: &HeaderMap, expected: &str) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = value.map(|value| value.split(';').next().unwrap_or_default().trim());
    media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case(expected))
}

fn no_operation(head: &Parts) -> ApiError {
    unknown_operation(format!(
        "No operation is named by {} {}. GameLift takes POST / with \
         X-Amz-Target: GameLift.<Operation>, EC2 and STS take a form at / with Action and Version.",
        excerpt(head.method.as_str()),
        excerpt(head.uri.path())
    ))
}

fn unknown_operation(message: impl Into<String>) -> ApiError {
    ApiError::new(CommonError::UnknownOperation, message)
}

fn unsupported_type(headers: &HeaderMap, expected: &str) -> ApiError {
    let message = match headers.get(CONTENT_TYPE) {
        Some(given) => format!(
            "Content-Type must be {expected}, not '{}'.",
            excerpt(&String::from_utf8_lossy(given.as_bytes()))
        ),
        None => format!("Content-Type must be {expected}; there is none."),
    };
    ApiError::new(CommonError::UnsupportedMediaType, message)
}
