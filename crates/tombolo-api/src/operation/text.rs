//! Texts from requests in messages.

/// A text, cut so that a message stays readable.
pub(crate) fn shorten(text: &str) -> String {
    const MAX_CHARS: usize = 128;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
