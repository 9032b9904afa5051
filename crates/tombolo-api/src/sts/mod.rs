//! AWS STS: who am I.

mod error;
mod operations;

pub use error::StsError;
pub use operations::OPERATIONS;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::AccountId;

use self::error::Result;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
pub(crate) struct Empty {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CallerIdentity {
    user_id: String,
    account: AccountId,
    arn: String,
}

/// Who signed the request.
pub(crate) async fn get_caller_identity(
    _: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    _: Empty,
) -> Result<CallerIdentity> {
    let principal = call.principal;
    Ok(CallerIdentity {
        user_id: principal.user_id(),
        account: principal.account(),
        arn: principal.arn(),
    })
}
