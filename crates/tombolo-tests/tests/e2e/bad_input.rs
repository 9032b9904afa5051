//! What no decent client sends: each is refused in its protocol's own shape, the server goes on,
//! and nothing has changed.

use serde_json::json;
use tombolo_tests::aws::{self, CallError, Client, Refusal};
use tombolo_tests::dev::Dev;
use tombolo_tests::http::{Request, Response};
use tombolo_tests::scenario;

use crate::authentication::cbor_refusal;
use crate::snapshot;

/// What the reply must be: its status, and its code or the beginning of it.
type Expected = (u16, &'static str);

const LARGE: usize = (1 << 20) + 1;
const DEEP: usize = 100_000;

#[test]
fn malformed_json_is_refused() {
    let nested = [b"[".repeat(DEEP), b"]".repeat(DEEP)].concat();
    let bomb = [b"{\"FleetId\":".to_vec(), nested, b"}".to_vec()].concat();
    let unreadable = (400, "SerializationException");
    let bodies: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("cut off", b"{\"FleetId\":".to_vec(), unreadable),
        ("no object", b"[1]".to_vec(), unreadable),
        (
            "a text for a list",
            b"{\"Locations\":\"x\"}".to_vec(),
            unreadable,
        ),
        ("more after the end", b"{} {}".to_vec(), unreadable),
        ("not UTF-8", b"{\"Name\":\"\xff\xfe\"}".to_vec(), unreadable),
        (
            "half a surrogate pair",
            b"{\"Name\":\"\\ud800\"}".to_vec(),
            unreadable,
        ),
        ("a nesting bomb", bomb, unreadable),
        (
            "over 1 MiB",
            vec![b' '; LARGE],
            (413, "RequestEntityTooLarge"),
        ),
    ];
    check(|studio| {
        let refused = bodies.iter().map(|(name, body, expected)| {
            let request = studio
                .gamelift_request("CreateFleet", "")
                .body(body.clone());
            (*name, studio.signer.sign(request), *expected)
        });
        (refused.collect(), aws::json_refusal)
    });
}

