//! Every way a signature can be wrong, with AWS's code and text, in each protocol.

use bytes::Bytes;
use http_body_util::Full;
use tombolo_api::model::ServiceName;
use tombolo_api::operation::Operation;
use tombolo_api::registry;
use tombolo_domain::principal::{Credential, Identity};

use crate::server::Server;
use crate::signer::{Draft, EXPIRED_KEY, NOW, Signed, TEMPORARY_KEY, TOKEN};

/// One call a protocol, each of which is answered when it is signed well.
fn calls() -> [Draft; 4] {
    [
        Draft::json("ListBuilds", "{}"),
        Draft::cbor("ListBuilds", b"\xbf\xff"),
        Draft::ec2("DescribeVpcs", ""),
        Draft::sts("GetCallerIdentity"),
    ]
}

/// Sends what `spoil` makes of each protocol's call, and checks status and code in the order
/// JSON, CBOR, EC2, STS, and that each message has `message` in it.
#[track_caller]
fn check(spoil: impl Fn(Draft) -> Signed, wire: [(u16, &str); 4], message: &str) {
    let server = Server::new();
    for (draft, (status, code)) in calls().into_iter().zip(wire) {
        let refused = server.refused(&spoil(draft));
        assert_eq!(
            (refused.0, refused.1.as_str()),
            (status, code),
            "{}",
            refused.2
        );
        assert!(refused.2.contains(message), "{}", refused.2);
    }
}

const MISSING: [(u16, &str); 4] = [
    (400, "MissingAuthenticationTokenException"),
    (400, "MissingAuthenticationTokenException"),
    (403, "MissingAuthenticationToken"),
    (403, "MissingAuthenticationToken"),
];
const UNRECOGNIZED: [(u16, &str); 4] = [
    (400, "UnrecognizedClientException"),
    (400, "UnrecognizedClientException"),
    (401, "AuthFailure"),
    (403, "InvalidClientTokenId"),
];
const MISMATCH: [(u16, &str); 4] = [
    (400, "InvalidSignatureException"),
    (400, "InvalidSignatureException"),
    (403, "SignatureDoesNotMatch"),
    (403, "SignatureDoesNotMatch"),
];
const EXPIRED: [(u16, &str); 4] = [
    (400, "InvalidSignatureException"),
    (400, "InvalidSignatureException"),
    (400, "RequestExpired"),
    (403, "SignatureDoesNotMatch"),
];
const INCOMPLETE: [(u16, &str); 4] = [
    (400, "IncompleteSignatureException"),
    (400, "IncompleteSignatureException"),
    (400, "IncompleteSignature"),
    (400, "IncompleteSignature"),
];

const WRONG_SIGNATURE: &str =
    "The request signature we calculated does not match the signature you provided.";

#[test]
fn a_well_signed_call_reaches_its_operation_with_its_caller() {
    let server = Server::new();
    for draft in calls() {
        let service = draft.service.clone();
        let reply = server.send(&draft.sign());
        assert_eq!(reply.status, 200, "{reply:?}");
        let [reached] = &server.reached()[..] else {
            panic!("{service} was not reached");
        };
        assert_eq!(reached.operation.service.as_str(), service);
        assert_eq!(reached.principal.account().to_string(), "111122223333");
        assert_eq!(reached.principal.region().as_str(), "us-west-2");
        assert_eq!(
            reached.principal.arn(),
            "arn:aws:iam::111122223333:user/alice"
        );
    }
}

#[test]
fn every_operation_asks_who_calls() {
    let server = Server::new();
    for service in ServiceName::ALL {
        for operation in registry::operations(service) {
            for draft in drafts_of(operation) {
                let unsigned = server.send(&draft.sign().minus("authorization"));
                let code = unsigned.error().0;
                assert!(
                    code.starts_with("MissingAuthenticationToken"),
                    "{operation:?}: {code}"
                );
                let mut forged = draft.clone();
                forged.secret.push('x');
                let (_, message) = server.send(&forged.sign()).error();
                assert!(message.starts_with(WRONG_SIGNATURE), "{operation:?}");
                assert!(server.reached().is_empty(), "{operation:?}");

                // Well signed, it is this operation that is reached, or that says what it needs.
                let reply = server.send(&draft.sign());
                match &server.reached()[..] {
                    [reached] => assert!(std::ptr::eq(reached.operation, operation)),
                    _ => assert_eq!(reply.status, 400, "{operation:?}"),
                }
            }
        }
    }
}

