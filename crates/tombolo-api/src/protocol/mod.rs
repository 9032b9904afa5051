//! The four protocols: how a request names its operation, how input, output and errors are
//! written.
//!
//! | protocol | who speaks it | named by |
//! | --- | --- | --- |
//! | awsJson1_1 | GameLift: boto3, AWS CLI, JavaScript | `X-Amz-Target: GameLift.CreateFleet` |
//! | rpc-v2-cbor | GameLift: Rust | `/service/GameLift/operation/CreateFleet` |
//! | ec2Query | EC2 | `Action` and `Version=2016-11-15` in the form or query |
//! | awsQuery | STS | `Action` and `Version=2011-06-15` in the form or query |
//!
//! Each codec turns bytes into a [`Document`](crate::model::Document) and back, guided by the
//! model's shapes. None of them checks constraints: [`validate`](crate::model::validate) does.

mod cbor;
mod detect;
mod form;
mod json;
mod output_shape;
mod reply;
mod time;
mod xml;

pub use detect::{Call, CallHead, Input, Protocol, detect_head, detect_protocol};
pub use output_shape::EncodeError;
pub use reply::{Encoded, decode, error, output};

/// How deep lists and structures of a request may be within each other. The deepest input of the
/// models has five levels.
const MAX_DEPTH: usize = 32;
