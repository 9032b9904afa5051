//! What each protocol's calls look like when they arrive at the operations, and what their
//! answers and errors look like on the wire.

use ciborium::Value as Cbor;
use serde_json::{Value, json};
use tombolo_api::ec2::{Ec2Error, Resource};
use tombolo_api::error::{ApiError, CommonError};
use tombolo_api::gamelift::GameLiftError;
use tombolo_api::sts::StsError;

use crate::server::Server;
use crate::signer::Draft;

const FLEET: &str = "fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa";

fn authorization() -> Value {
    json!({ "VpcPeeringAuthorizations": [{
        "GameLiftAwsAccountId": "111122223333",
        "PeerVpcAwsAccountId": "444455556666",
        "PeerVpcId": "vpc-0a1b2c3d4e5f60718",
        "CreationTime": 1503608847.489,
        "ExpirationTime": 1503695247.0,
    }]})
}

#[test]
fn json_round_trip() {
    let server = Server::new();
    server.answer(Ok(authorization()));
    let reply = server.send(&Draft::json("DescribeVpcPeeringAuthorizations", "{}").sign());
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-type"], "application/x-amz-json-1.1");
    assert_eq!(
        reply.text(),
        r#"{"VpcPeeringAuthorizations":[{"GameLiftAwsAccountId":"111122223333","PeerVpcAwsAccountId":"444455556666","PeerVpcId":"vpc-0a1b2c3d4e5f60718","CreationTime":1503608847.489,"ExpirationTime":1503695247}]}"#
    );
}

#[test]
fn json_input_arrives_by_member_names() {
    let server = Server::new();
    let input = json!({
        "FleetId": FLEET,
        "PeerVpcAwsAccountId": "444455556666",
        "PeerVpcId": "vpc-0a1b2c3d4e5f60718",
    });
    let reply = server.send(&Draft::json("CreateVpcPeeringConnection", input.to_string()).sign());
    assert_eq!(reply.status, 200);
    assert_eq!(server.reached()[0].input, input);
    // AWS answers "with an empty HTTP body" when there is nothing to say.
    assert_eq!(reply.text(), "");
    assert_eq!(reply.headers["content-type"], "application/x-amz-json-1.1");
}

#[test]
fn json_without_a_body_is_an_empty_input() {
    let server = Server::new();
    let draft = Draft::json("DescribeVpcPeeringAuthorizations", "");
    assert_eq!(server.send(&draft.sign()).status, 200);
    assert_eq!(server.reached()[0].input, json!({}));
}

#[test]
fn members_that_are_null_are_left_out_of_answers() {
    let server = Server::new();
    server.answer(Ok(json!({ "FleetIds": [FLEET], "NextToken": null })));
    let reply = server.send(&Draft::json("ListFleets", "{}").sign());
    assert_eq!(reply.json(), json!({ "FleetIds": [FLEET] }));
}

#[test]
fn cbor_round_trip_with_the_rust_sdks_indefinite_maps() {
    let server = Server::new();
    server.answer(Ok(authorization()));
    let draft = Draft::cbor("DescribeVpcPeeringAuthorizations", b"\xbf\xff");
    let reply = server.send(&draft.sign());
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["smithy-protocol"], "rpc-v2-cbor");
    assert_eq!(reply.headers["content-type"], "application/cbor");
    let body: Cbor = ciborium::from_reader(&*reply.body).unwrap();
    let list = member(&body, "VpcPeeringAuthorizations")
        .as_array()
        .unwrap();
    assert_eq!(
        member(&list[0], "PeerVpcId").as_text(),
        Some("vpc-0a1b2c3d4e5f60718")
    );
    let time = |name| member(&list[0], name).as_tag().unwrap();
    assert_eq!(time("CreationTime"), (1, &Cbor::Float(1503608847.489)));
    assert_eq!(
        time("ExpirationTime"),
        (1, &Cbor::Integer(1503695247.into()))
    );
}