#[test]
fn malformed_cbor_is_refused() {
    let fleet_id = b"\xa1\x67FleetId".to_vec();
    let after = |bytes: &[u8]| [fleet_id.clone(), bytes.to_vec()].concat();
    let unreadable = (400, "SerializationException");
    let bodies: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("cut off", after(b"\x78"), unreadable),
        ("no map", b"\x81\x01".to_vec(), unreadable),
        (
            "a text of 2^63 bytes",
            after(b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff"),
            unreadable,
        ),
        (
            "a list of 2^63 items",
            after(b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"),
            unreadable,
        ),
        (
            "a map of 2^63 members",
            b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            unreadable,
        ),
        (
            "a text that is not UTF-8",
            after(b"\x62\xff\xfe"),
            unreadable,
        ),
        ("a nesting bomb", after(&[b'\x81'; DEEP]), unreadable),
        (
            "a bomb of lists without end",
            after(&[b'\x9f'; DEEP]),
            unreadable,
        ),
        ("a bomb of tags", after(&[b'\xc1'; DEEP]), unreadable),
        (
            "over 1 MiB",
            vec![0xf6; LARGE],
            (413, "RequestEntityTooLarge"),
        ),
    ];
    check(|studio| {
        let refused = bodies.iter().map(|(name, body, expected)| {
            let request = studio.cbor_request("DescribeVpcPeeringConnections", body);
            (*name, studio.signer.sign(request), *expected)
        });
        (refused.collect(), cbor_refusal)
    });
}

#[test]
fn malformed_queries_are_refused() {
    check(|studio| {
        let signer = studio.signer_for("ec2");
        let with_body = |body: Vec<u8>| signer.sign(studio.ec2_request("X", &[]).body(body));
        let vpc = b"Action=CreateVpc&Version=2016-11-15&CidrBlock=".to_vec();
        let refused = vec![
            (
                "not UTF-8",
                with_body([vpc.clone(), b"%ff%fe".to_vec()].concat()),
                (400, ""),
            ),
            (
                "half an escape",
                with_body([vpc.clone(), b"%f".to_vec()].concat()),
                (400, ""),
            ),
            (
                "over 1 MiB",
                with_body([vpc, vec![b'1'; LARGE]].concat()),
                (413, "RequestEntityTooLarge"),
            ),
            (
                "an unknown action",
                signer.sign(studio.ec2_request("CreateVpcs", &[])),
                (400, "InvalidAction"),
            ),
            (
                "an action of EC2's that is not served",
                signer.sign(studio.ec2_request("RunInstances", &[])),
                (501, "NotImplemented"),
            ),
        ];
        (refused, aws::xml_refusal)
    });
}

#[test]
fn what_names_no_operation_is_refused() {
    check(|studio| {
        let json = |operation: &str| studio.gamelift_request(operation, "{}");
        let sign = |request: Request| studio.signer.sign(request);
        let unknown = (400, "UnknownOperationException");
        let refused = vec![
            ("an unknown target", sign(json("CreateFleets")), unknown),
            (
                "another service's target",
                sign(
                    json("X")
                        .without("x-amz-target")
                        .header("x-amz-target", "DynamoDB_20120810.GetItem"),
                ),
                unknown,
            ),
            (
                "no target",
                sign(json("X").without("x-amz-target")),
                unknown,
            ),
            (
                "an operation that is not served",
                sign(json("CreateGameSession")),
                (501, "NotImplementedException"),
            ),
            (
                "a wrong content type",
                sign(
                    json("ListFleets")
                        .without("content-type")
                        .header("content-type", "text/html"),
                ),
                (415, "UnsupportedMediaTypeException"),
            ),
        ];
        (refused, aws::json_refusal)
    });
}

#[test]
fn ec2_refuses_what_is_no_vpc_and_no_subnet() {
    let server = Dev::start_simulated();
    let backend = server.backend();
    let vpc = scenario::vpc_with_subnet(&backend, "10.1.0.0/24");
    let long = "v".repeat(10_000);
    let before = snapshot::of(&server);

    for (cidr, code) in [
        ("0.0.0.0/0", "InvalidVpc.Range"),
        ("10.0.0.0/15", "InvalidVpc.Range"),
        ("10.0.0.0/29", "InvalidVpc.Range"),
        ("10.0.0.1/32", "InvalidVpc.Range"),
        ("10.0.0.0/33", "InvalidParameterValue"),
        ("10.0.0.0", "InvalidParameterValue"),
        ("10.0.0.300/16", "InvalidParameterValue"),
        ("fd00::/64", "InvalidParameterValue"),
        ("10.0.0.0/16 ", "InvalidParameterValue"),
        ("", "MissingParameter|InvalidParameterValue"),
        (&long, "InvalidParameterValue"),
    ] {
        let refusal = scenario::refused(backend.ec2("CreateVpc", &[("CidrBlock", cidr)]));
        assert!(
            code.split('|').any(|code| refusal.code == code),
            "CreateVpc {cidr:.40}: {refusal}"
        );
        assert!(refusal.message.len() < 2_000, "{refusal}");
    }
    for (cidr, code) in [
        ("10.2.0.0/28", "InvalidSubnet.Range"),
        ("10.1.0.0/16", "InvalidSubnet.Range"),
        ("10.1.0.0/29", "InvalidSubnet.Range"),
        ("10.1.0.128/28", "InvalidSubnet.Conflict"),
        ("banana", "InvalidParameterValue"),
    ] {
        let made = backend.ec2("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", cidr)]);
        let refusal = scenario::refused(made);
        assert_eq!(refusal.code, code, "CreateSubnet {cidr}: {refusal}");
    }
    for id in [
        "vpc-0123456789abcdef0",
        "subnet-0123456789abcdef0",
        "vpc",
        "",
        "☃",
        &long,
    ] {
        let refusal = scenario::refused(backend.ec2("DeleteVpc", &[("VpcId", id)]));
        assert_eq!(refusal.status, 400, "DeleteVpc {id:.40}: {refusal}");
        let codes = [
            "InvalidVpcID.NotFound",
            "InvalidVpcID.Malformed",
            "MissingParameter",
        ];
        assert!(
            codes.contains(&&*refusal.code),
            "DeleteVpc {id:.40}: {refusal}"
        );
    }
    assert_eq!(snapshot::of(&server), before);
}

