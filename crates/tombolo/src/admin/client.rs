//! Asking a server by its admin socket.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::message::{Ask, Refusal};
use crate::directory::admin_socket;
use crate::report::hinted;

/// The server of a data directory, as the commands reach it.
#[derive(Debug, Clone)]
pub(crate) struct AdminClient {
    directory: PathBuf,
}

impl AdminClient {
    /// The server of `directory`. Nothing is asked yet.
    pub(crate) fn new(directory: &Path) -> Self {
        AdminClient {
            directory: directory.to_owned(),
        }
    }

    /// Asks, on a connection of its own.
    ///
    /// # Errors
    /// No server answers, or it refuses: then the error is its words and its hint.
    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Answer> {
        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .context("talking to the admin socket")?;
        let driven = tokio::spawn(connection);
        let request = Request::post(A::PATH)
            .header(header::HOST, "tombolo")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::from(serde_json::to_vec(ask)?))?;
        let response = sender
            .send_request(request)
            .await
            .context("asking the server")?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .context("reading the answer")?
            .to_bytes();
        driven.abort();
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).context("understanding the server's answer");
        }
        match serde_json::from_slice(&body) {
            Ok(Refusal {
                message,
                hint: Some(hint),
            }) => Err(hinted(message, hint)),
            Ok(Refusal {
                message,
                hint: None,
            }) => bail!("{message}"),
            Err(_) => bail!(
                "the server answered {status} to {}; is it another version of tombolo?",
                A::PATH
            ),
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
