//! What cannot be read, or not by any operation: a clear error of that protocol, and no operation
//! is reached.

use serde_json::json;

use crate::server::Server;
use crate::signer::Draft;

/// Sends a well-signed call that has to be refused.
#[track_caller]
fn check(draft: Draft, status: u16, code: &str, message: &str) {
    let server = Server::new();
    let refused = server.refused(&draft.sign());
    assert_eq!(
        (refused.0, refused.1.as_str()),
        (status, code),
        "{}",
        refused.2
    );
    assert!(refused.2.contains(message), "{}", refused.2);
}

#[test]
fn broken_json() {
    let table: &[(&[u8], &str)] = &[
        (
            b"{",
            "The body is not JSON that can be read: EOF while parsing",
        ),
        (
            b"nonsense",
            "The body is not JSON that can be read: expected ident",
        ),
        (b"{} {}", "trailing characters"),
        (
            b"{\"Limit\":1,\"Limit\":2}",
            "member 'Limit' is there twice",
        ),
        (b"{\"NextToken\":\"\xff\"}", "invalid unicode code point"),
        (b"\xef\xbb\xbf{}", "expected value"),
        (b"[]", "The request must be a structure"),
        (b"null", "The request must be a structure"),
        (b"{\"Limit\":1e999}", "number out of range"),
        (
            b"{\"Limit\":\"5\"}",
            "Value '5' at 'limit' must be a whole number",
        ),
        (
            b"{\"Limit\":1.5}",
            "Value '1.5' at 'limit' must be a whole number",
        ),
        (
            b"{\"NextToken\":7}",
            "Value '7' at 'nextToken' must be a string",
        ),
        (
            b"{\"NextToken\":{\"a\":1}}",
            "at 'nextToken' must be a string",
        ),
    ];
    for (body, message) in table {
        check(
            Draft::json("ListBuilds", *body),
            400,
            "SerializationException",
            message,
        );
    }
}

#[test]
fn broken_cbor() {
    let table: &[(&[u8], &str)] = &[
        (b"\xbf", "it ends within an item, after 1 bytes"),
        (b"\xa1", "it ends within an item"),
        (b"\xbf\xff\x00", "1 bytes follow the map"),
        (b"\x1c", "byte 0 starts no item"),
        (b"\xa1\x01\x02", "a map has a key that is not text"),
        (b"\xa2\x61a\x01\x61a\x02", "member 'a' is there twice"),
        (b"\xa1\x61a\x42ab", "no operation takes a byte string"),
        (
            b"\xa1\x61a\xc1\x61b",
            "tag 1 holds something else than a number",
        ),
        (b"\xa1\x61a\xd8\x20\x61b", "tag 32 is not known"),
        (
            b"\xa1\x61a\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00",
            "NaN is not a number that JSON has",
        ),
        (b"\xa1\x61a\x61\xff", ""),
        (b"\x80", "The request must be a structure"),
        // 2^63 elements, 2^60 bytes of text: lengths that nobody means.
        (
            b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
            "it ends within an item",
        ),
        (
            b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
            "it ends within an item",
        ),
        (
            b"\xa1\x7b\x10\x00\x00\x00\x00\x00\x00\x00",
            "it ends within an item",
        ),
        (
            b"\xa1\x61a\x5b\x10\x00\x00\x00\x00\x00\x00\x00",
            "it ends within an item",
        ),
    ];
    for (body, message) in table {
        check(
            Draft::cbor("ListBuilds", *body),
            400,
            "SerializationException",
            message,
        );
    }
}

#[test]
fn nesting_bombs() {
    let message = "nested more than 32 levels deep";
    for depth in [33, 100_000] {
        check(
            Draft::json("ListBuilds", "[".repeat(depth)),
            400,
            "SerializationException",
            message,
        );
        check(
            Draft::json("ListBuilds", "{\"a\":".repeat(depth)),
            400,
            "SerializationException",
            message,
        );
        check(
            Draft::cbor("ListBuilds", b"\x81".repeat(depth)),
            400,
            "SerializationException",
            message,
        );
        check(
            Draft::cbor("ListBuilds", b"\xc1".repeat(depth)),
            400,
            "SerializationException",
            "",
        );
    }
    let deep = "a.".repeat(40) + "a=1";
    check(
        Draft::ec2("DescribeVpcs", &deep),
        400,
        "MalformedQueryString",
        "more than 32 parts",
    );
}

#[test]
fn brackets_in_strings_are_no_nesting() {
    let server = Server::new();
    let token = "[{\"\\".repeat(100);
    let draft = Draft::json("ListBuilds", json!({ "NextToken": token }).to_string());
    assert_eq!(server.send(&draft.sign()).status, 200);
    assert_eq!(server.reached()[0].input["NextToken"], token);
}

