//! A small client of the API, which signs as every AWS SDK does. The demo uses it; an SDK would
//! be most of the binary.

mod sign;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::net::TcpStream;

pub(crate) use sign::AccessKey;

/// A caller of one server in one Region.
pub(crate) struct AwsClient {
    /// `127.0.0.1:4580`
    authority: String,
    region: String,
    key: AccessKey,
}

/// A refusal of the API, with its code.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {code}: {message}")]
pub(crate) struct Refused {
    /// What was asked.
    pub(crate) operation: String,
    /// The error's code.
    pub(crate) code: String,
    /// The error's message.
    pub(crate) message: String,
}

impl AwsClient {
    /// A caller with `key`. `endpoint` must speak plain HTTP.
    pub(crate) fn new(endpoint: &str, region: &str, key: AccessKey) -> Result<Self> {
        let authority = endpoint
            .strip_prefix("http://")
            .with_context(|| format!("the endpoint {endpoint} is not plain HTTP"))?;
        Ok(AwsClient {
            authority: authority.to_owned(),
            region: region.to_owned(),
            key,
        })
    }

    /// Calls an operation of GameLift.
    pub(crate) async fn gamelift(&self, operation: &str, input: Value) -> Result<Value> {
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", format!("GameLift.{operation}"));
        let (status, body) = self.send("gamelift", request, input.to_string()).await?;
        if status == StatusCode::OK && body.is_empty() {
            return Ok(Value::Null);
        }
        let output: Value = serde_json::from_slice(&body)
            .with_context(|| format!("understanding the answer to {operation}"))?;
        if status == StatusCode::OK {
            return Ok(output);
        }
        let member = |names: [&str; 2]| {
            let text = names.iter().find_map(|name| output[name].as_str());
            text.unwrap_or_default().to_owned()
        };
        let code = member(["__type", "code"]);
        bail!(Refused {
            operation: operation.to_owned(),
            code: code.rsplit('#').next().unwrap_or_default().to_owned(),
            message: member(["message", "Message"]),
        })
    }

    /// Calls an operation of EC2 and gives its XML.
    pub(crate) async fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let mut form = format!("Action={action}&Version=2016-11-15");
        for (name, value) in parameters {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            form.push_str(&format!("&{name}={value}"));
        }
        let request = Request::post("/").header(
            header::CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        let (status, body) = self.send("ec2", request, form).await?;
        let xml = String::from_utf8(body.into()).context("reading EC2's answer")?;
        if status == StatusCode::OK {
            return Ok(xml);
        }
        let text = |name| element(&xml, name).unwrap_or_default().to_owned();
        bail!(Refused {
            operation: action.to_owned(),
            code: text("Code"),
            message: text("Message"),
        })
    }

    async fn send(
        &self,
        service: &str,
        request: http::request::Builder,
        body: String,
    ) -> Result<(StatusCode, Bytes)> {
        let request = request
            .header(header::HOST, &self.authority)
            .body(Full::new(Bytes::from(body.clone())))?;
        let now = crate::server::real_now();
        let request = self
            .key
            .sign(request, body.as_bytes(), &self.region, service, now)?;

        let stream = TcpStream::connect(&self.authority)
            .await
            .with_context(|| format!("connecting to {}", self.authority))?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driven = tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        driven.abort();
        Ok((status, body))
    }
}

/// The text of the first element of that name in an answer of this server's, which has neither
/// attributes nor escapes where it is used: ids and codes.
pub(crate) fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}
