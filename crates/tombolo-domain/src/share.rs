//! What one account may take of what all accounts share.

/// How much of `capacity` one account may have at most: half, rounded up. Whoever takes all of what is
/// shared keeps everybody else from starting, also with everything that it has within its own quotas. It
/// holds for the ports of the public address and for the entries of the data path's tables.
pub const fn share_of(capacity: usize) -> usize {
    capacity.div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_accounts_at_their_shares_have_all_of_it() {
        assert_eq!(share_of(0), 0);
        assert_eq!(
            share_of(1),
            1,
            "what cannot be shared is whoever comes first"
        );
        assert_eq!(share_of(65_536), 32_768);
        assert_eq!(share_of(20_001), 10_001);
    }
}