#[test]
fn bodies_over_a_mebibyte() {
    let long = |length| vec![b' '; length];
    let message = "The body is longer than 1048576 bytes";
    let json = Draft::json("ListBuilds", long(1 << 20 | 1));
    check(json, 413, "RequestEntityTooLargeException", message);
    let cbor = Draft::cbor("ListBuilds", long(1 << 20 | 1));
    check(cbor, 413, "RequestEntityTooLargeException", message);
    let form = Draft::form("ec2", long(1 << 20 | 1));
    check(form, 413, "RequestEntityTooLarge", message);

    let server = Server::new();
    let mut body = long((1 << 20) - 2);
    body.extend(b"{}");
    assert_eq!(
        server.send(&Draft::json("ListBuilds", body).sign()).status,
        200
    );
}

#[test]
fn unknown_operations() {
    check(
        Draft::json("MakeCoffee", "{}"),
        400,
        "UnknownOperationException",
        "GameLift has no operation MakeCoffee.",
    );
    check(
        Draft::cbor("MakeCoffee", b"\xa0"),
        400,
        "UnknownOperationException",
        "GameLift has no operation MakeCoffee.",
    );
    let message = "The action MakeCoffee is not valid for this web service.";
    check(Draft::ec2("MakeCoffee", ""), 400, "InvalidAction", message);
    check(Draft::sts("MakeCoffee"), 400, "InvalidAction", message);
    check(
        Draft::json(&"x".repeat(10_000), "{}"),
        400,
        "UnknownOperationException",
        &format!("{}.", "x".repeat(64)),
    );
}

#[test]
fn operations_that_are_not_served() {
    let message = "Tombolo does not serve StartMatchmaking of gamelift.";
    let code = "NotImplementedException";
    check(Draft::json("StartMatchmaking", "{}"), 501, code, message);
    check(Draft::cbor("StartMatchmaking", b"\xa0"), 501, code, message);
    check(
        Draft::ec2("RunInstances", ""),
        501,
        "NotImplemented",
        "RunInstances of ec2",
    );
    check(
        Draft::sts("AssumeRole"),
        501,
        "NotImplemented",
        "AssumeRole of sts",
    );
}

#[test]
fn requests_that_name_no_operation() {
    let unknown = "UnknownOperationException";
    let target = |target: &str| {
        Draft::json("", "{}")
            .without_header("x-amz-target")
            .header("x-amz-target", target)
    };
    check(
        target("DynamoDB_20120810.ListTables"),
        400,
        unknown,
        "No operation is named",
    );
    check(target("ListBuilds"), 400, unknown, "No operation is named");
    check(target(""), 400, unknown, "No operation is named");
    check(
        target("GameLift."),
        400,
        unknown,
        "GameLift has no operation .",
    );

    let mut path = Draft::cbor("ListBuilds", b"\xa0");
    path.path = "/service/GameLift/operation/ListBuilds/more".into();
    check(
        path.clone(),
        400,
        unknown,
        "No operation is named by the path",
    );
    path.path = "/service/DynamoDB/operation/ListTables".into();
    check(path, 400, unknown, "No operation is named by the path");
    let version = Draft::cbor("ListBuilds", b"\xa0")
        .without_header("smithy-protocol")
        .header("smithy-protocol", "rpc-v3-cbor");
    check(
        version,
        400,
        unknown,
        "smithy-protocol must be there once, and be rpc-v2-cbor",
    );
    let mut get = Draft::cbor("ListBuilds", b"\xa0");
    get.method = http::Method::GET;
    check(get, 400, unknown, "Operations are called by POST, not GET.");

    let form = |form: &str| Draft::form("ec2", form);
    check(
        form("Version=2016-11-15"),
        400,
        "InvalidAction",
        "must contain the parameter Action",
    );
    check(
        form("Action=ListUsers&Version=2010-05-08"),
        400,
        "InvalidAction",
        "Could not find operation ListUsers for version 2010-05-08",
    );
    check(
        form("Action=DescribeVpcs"),
        400,
        "InvalidAction",
        "for version ",
    );
}

#[test]
fn wrong_content_types() {
    let typed = |draft: Draft, content_type: &str| {
        draft
            .without_header("content-type")
            .header("content-type", content_type)
    };
    check(
        typed(Draft::json("ListBuilds", "{}"), "text/plain"),
        415,
        "UnsupportedMediaTypeException",
        "Content-Type must be application/x-amz-json-1.1, not 'text/plain'.",
    );
    check(
        typed(Draft::cbor("ListBuilds", b"\xa0"), "application/json"),
        415,
        "UnsupportedMediaTypeException",
        "Content-Type must be application/cbor, not 'application/json'.",
    );
    check(
        Draft::cbor("ListBuilds", b"\xa0").without_header("content-type"),
        415,
        "UnsupportedMediaTypeException",
        "Content-Type must be application/cbor; there is none.",
    );
}

