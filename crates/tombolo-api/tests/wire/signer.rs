//! Requests of each protocol, signed, with every part of them open to be spoiled.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use tombolo_testkit::sigv4::{self, CanonicalRequest, SigningKey};

/// An access key that the tests' server knows.
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// Its secret.
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// A temporary credential's access key, which has the same secret.
pub(crate) const TEMPORARY_KEY: &str = "ASIAIOSFODNN7EXAMPLE";
/// One whose time is over.
pub(crate) const EXPIRED_KEY: &str = "ASIAEXPIREDN7EXAMPLE";
/// The session token of both.
pub(crate) const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLETOKEN/+==";
/// The time at the tests' server.
pub(crate) const NOW: &str = "20261122T143000Z";

/// A request to be signed, and with what.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    /// All headers except host and x-amz-date; all of them are signed.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) access_key: String,
    pub(crate) secret: String,
    pub(crate) date: String,
    /// The scope's day; that of `date` if none.
    pub(crate) day: Option<String>,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl Draft {
    fn new(service: &str) -> Self {
        Draft {
            method: Method::POST,
            path: "/".into(),
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            access_key: ACCESS_KEY.into(),
            secret: SECRET.into(),
            date: NOW.into(),
            day: None,
            region: "us-west-2".into(),
            service: service.into(),
        }
    }

    /// A GameLift call as boto3 writes it.
    pub(crate) fn json(operation: &str, body: impl Into<Vec<u8>>) -> Self {
        Draft {
            body: body.into(),
            ..Self::new("gamelift")
        }
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", &format!("GameLift.{operation}"))
    }

    /// A GameLift call as the Rust SDK writes it.
    pub(crate) fn cbor(operation: &str, body: impl Into<Vec<u8>>) -> Self {
        Draft {
            path: format!("/service/GameLift/operation/{operation}"),
            body: body.into(),
            ..Self::new("gamelift")
        }
        .header("accept", "application/cbor")
        .header("content-type", "application/cbor")
        .header("smithy-protocol", "rpc-v2-cbor")
    }

    /// An EC2 call: the form without action and version.
    pub(crate) fn ec2(operation: &str, form: &str) -> Self {
        let separator = if form.is_empty() { "" } else { "&" };
        Self::form(
            "ec2",
            format!("Action={operation}&Version=2016-11-15{separator}{form}"),
        )
    }

    /// An STS call.
    pub(crate) fn sts(operation: &str) -> Self {
        Self::form("sts", format!("Action={operation}&Version=2011-06-15"))
    }

    /// A form, whatever is in it.
    pub(crate) fn form(service: &str, form: impl Into<Vec<u8>>) -> Self {
        Draft {
            body: form.into(),
            ..Self::new(service)
        }
        .header(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self
    }

    /// The request with an Authorization header.
    pub(crate) fn sign(&self) -> Signed {
        let mut headers = self.headers.clone();
        headers.push(("host".into(), "localhost:8000".into()));
        headers.push(("x-amz-date".into(), self.date.clone()));
        headers.sort();
        let authorization = self.with_canonical(&self.query, &headers, |key, canonical| {
            key.authorization(canonical)
        });
        headers.push(("authorization".into(), authorization));
        Signed {
            method: self.method.clone(),
            target: self.target(&self.query),
            headers,
            body: self.body.clone(),
        }
    }

    /// The request with its signature in the query, valid for `expires` seconds.
    pub(crate) fn presign(&self, expires: &str) -> Signed {
        let mut headers = self.headers.clone();
        headers.push(("host".into(), "localhost:8000".into()));
        headers.sort();
        let (credential, names) = self.with_canonical("", &headers, |key, canonical| {
            (key.credential(), canonical.signed_headers())
        });
        let mut parameters: Vec<String> = self
            .query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(str::to_owned)
            .collect();
        parameters.extend([
            format!("X-Amz-Algorithm={}", sigv4::ALGORITHM),
            format!("X-Amz-Credential={}", credential.replace('/', "%2F")),
            format!("X-Amz-Date={}", self.date),
            format!("X-Amz-Expires={expires}"),
            format!("X-Amz-SignedHeaders={}", names.replace(';', "%3B")),
        ]);
        parameters.sort();
        let query = parameters.join("&");
        let signature =
            self.with_canonical(&query, &headers, |key, canonical| key.signature(canonical));
        Signed {
            method: self.method.clone(),
            target: self.target(&format!("{query}&X-Amz-Signature={signature}")),
            headers,
            body: self.body.clone(),
        }
    }

    fn target(&self, query: &str) -> String {
        if query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{query}", self.path)
        }
    }

    /// Does something with the key, and with what is signed.
    fn with_canonical<T>(
        &self,
        query: &str,
        headers: &[(String, String)],
        work: impl FnOnce(&SigningKey<'_>, &CanonicalRequest<'_>) -> T,
    ) -> T {
        let key = SigningKey {
            access_key_id: &self.access_key,
            secret_access_key: &self.secret,
            time: &self.date,
            day: self.day.as_deref().unwrap_or(&self.date[..8]),
            region: &self.region,
            service: &self.service,
        };
        let canonical = CanonicalRequest {
            method: self.method.as_str(),
            path: &self.path,
            query,
            headers,
            payload: &sigv4::hash(&self.body),
        };
        work(&key, &canonical)
    }
}

/// A signed request, still open to be spoiled.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Signed {
    /// Changes a header.
    pub(crate) fn with(mut self, name: &str, change: impl Fn(&str) -> String) -> Self {
        for (header, value) in &mut self.headers {
            if header == name {
                *value = change(value);
            }
        }
        self
    }

    /// Adds a header that is not signed.
    pub(crate) fn plus(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Takes a header away.
    pub(crate) fn minus(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self
    }

    /// As the server's HTTP library would give it; none if that would not take it.
    pub(crate) fn request(&self) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.target.as_str())
            .body(Full::from(self.body.clone()))
            .ok()?;
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
            request.headers_mut().append(name, value);
        }
        Some(request)
    }
}
