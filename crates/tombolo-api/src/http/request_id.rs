//! The id that ties a reply to its log lines.

use std::fmt;

use tombolo_domain::id::IdSource;
use uuid::Uuid;

/// A request's id: a UUID (RFC 9562), version 4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new id.
    pub fn generate(ids: &dyn IdSource) -> Self {
        RequestId(ids.uuid())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
