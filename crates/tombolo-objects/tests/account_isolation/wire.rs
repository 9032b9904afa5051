//! Requests of all services, signed, and their answers as bytes.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tombolo_api::error::Refusal;
use tombolo_api::http::{Api, Credentials};
use tombolo_api::model::{Kind, Service, ServiceName, ShapeId};
use tombolo_api::operation::{Dispatch, Operation};
use tombolo_domain::account::TokenHash;
use tombolo_domain::id::{AccessKeyId, BuildId, Region};
use tombolo_domain::principal::{Credential, Identity, Principal, Session};
use tombolo_objects::{Blobs, Objects};
use tombolo_store::{
    Entry, KeyRange, MemoryStore, ModelledStore, Page, Revision, Store, StoreError, Txn,
    TxnOutcome, Watch,
};
use tombolo_testkit::SeededIds;
use tombolo_testkit::server::{AWAY, HOME, Server};
use tombolo_testkit::sigv4::{self, CanonicalRequest, SigningKey};

/// When everything is signed: now, since `s3s` holds what it verifies of a request against the
/// machine's clock.
static SIGNED_AT: LazyLock<Timestamp> = LazyLock::new(|| {
    #[expect(
        clippy::disallowed_methods,
        reason = "the time of signatures, as `s3s` has it"
    )]
    Timestamp::now()
});
/// The secret of every access key.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The session token of every temporary credential.
const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLETOKEN";
const HOST: &str = "localhost:8000";

/// Whose credential a request is signed with, and for which Region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) account: &'static str,
    pub(crate) region: &'static str,
    /// The build, if this is the temporary credential to upload it.
    pub(crate) uploads: Option<BuildId>,
}

impl Who {
    pub(crate) const fn user(account: &'static str, region: &'static str) -> Self {
        Who {
            account,
            region,
            uploads: None,
        }
    }

    fn access_key(&self) -> String {
        let kind = if self.uploads.is_some() {
            "ASIA"
        } else {
            "AKIA"
        };
        format!("{kind}{}AAAA", self.account)
    }
}

/// An answer, without what is another one in every answer: the request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status, headers and body, as they are on the wire.
    pub(crate) text: String,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("no test asks for CBOR");
        let ids = ["x-amzn-requestid", "x-amz-request-id"];
        let id = ids.iter().find_map(|name| head.headers.get(*name));
        let id = id.expect("a request id").to_str().unwrap().to_owned();
        let mut headers: Vec<_> = head
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
            .collect();
        headers.sort();
        let text = format!("{}\n{}\n{body}", head.status, headers.concat());
        Answer {
            status: head.status.as_u16(),
            text: text.replace(&id, "REQUEST"),
        }
    }

    pub(crate) fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The APIs, over whichever server a request is for.
pub(crate) struct Wire {
    api: Api,
    at: Arc<Current>,
    uploads: Arc<Keys>,
}

#[derive(Default)]
struct Current(Mutex<Option<Arc<Server>>>);

#[async_trait]
impl Dispatch for Current {
    async fn call(
        &self,
        operation: &'static Operation,
        principal: &Principal,
        input: Value,
    ) -> Result<Value, Refusal> {
        let server = self.0.lock().unwrap().clone().expect("a server");
        server.operations().call(operation, principal, input).await
    }
}

/// Access keys that name their account.
#[derive(Default)]
struct Keys(Mutex<BTreeMap<String, (Region, BuildId)>>);

#[async_trait]
impl Credentials for Keys {
    async fn credential(
        &self,
        id: &AccessKeyId,
    ) -> Result<Option<Credential>, Box<dyn Error + Send + Sync>> {
        let upload = self.0.lock().unwrap().get(id.as_str()).cloned();
        let session = upload.is_some().then(|| Session {
            token: TokenHash(sigv4::hash(TOKEN.as_bytes())),
            has_expired: false,
        });
        let identity = match upload {
            Some((region, build)) => Identity::UploadSession { region, build },
            None => Identity::User {
                name: "tester".parse()?,
                id: "AIDAAAAAAAAAAAAAAAAA".to_owned(),
            },
        };
        Ok(Some(Credential {
            secret: SECRET.to_owned(),
            account: id.as_str()[4..16].parse()?,
            identity,
            session,
        }))
    }
}

fn regions() -> Vec<Region> {
    [HOME, AWAY].map(|region| region.parse().unwrap()).into()
}

fn now() -> Timestamp {
    *SIGNED_AT
}

impl Wire {
    pub(crate) fn new() -> Self {
        let (at, uploads) = (Arc::new(Current::default()), Arc::new(Keys::default()));
        let api = Api::new(tombolo_api::http::Backend {
            regions: regions(),
            credentials: uploads.clone(),
            dispatch: at.clone(),
            admission: Arc::default(),
            ids: Arc::new(SeededIds::new(0)),
            now,
        });
        Wire {
            api: api.unwrap(),
            at,
            uploads,
        }
    }

    pub(crate) fn model(&self, service: ServiceName) -> &Service {
        self.api.models().service(service)
    }

