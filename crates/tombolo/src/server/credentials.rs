//! Access keys, looked up in the store at every request.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use tombolo_api::http::{Credential, Credentials, User};
use tombolo_domain::id::AccessKeyId;
use tombolo_store::typed::Transaction;
use tombolo_store::{Store, keys};

/// The access keys of a store.
pub(super) struct StoredCredentials {
    store: Arc<dyn Store>,
}

impl StoredCredentials {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        StoredCredentials { store }
    }
}

#[async_trait]
impl Credentials for StoredCredentials {
    async fn credential(
        &self,
        id: &AccessKeyId,
    ) -> Result<Option<Credential>, Box<dyn Error + Send + Sync>> {
        let mut tx = Transaction::new(self.store.clone());
        let Some(key) = tx.get(&keys::access_key(id)).await? else {
            return Ok(None);
        };
        let Some(user) = tx.get(&keys::user(key.account, &key.user)).await? else {
            return Ok(None);
        };
        Ok(Some(Credential {
            secret: key.secret.reveal().to_owned(),
            account: key.account,
            user: User {
                name: user.name.as_str().to_owned(),
                id: user.id,
            },
        }))
    }
}
