//! An API whose operations only record what reached them.

use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::HttpBody;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tombolo_api::error::Refusal;
use tombolo_api::http::{Api, Backend, Credentials};
use tombolo_api::operation::{Dispatch, Operation};
use tombolo_domain::account::TokenHash;
use tombolo_domain::id::AccessKeyId;
use tombolo_domain::principal::{Credential, Identity, Principal, Session};
use tombolo_domain::testing::SeededIds;

use crate::log;
use crate::signer::{ACCESS_KEY, EXPIRED_KEY, SECRET, Signed, TEMPORARY_KEY, TOKEN};

/// A call that reached the operations.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    pub(crate) operation: &'static Operation,
    pub(crate) principal: Principal,
    pub(crate) input: Value,
}

#[derive(Default)]
struct Recorder {
    reached: Mutex<Vec<Reached>>,
    answers: Mutex<Vec<Result<Value, Refusal>>>,
    secret: Mutex<Option<String>>,
}

#[async_trait]
impl Dispatch for Recorder {
    async fn call(
        &self,
        operation: &'static Operation,
        principal: &Principal,
        input: Value,
    ) -> Result<Value, Refusal> {
        self.reached.lock().unwrap().push(Reached {
            operation,
            principal: principal.clone(),
            input,
        });
        let answer = self.answers.lock().unwrap().pop();
        answer.unwrap_or_else(|| Ok(json!({})))
    }
}

#[async_trait]
impl Credentials for Recorder {
    async fn credential(
        &self,
        id: &AccessKeyId,
    ) -> Result<Option<Credential>, Box<dyn Error + Send + Sync>> {
        if [TEMPORARY_KEY, EXPIRED_KEY].contains(&id.as_str()) {
            return Ok(Some(Credential {
                secret: SECRET.into(),
                account: "111122223333".parse().unwrap(),
                identity: Identity::UploadSession {
                    region: "us-west-2".parse().unwrap(),
                    build: "build-2222bbbb-33cc-44dd-95ee-6666ffff77aa"
                        .parse()
                        .unwrap(),
                },
                session: Some(Session {
                    token: TokenHash(format!("{:x}", Sha256::digest(TOKEN))),
                    has_expired: id.as_str() == EXPIRED_KEY,
                }),
            }));
        }
        let secret = self.secret.lock().unwrap().clone();
        Ok((id.as_str() == ACCESS_KEY).then(|| Credential {
            secret: secret.unwrap_or_else(|| SECRET.into()),
            account: "111122223333".parse().unwrap(),
            identity: Identity::User {
                name: "alice".parse().unwrap(),
                id: "AIDACKCEVSQ6C2EXAMPLE".into(),
            },
            session: None,
        }))
    }
}

/// The API with its recorder.
pub(crate) struct Server {
    api: Api,
    recorder: Arc<Recorder>,
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code and message of an error, in whichever protocol it is written.
    pub(crate) fn error(&self) -> (String, String) {
        let content_type = self.headers["content-type"].to_str().unwrap();
        let field = |value: &Value, name: &str| value[name].as_str().unwrap_or("").to_owned();
        match content_type {
            "application/x-amz-json-1.1" => {
                let error = self.json();
                (field(&error, "__type"), field(&error, "Message"))
            }
            "application/cbor" => {
                let error: Value = ciborium::from_reader(&*self.body).unwrap();
                let code = field(&error, "__type");
                let code = code.strip_prefix("com.amazonaws.gamelift#").unwrap();
                (code.to_owned(), field(&error, "Message"))
            }
            _ => (self.element("Code"), self.element("Message")),
        }
    }

    /// The text of the first element of this name.
    pub(crate) fn element(&self, name: &str) -> String {
        let (_, rest) = self.text().split_once(&format!("<{name}>")).unwrap();
        let (text, _) = rest.split_once(&format!("</{name}>")).unwrap();
        text.replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    }

    pub(crate) fn request_id(&self) -> &str {
        self.headers["x-amzn-requestid"].to_str().unwrap()
    }
}

impl Server {
    pub(crate) fn new() -> Self {
        log::keep();
        let recorder = Arc::new(Recorder::default());
        let api = Api::new(Backend {
            regions: vec!["us-west-2".parse().unwrap(), "eu-west-1".parse().unwrap()],
            credentials: recorder.clone(),
            dispatch: recorder.clone(),
            admission: Arc::default(),
            ids: Arc::new(SeededIds::new(1)),
            now: || "2026-11-22T14:30:00Z".parse::<Timestamp>().unwrap(),
        });
        Server {
            api: api.unwrap(),
            recorder,
        }
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    pub(crate) fn into_api(self) -> Api {
        self.api
    }

    /// Lets the next call answer with this.
    pub(crate) fn answer(&self, answer: Result<Value, Refusal>) {
        self.recorder.answers.lock().unwrap().push(answer);
    }

    /// Gives the access key another secret.
    pub(crate) fn change_secret(&self, secret: &str) {
        *self.recorder.secret.lock().unwrap() = Some(secret.into());
    }

    /// All calls that reached the operations since the last time.
    pub(crate) fn reached(&self) -> Vec<Reached> {
        std::mem::take(&mut self.recorder.reached.lock().unwrap())
    }

    pub(crate) fn send(&self, request: &Signed) -> Reply {
        self.send_raw(request.request().expect("HTTP allows the request"))
    }

    /// Sends a request whose body never comes, on a clock that jumps to the next deadline at once.
    pub(crate) fn send_head(&self, request: &Signed) -> Reply {
        let request = request.request().expect("HTTP allows the request");
        let never = std::future::pending::<Option<Result<HeaderMap, Infallible>>>();
        self.send_raw(request.map(|_| Full::<Bytes>::default().with_trailers(never)))
    }

    pub(crate) fn send_raw<B>(&self, request: Request<B>) -> Reply
    where
        B: HttpBody,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let response: Response<Full<Bytes>> = self.api.handle(request).await;
            let (head, body) = response.into_parts();
            Reply {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.collect().await.unwrap().to_bytes(),
            }
        })
    }

    /// Sends a request that has to fail before any operation, and gives status, code and message.
    pub(crate) fn refused(&self, request: &Signed) -> (u16, String, String) {
        let reply = self.send(request);
        assert!(self.reached().is_empty(), "an operation was reached");
        assert_eq!(reply.request_id().len(), 36);
        let (code, message) = reply.error();
        (reply.status, code, message)
    }
}
