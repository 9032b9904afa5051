//! From undecoded input to document, and from output or error to the bytes of a reply.

use serde_json::{Map, Value};

use super::detect::{Input, Protocol};
use super::output_shape::EncodeError;
use super::xml::Xml;
use super::{cbor, json};
use crate::error::{ApiError, Refusal};
use crate::model::{Document, Kind, OperationModel, Service, Shape};

/// The body of a reply.
#[derive(Debug)]
pub struct Encoded {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// Decodes the input of `operation`.
///
/// # Errors
/// [`CommonError::Serialization`](crate::error::CommonError::Serialization) for bytes that the
/// protocol cannot read.
pub fn decode(
    service: &Service,
    operation: &OperationModel,
    input: &Input<'_>,
) -> Result<Document, ApiError> {
    match (input, operation.input) {
        (Input::Json(body), _) => json::decode(body),
        (Input::Cbor(body), _) => cbor::decode(body),
        (Input::Form(form), Some(shape)) => form.document(service, shape),
        (Input::Form(_), None) => Ok(Value::Object(Map::new())),
    }
}

/// Writes what an operation answered.
///
/// # Errors
/// The output does not fit the operation's output shape.
pub fn output(
    protocol: Protocol,
    service: &Service,
    operation: &OperationModel,
    output: &Document,
    request_id: &str,
) -> Result<Encoded, EncodeError> {
    let body = match (protocol, operation.output) {
        (Protocol::AwsJson, Some(shape)) if !is_empty(service.shape(shape)) => {
            let mut body = Vec::with_capacity(512);
            json::encode(service, shape, output, &mut body)?;
            body
        }
        // "HTTP 200 response with an empty HTTP body", says GameLift's API reference.
        (Protocol::AwsJson, _) => Vec::new(),
        (Protocol::RpcCbor, Some(shape)) => cbor::encode(service, shape, output)?,
        (Protocol::RpcCbor, None) => cbor::empty()?,
        (Protocol::Ec2Query, shape) => {
            let response = format!("{}Response", operation.name);
            let mut xml = Xml::new();
            // EC2's replies have a slash that its model lacks.
            let namespace = format!("{}/", service.xml_namespace.trim_end_matches('/'));
            xml.open(&response, Some(&namespace));
            xml.leaf("requestId", request_id);
            match shape {
                Some(shape) => xml.value(service, shape, output)?,
                None => xml.leaf("return", "true"),
            }
            xml.close(&response);
            xml.into_bytes()
        }
        (Protocol::AwsQuery, shape) => {
            let response = format!("{}Response", operation.name);
            let result = format!("{}Result", operation.name);
            let mut xml = Xml::new();
            xml.open(&response, Some(service.xml_namespace));
            if let Some(shape) = shape {
                xml.open(&result, None);
                xml.value(service, shape, output)?;
                xml.close(&result);
            }
            xml.open("ResponseMetadata", None);
            xml.leaf("RequestId", request_id);
            xml.close("ResponseMetadata");
            xml.close(&response);
            xml.into_bytes()
        }
    };
    Ok(Encoded {
        content_type: content_type(protocol),
        body,
    })
}

/// Writes an error.
pub fn error(protocol: Protocol, error: &Refusal, request_id: &str) -> Encoded {
    let wire = error.wire();
    let message = error.client_message(request_id);
    let body = match protocol {
        Protocol::AwsJson => serde_json::json!({ "__type": wire.code, "Message": message })
            .to_string()
            .into_bytes(),
        Protocol::RpcCbor => {
            let kind = format!("com.amazonaws.gamelift#{}", wire.code);
            // Writing two texts to memory does not fail; if it did, the client would still get the
            // status.
            cbor::error(&kind, &message).unwrap_or_default()
        }
        Protocol::Ec2Query => {
            let mut xml = Xml::new();
            xml.open("Response", None);
            xml.open("Errors", None);
            xml.open("Error", None);
            xml.leaf("Code", wire.code);
            xml.leaf("Message", &message);
            xml.close("Error");
            xml.close("Errors");
            // Spelled differently from the requestId of EC2's good replies.
            xml.leaf("RequestID", request_id);
            xml.close("Response");
            xml.into_bytes()
        }
        Protocol::AwsQuery => {
            let blame = if wire.status < 500 {
                "Sender"
            } else {
                "Receiver"
            };
            let mut xml = Xml::new();
            xml.open(
                "ErrorResponse",
                Some("https://sts.amazonaws.com/doc/2011-06-15/"),
            );
            xml.open("Error", None);
            xml.leaf("Type", blame);
            xml.leaf("Code", wire.code);
            xml.leaf("Message", &message);
            xml.close("Error");
            xml.leaf("RequestId", request_id);
            xml.close("ErrorResponse");
            xml.into_bytes()
        }
    };
    Encoded {
        content_type: content_type(protocol),
        body,
    }
}

fn content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::AwsJson => "application/x-amz-json-1.1",
        Protocol::RpcCbor => "application/cbor",
        Protocol::Ec2Query | Protocol::AwsQuery => "text/xml;charset=UTF-8",
    }
}

fn is_empty(shape: &Shape) -> bool {
    matches!(&shape.kind, Kind::Structure(structure) if structure.members.is_empty())
}
