//! What clients, scripts, scrapes and operators see, held against what was recorded: a change that is
//! to change nothing leaves every file of `crates/tombolo-tests/golden` as it is.
//!
//! ```text
//! cargo test -p tombolo-tests --test golden                    # replays and compares
//! UPDATE_EXPECT=1 cargo test -p tombolo-tests --test golden    # records anew, on purpose only
//! ```
//!
//! Ids, times and other values that no two runs share are written as names (`vpc-1`, `<time>`), so
//! that two runs give the same bytes. The files are plain text beside the test, one a service or
//! command, because they are read in reviews: a difference in them is the change that clients see.
//!
//! Nothing here needs root, or the network: every server is started with `--network simulated`. All of
//! it takes some ten seconds once it is built.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

mod commands;
mod directory;
mod expect;
mod metrics;
mod names;
mod notation;
mod transcript;
