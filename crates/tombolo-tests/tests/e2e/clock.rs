//! Rehearsing what 24 hours bring.

use serde_json::json;
use tombolo_tests::dev::Dev;
use tombolo_tests::server::Server;
use tombolo_tests::{build, scenario, tools};

#[test]
fn an_authorization_is_gone_after_24_hours() {
    let server = Dev::start_simulated();
    let (studio, backend) = (server.studio(), server.backend());
    let vpc = scenario::vpc(&backend, "10.1.0.0/16");
    let build = build::import(&server, &[("server", build::IDLE)]);
    let fleet = scenario::active_fleet(&studio, &build, "server", "");
    let authorizations = || {
        let found = studio.gamelift("DescribeVpcPeeringAuthorizations", &json!({}));
        found.unwrap()["VpcPeeringAuthorizations"]
            .as_array()
            .unwrap()
            .len()
    };
    scenario::authorize(&backend, &studio, &vpc);
    tools::succeeds(&mut server.command(&["clock", "advance", "23h"]));
    assert_eq!(authorizations(), 1);

    tools::succeeds(&mut server.command(&["clock", "advance", "1h"]));
    assert_eq!(authorizations(), 0);
    let refusal = scenario::refused(scenario::request_connection(
        &studio, &backend, &fleet, &vpc,
    ));
    assert_eq!(refusal.code, "UnauthorizedException", "{refusal}");
    assert!(refusal.message.contains("expired"), "{refusal}");
    assert_eq!(
        scenario::connections(&studio, &fleet),
        Vec::<serde_json::Value>::new()
    );

    scenario::authorize(&backend, &studio, &vpc);
    scenario::connect(&studio, &backend, &fleet, &vpc);
}

#[test]
fn disconnecting_and_deleting_the_fleet_need_a_valid_authorization_too() {
    let server = Dev::start_simulated();
    let (studio, backend) = (server.studio(), server.backend());
    let vpc = scenario::vpc(&backend, "10.1.0.0/16");
    let build = build::import(&server, &[("server", build::IDLE)]);
    let fleet = scenario::active_fleet(&studio, &build, "server", "");
    scenario::authorize(&backend, &studio, &vpc);
    let connection = scenario::connect(&studio, &backend, &fleet, &vpc);
    tools::succeeds(&mut server.command(&["clock", "advance", "24h"]));

    let input = json!({
        "FleetId": fleet,
        "VpcPeeringConnectionId": connection["VpcPeeringConnectionId"],
    });
    let refusal = scenario::refused(studio.gamelift("DeleteVpcPeeringConnection", &input));
    assert_eq!(refusal.code, "UnauthorizedException", "{refusal}");
    let refusal = scenario::refused(studio.gamelift("DeleteFleet", &json!({ "FleetId": fleet })));
    assert_eq!(refusal.code, "UnauthorizedException", "{refusal}");
    assert_eq!(
        scenario::connections(&studio, &fleet),
        std::slice::from_ref(&connection)
    );
    scenario::fleet_is(&studio, &fleet, "ACTIVE");

    scenario::authorize(&backend, &studio, &vpc);
    scenario::disconnect(&studio, &connection);
}
