//! DescribeVpcs.

use serde::{Deserialize, Serialize};

use super::view::VpcView;
use crate::ec2::error::Result;
use crate::ec2::selection::Selection;
use crate::ec2::tag::TagsOf;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    vpc_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    vpcs: Vec<VpcView>,
    next_token: Option<String>,
}

/// The caller's VPCs.
pub(crate) async fn describe_vpcs(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let mut tags = TagsOf::read(tx, call).await?;
    let all = tx.vpcs().to(call.action()).await?.into_iter().map(|vpc| {
        let tags = tags.take(&vpc.id);
        VpcView::new(vpc, tags)
    });
    let ids = ("vpcIds", &input.vpc_ids[..]);
    let page = input.selection.named(call, ids, all.collect())?;
    Ok(Described {
        vpcs: page.items,
        next_token: page.next_token,
    })
}
