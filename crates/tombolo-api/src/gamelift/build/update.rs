//! UpdateBuild.

use serde::Deserialize;
use tombolo_store::typed::Transaction;

use super::One;
use crate::gamelift::error::Result;
use crate::gamelift::named::own_build;
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
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Update,
) -> Result<One> {
    let mut build = own_build(tx, call, &input.build_id).await?;
    build.name = input.name.or(build.name);
    build.version = input.version.or(build.version);
    tx.put(&build)?;
    Ok(One {
        build: build.into(),
    })
}
