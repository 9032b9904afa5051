//! Access keys and temporary credentials, as the store has them at every request.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tombolo_api::http::Credentials;
use tombolo_domain::account::TemporaryCredential;
use tombolo_domain::id::AccessKeyId;
use tombolo_domain::principal::{Credential, Identity, Session};
use tombolo_domain::time::Clock;
use tombolo_store::typed::Transaction;
use tombolo_store::{Revision, Store, StoreError, keys};

/// The access keys and temporary credentials of a store.
pub(super) struct StoredCredentials {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    known: Mutex<Cached>,
}

/// What was read at a revision, which holds for as long as that is the store's: a key that is
/// deleted stops working with the next request.
#[derive(Default)]
struct Cached {
    revision: Revision,
    credentials: BTreeMap<AccessKeyId, Credential>,
}

impl StoredCredentials {
    /// The credentials of `store`; temporary ones expire by `clock`.
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        StoredCredentials {
            store,
            clock,
            known: Mutex::default(),
        }
    }

    async fn read(&self, id: &AccessKeyId) -> Result<Option<Credential>, StoreError> {
        let mut tx = Transaction::new(self.store.clone());
        if id.is_temporary() {
            let found = tx.get(&keys::temporary_credential(id)).await?;
            return Ok(found.map(|found| self.temporary(found)));
        }
        let Some(key) = tx.get(&keys::access_key(id)).await? else {
            return Ok(None);
        };
        let Some(user) = tx.get(&keys::user(key.account, &key.user)).await? else {
            return Ok(None);
        };
        Ok(Some(Credential {
            secret: key.secret.reveal().to_owned(),
            account: key.account,
            identity: Identity::User {
                name: user.name,
                id: user.id,
            },
            session: None,
        }))
    }

    fn temporary(&self, found: TemporaryCredential) -> Credential {
        let has_expired = found.has_expired(self.clock.now());
        Credential {
            secret: found.secret.reveal().to_owned(),
            account: found.scope.account,
            identity: Identity::UploadSession {
                region: found.scope.region,
                build: found.build,
            },
            session: Some(Session {
                token: found.token,
                has_expired,
            }),
        }
    }

    fn known(&self, id: &AccessKeyId, revision: Revision) -> Option<Credential> {
        // Each change is a whole one, so a panic elsewhere leaves nothing half-made.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = known.revision == revision;
        holds.then(|| known.credentials.get(id).cloned()).flatten()
    }

    fn remember(&self, id: &AccessKeyId, credential: &Credential, revision: Revision) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.revision != revision {
            *known = Cached {
                revision,
                ..Cached::default()
            };
        }
        known.credentials.insert(id.clone(), credential.clone());
    }
}

#[async_trait]
impl Credentials for StoredCredentials {
    async fn credential(
        &self,
        id: &AccessKeyId,
    ) -> Result<Option<Credential>, Box<dyn Error + Send + Sync>> {
        // Before the reads: what changes during them must not count as read at that revision.
        let revision = self.store.revision().await?;
        if let Some(credential) = self.known(id, revision) {
            return Ok(Some(credential));
        }
        let credential = self.read(id).await?;
        // What a temporary one is good for changes with the time, not only with the store.
        if let Some(credential) = credential.as_ref().filter(|_| !id.is_temporary()) {
            self.remember(id, credential, revision);
        }
        Ok(credential)
    }
}
