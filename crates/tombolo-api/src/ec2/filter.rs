//! Filters, which every Describe operation has.
//!
//! EC2: "Filtering" in the Amazon EC2 User Guide. A resource passes if, for each filter, one of
//! its values matches one of the filter's [patterns](Pattern).

use serde::Deserialize;

use super::parameter::invalid;
use super::tag::Tag;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::operation::format::shorten;

/// The most values that the filters of one request may have together, as in EC2.
const MAX_VALUES: usize = 200;

/// One filter of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter {
    name: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

impl Filter {
    /// Whether it is the filter of this name.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Its values, if each stands for itself only.
    pub(super) fn literals(&self) -> Option<impl Iterator<Item = &str>> {
        let is_pattern = |value: &String| value.contains(['*', '?', '\\']);
        let are_literals = !self.values.is_empty() && !self.values.iter().any(is_pattern);
        are_literals.then(|| self.values.iter().map(String::as_str))
    }
}

/// A filter's name, and the values that a `T` has under it.
pub(super) type Field<T> = (&'static str, fn(&T) -> Vec<String>);

/// Something that filters can be asked of.
pub(super) trait Filtered: Sized + 'static {
    /// The filters by their names; those of tags, which all resources share, are not among them.
    const FIELDS: &'static [Field<Self>];

    /// Its tags.
    fn tags(&self) -> &[Tag];
}

/// What a filter looks at.
enum Subject<'a, T> {
    Field(fn(&T) -> Vec<String>),
    TagKeys,
    Tag(&'a str),
}

impl<T: Filtered> Subject<'_, T> {
    fn values(&self, of: &T) -> Vec<String> {
        match self {
            Subject::Field(field) => field(of),
            Subject::TagKeys => of.tags().iter().map(|tag| tag.key.clone()).collect(),
            Subject::Tag(key) => {
                let tagged = of.tags().iter().filter(|tag| tag.key == *key);
                tagged.map(|tag| tag.value.clone()).collect()
            }
        }
    }
}

/// Those of `all` that pass every filter.
///
/// # Errors
/// [`Ec2Error::InvalidParameterValue`] for a name that is no filter of a `T` or has no values,
/// and [`Ec2Error::FilterLimitExceeded`].
pub(super) fn apply<T: Filtered>(filters: &[Filter], mut all: Vec<T>) -> Result<Vec<T>> {
    let values: usize = filters.iter().map(|filter| filter.values.len()).sum();
    if values > MAX_VALUES {
        return Err(Error::new(
            Ec2Error::FilterLimitExceeded,
            format!(
                "The request has {values} filter values. The maximum number of filter values \
                 specified on a single call is {MAX_VALUES}."
            ),
        ));
    }
    for filter in filters {
        let name = filter.name.as_deref().unwrap_or_default();
        let subject = subject::<T>(name)?;
        if filter.values.is_empty() {
            return Err(invalid(format!(
                "The filter '{}' has no values; give it at least one.",
                shorten(name)
            )));
        }
        let patterns: Vec<Pattern> = filter
            .values
            .iter()
            .map(|text| Pattern::new(text))
            .collect();
        all.retain(|one| {
            let values = subject.values(one);
            let matches = |pattern: &Pattern| values.iter().any(|value| pattern.matches(value));
            patterns.iter().any(matches)
        });
    }
    Ok(all)
}

fn subject<T: Filtered>(name: &str) -> Result<Subject<'_, T>> {
    if let Some(key) = name.strip_prefix("tag:") {
        return Ok(Subject::Tag(key));
    }
    if name == "tag-key" {
        return Ok(Subject::TagKeys);
    }
    match T::FIELDS.iter().find(|(field, _)| *field == name) {
        Some((_, field)) => Ok(Subject::Field(*field)),
        None => Err(invalid(format!(
            "The filter '{}' is invalid",
            shorten(name)
        ))),
    }
}

/// A pattern: `*` stands for any characters, `?` for one, and `\` takes the meaning of the next
/// away. Case counts.
pub(super) struct Pattern(Vec<Glob>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Glob {
    Any,
    One,
    Literal(char),
}

impl Pattern {
    /// Reads a pattern. Every text is one.
    pub(super) fn new(text: &str) -> Self {
        let mut chars = text.chars();
        let mut globs = Vec::new();
        while let Some(c) = chars.next() {
            globs.push(match c {
                '*' => Glob::Any,
                '?' => Glob::One,
                '\\' => Glob::Literal(chars.next().unwrap_or('\\')),
                c => Glob::Literal(c),
            });
        }
        Pattern(globs)
    }

    /// Whether the whole of `text` is what the pattern describes. Goes back only to the last `*`,
    /// so the time is bounded by the product of the lengths whatever a client sends.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Pattern(globs) = self;
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut read) = (0, 0);
        let mut last_star = None;
        while read < text.len() {
            match globs.get(at) {
                Some(Glob::Any) => {
                    last_star = Some((at, read));
                    at += 1;
                }
                Some(Glob::One) => (at, read) = (at + 1, read + 1),
                Some(Glob::Literal(c)) if *c == text[read] => (at, read) = (at + 1, read + 1),
                _ => match last_star {
                    // The star takes one character more.
                    Some((star, taken)) => {
                        last_star = Some((star, taken + 1));
                        (at, read) = (star + 1, taken + 1);
                    }
                    None => return false,
                },
            }
        }
        globs[at..].iter().all(|glob| *glob == Glob::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_match_whole_texts_and_backslash_escapes() {
        let table = [
            ("database", "database", true),
            ("database", "database1", false),
            ("data*", "database", true),
            ("*base", "database", true),
            ("*a*a*", "database", true),
            ("d?t?base", "database", true),
            ("d?base", "database", false),
            ("*", "", true),
            ("?", "", false),
            ("", "", true),
            ("Data*", "database", false),
            ("\\*data\\?\\\\", "*data?\\", true),
            ("\\*data", "xdata", false),
            ("*ab", "aab", true),
            ("?", "ä", true),
        ];
        for (pattern, text, expected) in table {
            let matches = Pattern::new(pattern).matches(text);
            assert_eq!(matches, expected, "{pattern:?} and {text:?}");
        }
    }
}
