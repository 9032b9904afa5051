//! Texts from requests in messages.

/// A text, cut so that a message stays readable.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 128;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