    /// Calls an operation of the services that have models, in a protocol that clients use.
    pub(crate) async fn call(
        &self,
        server: &Arc<Server>,
        who: &Who,
        row: &Operation,
        input: &Value,
    ) -> Answer {
        *self.at.0.lock().unwrap() = Some(server.clone());
        let mut ask = Ask::of("POST", "/", "");
        match row.service {
            ServiceName::GameLift => {
                ask = ask.header("content-type", "application/x-amz-json-1.1");
                ask = ask.header("x-amz-target", &format!("GameLift.{}", row.name));
                ask.body = input.to_string();
            }
            ServiceName::Ec2 | ServiceName::Sts => {
                ask = ask.header("content-type", "application/x-www-form-urlencoded");
                ask.body = self.form(row, input);
            }
        }
        let request = ask.signed(who, row.service.as_str());
        Answer::of(self.api.handle(request).await.map(Body::new)).await
    }

    fn form(&self, row: &Operation, input: &Value) -> String {
        let model = self.model(row.service);
        let mut form = format!("Action={}&Version={}", row.name, model.api_version);
        if let Some(shape) = model.operation(row.name).unwrap().input {
            write_form(model, shape, input, "", &mut form);
        }
        form
    }

    /// Calls S3, whose objects' files are in `blobs`.
    pub(crate) async fn ask(
        &self,
        server: &Arc<Server>,
        blobs: &Path,
        who: &Who,
        ask: &Ask,
    ) -> Answer {
        if let Some(build) = &who.uploads {
            let region = who.region.parse().unwrap();
            let mut keys = self.uploads.0.lock().unwrap();
            keys.insert(who.access_key(), (region, build.clone()));
        }
        let ids = server.shared_ids();
        let objects = Objects::new(tombolo_objects::Backend {
            regions: regions(),
            credentials: self.uploads.clone(),
            quotas: tombolo_domain::quota::Quotas::default(),
            store: Arc::new(ModelledStore::over(Arc::new(Unread(server.store())))),
            blobs: Blobs::open(blobs, ids.clone()).unwrap(),
            clock: server.clock(),
            admission: Arc::default(),
            ids,
            now,
        });
        Answer::of(objects.handle(ask.signed(who, "s3")).await).await
    }
}

/// A store that no read model can be made of: S3 reads nothing that one has, and must not depend on it.
struct Unread(Arc<MemoryStore>);

#[async_trait]
impl Store for Unread {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.0.get(key).await
    }

    async fn range(&self, range: &KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.0.range(range, limit).await
    }

    async fn list(&self, _: &KeyRange) -> Result<Page, StoreError> {
        Err(StoreError::Closed)
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        self.0.txn(txn).await
    }

    async fn watch(&self, _: &[u8], _: Revision) -> Result<Box<dyn Watch>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        Err(StoreError::Closed)
    }
}

/// Writes a document as the parameters of EC2's and STS's protocol.
fn write_form(model: &Service, shape: ShapeId, value: &Value, name: &str, form: &mut String) {
    let below = |part: &str| match name {
        "" => part.to_owned(),
        name => format!("{name}.{part}"),
    };
    match (&model.shape(shape).kind, value) {
        (Kind::Structure(structure), Value::Object(members)) => {
            for (member, value) in members {
                let found = structure.members.iter().find(|one| one.name == member);
                let found = found.unwrap_or_else(|| panic!("no member {member}"));
                write_form(model, found.shape, value, &below(&found.parameter), form);
            }
        }
        (Kind::List(list), Value::Array(values)) => {
            for (at, value) in values.iter().enumerate() {
                let name = below(&(at + 1).to_string());
                write_form(model, list.member, value, &name, form);
            }
        }
        (_, value) => {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let text = utf8_percent_encode(&text, NON_ALPHANUMERIC);
            form.push_str(&format!("&{name}={text}"));
        }
    }
}

/// A request before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: &'static str,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Ask {
    pub(crate) fn of(method: &'static str, path: &str, query: &str) -> Self {
        Ask {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(self, body: String) -> Self {
        Ask { body, ..self }
    }

    fn signed(&self, who: &Who, service: &str) -> Request<Body> {
        let payload = sigv4::hash(self.body.as_bytes());
        let time = SIGNED_AT.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut headers = self.headers.clone();
        for (name, value) in [
            ("content-length", &*self.body.len().to_string()),
            ("host", HOST),
            ("x-amz-content-sha256", &payload),
            ("x-amz-date", &time),
        ] {
            headers.push((name.to_owned(), value.to_owned()));
        }
        if who.uploads.is_some() {
            headers.push(("x-amz-security-token".to_owned(), TOKEN.to_owned()));
        }
        headers.sort();
        let access_key = who.access_key();
        let key = SigningKey {
            access_key_id: &access_key,
            secret_access_key: SECRET,
            time: &time,
            day: &time[..8],
            region: who.region,
            service,
        };
        let authorization = key.authorization(&CanonicalRequest {
            method: self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            payload: &payload,
        });
        headers.push(("authorization".to_owned(), authorization));
        let target = match &*self.query {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        };
        let mut request = Request::builder().method(self.method).uri(target);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request
            .body(Body::from(Bytes::from(self.body.clone())))
            .unwrap()
    }
}

/// A folder of its own with the same files, which never change.
pub(crate) fn copy_of(blobs: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(blobs).unwrap() {
        let entry = entry.unwrap();
        fs::hard_link(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}
