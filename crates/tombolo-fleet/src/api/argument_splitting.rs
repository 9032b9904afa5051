//! Splitting a server process's parameters into arguments.
//!
//! By hand and not by the crate shlex: that takes what follows a `#` for a comment, lets a backslash
//! escape `$` and a backtick between double quotes, refuses one at the end, and does not say where a
//! quote was opened. Each would change what a runtime configuration in use means.

/// A quote that was opened and not closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the quote {quote} at byte {at} is never closed; close it, or escape it with a backslash")]
pub struct UnclosedQuote {
    /// The quote, `'` or `"`.
    pub quote: char,
    /// Where it was opened, in bytes from the start.
    pub at: usize,
}

/// The arguments in `parameters`, as a POSIX shell would quote them, without its expansions.
///
/// Whitespace separates arguments. Between single quotes every character stands for itself;
/// between double quotes too, but `\"` is a quote and `\\` a backslash. Elsewhere a backslash
/// takes the next character as it is; one at the very end stands for itself. Empty quotes are an
/// empty argument. Variables, globs, `~`, `;`, `|` and `>` mean nothing.
///
/// GameLift does not document how it splits its `Parameters`; this rule is Tombolo's own.
pub fn split_parameters(parameters: &str) -> Result<Vec<String>, UnclosedQuote> {
    let mut words = Vec::new();
    // `None` between words; `Some("")` in a word that has only empty quotes so far.
    let mut word: Option<String> = None;
    let mut characters = parameters.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            quote @ ('\'' | '"') => {
                let quoted = until_quote(quote, at, &mut characters)?;
                word.get_or_insert_default().push_str(&quoted);
            }
            '\\' => {
                let escaped = characters.next().map_or('\\', |(_, next)| next);
                word.get_or_insert_default().push(escaped);
            }
            space if space.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// What stands before the closing `quote`, which is consumed; `at` is where it was opened.
fn until_quote(
    quote: char,
    at: usize,
    characters: &mut std::str::CharIndices<'_>,
) -> Result<String, UnclosedQuote> {
    let mut quoted = String::new();
    while let Some((_, character)) = characters.next() {
        if character == quote {
            return Ok(quoted);
        }
        if quote == '"' && character == '\\' {
            match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => quoted.push(escaped),
                Some((_, other)) => quoted.extend(['\\', other]),
                None => break,
            }
        } else {
            quoted.push(character);
        }
    }
    Err(UnclosedQuote { quote, at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_and_escapes() {
        for (parameters, expected) in [
            ("", vec![]),
            ("  \t ", vec![]),
            (
                "-port 4000  -map 'Dust II'",
                vec!["-port", "4000", "-map", "Dust II"],
            ),
            (r#"+name "a \"b\" \\ \n""#, vec!["+name", r#"a "b" \ \n"#]),
            (r"one\ word 'it'\''s'", vec!["one word", "it's"]),
            (r#"'' "" x"#, vec!["", "", "x"]),
            (r"trailing\", vec![r"trailing\"]),
            ("$HOME ~ *;|>", vec!["$HOME", "~", "*;|>"]),
        ] {
            assert_eq!(
                split_parameters(parameters).unwrap(),
                expected,
                "{parameters:?}"
            );
        }
    }

    #[test]
    fn an_unclosed_quote_is_named_with_its_place() {
        let error = split_parameters("-name 'Dust II").unwrap_err();
        assert_eq!(error, UnclosedQuote { quote: '\'', at: 6 });
        assert_eq!(
            error.to_string(),
            "the quote ' at byte 6 is never closed; close it, or escape it with a backslash"
        );
        assert!(split_parameters(r#""x\"#).is_err());
    }

    proptest! {
        /// Without quotes and backslashes the rule is nothing but splitting at whitespace.
        #[test]
        fn plain_words_split_at_whitespace(parameters in r#"[^'"\\]*"#) {
            let naive: Vec<_> = parameters.split_whitespace().map(str::to_owned).collect();
            prop_assert_eq!(split_parameters(&parameters).unwrap(), naive);
        }

        /// Whatever the arguments are, quoting them as a shell would gives them back.
        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec(any::<String>(), 0..8), double: bool) {
            let quoted: Vec<_> = words.iter().map(|word| if double {
                format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\""))
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }).collect();
            prop_assert_eq!(split_parameters(&quoted.join(" ")).unwrap(), words);
        }

        /// No input panics.
        #[test]
        fn any_text_splits_or_is_refused(parameters: String) {
            let _ = split_parameters(&parameters);
        }
    }
}
