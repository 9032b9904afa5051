//! FNV-1a, 64 bits: names that must be short and the same every time, and withstand no enemy.

/// The hash of `bytes` (draft-eastlake-fnv).
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
