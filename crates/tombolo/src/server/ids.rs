//! Randomness from the operating system.

use tombolo_domain::id::IdSource;

/// getrandom(2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemIds;

impl IdSource for SystemIds {
    #[expect(
        clippy::expect_used,
        reason = "getrandom(2) with no flags fails only on a kernel older than 3.17 without \
                  /dev/urandom; then no secret may be made at all"
    )]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the server's source of ids"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}
