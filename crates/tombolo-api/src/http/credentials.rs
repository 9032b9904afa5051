//! The look-up of access keys.

use std::error::Error;

use async_trait::async_trait;
use tombolo_domain::id::AccessKeyId;
use tombolo_domain::principal::Credential;

/// Where the server looks up access keys. Asked on every request, so that a deleted key stops
/// working at once.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// The credential of `id`, or none if there is no such access key.
    ///
    /// # Errors
    /// The lookup itself failed; the request is answered as an internal error.
    async fn credential(
        &self,
        id: &AccessKeyId,
    ) -> Result<Option<Credential>, Box<dyn Error + Send + Sync>>;
}