#[test]
fn gamelift_refuses_texts_of_any_length_and_kind() {
    let server = Dev::start_simulated();
    let (studio, backend) = (server.studio(), server.backend());
    let vpc = scenario::vpc(&backend, "10.1.0.0/16");
    let long = "n".repeat(10_000);
    let before = snapshot::of(&server);
    for text in [
        "",
        "\0",
        "☃",
        " ",
        "../../etc/passwd",
        "fleet-0' OR '1'='1",
        &long,
    ] {
        let connect = json!({ "FleetId": text, "PeerVpcAwsAccountId": text, "PeerVpcId": text });
        let authorize = json!({ "GameLiftAwsAccountId": text, "PeerVpcId": text });
        let half = json!({ "GameLiftAwsAccountId": text, "PeerVpcId": vpc });
        let fleet = json!({ "Name": text, "BuildId": text, "ComputeType": text });
        for (client, operation, input) in [
            (&studio, "CreateVpcPeeringConnection", connect),
            (&backend, "CreateVpcPeeringAuthorization", authorize),
            (&backend, "CreateVpcPeeringAuthorization", half),
            (&studio, "CreateFleet", fleet),
            (&studio, "DescribeFleetEvents", json!({ "FleetId": text })),
            (&studio, "DeleteFleet", json!({ "FleetId": text })),
            (&studio, "DescribeBuild", json!({ "BuildId": text })),
        ] {
            let refusal = scenario::refused(client.gamelift(operation, &input));
            let codes = ["InvalidRequestException", "NotFoundException"];
            assert!(
                codes.contains(&&*refusal.code),
                "{operation} {text:.40}: {refusal}"
            );
            assert!(
                refusal.message.len() < 2_000,
                "{operation} {text:.40}: {refusal}"
            );
        }
    }
    assert_eq!(snapshot::of(&server), before);
}

#[test]
fn another_accounts_things_are_not_told_apart_from_none() {
    let server = Dev::start_simulated();
    let (studio, backend) = (server.studio(), server.backend());
    let foreign = scenario::vpc(&studio, "10.9.0.0/16");
    let unknown = "vpc-0123456789abcdef0";
    for (action, parameter) in [("DeleteVpc", "VpcId"), ("DescribeVpcs", "VpcId.1")] {
        let refuse = |id: &str| scenario::refused(backend.ec2(action, &[(parameter, id)]));
        assert_eq!(
            without(refuse(&foreign), &foreign),
            without(refuse(unknown), unknown)
        );
    }
    let refuse = |id: &str| {
        let input = json!({ "GameLiftAwsAccountId": studio.account, "PeerVpcId": id });
        scenario::refused(backend.gamelift("CreateVpcPeeringAuthorization", &input))
    };
    assert_eq!(
        without(refuse(&foreign), &foreign),
        without(refuse(unknown), unknown)
    );
    assert_eq!(refuse(unknown).code, "NotFoundException");
}

/// A refusal in which an id does not make the difference.
fn without(refusal: Refusal, id: &str) -> Refusal {
    Refusal {
        message: refusal.message.replace(id, "ID"),
        ..refusal
    }
}

/// Sends each request, and holds the reply against what is expected.
fn check<'a>(
    requests: impl FnOnce(&Client) -> (Vec<(&'a str, Request, Expected)>, fn(&Response) -> Refusal),
) {
    let mut server = Dev::start_simulated();
    let studio = server.studio();
    let before = snapshot::of(&server);
    let (requests, read) = requests(&studio);
    for (name, request, (status, code)) in requests {
        let response = match studio.send(&request) {
            Ok(response) => response,
            Err(CallError::Lost(error)) => panic!("{name}: no answer: {error}"),
            Err(CallError::Refused(refusal)) => panic!("{name}: {refusal}"),
        };
        assert!(
            response.header("x-amzn-requestid").is_some(),
            "{name}: no request id"
        );
        let refusal = read(&response);
        assert_eq!(refusal.status, status, "{name}: {refusal}");
        assert!(refusal.code.starts_with(code), "{name}: {refusal}");
        assert!(!refusal.message.is_empty(), "{name}: {refusal}");
        assert!(server.is_alive(), "{name} ended the server");
    }
    assert_eq!(snapshot::of(&server), before);
}
