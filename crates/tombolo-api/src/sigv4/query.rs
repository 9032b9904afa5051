//! The parameters of a query or form, read in the one way that is signed.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Names and values of a query or form, decoded. A plus is a space here as it is in the form that
/// the operation reads: were it a plus, a third party could turn one into the other without
/// breaking the signature.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        let text = text.replace('+', " ");
        Cow::Owned(percent_decode(text.as_bytes()).collect())
    } else {
        percent_decode(text.as_bytes()).into()
    }
}
