//! The API as a router: one fallback, because the path does not tell the protocol.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;

use super::api::Api;

/// A router that answers every request with `api`, `GET /health` included.
pub fn router(api: Arc<Api>) -> Router {
    Router::new().fallback(answer).with_state(api)
}

async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    api.handle(request).await.map(axum::body::Body::new)
}
