//! Amazon S3 beside the other services, on the same port: a request is for the one that its
//! credential names.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use tombolo_domain::id::IdSource;
use tombolo_objects::{Blobs, Objects};
use tombolo_store::Store;

use crate::directory::DataDirectory;

/// Opens the files of objects, and removes those that a server which was killed had not finished.
pub(super) async fn open(
    directory: &DataDirectory,
    store: &Arc<dyn Store>,
    ids: Arc<dyn IdSource>,
) -> Result<Blobs> {
    let path = tombolo_node::objects_directory(directory.path());
    let blobs = Blobs::open(&path, ids).with_context(|| format!("making {}", path.display()))?;
    let removed = blobs.sweep(store).await?;
    if removed > 0 {
        tracing::info!(removed, "removed the files of interrupted uploads");
    }
    Ok(blobs)
}

/// Lets `objects` answer what is for S3, and `others` the rest.
pub(super) fn beside(objects: Objects, others: Router) -> Router {
    others.layer(middleware::from_fn_with_state(Arc::new(objects), answer))
}

async fn answer(State(objects): State<Arc<Objects>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let is_for_s3 = Objects::is_for(&head);
    let request = Request::from_parts(head, body);
    if is_for_s3 {
        objects.handle(request).await
    } else {
        next.run(request).await
    }
}
