//! Who makes a request, and what the credential that it came with may be used for.
//!
//! A principal is made at two places only, which `clippy.toml` holds: where a signature was
//! verified (tombolo-api's `sigv4`) and where the admin socket acts for an account. Everything
//! after them takes the account from the principal and from nothing else.
//!
//! The identities are those of AWS: "IAM identities" and "AWS JSON policy elements: Principal" in
//! the IAM User Guide. Roles and console sessions become variants of [`Identity`] when there are
//! any, and the compiler then names every place that has to decide about them.

use std::fmt;

use crate::Scope;
use crate::account::{TokenHash, UserName};
use crate::arn::Resource;
use crate::id::{AccessKeyId, AccountId, BuildId, Region};
use crate::object::{BucketName, build_key};

/// Who makes a request, and the Region that it acts in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    scope: Scope,
    identity: Identity,
    access_key: Option<AccessKeyId>,
}

/// The identity of a principal within its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A user of the account, who may do everything in it.
    User {
        /// The name within the account.
        name: UserName,
        /// The unique id, as STS shows it: `AIDA…`.
        id: String,
    },
    /// Somebody who was given a temporary credential to upload one build, and nothing else.
    UploadSession {
        /// The only Region.
        region: Region,
        /// The only build.
        build: BuildId,
    },
    /// The server's operator, who acts for the account by the admin socket: as its root user.
    Admin,
}

/// An IAM action, such as `gamelift:CreateFleet`: what a principal asks to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    service: &'static str,
    name: &'static str,
}

/// The secret half of an access key, and who a request that is signed with it comes from.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The secret access key.
    pub secret: String,
    /// The account that it acts for.
    pub account: AccountId,
    /// Who has it.
    pub identity: Identity,
    /// Set if the credential is a temporary one, whoever has it.
    pub session: Option<Session>,
}

/// What a temporary credential has besides its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The hash of the session token that comes with it.
    pub token: TokenHash,
    /// Whether its time is over, by the server's clock.
    pub has_expired: bool,
}

impl Principal {
    /// Who holds the credential with `access_key`, in the Region of the scope that it signed for.
    /// For whoever has verified the signature.
    pub fn authenticated(scope: Scope, identity: Identity, access_key: AccessKeyId) -> Self {
        Principal {
            scope,
            identity,
            access_key: Some(access_key),
        }
    }

    /// The operator, acting for an account in a Region. For the admin socket, which only the owner
    /// of the data directory can open.
    pub fn admin(scope: Scope) -> Self {
        Principal {
            scope,
            identity: Identity::Admin,
            access_key: None,
        }
    }

    /// The account and the Region that the request acts in.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The account that the request acts for.
    pub fn account(&self) -> AccountId {
        self.scope.account
    }

    /// The Region that the request acts in: of the credential's scope, and one of the server's.
    pub fn region(&self) -> &Region {
        &self.scope.region
    }

    /// Who it is within the account.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The access key that signed; none if nothing was signed.
    pub fn access_key(&self) -> Option<&AccessKeyId> {
        self.access_key.as_ref()
    }

    /// The build that may be uploaded, and nothing else done; none for whoever is not bound to one.
    pub fn upload(&self) -> Option<&BuildId> {
        match &self.identity {
            Identity::UploadSession { build, .. } => Some(build),
            Identity::User { .. } | Identity::Admin => None,
        }
    }

    /// The principal's ARN: `arn:aws:iam::111122223333:user/alice`.
    ///
    /// An upload session is what AWS calls a federated user session, a temporary credential whose
    /// policy is given with it, and is named like one.
    pub fn arn(&self) -> String {
        let account = self.scope.account;
        match &self.identity {
            Identity::User { name, .. } => format!("arn:aws:iam::{account}:user/{name}"),
            Identity::UploadSession { build, .. } => {
                format!("arn:aws:sts::{account}:federated-user/{build}")
            }
            Identity::Admin => format!("arn:aws:iam::{account}:root"),
        }
    }

    /// The unique id, as STS shows it (`aws:userid`).
    pub fn user_id(&self) -> String {
        let account = self.scope.account;
        match &self.identity {
            Identity::User { id, .. } => id.clone(),
            Identity::UploadSession { build, .. } => format!("{account}:{build}"),
            Identity::Admin => account.to_string(),
        }
    }

    /// Whether the principal may do `action` on a resource of its own account.
    ///
    /// Whose a resource is, is not asked here: what belongs to others is not found to begin with.
    pub fn may(&self, action: Action, resource: &Resource<'_>) -> bool {
        match &self.identity {
            Identity::User { .. } | Identity::Admin => true,
            Identity::UploadSession { region, build } => {
                let (bucket, key) = (BucketName::of_builds(), build_key(&self.scope, build));
                let own = Resource::Object {
                    bucket: bucket.as_str(),
                    key: &key,
                };
                *region == self.scope.region && *resource == own && UPLOAD.contains(&action)
            }
        }
    }
}

/// What an upload session may do with its build's object.
const UPLOAD: [Action; 3] = [
    Action::new("s3", "PutObject"),
    Action::new("s3", "AbortMultipartUpload"),
    Action::new("s3", "ListMultipartUploadParts"),
];

impl Action {
    /// To read an object of S3's, also by another service for whoever calls that.
    pub const GET_OBJECT: Action = Action::new("s3", "GetObject");

    /// The action `name` of a service, by the prefix that policies have for it.
    pub const fn new(service: &'static str, name: &'static str) -> Self {
        Action { service, name }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.name)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("account", &self.account)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
