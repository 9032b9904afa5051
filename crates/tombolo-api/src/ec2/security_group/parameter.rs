//! What requests say about a group: which it is, and its name and description, in EC2's set of
//! characters.

use serde::Deserialize;
use tombolo_domain::vpc::SecurityGroup;

use crate::ec2::error::{Error, Result};
use crate::ec2::parameter::{invalid, invalid_value, unsupported};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

/// The two members that EC2 has for it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedGroup {
    group_id: Option<String>,
    group_name: Option<String>,
}

impl NamedGroup {
    /// The caller's group.
    ///
    /// # Errors
    /// A malformed or unknown id, and a name: EC2 takes one for groups of a default VPC only, which
    /// Tombolo does not make.
    pub(super) async fn find(
        &self,
        tx: &mut ScopedTransaction<'_>,
        call: &Call<'_>,
    ) -> Result<SecurityGroup> {
        match (&self.group_id, &self.group_name) {
            (Some(id), _) => Ok(tx.security_group(id).to(call.action()).await?),
            (None, Some(_)) => Err(unsupported(
                "GroupName names a security group of a default VPC, and Tombolo makes none. Use \
                 GroupId.",
            )),
            (None, None) => Err(Error::missing_parameter("groupId")),
        }
    }
}

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
