//! What people write about groups and rules: names and descriptions, in EC2's set of characters.

use crate::ec2::error::{Error, Result};
use crate::ec2::parameter::{invalid, invalid_value};

/// The longest name and the longest description, in characters.
const MAX_LENGTH: usize = 255;

/// The characters, besides letters and digits of ASCII.
const PUNCTUATION: &str = " ._-:/()#,@[]+=&;{}!$*";

/// EC2's own words for the set.
const VALID: &str = "strings less than 256 characters from the following set: \
                     a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*";

fn is_valid(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || PUNCTUATION.contains(c);
    text.len() <= MAX_LENGTH && text.chars().all(allowed)
}

/// The name of a new group. Spaces at its end are dropped, as EC2 documents it.
///
/// # Errors
/// One that is empty, too long, has other characters, looks like an id, or is that of the default
/// group.
pub(super) fn group_name(text: &str) -> Result<String> {
    let name = text.trim_end_matches(' ');
    let refused = |why: &str| invalid_value("groupName", text, why);
    if name.is_empty() {
        return Err(Error::missing_parameter("groupName"));
    }
    if !is_valid(name) {
        return Err(refused(&format!("Valid names are {VALID}.")));
    }
    if starts_like_an_id(name) {
        return Err(refused("Group names may not be in the format sg-*."));
    }
    if name.eq_ignore_ascii_case(tombolo_domain::vpc::DEFAULT_GROUP) {
        return Err(invalid(format!(
            "Cannot use reserved security group name: {name}"
        )));
    }
    Ok(name.to_owned())
}

fn starts_like_an_id(name: &str) -> bool {
    name.get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("sg-"))
}

/// The description of a new group.
///
/// # Errors
/// One that is empty, too long or has other characters.
pub(super) fn group_description(text: String) -> Result<String> {
    if text.is_empty() {
        return Err(Error::missing_parameter("GroupDescription"));
    }
    if !is_valid(&text) {
        return Err(invalid_value(
            "GroupDescription",
            &text,
            &format!("Invalid security group description. Valid descriptions are {VALID}."),
        ));
    }
    Ok(text)
}

/// The description of a rule; an empty one is none.
///
/// # Errors
/// One that is too long or has other characters.
pub(super) fn rule_description(text: Option<String>) -> Result<Option<String>> {
    match text {
        Some(text) if !is_valid(&text) => Err(invalid_value(
            "description",
            &text,
            &format!("Invalid rule description. Valid descriptions are {VALID}."),
        )),
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}