#[test]
fn cbor_times_arrive_as_numbers_of_seconds() {
    let server = Server::new();
    let at = |number: Cbor| Cbor::Tag(1, Box::new(number));
    let input = Cbor::Map(vec![
        ("FleetId".into(), FLEET.into()),
        ("StartTime".into(), at(Cbor::Float(1503608847.5))),
        ("EndTime".into(), at(1503695247.into())),
        ("Limit".into(), 5.into()),
    ]);
    let mut body = Vec::new();
    ciborium::into_writer(&input, &mut body).unwrap();
    let reply = server.send(&Draft::cbor("DescribeFleetEvents", body).sign());
    assert_eq!(reply.status, 200);
    assert_eq!(
        server.reached()[0].input,
        json!({
            "FleetId": FLEET,
            "StartTime": 1503608847.5,
            "EndTime": 1503695247,
            "Limit": 5,
        })
    );
}

/// JSON has one kind of number; CBOR tells whole ones from others, and clients send either.
#[test]
fn doubles_arrive_and_are_answered_as_such() {
    let policy = |target: Value| json!({ "ScalingPolicies": [{ "TargetConfiguration": { "TargetValue": target } }] });
    let server = Server::new();
    server.answer(Ok(policy(json!(50))));
    let input = json!({ "FleetId": FLEET });
    let draft = Draft::json("DescribeScalingPolicies", input.to_string());
    let reply = server.send(&draft.sign());
    assert_eq!(reply.json(), policy(json!(50.0)));

    server.answer(Ok(policy(json!(12.5))));
    let mut body = Vec::new();
    ciborium::into_writer(
        &Cbor::Map(vec![("FleetId".into(), FLEET.into())]),
        &mut body,
    )
    .unwrap();
    let reply = server.send(&Draft::cbor("DescribeScalingPolicies", body).sign());
    let body: Cbor = ciborium::from_reader(&*reply.body).unwrap();
    let policies = member(&body, "ScalingPolicies").as_array().unwrap();
    let target = member(&policies[0], "TargetConfiguration");
    assert_eq!(member(target, "TargetValue"), &Cbor::Float(12.5));

    for (number, expected) in [
        (Cbor::Float(12.5), json!(12.5)),
        (Cbor::Float(50.0), json!(50)),
        (50.into(), json!(50)),
    ] {
        let server = Server::new();
        let input = Cbor::Map(vec![
            ("Name".into(), "free".into()),
            ("FleetId".into(), FLEET.into()),
            ("MetricName".into(), "PercentAvailableGameSessions".into()),
            (
                "TargetConfiguration".into(),
                Cbor::Map(vec![("TargetValue".into(), number)]),
            ),
        ]);
        let mut body = Vec::new();
        ciborium::into_writer(&input, &mut body).unwrap();
        let reply = server.send(&Draft::cbor("PutScalingPolicy", body).sign());
        assert_eq!(reply.status, 200);
        let target = &server.reached()[0].input["TargetConfiguration"];
        assert_eq!(target["TargetValue"], expected);
    }

    let server = Server::new();
    let input = json!({
        "Name": "free", "FleetId": FLEET, "MetricName": "PercentAvailableGameSessions",
        "TargetConfiguration": { "TargetValue": "50" },
    });
    let draft = Draft::json("PutScalingPolicy", input.to_string());
    let (status, code, message) = server.refused(&draft.sign());
    assert_eq!((status, code.as_str()), (400, "SerializationException"));
    assert!(message.contains("a number"), "{message}");
}

#[test]
fn cbor_answers_without_members_are_an_empty_map() {
    let server = Server::new();
    let body = b"\xbf\x67FleetId\x72fleet-0123456789ab\xff";
    let reply = server.send(&Draft::cbor("DeleteFleet", body).sign());
    assert_eq!((reply.status, &*reply.body), (200, &[0xa0][..]));
}

