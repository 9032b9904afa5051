//! The door between the wire and the operations.

use async_trait::async_trait;
use tombolo_domain::principal::Principal;

use super::Operation;
use crate::error::Refusal;
use crate::model::Document;

/// Carries out operations. Implemented by the handlers; called with verified principals, served
/// operations and validated input only.
#[async_trait]
pub trait Dispatch: Send + Sync {
    /// Carries out `operation` with `input`, a map of the members of the operation's input shape
    /// by the model's member names, and gives the members of its output shape.
    ///
    /// # Errors
    /// The operation refuses, or the server failed.
    async fn call(
        &self,
        operation: &'static Operation,
        principal: &Principal,
        input: Document,
    ) -> Result<Document, Refusal>;
}
