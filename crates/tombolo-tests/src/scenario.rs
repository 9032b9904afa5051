//! The steps that most tests begin with, in the words of the API.

use serde_json::{Value, json};

use crate::aws::{CallError, Client, Refusal};
use crate::wait;

/// Makes a VPC.
#[track_caller]
pub fn vpc(client: &Client, cidr: &str) -> String {
    let made = client.ec2("CreateVpc", &[("CidrBlock", cidr)]);
    made.expect("CreateVpc").text("vpcId")
}

/// Makes a VPC with one subnet of all its addresses.
#[track_caller]
pub fn vpc_with_subnet(client: &Client, cidr: &str) -> String {
    let vpc = vpc(client, cidr);
    let made = client.ec2("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", cidr)]);
    made.expect("CreateSubnet");
    vpc
}

/// Makes a fleet that runs `/local/game/<program>` once, and waits until it is ACTIVE.
#[track_caller]
pub fn active_fleet(studio: &Client, build: &str, program: &str, parameters: &str) -> String {
    let fleet = fleet(studio, build, program, parameters);
    fleet_is(studio, &fleet, "ACTIVE");
    fleet
}

/// Makes a fleet that runs `/local/game/<program>` once.
#[track_caller]
pub fn fleet(studio: &Client, build: &str, program: &str, parameters: &str) -> String {
    let made = studio.gamelift("CreateFleet", &fleet_input(build, program, parameters));
    let made = made.expect("CreateFleet");
    text(&made["FleetAttributes"]["FleetId"])
}

/// CreateFleet's input.
pub fn fleet_input(build: &str, program: &str, parameters: &str) -> Value {
    let mut process = json!({
        "LaunchPath": format!("/local/game/{program}"),
        "ConcurrentExecutions": 1,
    });
    if !parameters.is_empty() {
        process["Parameters"] = parameters.into();
    }
    json!({
        "Name": "arena",
        "BuildId": build,
        "EC2InstanceType": "c5.large",
        "FleetType": "ON_DEMAND",
        "RuntimeConfiguration": { "ServerProcesses": [process] },
    })
}

/// Waits until a fleet has this status.
#[track_caller]
pub fn fleet_is(studio: &Client, fleet: &str, status: &str) {
    let mut last = Value::Null;
    let reached = wait::within(wait::TIMEOUT, || {
        let found = studio.gamelift("DescribeFleetAttributes", &json!({ "FleetIds": [fleet] }));
        last = found.expect("DescribeFleetAttributes")["FleetAttributes"].take();
        (last[0]["Status"] == status).then_some(())
    });
    if reached.is_none() {
        panic!(
            "fleet {fleet} did not become {status} but is {last}; its events: {:#?}",
            events(studio, fleet)
        );
    }
}

/// A fleet's events as `CODE: message`, newest first.
#[track_caller]
pub fn events(studio: &Client, fleet: &str) -> Vec<String> {
    let found = studio.gamelift("DescribeFleetEvents", &json!({ "FleetId": fleet }));
    let found = found.expect("DescribeFleetEvents");
    let events = found["Events"].as_array().expect("Events is a list");
    let written =
        |event: &Value| format!("{}: {}", text(&event["EventCode"]), text(&event["Message"]));
    events.iter().map(written).collect()
}

/// Waits until a fleet has had this event, and gives its message.
#[track_caller]
pub fn event(studio: &Client, fleet: &str, code: &str) -> String {
    wait::until(&format!("event {code} of fleet {fleet}"), || {
        let mut events = events(studio, fleet).into_iter();
        events.find_map(|event| Some(event.strip_prefix(code)?.to_owned()))
    })
}

/// Lets the studio's fleets connect to one of the backend's VPCs.
#[track_caller]
pub fn authorize(backend: &Client, studio: &Client, vpc: &str) {
    let input = json!({ "GameLiftAwsAccountId": studio.account, "PeerVpcId": vpc });
    let made = backend.gamelift("CreateVpcPeeringAuthorization", &input);
    made.expect("CreateVpcPeeringAuthorization");
}

/// Asks for a connection.
pub fn request_connection(
    studio: &Client,
    backend: &Client,
    fleet: &str,
    vpc: &str,
) -> Result<(), CallError> {
    let input = json!({
        "FleetId": fleet,
        "PeerVpcAwsAccountId": backend.account,
        "PeerVpcId": vpc,
    });
    studio.gamelift("CreateVpcPeeringConnection", &input)?;
    Ok(())
}

/// Connects, and waits until the connection is active. Gives its record.
#[track_caller]
pub fn connect(studio: &Client, backend: &Client, fleet: &str, vpc: &str) -> Value {
    request_connection(studio, backend, fleet, vpc).expect("CreateVpcPeeringConnection");
    connection_is(studio, fleet, vpc, "active")
}

/// Deletes a connection, and waits until it is deleted.
#[track_caller]
pub fn disconnect(studio: &Client, connection: &Value) {
    let id = &connection["VpcPeeringConnectionId"];
    let fleet = text(&connection["FleetId"]);
    let input = json!({ "FleetId": fleet, "VpcPeeringConnectionId": id });
    let deleted = studio.gamelift("DeleteVpcPeeringConnection", &input);
    deleted.expect("DeleteVpcPeeringConnection");
    // Earlier connections to the same VPC may still be shown as deleted.
    wait::until(&format!("{id} to be deleted"), || {
        let mut found = connections(studio, &fleet).into_iter();
        let found = found.find(|found| found["VpcPeeringConnectionId"] == *id)?;
        (found["Status"]["Code"] == "deleted").then_some(())
    });
}

/// Waits until a connection of `fleet` with `vpc` has this status. Gives its record.
#[track_caller]
pub fn connection_is(studio: &Client, fleet: &str, vpc: &str, code: &str) -> Value {
    wait::until(&format!("fleet {fleet} and {vpc} to be {code}"), || {
        let mut connections = connections(studio, fleet).into_iter();
        connections.find(|found| found["PeerVpcId"] == vpc && found["Status"]["Code"] == code)
    })
}

/// A fleet's connections.
#[track_caller]
pub fn connections(studio: &Client, fleet: &str) -> Vec<Value> {
    let found = studio.gamelift(
        "DescribeVpcPeeringConnections",
        &json!({ "FleetId": fleet }),
    );
    let mut found = found.expect("DescribeVpcPeeringConnections");
    match found["VpcPeeringConnections"].take() {
        Value::Array(connections) => connections,
        other => panic!("VpcPeeringConnections is {other}"),
    }
}

/// What the server said no with.
///
/// # Panics
/// It said yes, or nothing.
#[track_caller]
pub fn refused<T>(outcome: Result<T, CallError>) -> Refusal {
    match outcome {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.refusal(),
    }
}

/// A JSON text.
#[track_caller]
pub fn text(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}
