//! UpdateBuild.

use serde::Deserialize;

use super::One;
use crate::gamelift::error::Result;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Update {
    build_id: String,
    name: Option<String>,
    version: Option<String>,
}

/// Gives a build another name or version; what is left out stays as it is.
pub(crate) async fn update_build(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Update,
) -> Result<One> {
    let mut build = tx.build(&input.build_id).to(call.action()).await?;
    build.name = input.name.or(build.name);
    build.version = input.version.or(build.version);
    tx.put(&build)?;
    Ok(One {
        build: build.into(),
    })
}
