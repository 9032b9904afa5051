//! Asking a server by its admin socket.

use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::admin_socket;
use crate::hint::{OrHint, hinted};
use crate::message::{self, Refusal, StreamRequest};

/// The server of a data directory, as the commands reach it.
#[derive(Debug, Clone)]
pub struct AdminClient {
    directory: PathBuf,
}

impl AdminClient {
    /// The server of `directory`. Nothing is asked yet.
    pub fn new(directory: &Path) -> Self {
        AdminClient {
            directory: directory.to_owned(),
        }
    }

    /// Whether a server runs on the directory: `false` if it has no admin socket, or one that a server
    /// left which was killed.
    ///
    /// # Errors
    /// The socket cannot be asked: it may belong to another user.
    pub async fn is_served(&self) -> io::Result<bool> {
        match UnixStream::connect(admin_socket(&self.directory)).await {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Sends a request, on a connection of its own.
    ///
    /// # Errors
    /// No server answers, or it refuses: then the error is its words and its hint.
    pub async fn send<R: message::Request>(&self, request: &R) -> Result<R::Response> {
        let (body, _connection) = self.post(R::PATH, request).await?;
        serde_json::from_slice(&collect(body).await?).context("understanding the server's answer")
    }

    /// Opens a stream, on a connection of its own, which is closed when the stream is dropped.
    ///
    /// # Errors
    /// No server answers, or it refuses: then the error is its words and its hint.
    pub async fn stream<R: StreamRequest>(&self, request: &R) -> Result<Items<R::Item>> {
        let (body, connection) = self.post(R::PATH, request).await?;
        Ok(Items {
            body,
            connection,
            unread: BytesMut::new(),
            item: PhantomData,
        })
    }

    /// Posts to `path`, and gives the body of the reply with the task that keeps the connection
    /// going.
    async fn post(
        &self,
        path: &'static str,
        message: &impl Serialize,
    ) -> Result<(Incoming, AbortOnDrop)> {
        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .context("talking to the admin socket")?;
        let connection = AbortOnDrop(tokio::spawn(connection));
        let request = Request::post(path)
            .header(header::HOST, "tombolo")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::from(serde_json::to_vec(message)?))?;
        let response = sender
            .send_request(request)
            .await
            .context("asking the server")?;
        let status = response.status();
        let body = response.into_body();
        if status == StatusCode::OK {
            return Ok((body, connection));
        }
        match serde_json::from_slice(&collect(body).await?) {
            Ok(Refusal {
                message,
                hint: Some(hint),
            }) => Err(hinted(message, hint)),
            Ok(Refusal {
                message,
                hint: None,
            }) => bail!("{message}"),
            Err(_) => {
                bail!("the server answered {status} to {path}; is it another version of tombolo?")
            }
        }
    }

    async fn connect(&self) -> Result<UnixStream> {
        let directory = self.directory.display();
        UnixStream::connect(admin_socket(&self.directory)).await.map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "only the user who runs the server may ask it; use sudo if that is root"
                }
                _ => "start one with `tombolo dev --dir DIR`, or name its directory with --dir or \
                      TOMBOLO_DIR",
            };
            hinted(format!("no server answers in {directory}: {error}"), hint)
        })
    }
}

async fn collect(body: Incoming) -> Result<Bytes> {
    let collected = body.collect().await.context("reading the answer")?;
    Ok(collected.to_bytes())
}

/// Keeps a connection going until it is dropped.
struct AbortOnDrop(JoinHandle<hyper::Result<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The items of a stream, as they come.
pub struct Items<I> {
    body: Incoming,
    /// The connection lives as long as this.
    #[expect(dead_code, reason = "held for its drop")]
    connection: AbortOnDrop,
    /// The beginning of the next line.
    unread: BytesMut,
    item: PhantomData<fn() -> I>,
}

impl<I: DeserializeOwned> Items<I> {
    /// The next item; `None` when the server has ended the stream.
    pub async fn next(&mut self) -> Result<Option<I>> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = self.unread.split_to(end + 1);
                let line = serde_json::from_slice(&line);
                return line.context("understanding the server").map(Some);
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.or_hint(
                || "the server went away in the middle of it".to_owned(),
                || "ask again when it runs; its log may say why it ended".to_owned(),
            )?;
            if let Ok(part) = frame.into_data() {
                self.unread.extend_from_slice(&part);
            }
        }
    }
}
