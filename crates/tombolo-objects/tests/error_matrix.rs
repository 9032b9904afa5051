//! The error matrix: what a client of each service reads, in each protocol, for every kind of error.
//!
//! Codes and statuses are those of rendered replies: a signed request to the API whose operations
//! refuse so, and for S3 the reply that its endpoint and `s3s` both write.
//!
//! `error_matrix.txt` is the committed answer. A line that changes is a code or a status that some
//! client's `except` no longer catches.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panic"
)]

use std::error::Error;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::Value;
use tombolo_api::ec2::Ec2Error;
use tombolo_api::error::{ApiError, Refusal, ServiceError};
use tombolo_api::gamelift::GameLiftError;
use tombolo_api::http::{Api, Backend, Credentials};
use tombolo_api::operation::{Dispatch, Operation};
use tombolo_api::protocol::Protocol;
use tombolo_api::sts::StsError;
use tombolo_domain::Scope;
use tombolo_domain::id::AccessKeyId;
use tombolo_domain::object::Bucket;
use tombolo_domain::principal::{Credential, Identity, Principal};
use tombolo_domain::quota::Quotas;
use tombolo_objects::{Blobs, ObjectError, Objects, error_reply};
use tombolo_testkit::SeededIds;
use tombolo_testkit::server::{HOME, Server};
use tombolo_testkit::sigv4::{self, CanonicalRequest, SigningKey};

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SIGNED_AT: &str = "20261122T143000Z";

async fn matrix() -> String {
    let gamelift = GameLiftError::all();
    let api = RefusingApi::new();
    let mut lines = Vec::new();
    lines.extend(api.lines("gamelift", Protocol::AwsJson, &gamelift).await);
    lines.extend(api.lines("gamelift", Protocol::RpcCbor, &gamelift).await);
    let ec2 = Ec2Error::all();
    lines.extend(api.lines("ec2", Protocol::Ec2Query, &ec2).await);
    let sts = StsError::all();
    lines.extend(api.lines("sts", Protocol::AwsQuery, &sts).await);
    for kind in ObjectError::all() {
        let (status, body) = read(error_reply(kind, "why")).await;
        lines.push(line("s3", "RestXml", &kind, status, between(&body, CODE)));
    }
    lines.sort();
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// The API, whose operations refuse.
struct RefusingApi {
    api: Api,
    next: Arc<Refusing>,
}

/// What the next operation answers.
#[derive(Default)]
struct Refusing(Mutex<Option<Refusal>>);

#[async_trait]
impl Dispatch for Refusing {
    async fn call(&self, _: &'static Operation, _: &Principal, _: Value) -> Result<Value, Refusal> {
        Err(self.0.lock().unwrap().take().expect("an error"))
    }
}

#[async_trait]
impl Credentials for Refusing {
    async fn credential(
        &self,
        _: &AccessKeyId,
    ) -> Result<Option<Credential>, Box<dyn Error + Send + Sync>> {
        Ok(Some(Credential {
            secret: SECRET.to_owned(),
            account: "111122223333".parse()?,
            identity: Identity::User {
                name: "tester".parse()?,
                id: "AIDAAAAAAAAAAAAAAAAA".to_owned(),
            },
            session: None,
        }))
    }
}

impl RefusingApi {
    fn new() -> Self {
        let next = Arc::new(Refusing::default());
        let api = Api::new(Backend {
            regions: vec![HOME.parse().unwrap()],
            credentials: next.clone(),
            dispatch: next.clone(),
            admission: Arc::default(),
            ids: Arc::new(SeededIds::new(0)),
            now: || "2026-11-22T14:30:00Z".parse::<Timestamp>().unwrap(),
        });
        RefusingApi {
            api: api.unwrap(),
            next,
        }
    }

    /// The lines of a service in one of its protocols.
    async fn lines<E: ServiceError>(
        &self,
        service: &str,
        protocol: Protocol,
        kinds: &[E],
    ) -> Vec<String> {
        let mut lines = Vec::new();
        for kind in kinds {
            let refusal = Refusal::from(ApiError::new(*kind, "why"));
            *self.next.0.lock().unwrap() = Some(refusal);
            let response = self.api.handle(request(protocol)).await;
            let (status, body) = read(response.map(Body::new)).await;
            let is_used = self.next.0.lock().unwrap().is_none();
            assert!(is_used, "this reached no operation: {body}");
            let code = match protocol {
                Protocol::AwsJson => between(&body, ("\"__type\":\"", "\"")),
                // The namespace that clients cut off, and the next key of the map, a text of seven
                // bytes.
                Protocol::RpcCbor => between(&body, ("com.amazonaws.gamelift#", "\u{67}Message")),
                Protocol::Ec2Query | Protocol::AwsQuery => between(&body, CODE),
            };
            lines.push(line(service, &format!("{protocol:?}"), kind, status, code));
        }
        lines
    }
}

/// A signed request for an operation that needs no input.
fn request(protocol: Protocol) -> Request<Body> {
    let form = "application/x-www-form-urlencoded";
    let (service, path, headers, body): (_, _, &[(&str, &str)], &[u8]) = match protocol {
        Protocol::AwsJson => (
            "gamelift",
            "/",
            &[
                ("content-type", "application/x-amz-json-1.1"),
                ("x-amz-target", "GameLift.ListFleets"),
            ],
            b"{}",
        ),
        Protocol::RpcCbor => (
            "gamelift",
            "/service/GameLift/operation/ListFleets",
            &[
                ("content-type", "application/cbor"),
                ("smithy-protocol", "rpc-v2-cbor"),
            ],
            b"\xa0",
        ),
        Protocol::Ec2Query => (
            "ec2",
            "/",
            &[("content-type", form)],
            b"Action=DescribeVpcs&Version=2016-11-15",
        ),
        Protocol::AwsQuery => (
            "sts",
            "/",
            &[("content-type", form)],
            b"Action=GetCallerIdentity&Version=2011-06-15",
        ),
    };
    let mut headers = headers.to_vec();
    headers.extend([("host", "localhost:8000"), ("x-amz-date", SIGNED_AT)]);
    headers.sort_unstable();
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let key = SigningKey {
        access_key_id: ACCESS_KEY,
        secret_access_key: SECRET,
        time: SIGNED_AT,
        day: &SIGNED_AT[..8],
        region: HOME,
        service,
    };
    let authorization = key.authorization(&CanonicalRequest {
        method: "POST",
        path,
        query: "",
        headers: &headers,
        payload: &sigv4::hash(body),
    });
    let mut request = Request::post(path).header("authorization", authorization);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Body::from(body)).unwrap()
}

