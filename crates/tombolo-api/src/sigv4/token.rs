//! Session tokens: what makes a temporary credential more than its keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tombolo_domain::account::TokenHash;
use tombolo_domain::id::IdSource;

/// A new session token. Only its hash is kept.
pub(crate) struct SessionToken(String);

impl SessionToken {
    /// A new one from 768 random bits.
    pub(crate) fn generate(ids: &dyn IdSource) -> Self {
        let mut bytes = [0; 96];
        ids.fill(&mut bytes);
        SessionToken(STANDARD.encode(bytes))
    }

    /// The token itself, for the one time that it is shown.
    pub(crate) fn reveal(self) -> String {
        self.0
    }

    /// What is kept of it.
    pub(crate) fn hash(&self) -> TokenHash {
        hash(self.0.as_bytes())
    }
}

fn hash(token: &[u8]) -> TokenHash {
    TokenHash(format!("{:x}", Sha256::digest(token)))
}

/// Whether `token` is the one whose hash is `expected`.
pub(super) fn is_token(token: &[u8], expected: &TokenHash) -> bool {
    hash(token).0.as_bytes().ct_eq(expected.0.as_bytes()).into()
}