/// The operation, called without any input, in each protocol of its service.
fn drafts_of(operation: &Operation) -> Vec<Draft> {
    match operation.service {
        ServiceName::GameLift => vec![
            Draft::json(operation.name, "{}"),
            Draft::cbor(operation.name, b"\xa0"),
        ],
        ServiceName::Ec2 => vec![Draft::ec2(operation.name, "")],
        ServiceName::Sts => vec![Draft::sts(operation.name)],
    }
}

#[test]
fn a_call_is_for_the_region_of_its_scope() {
    let server = Server::new();
    for region in ["us-west-2", "eu-west-1"] {
        let mut draft = Draft::sts("GetCallerIdentity");
        draft.region = region.into();
        server.send(&draft.sign());
        assert_eq!(server.reached()[0].principal.region().as_str(), region);
    }
}

#[test]
fn no_signature() {
    check(
        |draft| draft.sign().minus("authorization"),
        MISSING,
        "Request is missing Authentication Token",
    );
}

#[test]
fn unknown_access_key() {
    let unknown = |mut draft: Draft| {
        draft.access_key = "AKIAAAAAAAAAAAAAAAAA".into();
        draft.sign()
    };
    check(unknown, UNRECOGNIZED, "");
    let server = Server::new();
    let (.., message) = server.refused(&unknown(Draft::json("ListBuilds", "{}")));
    assert_eq!(
        message,
        "The security token included in the request is invalid."
    );
    let (.., message) = server.refused(&unknown(Draft::ec2("DescribeVpcs", "")));
    assert_eq!(
        message,
        "AWS was not able to validate the provided access credentials"
    );
}

#[test]
fn an_access_key_that_is_no_access_key() {
    for access_key in [
        "",
        "x",
        "AKIA",
        "akiaiosfodnn7example",
        "AKIAIOSFODNN7EXAMPLE2",
    ] {
        let spoil = |mut draft: Draft| {
            draft.access_key = access_key.into();
            draft.sign()
        };
        check(spoil, UNRECOGNIZED, "");
    }
}

#[test]
fn what_the_head_shows_is_refused_before_the_body_comes() {
    type Spoil = fn(Draft) -> Signed;
    let table: [(Spoil, [(u16, &str); 4]); 4] = [
        (|draft| draft.sign().minus("authorization"), MISSING),
        (
            |mut draft| {
                draft.access_key = "AKIAAAAAAAAAAAAAAAAA".into();
                draft.sign()
            },
            UNRECOGNIZED,
        ),
        (
            |mut draft| {
                draft.region = "us-east-1".into();
                draft.sign()
            },
            MISMATCH,
        ),
        (
            |mut draft| {
                draft.date = "20261122T141459Z".into();
                draft.sign()
            },
            EXPIRED,
        ),
    ];
    let server = Server::new();
    for (spoil, wire) in table {
        for (draft, expected) in calls().into_iter().zip(wire) {
            let reply = server.send_head(&spoil(draft));
            let (code, message) = reply.error();
            assert_eq!((reply.status, code.as_str()), expected, "{message}");
            assert_eq!(reply.headers["connection"], "close");
        }
    }
    // The other way round: it is the body that a good head waits for.
    for draft in calls() {
        let reply = server.send_head(&draft.sign());
        let (_, message) = reply.error();
        assert_eq!(message, "The body did not arrive within 30 seconds.");
        assert_eq!(reply.headers["connection"], "close");
    }
    assert!(server.reached().is_empty());
}

