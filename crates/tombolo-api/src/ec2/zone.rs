//! Availability Zones. On one machine they are names only: `us-west-2a` with the id `usw2-az1`.

use tombolo_domain::id::Region;

use super::parameter::invalid_value;
use crate::ec2::error::{Ec2Error, Error, Result};

/// The letters of a Region's zones.
const LETTERS: [char; 3] = ['a', 'b', 'c'];

/// The names of a Region's zones.
pub(super) fn all(region: &Region) -> [String; 3] {
    LETTERS.map(|letter| format!("{region}{letter}"))
}

/// The zone that a request asks for by name or id, or the Region's first.
pub(super) fn choose(region: &Region, name: Option<&str>, id: Option<&str>) -> Result<String> {
    let names = all(region);
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
            let found = names.iter().find(|zone| self::id(region, zone) == id);
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
pub(super) fn id(region: &Region, zone: &str) -> String {
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
