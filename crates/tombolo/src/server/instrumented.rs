//! What `/metrics` knows of requests: every operation that was carried out or refused, by service,
//! name and error code, with its time, and every reply by its HTTP status. (Requests that are
//! refused before an operation is known, such as wrongly signed ones, are in the second only.)

use std::time::Instant;

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use tombolo_api::error::Refusal;
use tombolo_api::model::Document;
use tombolo_api::operation::{Dispatch, Operation};
use tombolo_domain::principal::Principal;

/// Counts and times the operations of `D`.
pub(super) struct Instrumented<D> {
    operations: D,
}

impl<D> Instrumented<D> {
    pub(super) fn new(operations: D) -> Self {
        Instrumented { operations }
    }
}

#[async_trait]
impl<D: Dispatch> Dispatch for Instrumented<D> {
    async fn call(
        &self,
        operation: &'static Operation,
        principal: &Principal,
        input: Document,
    ) -> Result<Document, Refusal> {
        let started = Instant::now();
        let outcome = self.operations.call(operation, principal, input).await;
        let code = match &outcome {
            Ok(_) => "OK",
            Err(error) => error.wire().code,
        };
        let (service, operation) = (operation.service.as_str(), operation.name);
        metrics::counter!(
            "tombolo_requests_total", "service" => service, "operation" => operation, "code" => code
        )
        .increment(1);
        metrics::histogram!(
            "tombolo_request_duration_seconds", "service" => service, "operation" => operation
        )
        .record(started.elapsed().as_secs_f64());
        outcome
    }
}

/// Counts the replies of `router` by HTTP status.
pub(super) fn count_replies(router: Router) -> Router {
    router.layer(middleware::from_fn(count))
}

async fn count(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("tombolo_http_replies_total", "status" => status).increment(1);
    response
}