#[test]
fn ec2_round_trip() {
    let server = Server::new();
    server.answer(Ok(json!({ "Vpcs": [{
        "VpcId": "vpc-0a1b2c3d4e5f60718",
        "CidrBlock": "10.0.0.0/16",
        "IsDefault": false,
        "Tags": [],
    }], "NextToken": null })));
    let form = "VpcId.1=vpc-0a1b2c3d4e5f60718&Filter.2.Name=state&Filter.2.Value.1=available\
                &Filter.1.Name=tag%3ARole&Filter.1.Value.2=b&Filter.1.Value.1=a+b&MaxResults=5&DryRun=true";
    let reply = server.send(&Draft::ec2("DescribeVpcs", form).sign());
    assert_eq!(
        server.reached()[0].input,
        json!({
            "VpcIds": ["vpc-0a1b2c3d4e5f60718"],
            "Filters": [
                { "Name": "tag:Role", "Values": ["a b", "b"] },
                { "Name": "state", "Values": ["available"] },
            ],
            "MaxResults": 5,
            "DryRun": true,
        })
    );
    assert_eq!(reply.headers["content-type"], "text/xml;charset=UTF-8");
    let id = reply.request_id();
    assert_eq!(
        reply.text(),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <DescribeVpcsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>{id}</requestId><vpcSet><item><isDefault>false</isDefault>\
             <tagSet></tagSet><vpcId>vpc-0a1b2c3d4e5f60718</vpcId>\
             <cidrBlock>10.0.0.0/16</cidrBlock></item></vpcSet></DescribeVpcsResponse>"
        )
    );
}

#[test]
fn ec2_numbers_list_elements_beyond_nine_in_order() {
    let server = Server::new();
    let ids: Vec<String> = (1..=12).map(|at| format!("vpc-{at}")).collect();
    let form: Vec<String> = ids
        .iter()
        .enumerate()
        .map(|(at, id)| format!("VpcId.{}={id}", at + 1))
        .collect();
    server.send(&Draft::ec2("DescribeVpcs", &form.join("&")).sign());
    assert_eq!(server.reached()[0].input["VpcIds"], json!(ids));
}

#[test]
fn ec2_answers_true_when_there_is_nothing_to_say() {
    let server = Server::new();
    let reply = server.send(&Draft::ec2("DeleteVpc", "VpcId=vpc-1").sign());
    assert_eq!(reply.status, 200);
    assert_eq!(reply.element("return"), "true");
    assert_eq!(reply.element("requestId"), reply.request_id());
}

#[test]
fn ec2_times_are_iso_8601_with_milliseconds() {
    let server = Server::new();
    server.answer(Ok(
        json!({ "VpcPeeringConnections": [{ "ExpirationTime": 1795356000 }] }),
    ));
    let reply = server.send(&Draft::ec2("DescribeVpcPeeringConnections", "").sign());
    assert_eq!(reply.element("expirationTime"), "2026-11-22T14:00:00.000Z");
}

#[test]
fn xml_text_is_escaped() {
    let server = Server::new();
    let value = "<a & \"b\">\u{1}\r";
    server.answer(Ok(json!({ "Tags": [{ "Key": "k", "Value": value }] })));
    let reply = server.send(&Draft::ec2("DescribeTags", "").sign());
    assert!(
        reply
            .text()
            .contains("<value>&lt;a &amp; &quot;b&quot;&gt;\u{fffd}&#13;</value>"),
        "{}",
        reply.text()
    );
}

#[test]
fn sts_round_trip() {
    let server = Server::new();
    server.answer(Ok(json!({
        "UserId": "AIDACKCEVSQ6C2EXAMPLE",
        "Account": "111122223333",
        "Arn": "arn:aws:iam::111122223333:user/alice",
    })));
    let reply = server.send(&Draft::sts("GetCallerIdentity").sign());
    let id = reply.request_id();
    assert_eq!(
        reply.text(),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <GetCallerIdentityResult><UserId>AIDACKCEVSQ6C2EXAMPLE</UserId>\
             <Account>111122223333</Account><Arn>arn:aws:iam::111122223333:user/alice</Arn>\
             </GetCallerIdentityResult><ResponseMetadata><RequestId>{id}</RequestId>\
             </ResponseMetadata></GetCallerIdentityResponse>"
        )
    );
}

