//! No change of a signed request goes unnoticed: every single bit of what is signed counts.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::server::Server;
use crate::signer::{Draft, Signed};

// One server for all cases of a test: reading the models takes longer than a case.
static FLIPPED: LazyLock<Server> = LazyLock::new(Server::new);
static GARBLED: LazyLock<Server> = LazyLock::new(Server::new);

/// Where a bit may be flipped.
#[derive(Debug, Clone, Copy)]
enum Part {
    Method,
    Target,
    Header(usize),
    Body,
}

fn signed(protocol: usize) -> Signed {
    let fleet = r#"{"FleetId":"fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa"}"#;
    match protocol {
        0 => Draft::json("DeleteFleet", fleet).sign(),
        1 => Draft::cbor("DescribeVpcPeeringAuthorizations", b"\xbf\xff").sign(),
        2 => Draft::ec2("DeleteVpc", "VpcId=vpc-0a1b2c3d4e5f60718").sign(),
        3 => Draft::sts("GetCallerIdentity").sign(),
        _ => {
            let mut draft = Draft::sts("").without_header("content-type");
            draft.method = http::Method::GET;
            draft.body = Vec::new();
            draft.query = "Action=GetCallerIdentity&Version=2011-06-15".into();
            draft.presign("60")
        }
    }
}

/// The request with one bit of one part flipped; none if it is no HTTP request any more.
fn flip(mut signed: Signed, part: Part, bit: usize) -> Option<Signed> {
    let spoil = |bytes: &mut Vec<u8>| {
        let bit = bit % (bytes.len() * 8).max(1);
        if let Some(byte) = bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
    };
    let text = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        spoil(&mut bytes);
        String::from_utf8(bytes).ok()
    };
    match part {
        Part::Method => signed.method = text(signed.method.as_str())?.parse().ok()?,
        Part::Target => signed.target = text(&signed.target)?,
        Part::Header(at) => {
            let at = at % signed.headers.len();
            let value = text(&signed.headers[at].1)?;
            signed.headers[at].1 = value;
        }
        Part::Body => spoil(&mut signed.body),
    }
    Some(signed)
}

/// Changes that leave the same request: `%2f` for `%2F`, and what HTTP trims.
fn means_the_same(before: &Signed, after: &Signed) -> bool {
    let decoded = |signed: &Signed| percent_encoding::percent_decode_str(&signed.target).collect();
    let (path, query): (Vec<u8>, Vec<u8>) = (decoded(before), decoded(after));
    let targets = if before.target == after.target {
        true
    } else {
        before.target.contains('?') && path == query
    };
    let spaces = |signed: &Signed| -> Vec<(String, Vec<String>)> {
        let words = |value: &str| value.split_whitespace().map(str::to_owned).collect();
        let headers = signed.headers.iter();
        headers
            .map(|(name, value)| (name.clone(), words(value)))
            .collect()
    };
    targets
        && before.method == after.method
        && before.body == after.body
        && spaces(before) == spaces(after)
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::Method),
        Just(Part::Target),
        any::<usize>().prop_map(Part::Header),
        Just(Part::Body),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_flipped_bit_is_refused(protocol in 0..5_usize, part in part(), bit: usize) {
        let server = &*FLIPPED;
        let before = signed(protocol);
        let Some(after) = flip(before.clone(), part, bit) else { return Ok(()) };
        prop_assume!(!means_the_same(&before, &after));
        let Some(request) = after.request() else { return Ok(()) };
        let reply = server.send_raw(request);
        prop_assert!(reply.status >= 400, "{part:?}: {reply:?}");
        prop_assert!(server.reached().is_empty(), "{part:?} reached an operation");
    }

    #[test]
    fn no_bytes_bring_the_server_down(
        protocol in 0..4_usize,
        body in proptest::collection::vec(any::<u8>(), 0..256),
    ) {
        let server = &*GARBLED;
        let draft = match protocol {
            0 => Draft::json("CreateFleet", body),
            1 => Draft::cbor("CreateFleet", body),
            2 => Draft::form("ec2", body),
            _ => Draft::form("sts", body),
        };
        let reply = server.send(&draft.sign());
        prop_assert!(reply.status < 500, "{reply:?}");
    }
}