/// The status of a reply, and its body, of which a protocol's bytes that are no text do not matter.
async fn read(response: Response<Body>) -> (u16, String) {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    (head.status.as_u16(), body)
}

/// The element of an error's code in XML.
const CODE: (&str, &str) = ("<Code>", "</Code>");

fn between<'b>(body: &'b str, (before, after): (&str, &str)) -> &'b str {
    let rest = body.split_once(before).map(|(_, rest)| rest);
    let found = rest.and_then(|rest| rest.split_once(after));
    found.map_or_else(|| panic!("no code: {body}"), |(found, _)| found)
}

fn line(service: &str, protocol: &str, kind: &impl Debug, status: u16, code: &str) -> String {
    let kind = name(kind);
    format!("{service:<8}  {protocol:<8}  {kind:<39}  {status}  {code}")
}

/// A kind's name; of a common one, that which all services share.
fn name(kind: &impl Debug) -> String {
    let name = format!("{kind:?}");
    let common = name
        .strip_prefix("Common(")
        .and_then(|rest| rest.strip_suffix(')'));
    common.unwrap_or(&name).to_owned()
}

#[tokio::test]
async fn no_client_reads_another_code_or_status_than_yesterday() {
    let matrix = matrix().await;
    let committed = include_str!("error_matrix.txt");
    if matrix != committed {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/error_matrix.txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(path, matrix).unwrap_or_else(|error| panic!("{path}: {error}"));
            return;
        }
        let differing = matrix
            .lines()
            .filter(|line| !committed.lines().any(|known| known == *line));
        let differing: Vec<_> = differing.collect();
        panic!(
            "not as committed (UPDATE_EXPECT=1 writes it anew):\n{}",
            differing.join("\n")
        );
    }
}

