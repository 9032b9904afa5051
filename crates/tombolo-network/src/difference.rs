//! What two maps do not have in common.

use std::collections::BTreeMap;

/// The entries of `these` that `others` lacks or has with another value, in one walk over both:
/// with ten thousand VPCs a search for each entry would be most of the time of an `apply`.
pub(crate) fn only_in<'a, K: Ord, V: PartialEq>(
    these: &'a BTreeMap<K, V>,
    others: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    let mut others = others.iter().peekable();
    these.iter().filter(move |entry| {
        while others.next_if(|other| other.0 < entry.0).is_some() {}
        others.peek() != Some(entry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_differ_by_key_and_by_value() {
        let check = |these: &[(u8, char)], others: &[(u8, char)], expected: &[(u8, char)]| {
            let these = these.iter().copied().collect();
            let others = others.iter().copied().collect();
            let found: Vec<_> = only_in(&these, &others).map(|(k, v)| (*k, *v)).collect();
            assert_eq!(found, expected);
        };
        check(&[], &[(1, 'a')], &[]);
        check(&[(1, 'a')], &[], &[(1, 'a')]);
        check(
            &[(1, 'a'), (2, 'b'), (3, 'c')],
            &[(0, 'z'), (2, 'x'), (3, 'c')],
            &[(1, 'a'), (2, 'b')],
        );
        check(
            &[(1, 'a'), (4, 'd')],
            &[(1, 'a'), (2, 'b'), (3, 'c')],
            &[(4, 'd')],
        );
    }
}