#[test]
fn a_form_without_signature_is_refused_in_the_shape_of_the_service_that_its_head_names() {
    let server = Server::new();
    let mut draft = Draft::sts("GetCallerIdentity");
    draft.access_key = "AKIAAAAAAAAAAAAAAAAA".into();
    let reply = server.send_head(&draft.sign());
    assert!(reply.text().contains("<ErrorResponse"), "{}", reply.text());
    let mut draft = Draft::sts("").without_header("content-type");
    draft.query = "Action=GetCallerIdentity&Version=2011-06-15".into();
    let reply = server.send_head(&draft.sign().minus("authorization"));
    assert!(reply.text().contains("<ErrorResponse"), "{}", reply.text());
    let draft = Draft::ec2("DescribeVpcs", "");
    let reply = server.send_head(&draft.sign().minus("authorization"));
    assert!(reply.text().contains("<Errors>"), "{}", reply.text());
}

fn temporary(mut draft: Draft, access_key: &str, token: Option<&str>) -> Draft {
    draft.access_key = access_key.into();
    match token {
        Some(token) => draft.header("x-amz-security-token", token),
        None => draft,
    }
}

#[test]
fn an_access_key_has_no_session_token() {
    check(
        |draft| draft.header("x-amz-security-token", TOKEN).sign(),
        UNRECOGNIZED,
        "",
    );
}

#[test]
fn a_temporary_credential_needs_its_own_session_token() {
    for token in [None, Some(""), Some("AQoDYXdzEPT"), Some(&TOKEN[1..])] {
        let sign = |draft| temporary(draft, TEMPORARY_KEY, token).sign();
        check(sign, UNRECOGNIZED, "");
    }
}

#[test]
fn a_session_token_is_signed_and_there_once() {
    check(
        |draft| draft.sign().plus("x-amz-security-token", TOKEN),
        MISMATCH,
        "There were headers present in the request which were not signed: x-amz-security-token",
    );
    check(
        |draft| {
            temporary(draft, TEMPORARY_KEY, Some(TOKEN))
                .header("x-amz-security-token", TOKEN)
                .sign()
        },
        INCOMPLETE,
        "Only one X-Amz-Security-Token is allowed.",
    );
}

#[test]
fn a_temporary_credential_for_an_upload_calls_nothing_else() {
    check(
        |draft| temporary(draft, TEMPORARY_KEY, Some(TOKEN)).sign(),
        [
            (400, "AccessDeniedException"),
            (400, "AccessDeniedException"),
            (403, "UnauthorizedOperation"),
            (403, "AccessDenied"),
        ],
        "may upload build build-2222bbbb-33cc-44dd-95ee-6666ffff77aa to Amazon S3 and do nothing \
         else",
    );
}

#[test]
fn a_temporary_credential_expires() {
    check(
        |draft| temporary(draft, EXPIRED_KEY, Some(TOKEN)).sign(),
        [
            (400, "ExpiredTokenException"),
            (400, "ExpiredTokenException"),
            (400, "RequestExpired"),
            (403, "ExpiredToken"),
        ],
        "The security token included in the request is expired",
    );
    // Who cannot sign does not learn it.
    check(
        |draft| {
            let mut draft = temporary(draft, EXPIRED_KEY, Some(TOKEN));
            draft.secret = "wrong".into();
            draft.sign()
        },
        MISMATCH,
        WRONG_SIGNATURE,
    );
}

#[test]
fn wrong_secret() {
    let spoil = |mut draft: Draft| {
        draft.secret = "wrong".into();
        draft.sign()
    };
    check(spoil, MISMATCH, WRONG_SIGNATURE);
}

#[test]
fn forged_signature() {
    for forged in ["", "deadbeef", &"0".repeat(64), &"f".repeat(128)] {
        let spoil = |draft: Draft| {
            draft.sign().with("authorization", |value| {
                let (kept, _) = value.split_once("Signature=").unwrap();
                format!("{kept}Signature={forged}")
            })
        };
        check(spoil, MISMATCH, WRONG_SIGNATURE);
    }
}

