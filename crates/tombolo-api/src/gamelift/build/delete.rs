//! DeleteBuild.

use tombolo_domain::fleet::FleetStatus;

use super::Named;
use crate::gamelift::Empty;
use crate::gamelift::error::{Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

/// Forgets a build that no fleet runs, and what was uploaded for it; its files go later. AWS deletes
/// a build from under its fleets. Here they start their instances from its files again and again,
/// so it may not go.
pub(crate) async fn delete_build(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Named,
) -> Result<Empty> {
    let build = tx.build(&input.build_id).to(call.action()).await?;
    let fleets = tx.fleets().to(call.action())?.list().await?;
    let user = fleets.iter().find(|fleet| {
        let runs_it = fleet.managed().is_some_and(|of| of.build == build.id);
        runs_it && fleet.status != FleetStatus::Terminated
    });
    if let Some(fleet) = user {
        return Err(Error::invalid_request(format!(
            "Build {} is used by fleet {}, which is {}; delete the fleet first.",
            build.id, fleet.id, fleet.status
        )));
    }
    tx.remove_upload_of_build(&build).await?;
    tx.remove_tags_of(build.id.as_str());
    tx.remove(&build);
    Ok(Empty {})
}
