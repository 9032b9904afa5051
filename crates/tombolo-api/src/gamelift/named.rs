//! Names in requests, and how GameLift says that there is nothing of a name.

use tombolo_domain::Scope;
use tombolo_domain::id::{AccountId, BuildId, FleetId, VpcId};

use crate::gamelift::error::{Error, Result};
use crate::lookup::{LookupError, NotFound};
use crate::operation::text::shorten;

/// Parses an account id, which the model leaves at "a text".
pub(super) fn account(member: &str, text: &str) -> Result<AccountId> {
    text.parse().map_err(|_| {
        Error::invalid_request(format!(
            "Value '{}' at '{member}' is not an AWS account ID: it has 12 digits.",
            shorten(text)
        ))
    })
}

macro_rules! not_found {
    ($($id:ident => $kind:literal;)*) => {$(
        impl From<LookupError<$id>> for Error {
            fn from(error: LookupError<$id>) -> Self {
                match error {
                    LookupError::NotFound(NotFound { name, owner, .. }) => {
                        not_found(&owner, $kind, &name)
                    }
                    LookupError::Failed(failed) => failed.into(),
                }
            }
        }
    )*};
}

not_found! {
    FleetId => "Fleet";
    BuildId => "Build";
    VpcId => "VPC";
}

/// Says that the caller's account has no such resource in the request's Region.
pub(super) fn not_found(owner: &Scope, kind: &str, name: &str) -> Error {
    Error::not_found(format!(
        "{kind} {} was not found in account {} and Region {}.",
        shorten(name),
        owner.account,
        owner.region
    ))
}
