//! Every way in which a request can fail to prove who sent it, over the wire, in every protocol.

use ciborium::Value as Cbor;
use jiff::SignedDuration;
use tombolo_tests::aws::{self, Client, Refusal};
use tombolo_tests::dev::Dev;
use tombolo_tests::http::{Request, Response};
use tombolo_tests::sigv4::Signer;

/// A request that would be answered, were it not for its signature.
struct Way {
    name: &'static str,
    request: Request,
    signer: Signer,
    read: fn(&Response) -> Refusal,
}

/// What a failure is called in GameLift, in EC2 and in STS.
type Codes = [(u16, &'static str); 3];

const MISSING: Codes = [
    (400, "MissingAuthenticationTokenException"),
    (403, "MissingAuthenticationToken"),
    (403, "MissingAuthenticationToken"),
];
const UNKNOWN: Codes = [
    (400, "UnrecognizedClientException"),
    (401, "AuthFailure"),
    (403, "InvalidClientTokenId"),
];
const MISMATCH: Codes = [
    (400, "InvalidSignatureException"),
    (403, "SignatureDoesNotMatch"),
    (403, "SignatureDoesNotMatch"),
];
const INCOMPLETE: Codes = [
    (400, "IncompleteSignatureException"),
    (400, "IncompleteSignature"),
    (400, "IncompleteSignature"),
];
const EXPIRED: Codes = [
    (400, "InvalidSignatureException"),
    (400, "RequestExpired"),
    (403, "SignatureDoesNotMatch"),
];

/// Signs a request, but for one thing.
type SignWrong = fn(&Signer, Request) -> Request;

/// What goes wrong, what it is called, and how to make it go wrong.
const FAILURES: &[(&str, Codes, SignWrong)] = &[
    ("no signature", MISSING, |_, request| request),
    ("an unknown key", UNKNOWN, |signer, request| {
        let access_key_id = "AKIAIOSFODNN7EXAMPLE".to_owned();
        Signer {
            access_key_id,
            ..signer.clone()
        }
        .sign(request)
    }),
    ("another secret", MISMATCH, |signer, request| {
        let secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned();
        Signer {
            secret_access_key,
            ..signer.clone()
        }
        .sign(request)
    }),
    (
        "another body than was signed",
        MISMATCH,
        |signer, request| {
            let mut request = signer.sign(request);
            request.body.extend_from_slice(b"&A=1");
            request
        },
    ),
    (
        "a claimed payload hash that is not the body's",
        MISMATCH,
        |signer, request| {
            let claimed = "0".repeat(64);
            signer.sign(request.header("x-amz-content-sha256", &claimed))
        },
    ),
    (
        "another host than was signed",
        MISMATCH,
        |signer, request| {
            signer
                .sign(request)
                .without("host")
                .header("host", "gamelift.us-west-2.amazonaws.com")
        },
    ),
    (
        "a Region that the server is not",
        MISMATCH,
        |signer, request| {
            let region = "mars-north-1".to_owned();
            Signer {
                region,
                ..signer.clone()
            }
            .sign(request)
        },
    ),
    ("another service's scope", MISMATCH, |signer, request| {
        let service = "dynamodb".to_owned();
        Signer {
            service,
            ..signer.clone()
        }
        .sign(request)
    }),
    ("a clock 16 minutes behind", EXPIRED, |signer, request| {
        let skew = SignedDuration::from_mins(-16);
        Signer {
            skew,
            ..signer.clone()
        }
        .sign(request)
    }),
    ("a clock 16 minutes ahead", EXPIRED, |signer, request| {
        let skew = SignedDuration::from_mins(16);
        Signer {
            skew,
            ..signer.clone()
        }
        .sign(request)
    }),
    (
        "no signature in the authorization",
        INCOMPLETE,
        |signer, request| {
            rewritten(signer.sign(request), |text| {
                text[..text.rfind(',').unwrap()].to_owned()
            })
        },
    ),
    (
        "no credential in the authorization",
        INCOMPLETE,
        |signer, request| {
            rewritten(signer.sign(request), |text| {
                text.replace("Credential=", "Gredential=")
            })
        },
    ),
    ("a session token", UNKNOWN, |signer, request| {
        signer.sign(request.header("x-amz-security-token", "FwoGZXIvYXdzEXAMPLE"))
    }),
];

#[test]
fn every_failure_has_its_code_in_every_protocol() {
    let server = Dev::start_simulated();
    for way in ways(&server.backend()) {
        let answered = answer(&way, way.signer.sign(way.request.clone()));
        assert_eq!(answered.status, 200, "{}: {}", way.name, answered.text());
        for (failure, codes, make) in FAILURES {
            let response = answer(&way, make(&way.signer, way.request.clone()));
            assert!(
                response
                    .header("x-amzn-requestid")
                    .is_some_and(|id| !id.is_empty()),
                "{} with {failure}: no request id",
                way.name
            );
            let refusal = (way.read)(&response);
            let [gamelift, ec2, sts] = *codes;
            let expected = match way.signer.service.as_str() {
                "gamelift" => gamelift,
                "ec2" => ec2,
                _ => sts,
            };
            assert_eq!(
                (refusal.status, refusal.code.as_str()),
                expected,
                "{} with {failure}: {refusal}",
                way.name
            );
            assert!(
                !refusal.message.is_empty(),
                "{} with {failure}: {refusal}",
                way.name
            );
        }
    }
}

#[test]
fn a_presigned_request_is_answered_until_it_expires() {
    let server = Dev::start_simulated();
    let backend = server.backend();
    let target = "/?Action=DescribeVpcs&Version=2016-11-15";
    let request = Request::new("GET", target).header("host", &backend.server.to_string());
    let signer = backend.signer_for("ec2");

    let minute = SignedDuration::from_mins(1);
    let response = backend
        .send(&signer.presign(request.clone(), minute))
        .unwrap();
    assert_eq!(response.status, 200, "{}", response.text());

    let skew = SignedDuration::from_mins(-2);
    let late = Signer {
        skew,
        ..signer.clone()
    }
    .presign(request.clone(), minute);
    let refusal = aws::xml_refusal(&backend.send(&late).unwrap());
    assert_eq!(
        (refusal.status, refusal.code.as_str()),
        (400, "RequestExpired"),
        "{refusal}"
    );

    let mut forged = signer.presign(request, minute);
    forged.target = forged.target.replace("DescribeVpcs", "DescribeTags");
    let refusal = aws::xml_refusal(&backend.send(&forged).unwrap());
    assert_eq!(
        (refusal.status, refusal.code.as_str()),
        (403, "SignatureDoesNotMatch")
    );
}

#[test]
fn the_account_is_the_keys_whatever_the_request_says() {
    let server = Dev::start_simulated();
    for client in [server.studio(), server.backend()] {
        let identity = client.sts("GetCallerIdentity").unwrap();
        assert_eq!(identity.text("Account"), client.account);
        let lying = client
            .sts_request("GetCallerIdentity")
            .header("x-amz-account-id", "000000000000")
            .header("x-amz-source-account", "000000000000");
        let response = client.send(&client.signer_for("sts").sign(lying)).unwrap();
        assert_eq!(
            tombolo_tests::xml::Xml(response.text()).text("Account"),
            client.account
        );
    }
}

fn ways(client: &Client) -> Vec<Way> {
    let gamelift = "DescribeVpcPeeringConnections";
    vec![
        Way {
            name: "JSON",
            request: client.gamelift_request(gamelift, "{}"),
            signer: client.signer.clone(),
            read: aws::json_refusal,
        },
        Way {
            name: "CBOR",
            request: client.cbor_request(gamelift, &[0xbf, 0xff]),
            signer: client.signer.clone(),
            read: cbor_refusal,
        },
        Way {
            name: "EC2",
            request: client.ec2_request("DescribeVpcs", &[]),
            signer: client.signer_for("ec2"),
            read: aws::xml_refusal,
        },
        Way {
            name: "STS",
            request: client.sts_request("GetCallerIdentity"),
            signer: client.signer_for("sts"),
            read: aws::xml_refusal,
        },
    ]
}

fn answer(way: &Way, request: Request) -> Response {
    let host = &way
        .request
        .headers
        .iter()
        .find(|(name, _)| name == "host")
        .unwrap()
        .1;
    tombolo_tests::http::send(host.parse().unwrap(), &request)
        .unwrap_or_else(|error| panic!("{}: {error}", way.name))
}

fn rewritten(mut request: Request, rewrite: impl Fn(&str) -> String) -> Request {
    for (name, value) in &mut request.headers {
        if name == "authorization" {
            *value = rewrite(value);
        }
    }
    request
}

/// Reads an error in CBOR.
pub(crate) fn cbor_refusal(response: &Response) -> Refusal {
    let body: Cbor = ciborium::from_reader(&*response.body)
        .unwrap_or_else(|error| panic!("{error} in the error {:?}", response.text()));
    let members = body.as_map().expect("an error is a map");
    let text = |wanted: &str| {
        let found = members
            .iter()
            .find(|(name, _)| name.as_text() == Some(wanted));
        found
            .and_then(|(_, value)| value.as_text())
            .map(ToOwned::to_owned)
    };
    Refusal {
        status: response.status,
        code: aws::without_namespace(&text("__type").expect("__type")),
        message: text("Message")
            .or_else(|| text("message"))
            .unwrap_or_default(),
    }
}
