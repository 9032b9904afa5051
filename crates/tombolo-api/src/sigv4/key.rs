//! Signing keys: derived from the secret for one day, Region and service, and kept for reuse.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::TERMINATOR;
use super::claim::CredentialScope;

/// How many keys are kept. Only existing access keys get one, for at most two dates, in this
/// server's Regions and services, so this is over a thousand access keys in use on one day.
const MAX_CACHED_KEYS: usize = 8192;

/// A signing key, with its two blocks of HMAC already absorbed.
#[derive(Clone)]
pub(super) struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Derives the key of `scope` from `secret`.
    pub(super) fn derive(secret: &str, scope: &CredentialScope<'_>) -> Self {
        let mut key = keyed(format!("AWS4{secret}").as_bytes());
        for part in [scope.date, scope.region, scope.service, TERMINATOR] {
            key.update(part.as_bytes());
            key = keyed(&key.finalize().into_bytes());
        }
        SigningKey(key)
    }

    /// The signature of `string_to_sign`, in lowercase hexadecimal.
    pub(super) fn sign(&self, string_to_sign: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(string_to_sign);
        format!("{:x}", mac.finalize().into_bytes())
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

/// The signing keys in use.
#[derive(Default)]
pub(super) struct SigningKeys(Mutex<HashMap<Box<str>, Cached>>);

struct Cached {
    /// What the key was derived from: an access key may be deleted and made again.
    secret: Box<str>,
    key: SigningKey,
}

impl SigningKeys {
    /// The signing key of `scope` for `secret`, which is the secret of the scope's access key now.
    pub(super) fn get(&self, secret: &str, scope: &CredentialScope<'_>) -> SigningKey {
        {
            let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(cached) = keys.get(scope.text).filter(|key| *key.secret == *secret) {
                return cached.key.clone();
            }
        }
        let key = SigningKey::derive(secret, scope);
        let cached = Cached {
            secret: secret.into(),
            key: key.clone(),
        };
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_CACHED_KEYS {
            // Mostly yesterday's. Deriving again costs a few microseconds a key.
            keys.clear();
        }
        keys.insert(scope.text.into(), cached);
        key
    }
}