#[test]
fn body_changed_after_signing() {
    check(
        |draft| {
            let mut signed = draft.sign();
            signed.body.extend(b"&a=b");
            signed
        },
        MISMATCH,
        WRONG_SIGNATURE,
    );
}

#[test]
fn claimed_body_hash_must_be_the_bodys() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for claimed in [
        empty,
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    ] {
        check(
            |draft| draft.header("x-amz-content-sha256", claimed).sign(),
            MISMATCH,
            "The value of x-amz-content-sha256 must be the SHA-256 of the body",
        );
    }
}

#[test]
fn signed_too_long_ago_or_too_far_ahead() {
    let at = |date: &'static str| {
        move |mut draft: Draft| {
            draft.date = date.into();
            draft.sign()
        }
    };
    check(
        at("20261122T141459Z"),
        EXPIRED,
        "Signature expired: 20261122T141459Z is now earlier than 20261122T141500Z \
         (20261122T143000Z - 15 min.)",
    );
    check(
        at("20261122T144501Z"),
        EXPIRED,
        "Signature not yet current: 20261122T144501Z is still later than 20261122T144500Z \
         (20261122T143000Z + 15 min.)",
    );
    let server = Server::new();
    for date in ["20261122T141500Z", "20261122T144500Z"] {
        let reply = server.send(&at(date)(Draft::sts("GetCallerIdentity")));
        assert_eq!(reply.status, 200, "{date}");
    }
    for date in ["00010101T000000Z", "99991231T235959Z"] {
        server.reached();
        server.refused(&at(date)(Draft::sts("GetCallerIdentity")));
    }
}

#[test]
fn scope_of_another_day_region_service_or_terminator() {
    let changed = |change: fn(&mut Draft)| {
        move |mut draft: Draft| {
            change(&mut draft);
            draft.sign()
        }
    };
    check(
        changed(|draft| draft.day = Some("20261121".into())),
        MISMATCH,
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
         '20261121' != '20261122', from '20261122T143000Z'.",
    );
    check(
        changed(|draft| draft.region = "us-east-1".into()),
        MISMATCH,
        "Credential should be scoped to a valid Region, not 'us-east-1'. \
         This server's: us-west-2, eu-west-1.",
    );
    check(
        changed(|draft| draft.service = "s3".into()),
        MISMATCH,
        "Credential should be scoped to correct service: ",
    );
    check(
        |draft| {
            draft.sign().with("authorization", |value| {
                value.replace("aws4_request", "aws5_request")
            })
        },
        MISMATCH,
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'.",
    );
}

#[test]
fn a_signature_for_one_service_is_none_for_another() {
    let server = Server::new();
    let mut draft = Draft::json("ListBuilds", "{}");
    draft.service = "ec2".into();
    let (.., message) = server.refused(&draft.sign());
    assert_eq!(
        message,
        "Credential should be scoped to correct service: 'gamelift', not 'ec2'."
    );
}

#[test]
fn incomplete_authorization_headers() {
    let table: &[(&str, &str)] = &[
        (
            "AWS4-HMAC-SHA256",
            "Authorization header requires 'Credential' parameter. \
             Authorization header requires 'Signature' parameter. \
             Authorization header requires 'SignedHeaders' parameter.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host",
            "Authorization header requires 'Signature' parameter.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0",
            "Credential must have exactly 5 slash-delimited elements, \
             e.g. keyid/date/region/service/term, got 'a/b/c'",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, Credential=a/b/c/d/e, Signature=0",
            "Authorization header has parameter 'Credential' twice.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, Surprise=1",
            "Authorization header has a parameter that is not known: 'Surprise'.",
        ),
        (
            "AWS4-HMAC-SHA1 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0",
            "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'. Only AWS4-HMAC-SHA256 is supported.",
        ),
        ("Bearer token", "Unsupported AWS 'algorithm': 'Bearer'."),
        ("", "Unsupported AWS 'algorithm': ''."),
    ];
    for (authorization, message) in table {
        check(
            |draft| {
                draft
                    .sign()
                    .with("authorization", |_| (*authorization).into())
            },
            INCOMPLETE,
            message,
        );
    }
    check(
        |draft| {
            let signed = draft.sign();
            let (_, again) = signed.headers.last().unwrap().clone();
            signed.plus("authorization", &again)
        },
        INCOMPLETE,
        "Only one Authorization header is allowed.",
    );
    check(
        |draft| draft.sign().minus("x-amz-date"),
        INCOMPLETE,
        "Authorization header requires one 'X-Amz-Date' header.",
    );
    check(
        |draft| draft.sign().with("x-amz-date", |_| "yesterday".into()),
        INCOMPLETE,
        "Date must be in ISO-8601 'basic format'. Got 'yesterday'.",
    );
}

