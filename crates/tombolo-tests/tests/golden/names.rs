//! Names in place of what no two runs share: ids, times, addresses of the server.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Every value that differs from run to run, in one expression, so that none is found within
/// another.
static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    let parts = [
        // An id of EC2's or GameLift's: its kind, then 17 or 32 hexadecimal digits.
        r"(?P<kind>\b[a-z]+(?:-[a-z]+)*)-(?:[0-9a-f]{17}\b|(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b))",
        r"(?P<bare>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)",
        r"(?P<mac>\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b)",
        r"(?P<key>\b(?:AKIA|ASIA|AIDA)[A-Z2-7]{16}\b)",
        r"(?P<account>\b[0-9]{12}\b)",
        r"(?P<endpoint>\b127\.0\.0\.1:[0-9]{4,5}\b)",
        r"(?P<time>\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?P<fraction>\.[0-9]+)?(?: UTC|Z)?)",
        r"(?P<signed>\b[0-9]{8}T[0-9]{6}Z\b)",
        r"(?P<date>\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT)",
    ];
    Regex::new(&parts.join("|")).unwrap()
});

/// What has been named so far, in the order in which it first appeared.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: BTreeMap<String, String>,
    counts: BTreeMap<String, usize>,
}

impl Names {
    /// Gives `raw` a name that tells more than a number.
    pub(crate) fn call(&mut self, raw: &str, name: &str) {
        self.known.insert(raw.to_owned(), name.to_owned());
    }

    /// `text` with a name for each value that varies.
    pub(crate) fn name(&mut self, text: &str) -> String {
        let named = VARYING.replace_all(text, |found: &Captures<'_>| match kind(found) {
            Kind::Same => found[0].to_owned(),
            Kind::Placeholder(name) => name.to_owned(),
            Kind::Counted(kind) => self.counted(&kind, &found[0]),
        });
        self.replace_called(&named)
    }

    /// `text` with names as wide as what they stand for, where a column follows.
    pub(crate) fn name_table(&mut self, text: &str) -> String {
        let named = VARYING.replace_all(text, |found: &Captures<'_>| {
            let name = match kind(found) {
                Kind::Same => found[0].to_owned(),
                Kind::Placeholder(name) => name.to_owned(),
                Kind::Counted(kind) => self.counted(&kind, &found[0]),
            };
            let whole = found.get_match();
            let width = match text[whole.end()..].starts_with("  ") {
                true => whole.len(),
                false => 0,
            };
            format!("{name:width$}")
        });
        self.replace_called(&named)
    }

    /// `text` with a name for what is known, and the same word for everything else of a kind: what
    /// lists are sorted by, whose order comes from ids.
    pub(crate) fn mask(&self, text: &str) -> String {
        let masked = VARYING.replace_all(text, |found: &Captures<'_>| match kind(found) {
            Kind::Same => found[0].to_owned(),
            Kind::Placeholder(name) => name.to_owned(),
            Kind::Counted(kind) => match self.known.get(&found[0]) {
                Some(name) => name.clone(),
                None => format!("{kind}-?"),
            },
        });
        self.replace_called(&masked)
    }

    fn counted(&mut self, kind: &str, raw: &str) -> String {
        if let Some(name) = self.known.get(raw) {
            return name.clone();
        }
        let count = self.counts.entry(kind.to_owned()).or_default();
        *count += 1;
        let name = format!("{kind}-{count}");
        self.known.insert(raw.to_owned(), name.clone());
        name
    }

    /// What was called by [`call`](Self::call) and has no form of its own, such as a directory.
    fn replace_called(&self, text: &str) -> String {
        let mut text = Cow::Borrowed(text);
        for (raw, name) in &self.known {
            if raw.starts_with('/') && text.contains(raw) {
                text = Cow::Owned(text.replace(raw, name));
            }
        }
        text.into_owned()
    }
}

enum Kind {
    /// The test's own word, such as an id that nobody has.
    Same,
    /// One word for all of them.
    Placeholder(&'static str),
    /// A name for each.
    Counted(String),
}

fn kind(found: &Captures<'_>) -> Kind {
    let mut digits = found[0].bytes().filter(u8::is_ascii_digit).peekable();
    let is_nobodys = digits.peek().is_some() && digits.all(|digit| digit == b'0');
    if let Some(kind) = found.name("kind") {
        return match is_nobodys {
            true => Kind::Same,
            false => Kind::Counted(kind.as_str().to_owned()),
        };
    }
    for counted in ["mac", "key", "account"] {
        if found.name(counted).is_some() {
            return match is_nobodys {
                true => Kind::Same,
                false => Kind::Counted(counted.to_owned()),
            };
        }
    }
    if found.name("bare").is_some() {
        return Kind::Counted("uuid".to_owned());
    }
    if found.name("endpoint").is_some() {
        return Kind::Placeholder("<endpoint>");
    }
    if found.name("signed").is_some() {
        return Kind::Placeholder("<time>");
    }
    if found.name("date").is_some() {
        return Kind::Placeholder("<date>");
    }
    match found.name("fraction").map(|digits| digits.len()) {
        // Only where times are whole seconds: what has milliseconds would end so once in a thousand.
        Some(4) if found[0].ends_with("000Z") => Kind::Placeholder("<time.000Z>"),
        _ => Kind::Placeholder("<time>"),
    }
}

/// `text` with ids that nobody has in place of all that are there.
pub(crate) fn with_unknown_ids(text: &str) -> String {
    let unknown = VARYING.replace_all(text, |found: &Captures<'_>| {
        let (kind, uuid) = (found.name("kind"), found.name("uuid"));
        match (kind, uuid) {
            (Some(kind), Some(_)) => {
                format!("{}-00000000-0000-0000-0000-000000000000", kind.as_str())
            }
            (Some(kind), None) => format!("{}-00000000000000000", kind.as_str()),
            _ => found[0].to_owned(),
        }
    });
    unknown.into_owned()
}