/// S3 with one bucket, whose requests are signed at the time of the machine's clock: `s3s` has no other.
struct Uploads {
    objects: Objects,
    time: String,
    _directory: tempfile::TempDir,
}

impl Uploads {
    async fn new() -> Self {
        let server = Server::new();
        let bucket = Bucket {
            scope: Scope {
                account: "111122223333".parse().unwrap(),
                region: HOME.parse().unwrap(),
            },
            name: "games".parse().unwrap(),
            created: server.now(),
        };
        server.write(async |tx| tx.put(&bucket).unwrap()).await;
        let directory = tempfile::tempdir().unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "the time of signatures, as `s3s` has it"
        )]
        let now = Timestamp::now;
        Uploads {
            objects: Objects::new(tombolo_objects::Backend {
                regions: vec![HOME.parse().unwrap()],
                credentials: Arc::new(Refusing::default()),
                quotas: Quotas::default(),
                admission: Arc::default(),
                store: server.store(),
                blobs: Blobs::open(directory.path(), server.shared_ids()).unwrap(),
                clock: server.clock(),
                ids: server.shared_ids(),
                now,
            }),
            time: now().strftime("%Y%m%dT%H%M%SZ").to_string(),
            _directory: directory,
        }
    }

    /// What is answered when `body` is put with `payload` as its hash, and of how many bytes it says to
    /// be. The signature of the head is right.
    async fn put(&self, payload: &str, length: usize, body: Body) -> (u16, String) {
        let headers = [
            ("content-encoding", "aws-chunked"),
            ("content-length", &*length.to_string()),
            ("host", "localhost:8000"),
            ("x-amz-content-sha256", payload),
            ("x-amz-date", &self.time),
            ("x-amz-decoded-content-length", "5"),
        ];
        let is_chunked = payload.starts_with("STREAMING-");
        let headers: Vec<_> = headers
            .into_iter()
            .filter(|(name, _)| is_chunked || (!name.contains("encod") && !name.contains("decod")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let key = SigningKey {
            access_key_id: ACCESS_KEY,
            secret_access_key: SECRET,
            time: &self.time,
            day: &self.time[..8],
            region: HOME,
            service: "s3",
        };
        let path = "/games/island";
        let authorization = key.authorization(&CanonicalRequest {
            method: "PUT",
            path,
            query: "",
            headers: &headers,
            payload,
        });
        let mut request = Request::put(path).header("authorization", authorization);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let (status, body) = read(self.objects.handle(request.body(body).unwrap()).await).await;
        let code = if status == 200 {
            ""
        } else {
            between(&body, CODE)
        };
        (status, code.to_owned())
    }
}

/// The types of `s3s`'s errors are its own, so that they are told apart by what they say: this fails when
/// that changes.
#[tokio::test]
async fn a_body_that_is_not_the_signed_one_is_told_from_one_that_breaks_off() {
    let uploads = Uploads::new().await;
    let answer = |status: u16, code: &str| (status, code.to_owned());
    let whole = sigv4::hash(b"games");
    let put = uploads.put(&whole, 5, Body::from("games")).await;
    assert_eq!(put, answer(200, ""));
    let put = uploads.put(&whole, 5, Body::from("GAMES")).await;
    assert_eq!(put, answer(400, "XAmzContentSHA256Mismatch"));

    let pieces = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let wrong = "0".repeat(64);
    let body = format!("5;chunk-signature={wrong}\r\ngames\r\n0;chunk-signature={wrong}\r\n\r\n");
    let put = uploads.put(pieces, body.len(), Body::from(body)).await;
    assert_eq!(put, answer(403, "SignatureDoesNotMatch"));

    let broken = || {
        let error = std::io::Error::other("the peer sent a bad signature");
        Body::from_stream(futures::stream::iter([
            Ok(bytes::Bytes::from_static(b"5;chunk")),
            Err(error),
        ]))
    };
    for payload in [&*whole, pieces] {
        let put = uploads.put(payload, 5, broken()).await;
        assert_eq!(put, answer(400, "IncompleteBody"), "{payload}");
    }
}