#[test]
fn what_matters_must_be_signed() {
    let unsigned = |name: &'static str| {
        move |draft: Draft| {
            draft.sign().with("authorization", |value| {
                let listed = [format!("{name};"), format!(";{name}")];
                listed
                    .iter()
                    .fold(value.to_owned(), |value, listed| value.replace(listed, ""))
            })
        }
    };
    check(
        unsigned("host"),
        MISMATCH,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    );
    check(
        unsigned("x-amz-date"),
        MISMATCH,
        "There were headers present in the request which were not signed: x-amz-date",
    );
    check(
        |draft| draft.sign().plus("x-amz-meta", "1"),
        MISMATCH,
        "There were headers present in the request which were not signed: x-amz-meta",
    );
    check(
        |draft| {
            draft
                .sign()
                .minus("content-type")
                .plus("content-type", "text/plain")
        },
        // CBOR and the forms are refused for their type before anyone asks who sent them.
        [
            (415, "UnsupportedMediaTypeException"),
            (415, "UnsupportedMediaTypeException"),
            (400, "UnknownOperationException"),
            (400, "UnknownOperationException"),
        ],
        "",
    );
    for names in ["SignedHeaders=zz;", "SignedHeaders=A;", "SignedHeaders=;"] {
        check(
            |draft| {
                draft.sign().with("authorization", |value| {
                    value.replace("SignedHeaders=", names)
                })
            },
            MISMATCH,
            "",
        );
    }
}

#[test]
fn other_headers_may_be_added_on_the_way() {
    let server = Server::new();
    for draft in calls() {
        let signed = draft
            .sign()
            .plus("user-agent", "curl")
            .plus("x-forwarded-for", "192.0.2.1")
            .plus("x-amzn-trace-id", "Root=1");
        assert_eq!(server.send(&signed).status, 200);
    }
}

#[test]
fn header_values_are_compared_without_surrounding_and_doubled_spaces() {
    let server = Server::new();
    let signed = Draft::json("ListBuilds", "{}")
        .header("x-amz-user-agent", "a b")
        .sign();
    let signed = signed.with("x-amz-user-agent", |_| "  a   b ".into());
    assert_eq!(server.send(&signed).status, 200);
}

#[test]
fn http2_carries_the_host_as_authority() {
    let server = Server::new();
    let mut signed = Draft::json("ListBuilds", "{}").sign().minus("host");
    signed.target = "http://localhost:8000/".into();
    assert_eq!(server.send(&signed).status, 200);
    signed.target = "http://elsewhere:8000/".into();
    assert_eq!(server.send(&signed).status, 400);
}

