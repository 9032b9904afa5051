//! The socket's side of the server: HTTP and JSON over the Unix socket in the data directory.
//!
//! Whoever can open the socket is the owner of the data directory, and so of every secret in it:
//! nothing is checked here but what is asked.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{self, Body};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::message::{Refusal, Request, StreamRequest};
use crate::service::AdminService;

/// The longest request, in bytes.
const MAX_REQUEST: usize = 1 << 20;

/// A router with every request and its handler.
pub fn router(service: Arc<AdminService>) -> Router {
    Routes(Router::new())
        .on(AdminService::describe_server)
        .on(AdminService::create_account)
        .on(AdminService::list_accounts)
        .on(AdminService::list_quotas)
        .on(AdminService::set_quota)
        .on(AdminService::list_excesses)
        .on(AdminService::create_access_key)
        .on(AdminService::list_access_keys)
        .on(AdminService::delete_access_key)
        .on(AdminService::import_build)
        .on(AdminService::list_builds)
        .on(AdminService::attach_program)
        .on(AdminService::detach_program)
        .stream(AdminService::follow_logs)
        .on(AdminService::describe_fleet)
        .on(AdminService::list_peerings)
        .on(AdminService::trace_path)
        .on(AdminService::read_traffic)
        .on(AdminService::list_repairs)
        .stream(AdminService::follow_flows)
        .on(AdminService::move_clock)
        .on(AdminService::list_tasks)
        .on(AdminService::list_misplaced_instances)
        .0
        .with_state(service)
}

/// The routes, each made from its handler.
struct Routes(Router<Arc<AdminService>>);

impl Routes {
    /// Requests of type `R` are answered by `handler`.
    ///
    /// On a thread that may block: there are few such requests, and some copy files.
    fn on<R, F>(self, handler: F) -> Self
    where
        R: Request,
        F: AsyncFn(&AdminService, R) -> Result<R::Response> + Clone + Send + Sync + 'static,
    {
        let route = async move |State(service): State<Arc<AdminService>>, request| {
            let body = match read(request).await {
                Ok(body) => body,
                Err(error) => return refuse(&error),
            };
            let runtime = Handle::current();
            let answered = spawn_blocking(move || {
                let request = serde_json::from_slice(&body).context("understanding the request")?;
                let response = runtime.block_on(handler(&service, request))?;
                serde_json::to_vec(&response).context("writing the answer")
            });
            match answered.await.context("the server failed at it").flatten() {
                Ok(json) => reply(StatusCode::OK, json),
                Err(error) => refuse(&error),
            }
        };
        Routes(self.0.route(R::PATH, post(route)))
    }

    /// Requests of type `R` are answered by the stream of `handler`, a line of JSON an item.
    fn stream<R, F, Opening, Items>(self, handler: F) -> Self
    where
        R: StreamRequest,
        F: Fn(Arc<AdminService>, R) -> Opening + Clone + Send + Sync + 'static,
        Opening: Future<Output = Result<Items>> + Send,
        Items: Stream<Item = R::Item> + Send + 'static,
    {
        let route = async move |State(service): State<Arc<AdminService>>, request| {
            let opened = async {
                let body = read(request).await?;
                let request = serde_json::from_slice(&body).context("understanding the request")?;
                handler(service, request).await
            };
            match opened.await {
                Ok(items) => Response::new(Body::from_stream(items.map(|item| json_line(&item)))),
                Err(error) => refuse(&error),
            }
        };
        Routes(self.0.route(R::PATH, post(route)))
    }
}

async fn read(request: axum::extract::Request) -> Result<Bytes> {
    let body = body::to_bytes(request.into_body(), MAX_REQUEST);
    body.await.context("reading the request")
}

fn json_line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

fn refuse(error: &anyhow::Error) -> Response {
    tracing::debug!("refused: {error:#}");
    // A struct of two texts can always be written.
    let json = serde_json::to_vec(&Refusal::from(error)).unwrap_or_default();
    reply(StatusCode::UNPROCESSABLE_ENTITY, json)
}

fn reply(status: StatusCode, json: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
