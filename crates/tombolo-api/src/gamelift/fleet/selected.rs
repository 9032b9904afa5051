//! The fleets that a request is about: those that it names, or all in pages.

use std::collections::BTreeSet;

use tombolo_domain::arn;
use tombolo_domain::fleet::Fleet;

use crate::gamelift::error::Result;
use crate::gamelift::page::{Page, Window};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

/// The fleets named, in the order named and without those that are not the caller's; Limit and
/// NextToken count only when none is named, and then for the fleets that `keep` wants.
pub(super) async fn selected(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    names: Option<&[String]>,
    (limit, next_token): (Option<u64>, Option<&str>),
    keep: impl Fn(&Fleet) -> bool,
) -> Result<Page<Fleet>> {
    if let Some(names) = names {
        return Ok(Page {
            records: named(tx, call, names).await?,
            next_token: None,
        });
    }
    let fleets = tx.fleets().to(call.action())?;
    let window = Window::new(&fleets, limit, next_token)?;
    window.read(fleets, keep, |_| true).await
}

async fn named(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    names: &[String],
) -> Result<Vec<Fleet>> {
    let mut seen = BTreeSet::new();
    let mut fleets = Vec::new();
    for name in names {
        let Some(id) = arn::fleet_id_or_arn(call.principal.scope(), name) else {
            continue;
        };
        if seen.insert(id.clone()) {
            fleets.extend(tx.fleet(name).find(call.action()).await?);
        }
    }
    Ok(fleets)
}
