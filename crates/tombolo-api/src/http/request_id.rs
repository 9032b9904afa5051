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
        let bits = |from: u32, count: u32| (self.0 >> from) & ((1 << count) - 1);
        let (a, b, c) = (bits(96, 32), bits(80, 16), bits(64, 16));
        let (d, e) = (bits(48, 16), bits(0, 48));
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}
