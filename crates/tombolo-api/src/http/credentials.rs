//! Who calls, and where secrets come from.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use tombolo_domain::Scope;
use tombolo_domain::account::TokenHash;
use tombolo_domain::id::{AccessKeyId, AccountId, BuildId, Region};

/// The user that an access key belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name within the account.
    pub name: String,
    /// The unique id, as STS shows it: `AIDA…`.
    pub id: String,
}

/// Who calls, from the verified signature and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account of the access key.
    pub account: AccountId,
    /// The user of the access key.
    pub user: User,
    /// The access key that signed.
    pub access_key_id: AccessKeyId,
    /// The Region of the credential scope; always one of the server's.
    pub region: Region,
}

impl Caller {
    /// The user's ARN: `arn:aws:iam::111122223333:user/alice`.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:user/{}", self.account, self.user.name)
    }
}

/// The secret half of an access key or temporary credential, and whose it is.
#[derive(Clone)]
pub struct Credential {
    /// The secret access key.
    pub secret: String,
    /// The account it acts for.
    pub account: AccountId,
    /// What it lets do.
    pub holder: Holder,
}

/// Who has a credential, and so what it lets do.
#[derive(Clone)]
pub enum Holder {
    /// A user, who may do everything in the account.
    User(User),
    /// Somebody who was given a temporary credential to upload one build.
    Upload(UploadSession),
}

/// What a temporary credential is good for.
#[derive(Clone)]
pub struct UploadSession {
    /// The hash of the session token that belongs to it.
    pub token: TokenHash,
    /// Whether its time is over, by the server's clock.
    pub has_expired: bool,
    /// The only Region.
    pub region: Region,
    /// The only build.
    pub build: BuildId,
}

/// Who calls S3, from the verified signature and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectCaller {
    /// The account of the credential, and the Region of its scope.
    pub scope: Scope,
    /// The build that may be uploaded, and nothing else done; none if a user calls.
    pub upload: Option<BuildId>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

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
