//! Signed calls as one account, over the wire.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use jiff::SignedDuration;
use serde_json::Value;

use crate::http::{self, Request, Response};
use crate::sigv4::{Signer, encode};
use crate::xml::Xml;

/// One account's keys, and where to use them.
#[derive(Debug, Clone)]
pub struct Client {
    /// Where the server listens.
    pub server: SocketAddr,
    /// The account, 12 digits.
    pub account: String,
    /// Signs for GameLift.
    pub signer: Signer,
}

/// Why a call did not do what it says.
#[derive(Debug)]
pub enum CallError {
    /// The server answered with an error.
    Refused(Refusal),
    /// No answer came: nobody knows what the server did.
    Lost(io::Error),
}

/// An error as the client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The code without namespace, such as `NotFoundException`.
    pub code: String,
    /// The sentence for the caller.
    pub message: String,
}

/// EC2's version, which is how a query is told to be EC2's.
const EC2_VERSION: &str = "2016-11-15";
const STS_VERSION: &str = "2011-06-15";

impl Client {
    /// Calls a GameLift operation in JSON.
    ///
    /// # Errors
    /// The server refuses, or does not answer.
    pub fn gamelift(&self, operation: &str, input: &Value) -> Result<Value, CallError> {
        let request = self.gamelift_request(operation, &input.to_string());
        let response = self.send(&self.signer.sign(request))?;
        if response.status != 200 {
            return Err(CallError::Refused(json_refusal(&response)));
        }
        match response.body.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_slice(&response.body).map_err(not_readable),
        }
    }

    /// Calls an EC2 action with these parameters.
    ///
    /// # Errors
    /// The server refuses, or does not answer.
    pub fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Xml, CallError> {
        self.query("ec2", EC2_VERSION, action, parameters)
    }

    /// Calls an STS action.
    ///
    /// # Errors
    /// The server refuses, or does not answer.
    pub fn sts(&self, action: &str) -> Result<Xml, CallError> {
        self.query("sts", STS_VERSION, action, &[])
    }

    /// A GameLift request in JSON, not yet signed.
    pub fn gamelift_request(&self, operation: &str, body: &str) -> Request {
        Request::new("POST", "/")
            .header("host", &self.server.to_string())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", &format!("GameLift.{operation}"))
            .body(body)
    }

    /// A GameLift request in CBOR, not yet signed.
    pub fn cbor_request(&self, operation: &str, body: &[u8]) -> Request {
        let target = format!("/service/GameLift/operation/{operation}");
        Request::new("POST", &target)
            .header("host", &self.server.to_string())
            .header("smithy-protocol", "rpc-v2-cbor")
            .header("content-type", "application/cbor")
            .header("accept", "application/cbor")
            .body(body)
    }

    /// A query request, not yet signed.
    pub fn query_request(
        &self,
        version: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Request {
        let mut form = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            form.push_str(&format!("&{}={}", encode(name), encode(value)));
        }
        Request::new("POST", "/")
            .header("host", &self.server.to_string())
            .header(
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            )
            .body(form)
    }

    /// An EC2 request, not yet signed.
    pub fn ec2_request(&self, action: &str, parameters: &[(&str, &str)]) -> Request {
        self.query_request(EC2_VERSION, action, parameters)
    }

    /// An STS request, not yet signed.
    pub fn sts_request(&self, action: &str) -> Request {
        self.query_request(STS_VERSION, action, &[])
    }

    /// The same keys, for another service's scope.
    pub fn signer_for(&self, service: &str) -> Signer {
        Signer {
            service: service.to_owned(),
            ..self.signer.clone()
        }
    }

    /// The same keys, in another Region.
    pub fn in_region(&self, region: &str) -> Client {
        let mut other = self.clone();
        other.signer.region = region.to_owned();
        other
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// No answer came.
    pub fn send(&self, request: &Request) -> Result<Response, CallError> {
        http::send(self.server, request).map_err(CallError::Lost)
    }

    fn query(
        &self,
        service: &str,
        version: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Xml, CallError> {
        let request = self.query_request(version, action, parameters);
        let response = self.send(&self.signer_for(service).sign(request))?;
        match response.status {
            200 => Ok(Xml(response.text())),
            _ => Err(CallError::Refused(xml_refusal(&response))),
        }
    }

    /// Keys for GameLift that do not skew time.
    pub fn new(
        server: SocketAddr,
        region: &str,
        account: &str,
        access_key_id: &str,
        secret_access_key: &str,
    ) -> Self {
        Client {
            server,
            account: account.to_owned(),
            signer: Signer {
                access_key_id: access_key_id.to_owned(),
                secret_access_key: secret_access_key.to_owned(),
                region: region.to_owned(),
                service: "gamelift".to_owned(),
                skew: SignedDuration::ZERO,
            },
        }
    }
}

impl CallError {
    /// What the server said.
    ///
    /// # Panics
    /// It said nothing.
    #[track_caller]
    pub fn refusal(self) -> Refusal {
        match self {
            CallError::Refused(refusal) => refusal,
            CallError::Lost(error) => panic!("no answer: {error}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.message)
    }
}

/// Reads an error of AWS's JSON protocols.
///
/// # Panics
/// It is none.
#[track_caller]
pub fn json_refusal(response: &Response) -> Refusal {
    let body: Value = serde_json::from_slice(&response.body)
        .unwrap_or_else(|error| panic!("{error} in the error {:?}", response.text()));
    let text = |name: &str| body[name].as_str().map(ToOwned::to_owned);
    let code = text("__type").unwrap_or_else(|| panic!("no __type in {body}"));
    Refusal {
        status: response.status,
        code: without_namespace(&code),
        message: text("Message")
            .or_else(|| text("message"))
            .unwrap_or_default(),
    }
}

/// Reads an error of the query protocols, EC2's and STS's.
///
/// # Panics
/// It is none.
#[track_caller]
pub fn xml_refusal(response: &Response) -> Refusal {
    let xml = Xml(response.text());
    Refusal {
        status: response.status,
        code: xml.text("Code"),
        message: xml.text("Message"),
    }
}

/// `com.amazonaws.gamelift#X:http…` is `X`.
pub fn without_namespace(code: &str) -> String {
    let code = code.rsplit('#').next().unwrap_or(code);
    code.split(':').next().unwrap_or(code).to_owned()
}

fn not_readable(error: serde_json::Error) -> CallError {
    CallError::Lost(io::Error::new(io::ErrorKind::InvalidData, error))
}
