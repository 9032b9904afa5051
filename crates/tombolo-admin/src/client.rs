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
use crate::message::{Ask, Follow, Refusal};

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

    /// Asks, on a connection of its own.
    ///
    /// # Errors
    /// No server answers, or it refuses: then the error is its words and its hint.
    pub async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Answer> {
        let (body, _connection) = self.post(A::PATH, ask).await?;
        serde_json::from_slice(&collect(body).await?).context("understanding the server's answer")
    }

    /// Follows what happens, on a connection of its own, which is closed when the lines are dropped.
    ///
    /// # Errors
    /// No server answers, or it refuses: then the error is its words and its hint.
    pub async fn follow<F: Follow>(&self, ask: &F) -> Result<Lines<F::Line>> {
        let (body, connection) = self.post(F::PATH, ask).await?;
        Ok(Lines {
            body,
            connection,
            unread: BytesMut::new(),
            line: PhantomData,
        })
    }

    /// Posts to `path`, and gives the body of the reply with the task that keeps the connection
    /// going.
    async fn post(
        &self,
        path: &'static str,
        ask: &impl Serialize,
    ) -> Result<(Incoming, AbortOnDrop)> {
        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .context("talking to the admin socket")?;
        let connection = AbortOnDrop(tokio::spawn(connection));
        let request = Request::post(path)
            .header(header::HOST, "tombolo")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::from(serde_json::to_vec(ask)?))?;
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

/// What happens, as it happens.
pub struct Lines<L> {
    body: Incoming,
    /// The connection lives as long as this.
    #[expect(dead_code, reason = "held for its drop")]
    connection: AbortOnDrop,
    /// The beginning of the next line.
    unread: BytesMut,
    line: PhantomData<fn() -> L>,
}

impl<L: DeserializeOwned> Lines<L> {
    /// The next thing that happens; `None` when the server has stopped.
    pub async fn next(&mut self) -> Result<Option<L>> {
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