#[test]
fn broken_forms() {
    let table: &[(&[u8], &str)] = &[
        (
            b"Action=%ff&Version=2016-11-15",
            "A parameter is not UTF-8.",
        ),
        (b"Action=\xff&Version=2016-11-15", "The form is not UTF-8."),
        (
            b"Action=DescribeVpcs&Version=2016-11-15&Action=DeleteVpc",
            "The parameter Action is there twice.",
        ),
        (
            b"Action=DescribeVpcs&Version=2016-11-15&VpcId.0=a",
            "Elements of a list are numbered from 1, not '0'.",
        ),
        (
            b"Action=DescribeVpcs&Version=2016-11-15&VpcId.x=a",
            "Elements of a list are numbered from 1, not 'x'.",
        ),
        (
            b"Action=DescribeVpcs&Version=2016-11-15&VpcId.1=a&VpcId.01=b",
            "Element 1 of a list is there twice.",
        ),
    ];
    for (form, message) in table {
        check(
            Draft::form("ec2", *form),
            400,
            "MalformedQueryString",
            message,
        );
    }
}

#[test]
fn ec2_constraints() {
    check(
        Draft::ec2("DeleteVpc", ""),
        400,
        "MissingParameter",
        "The request must contain the parameter vpcId",
    );
    let invalid = "InvalidParameterValue";
    check(
        Draft::ec2("DescribeVpcs", "MaxResults=many"),
        400,
        invalid,
        "Value (many) for parameter maxResults is invalid. It must be a whole number.",
    );
    check(
        Draft::ec2("DescribeVpcs", "MaxResults=1001"),
        400,
        invalid,
        "Value (1001) for parameter maxResults is invalid. \
         Member must have value less than or equal to 1000.",
    );
    check(
        Draft::ec2("DescribeVpcs", "MaxResults.1=5"),
        400,
        invalid,
        "for parameter maxResults is invalid",
    );
    check(
        Draft::ec2("DescribeVpcs", "VpcId=vpc-1"),
        400,
        invalid,
        "Value (vpc-1) for parameter vpcId is invalid. It must be a list.",
    );
    check(
        Draft::ec2("DescribeVpcs", "DryRun=perhaps"),
        400,
        invalid,
        "It must be true or false.",
    );
    check(
        Draft::ec2("CreateVpc", "InstanceTenancy=shared"),
        400,
        invalid,
        "Member must satisfy enum value set: [default, dedicated, host].",
    );
}

#[test]
fn messages_stay_short_whatever_is_sent() {
    let server = Server::new();
    let tags: Vec<_> = (0..5_000)
        .map(|_| json!({ "Key": "k".repeat(40), "Value": "v".repeat(40) }))
        .chain([json!({ "Key": "\u{7}".repeat(10_000) })])
        .collect();
    let input = json!({ "Name": "n".repeat(10_000), "Tags": tags });
    let draft = Draft::json("CreateBuild", input.to_string());
    let refused = server.refused(&draft.sign());
    assert_eq!(refused.1, "InvalidRequestException");
    assert!(refused.2.len() < 8_192, "{} bytes", refused.2.len());
    assert!(
        refused
            .2
            .contains(&format!("Value '{}…' at 'name'", "n".repeat(128)))
    );

    // EC2InstanceType has hundreds of values.
    let input = json!({ "Name": "islands", "EC2InstanceType": "c5.none" });
    let draft = Draft::json("CreateFleet", input.to_string());
    let refused = server.refused(&draft.sign());
    assert_eq!(refused.1, "InvalidRequestException");
    assert!(refused.2.len() < 512, "{} bytes", refused.2.len());
    let listing = "Value 'c5.none' at 'eC2InstanceType' failed to satisfy constraint: Member must \
                   satisfy enum value set: [t2.micro, t2.small, ";
    assert!(refused.2.contains(listing), "{}", refused.2);
    assert!(refused.2.ends_with(", … and 519 more]"), "{}", refused.2);

    let bad: Vec<_> = (0..1_000).map(|_| json!({ "Key": "" })).collect();
    let draft = Draft::json("CreateBuild", json!({ "Tags": bad }).to_string());
    let refused = server.refused(&draft.sign());
    assert!(
        refused.2.starts_with("2001 validation errors detected: "),
        "{}",
        refused.2
    );
    assert!(refused.2.ends_with("; and 1991 more"), "{}", refused.2);
}
