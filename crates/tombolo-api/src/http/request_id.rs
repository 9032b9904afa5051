//! The id that ties a reply to its log lines.

use std::fmt;

use tombolo_domain::id::IdSource;

/// A request's id: a UUID (RFC 9562), version 4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId(u128);

impl RequestId {
    /// A new id.
    pub fn generate(ids: &dyn IdSource) -> Self {
        let random = ids.bits() & !(0xf << 76) & !(0x3 << 62);
        RequestId(random | (0x4 << 76) | (0x2 << 62))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let (a, b, c, d, e) = (
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        );
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}
