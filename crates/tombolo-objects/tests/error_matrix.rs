//! The error matrix: what a client of each service reads, in each protocol, for every kind of error.
//!
//! `error_matrix.txt` is the committed answer. A line that changes is a code or a status that some
//! client's `except` no longer catches.

#![allow(clippy::panic, reason = "tests fail by panic")]

use std::fmt::{Debug, Write};

use tombolo_api::ec2::Ec2Error;
use tombolo_api::error::{ApiError, Refusal, ServiceError};
use tombolo_api::gamelift::GameLiftError;
use tombolo_api::protocol::{self, Protocol};
use tombolo_api::sts::StsError;
use tombolo_objects::ObjectError;

fn matrix() -> String {
    let gamelift = GameLiftError::all();
    let mut lines = Vec::new();
    lines.extend(spoken("gamelift", Protocol::AwsJson, &gamelift));
    lines.extend(spoken("gamelift", Protocol::RpcCbor, &gamelift));
    lines.extend(spoken("ec2", Protocol::Ec2Query, &Ec2Error::all()));
    lines.extend(spoken("sts", Protocol::AwsQuery, &StsError::all()));
    let objects = ObjectError::all();
    lines.extend(objects.iter().map(|&kind| line("s3", "RestXml", kind)));
    lines.sort();
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// The lines of a service in one of its protocols, whose replies must have the codes.
fn spoken<E: ServiceError>(service: &str, protocol: Protocol, kinds: &[E]) -> Vec<String> {
    let each = kinds.iter().map(|&kind| {
        let refusal = Refusal::from(ApiError::new(kind, "why"));
        let reply = protocol::error(protocol, &refusal, "request-id");
        let body = String::from_utf8_lossy(&reply.body);
        assert!(body.contains(kind.wire().code), "{kind:?}: {body}");
        line(service, &format!("{protocol:?}"), kind)
    });
    each.collect()
}

fn line<E: ServiceError>(service: &str, protocol: &str, kind: E) -> String {
    let wire = kind.wire();
    let kind = name(&kind);
    let (status, code) = (wire.status, wire.code);
    format!("{service:<8}  {protocol:<8}  {kind:<39}  {status}  {code}")
}

/// A kind's name; of a common one, that which all services share.
fn name(kind: &impl Debug) -> String {
    let name = format!("{kind:?}");
    let common = name
        .strip_prefix("Common(")
        .and_then(|rest| rest.strip_suffix(')'));
    common.unwrap_or(&name).to_owned()
}

#[test]
fn no_client_reads_another_code_or_status_than_yesterday() {
    let matrix = matrix();
    let committed = include_str!("error_matrix.txt");
    if matrix != committed {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/error_matrix.txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(path, matrix).unwrap_or_else(|error| panic!("{path}: {error}"));
            return;
        }
        let differing = matrix
            .lines()
            .filter(|line| !committed.lines().any(|known| known == *line));
        let differing: Vec<_> = differing.collect();
        panic!(
            "not as committed (UPDATE_EXPECT=1 writes it anew):\n{}",
            differing.join("\n")
        );
    }
}
