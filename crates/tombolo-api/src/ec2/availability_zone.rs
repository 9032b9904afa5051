//! DescribeAvailabilityZones.

use serde::{Deserialize, Serialize};
use tombolo_domain::id::Region;

use super::filter::{Field, Filtered};
use super::parameter::invalid;
use super::selection::Selection;
use super::tag::Tag;
use super::zone;
use crate::ec2::error::Result;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::text::shorten;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    zone_names: Vec<String>,
    #[serde(default)]
    zone_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    availability_zones: Vec<ZoneView>,
}

/// The zones of the Region. There are no others to opt in to, so AllAvailabilityZones adds none.
pub(crate) async fn describe_availability_zones(
    _: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let region = call.scope().region;
    let mut all: Vec<ZoneView> = zone::all(&region)
        .into_iter()
        .map(|name| ZoneView::new(&region, name))
        .collect();
    require(&input.zone_names, "availability zone", &all, |zone| {
        &zone.zone_name
    })?;
    require(&input.zone_ids, "availability zone-id", &all, |zone| {
        &zone.zone_id
    })?;
    let is_asked_for = |asked: &[String], text: &String| asked.is_empty() || asked.contains(text);
    all.retain(|zone| {
        is_asked_for(&input.zone_names, &zone.zone_name)
            && is_asked_for(&input.zone_ids, &zone.zone_id)
    });
    let page = input
        .selection
        .filtered(call, all, |zone| zone.zone_name.clone())?;
    Ok(Described {
        availability_zones: page.items,
    })
}

/// Refuses a name or id that is no zone's, in EC2's words.
fn require(
    asked: &[String],
    what: &str,
    all: &[ZoneView],
    text: impl Fn(&ZoneView) -> &String,
) -> Result<()> {
    let unknown = |asked: &&String| !all.iter().any(|zone| text(zone) == *asked);
    match asked.iter().find(unknown) {
        None => Ok(()),
        Some(unknown) => {
            let known: Vec<&str> = all.iter().map(|zone| text(zone).as_str()).collect();
            Err(invalid(format!(
                "Invalid {what}: [{}]; there are {}",
                shorten(unknown),
                known.join(", ")
            )))
        }
    }
}

/// EC2's AvailabilityZone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ZoneView {
    zone_name: String,
    zone_id: String,
    region_name: Region,
    group_name: String,
    network_border_group: Region,
    zone_type: &'static str,
    opt_in_status: &'static str,
    state: &'static str,
    messages: [(); 0],
}

impl ZoneView {
    fn new(region: &Region, name: String) -> Self {
        ZoneView {
            zone_id: zone::id(region, &name),
            zone_name: name,
            region_name: region.clone(),
            // EC2 numbers the groups of a Region's own zones, and has one of them.
            group_name: format!("{region}-zg-1"),
            network_border_group: region.clone(),
            zone_type: "availability-zone",
            opt_in_status: "opt-in-not-required",
            state: "available",
            messages: [],
        }
    }
}

impl Filtered for ZoneView {
    const FIELDS: &'static [Field<Self>] = &[
        ("group-name", |zone| vec![zone.group_name.clone()]),
        ("message", |_| vec![]),
        ("opt-in-status", |zone| vec![zone.opt_in_status.to_owned()]),
        ("parent-zone-id", |_| vec![]),
        ("parent-zone-name", |_| vec![]),
        ("region-name", |zone| vec![zone.region_name.to_string()]),
        ("state", |zone| vec![zone.state.to_owned()]),
        ("zone-id", |zone| vec![zone.zone_id.clone()]),
        ("zone-name", |zone| vec![zone.zone_name.clone()]),
        ("zone-type", |zone| vec![zone.zone_type.to_owned()]),
    ];

    fn tags(&self) -> &[Tag] {
        &[]
    }
}