#[test]
fn presigned_requests() {
    let server = Server::new();
    let mut draft = Draft::sts("").without_header("content-type");
    draft.method = http::Method::GET;
    draft.body = Vec::new();
    draft.query = "Action=GetCallerIdentity&Version=2011-06-15".into();
    let reply = server.send(&draft.presign("60"));
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(server.reached()[0].operation.name, "GetCallerIdentity");
    // boto3 presigns for POST unless told otherwise.
    let post = Draft {
        method: http::Method::POST,
        ..draft.clone()
    };
    assert_eq!(server.send(&post.presign("60")).status, 200);
    assert_eq!(server.reached()[0].operation.name, "GetCallerIdentity");

    let refused = |signed: &Signed| server.refused(signed);
    draft.date = "20261122T142859Z".into();
    assert_eq!(
        refused(&draft.presign("60")),
        (
            403,
            "SignatureDoesNotMatch".into(),
            "Signature expired: 20261122T142859Z is now earlier than 20261122T142900Z \
             (20261122T143000Z - 60 s)"
                .into()
        )
    );
    assert_eq!(server.send(&draft.presign("604800")).status, 200);
    server.reached();
    for expires in ["0", "-1", "604801", "soon", "", "99999999999999999999"] {
        let (status, code, message) = refused(&draft.presign(expires));
        assert_eq!((status, code.as_str()), (400, "IncompleteSignature"));
        assert!(message.contains("X-Amz-Expires must be"), "{message}");
    }

    draft.date = NOW.into();
    let good = draft.presign("60");
    let spoiled = |from: &str, to: &str| {
        let mut signed = good.clone();
        assert!(signed.target.contains(from));
        signed.target = signed.target.replace(from, to);
        let (_, code, message) = refused(&signed);
        (code, message)
    };
    let (code, _) = spoiled("Expires=60", "Expires=61");
    assert_eq!(code, "SignatureDoesNotMatch");
    let (code, message) = spoiled("X-Amz-Algorithm=AWS4-HMAC-SHA256&", "");
    assert_eq!(code, "IncompleteSignature");
    assert_eq!(
        message,
        "AWS query-string parameters must include 'X-Amz-Algorithm'."
    );
    let (code, _) = spoiled(
        "&X-Amz-Signature=",
        "&X-Amz-Security-Token=a&X-Amz-Signature=",
    );
    assert_eq!(code, "InvalidClientTokenId");
    let (code, _) = spoiled(
        "&X-Amz-Signature=",
        "&X-Amz-Date=20261122T143000Z&X-Amz-Signature=",
    );
    assert_eq!(code, "IncompleteSignature");
    let mut doubled = Draft::json("ListBuilds", "{}").presign("60");
    doubled.target.push_str("&X-Amz-Date=20261122T143000Z");
    assert_eq!(
        refused(&doubled).2,
        "A presigned request has each X-Amz- parameter once."
    );
    let (code, message) = {
        let signed = good
            .clone()
            .plus("authorization", "AWS4-HMAC-SHA256 Credential=a");
        let (_, code, message) = refused(&signed);
        (code, message)
    };
    assert_eq!(code, "IncompleteSignature");
    assert!(message.contains("not both"), "{message}");
}

#[test]
fn a_new_secret_counts_at_once() {
    let server = Server::new();
    let old = Draft::json("ListBuilds", "{}");
    assert_eq!(server.send(&old.sign()).status, 200);
    server.change_secret("another");
    server.reached();
    let (_, code, _) = server.refused(&old.sign());
    assert_eq!(code, "InvalidSignatureException");
    let new = Draft {
        secret: "another".into(),
        ..old
    };
    assert_eq!(server.send(&new.sign()).status, 200);
}

#[test]
fn secrets_are_not_printed() {
    let credential = Credential {
        secret: "hush".into(),
        account: "111122223333".parse().unwrap(),
        identity: Identity::User {
            name: "alice".parse().unwrap(),
            id: "AIDACKCEVSQ6C2EXAMPLE".into(),
        },
        session: None,
    };
    assert!(!format!("{credential:?}").contains("hush"));
}

#[test]
fn health_needs_no_signature() {
    let server = Server::new();
    let request = http::Request::get("/health")
        .body(Full::<Bytes>::default())
        .unwrap();
    let reply = server.send_raw(request);
    assert_eq!((reply.status, reply.text()), (200, "ok"));
    assert_eq!(reply.request_id().len(), 36);
    assert!(server.reached().is_empty());
}
