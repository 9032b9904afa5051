//! Accounts, their users and access keys.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::id::{AccessKeyId, AccountId, BuildId, IdSource, MalformedId};

/// An owner of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its 12 digits.
    pub id: AccountId,
    /// What people on this server call it; unique here.
    pub name: AccountName,
    /// When it was made.
    pub created: Timestamp,
}

/// Somebody, or some program, of an account who signs requests with an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The account.
    pub account: AccountId,
    /// The name, unique in the account.
    pub name: UserName,
    /// The unique id that `GetCallerIdentity` shows: `AIDA` and 16 letters and digits.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
}

impl User {
    /// A new user.
    pub fn new(account: AccountId, name: UserName, now: Timestamp, ids: &dyn IdSource) -> Self {
        let id = format!("AIDA{}", &AccessKeyId::generate(ids).as_str()[4..]);
        User {
            account,
            name,
            id,
            created: now,
        }
    }
}

/// An access key and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The public half.
    pub id: AccessKeyId,
    /// The account that a request signed with it acts for.
    pub account: AccountId,
    /// The user that a request signed with it acts as.
    pub user: UserName,
    /// The secret half. Verifying SigV4 needs it in the clear, so the store's file is its owner's
    /// alone.
    pub secret: SecretKey,
    /// When it was made.
    pub created: Timestamp,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A credential that GameLift hands out to upload one build: it works for a short time, together
/// with its session token, and for that build's object only.
#[derive(Clone, PartialEq, Eq)]
pub struct TemporaryCredential {
    /// The public half: `ASIA…`.
    pub id: AccessKeyId,
    /// The secret half, in the clear like an access key's.
    pub secret: SecretKey,
    /// The SHA-256 of the session token. Comparing needs no more.
    pub token: TokenHash,
    /// The account and Region that it acts in.
    pub scope: Scope,
    /// The build that may be uploaded.
    pub build: BuildId,
    /// When it stops working.
    pub expires: Timestamp,
}

impl TemporaryCredential {
    /// Whether it has stopped working.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.expires
    }
}

impl fmt::Debug for TemporaryCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporaryCredential")
            .field("id", &self.id)
            .field("scope", &self.scope)
            .field("build", &self.build)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// The SHA-256 of a session token, in lowercase hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash(pub String);

/// The secret half of an access key: 40 characters. It has no `Display`, and its `Debug` tells
/// nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// A new secret from 240 random bits.
    pub fn generate(ids: &dyn IdSource) -> Self {
        const BASE64: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = [0; 40];
        ids.fill(&mut bytes);
        SecretKey(
            bytes
                .iter()
                .map(|b| char::from(BASE64[usize::from(b & 63)]))
                .collect(),
        )
    }

    /// A secret that [`reveal`](SecretKey::reveal) gave.
    pub fn from_revealed(secret: String) -> Self {
        SecretKey(secret)
    }

    /// The secret itself: for the signature, and for the one time that it is shown.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $punctuation:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;
            fn from_str(text: &str) -> Result<Self, MalformedId> {
                let allowed = |b: u8| b.is_ascii_alphanumeric() || $punctuation.contains(&b);
                if (1..=$max).contains(&text.len()) && text.bytes().all(allowed) {
                    Ok($name(text.to_owned()))
                } else {
                    Err(MalformedId::new(text, $expected))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = MalformedId;
            fn try_from(text: String) -> Result<Self, MalformedId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// An account's name on this server.
    AccountName, 64, b"-_.", "an account's name (1 to 64 letters, digits and -_.)"
);
name!(
    /// A user's name (IAM's own alphabet: letters, digits and `+=,.@_-`).
    UserName, 64, b"+=,.@_-", "a user's name (1 to 64 letters, digits and +=,.@_-)"
);
