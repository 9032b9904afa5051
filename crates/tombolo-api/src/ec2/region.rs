//! DescribeRegions.

use serde::{Deserialize, Serialize};
use tombolo_domain::id::Region;

use super::filter::{Field, Filtered};
use super::parameter::invalid;
use super::selection::Selection;
use super::tag::Tag;
use crate::ec2::error::Result;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::text::shorten;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    region_names: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    regions: Vec<RegionView>,
}

/// The Regions that this server is. All are open to every account, so AllRegions adds none.
pub(crate) async fn describe_regions(
    _: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let regions = &call.settings.regions;
    let is = |region: &Region, name: &String| region.as_str() == name;
    let unknown = |name: &&String| !regions.iter().any(|region| is(region, name));
    if let Some(unknown) = input.region_names.iter().find(unknown) {
        let known: Vec<&str> = regions.iter().map(Region::as_str).collect();
        return Err(invalid(format!(
            "Invalid region: [{}]; this server has {}",
            shorten(unknown),
            known.join(", ")
        )));
    }
    let names = &input.region_names;
    let asked_for = regions
        .iter()
        .filter(|region| names.is_empty() || names.iter().any(|name| is(region, name)))
        .map(|region| RegionView {
            region_name: region.clone(),
            opt_in_status: "opt-in-not-required",
        });
    let page = input
        .selection
        .filtered(call, asked_for.collect(), |region| {
            region.region_name.to_string()
        })?;
    Ok(Described {
        regions: page.items,
    })
}

/// EC2's Region. It has no Endpoint: the names that EC2 gives lead to AWS, not to this server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RegionView {
    region_name: Region,
    opt_in_status: &'static str,
}

impl Filtered for RegionView {
    const FIELDS: &'static [Field<Self>] = &[
        ("endpoint", |_| vec![]),
        ("opt-in-status", |region| {
            vec![region.opt_in_status.to_owned()]
        }),
        ("region-name", |region| vec![region.region_name.to_string()]),
    ];

    fn tags(&self) -> &[Tag] {
        &[]
    }
}
