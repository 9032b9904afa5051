//! What a request names: parsed, and found among what the caller's account has in the Region.
//! Anything else is unknown, whoever has it.

use tombolo_domain::arn;
use tombolo_domain::fleet::{Build, Fleet};
use tombolo_domain::id::AccountId;
use tombolo_domain::vpc::Vpc;
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use crate::gamelift::error::{Error, Result};
use crate::operation::Call;
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

/// The caller's own VPC, which no fleet hides.
pub(super) async fn own_vpc(tx: &mut Transaction, call: &Call<'_>, id: &str) -> Result<Vpc> {
    let vpc = match id.parse() {
        Ok(id) => tx.get(&keys::vpc(&call.scope(), &id)).await?,
        Err(_) => None,
    };
    vpc.filter(|vpc| vpc.fleet.is_none())
        .ok_or_else(|| not_found(call, "VPC", id))
}

/// The caller's fleet, named by id or ARN.
pub(super) async fn own_fleet(
    tx: &mut Transaction,
    call: &Call<'_>,
    id_or_arn: &str,
) -> Result<Fleet> {
    let found = match arn::fleet_id_or_arn(&call.scope(), id_or_arn) {
        Some(id) => tx.get(&keys::fleet(&call.scope(), &id)).await?,
        None => None,
    };
    found.ok_or_else(|| not_found(call, "Fleet", id_or_arn))
}

/// The caller's build, named by id or ARN.
pub(super) async fn own_build(
    tx: &mut Transaction,
    call: &Call<'_>,
    id_or_arn: &str,
) -> Result<Build> {
    let found = match arn::build_id_or_arn(&call.scope(), id_or_arn) {
        Some(id) => tx.get(&keys::build(&call.scope(), &id)).await?,
        None => None,
    };
    found.ok_or_else(|| not_found(call, "Build", id_or_arn))
}

/// Says that the caller's account has no such resource in the request's Region.
pub(super) fn not_found(call: &Call<'_>, kind: &str, name: &str) -> Error {
    Error::not_found(format!(
        "{kind} {} was not found in account {} and Region {}.",
        shorten(name),
        call.principal.account(),
        call.principal.region()
    ))
}