#[test]
fn errors_have_the_shape_of_their_protocol() {
    let server = Server::new();
    let unauthorized =
        || ApiError::new(GameLiftError::Unauthorized, "no <valid> authorization").into();

    server.answer(Err(unauthorized()));
    let reply = server.send(&Draft::json("ListBuilds", "{}").sign());
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.json(),
        json!({ "__type": "UnauthorizedException", "Message": "no <valid> authorization" })
    );

    server.answer(Err(unauthorized()));
    let reply = server.send(&Draft::cbor("ListBuilds", b"\xa0").sign());
    assert_eq!(reply.status, 400);
    assert_eq!(reply.headers["smithy-protocol"], "rpc-v2-cbor");
    let body: Value = ciborium::from_reader(&*reply.body).unwrap();
    assert_eq!(
        body,
        json!({
            "__type": "com.amazonaws.gamelift#UnauthorizedException",
            "Message": "no <valid> authorization",
        })
    );

    server.answer(Err(ApiError::new(
        Ec2Error::NotFound(Resource::Vpc),
        "The vpc ID 'vpc-1' does not exist",
    )
    .into()));
    let reply = server.send(&Draft::ec2("DeleteVpc", "VpcId=vpc-1").sign());
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.text(),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>\
             <Code>InvalidVpcID.NotFound</Code>\
             <Message>The vpc ID 'vpc-1' does not exist</Message></Error></Errors>\
             <RequestID>{}</RequestID></Response>",
            reply.request_id()
        )
    );

    server.answer(Err(ApiError::new(
        StsError::Common(CommonError::AccessDenied),
        "no",
    )
    .into()));
    let reply = server.send(&Draft::sts("GetCallerIdentity").sign());
    assert_eq!(reply.status, 403);
    assert_eq!(
        reply.text(),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
             <Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>\
             <RequestId>{}</RequestId></ErrorResponse>",
            reply.request_id()
        )
    );
}

#[test]
fn a_dry_run_is_status_412() {
    let server = Server::new();
    server.answer(Err(ApiError::new(Ec2Error::DryRunOperation, "yes").into()));
    let reply = server.send(&Draft::ec2("DeleteVpc", "VpcId=vpc-1&DryRun=true").sign());
    assert_eq!(reply.status, 412);
    assert_eq!(reply.error().0, "DryRunOperation");
}

#[test]
fn internal_errors_give_the_request_id_and_keep_their_cause() {
    let server = Server::new();
    let failed = ApiError::<GameLiftError>::internal("reading /secret/path", "disk on fire");
    server.answer(Err(failed.into()));
    let reply = server.send(&Draft::json("ListBuilds", "{}").sign());
    assert_eq!(reply.status, 500);
    let (code, message) = reply.error();
    assert_eq!(code, "InternalServiceException");
    assert!(message.contains(reply.request_id()), "{message}");
    assert!(
        !message.contains("secret") && !message.contains("fire"),
        "{message}"
    );
}

#[test]
fn an_output_that_the_model_does_not_have_is_an_internal_error() {
    let server = Server::new();
    for wrong in [
        json!({ "Surprise": 1 }),
        json!({ "Builds": "none" }),
        json!({ "Builds": [{ "SizeOnDisk": 1.5 }] }),
        json!([]),
    ] {
        for draft in [
            Draft::json("ListBuilds", "{}"),
            Draft::cbor("ListBuilds", b"\xa0"),
        ] {
            server.answer(Ok(wrong.clone()));
            let reply = server.send(&draft.sign());
            assert_eq!(reply.status, 500, "{wrong}");
        }
    }
}

#[test]
fn every_reply_has_its_own_request_id() {
    let server = Server::new();
    let ids: std::collections::BTreeSet<String> = (0..10)
        .map(|_| server.send(&Draft::json("ListBuilds", "{}").sign()))
        .map(|reply| reply.request_id().to_owned())
        .collect();
    assert_eq!(ids.len(), 10);
}

fn member<'a>(map: &'a Cbor, name: &str) -> &'a Cbor {
    let entries = map.as_map().unwrap();
    let found = entries.iter().find(|(key, _)| key.as_text() == Some(name));
    &found.unwrap().1
}
