//! The patterns of filters' values.

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
