//! DescribeRegions and DescribeAvailabilityZones. On one machine a Region's zones are names only:
//! `us-west-2a` with the id `usw2-az1`.

use serde::{Deserialize, Serialize};
use tombolo_domain::id::Region;

use super::filter::{Field, Filtered};
use super::parameter::{invalid, invalid_value};
use super::selection::Selection;
use super::tag::Tag;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::shorten;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeRegionsInput {
    #[serde(default)]
    region_names: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeRegionsOutput {
    regions: Vec<RegionView>,
}

/// The Regions that this server is. All are open to every account, so AllRegions adds none.
pub(crate) async fn describe_regions(
    _: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: DescribeRegionsInput,
) -> Result<DescribeRegionsOutput> {
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
    Ok(DescribeRegionsOutput {
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

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeZonesInput {
    #[serde(default)]
    zone_names: Vec<String>,
    #[serde(default)]
    zone_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeZonesOutput {
    availability_zones: Vec<ZoneView>,
}

/// The zones of the Region. There are no others to opt in to, so AllAvailabilityZones adds none.
pub(crate) async fn describe_availability_zones(
    _: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: DescribeZonesInput,
) -> Result<DescribeZonesOutput> {
    let region = call.scope().region;
    let mut all: Vec<ZoneView> = zones(&region)
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
    Ok(DescribeZonesOutput {
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
            zone_id: zone_id(region, &name),
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

/// The letters of a Region's zones.
const LETTERS: [char; 3] = ['a', 'b', 'c'];

/// The names of a Region's zones.
fn zones(region: &Region) -> [String; 3] {
    LETTERS.map(|letter| format!("{region}{letter}"))
}

/// The zone that a request asks for by name or id, or the Region's first.
pub(super) fn choose_zone(region: &Region, name: Option<&str>, id: Option<&str>) -> Result<String> {
    let names = zones(region);
    let [first, ..] = &names;
    let (parameter, wanted, found) = match (name, id) {
        (Some(_), Some(_)) => {
            return Err(Error::new(
                Ec2Error::InvalidParameterCombination,
                "The parameters availabilityZone and availabilityZoneId cannot be used together; \
                 use one of them.",
            ));
        }
        (None, None) => return Ok(first.clone()),
        (Some(name), None) => {
            let found = names.iter().find(|zone| *zone == name);
            ("availabilityZone", name, found)
        }
        (None, Some(id)) => {
            let found = names.iter().find(|zone| zone_id(region, zone) == id);
            ("availabilityZoneId", id, found)
        }
    };
    found.cloned().ok_or_else(|| {
        let why = format!(
            "Subnets can be created in the following Availability Zones: {}.",
            names.join(", ")
        );
        invalid_value(parameter, wanted, &why)
    })
}

/// The id of a zone of `region`.
pub(super) fn zone_id(region: &Region, zone: &str) -> String {
    let letter = zone.bytes().last().unwrap_or(b'a');
    let number = letter.saturating_sub(b'a') + 1;
    format!("{}-az{number}", short(region))
}

/// A Region's name as zone ids have it: `usw2`, `apne1`, `usgw1`.
fn short(region: &Region) -> String {
    let shorten = |part: &str| match part {
        "northeast" => "ne".to_owned(),
        "northwest" => "nw".to_owned(),
        "southeast" => "se".to_owned(),
        "southwest" => "sw".to_owned(),
        "north" | "south" | "east" | "west" | "central" | "gov" => part[..1].to_owned(),
        part => part.to_owned(),
    };
    region.as_str().split('-').map(shorten).collect()
}
