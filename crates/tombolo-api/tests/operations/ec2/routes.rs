//! CreateRoute, ReplaceRoute and DeleteRoute.

use serde_json::{Value, json};
use tombolo_domain::peering::Step;
use tombolo_domain::quota::Quotas;
use tombolo_domain::vpc::{Route, RouteTarget};
use tombolo_store::keys;
use tombolo_store::typed::Committed;

use tombolo_testkit::ec2::route;

use crate::document::with;
use crate::server::{BACKEND, STUDIO, Server};

/// Two VPCs of two accounts that are peered.
struct Pair {
    here: String,
    table: String,
    there: String,
    connection: String,
}

async fn peered(server: &Server) -> Pair {
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let here = backend.vpc("10.0.0.0/16").await;
    let there = studio.vpc("10.1.0.0/16").await;
    let connection = server.peer((BACKEND, &here), (STUDIO, &there)).await;
    let (table, _) = backend.main_table(&here).await;
    Pair {
        here,
        table,
        there,
        connection: connection.id.to_string(),
    }
}

#[tokio::test]
async fn both_ends_of_a_peering_have_routes_to_it() {
    let server = Server::new();
    let pair = peered(&server).await;
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let (theirs, _) = studio.main_table(&pair.there).await;
    // To all of the peer, to a part of it, to one address, and to more than it has.
    for destination in ["10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "0.0.0.0/0"] {
        backend
            .route(&pair.table, destination, &pair.connection)
            .await;
    }
    studio.route(&theirs, "10.0.0.0/16", &pair.connection).await;
    let shown = backend.routes(&pair.table).await;
    let destinations = ["10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "0.0.0.0/0"];
    let expected = destinations.map(|to| [to, &pair.connection, "active"].map(str::to_owned));
    assert_eq!(shown, expected);
    let expected = ["10.0.0.0/16", &pair.connection, "active"].map(str::to_owned);
    assert_eq!(studio.routes(&theirs).await, [expected]);
}

#[tokio::test]
async fn host_bits_of_a_destination_are_dropped() {
    let server = Server::new();
    let pair = peered(&server).await;
    let backend = server.ec2(BACKEND);
    backend
        .route(&pair.table, "10.0.0.5/8", &pair.connection)
        .await;
    let shown = backend.routes(&pair.table).await;
    assert_eq!(shown[0][0], "10.0.0.0/8");
    let refusal = backend
        .refusal(
            "CreateRoute",
            route(&pair.table, "10.255.0.0/8", &pair.connection),
        )
        .await;
    assert_eq!(refusal.code, "RouteAlreadyExists");
    let input = json!({"RouteTableId": pair.table, "DestinationCidrBlock": "10.3.2.1/8"});
    backend.call("DeleteRoute", input).await;
    assert!(backend.routes(&pair.table).await.is_empty());
}

#[tokio::test]
async fn a_route_to_what_ended_is_a_black_hole_and_stays() {
    let server = Server::new();
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let here = backend.vpc("10.0.0.0/16").await;
    let there = studio.vpc("10.1.0.0/16").await;
    let connection = server.peer((BACKEND, &here), (STUDIO, &there)).await;
    let id = connection.id.to_string();
    let (table, _) = backend.main_table(&here).await;
    backend.route(&table, "10.1.0.0/16", &id).await;
    server.unpeer(connection).await;
    let expected = ["10.1.0.0/16", &id, "blackhole"].map(str::to_owned);
    assert_eq!(backend.routes(&table).await, [expected]);

    let message = format!(
        "The vpcPeeringConnection ID '{id}' is deleted, and no route can lead to it any more"
    );
    let code = "InvalidVpcPeeringConnectionID.NotFound";
    let input = route(&table, "10.1.1.0/24", &id);
    backend.refused("CreateRoute", input, code, &message).await;

    // The VPCs are peered again: the route is turned to the new connection.
    let again = server.peer((STUDIO, &there), (BACKEND, &here)).await;
    let again = again.id.to_string();
    let input = route(&table, "10.1.0.0/16", &again);
    backend.call("ReplaceRoute", input).await;
    let expected = ["10.1.0.0/16", &again, "active"].map(str::to_owned);
    assert_eq!(backend.routes(&table).await, [expected]);
}

#[tokio::test]
async fn a_request_can_have_routes_before_it_is_accepted() {
    let server = Server::new();
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let vpc = backend.vpc("10.0.0.0/16").await;
    let fleet = studio.fleet().await;
    backend.authorize(STUDIO, &vpc).await;
    studio.connect(&fleet, BACKEND, &vpc).await;
    let connection = server.only_connection().await.id.to_string();
    let (table, _) = backend.main_table(&vpc).await;
    backend.route(&table, "100.64.0.0/10", &connection).await;
    assert_eq!(backend.routes(&table).await[0][2], "blackhole");
    server.activate(&fleet).await;
    assert_eq!(backend.routes(&table).await[0][2], "active");
}

/// The route that a connection wrote becomes the person's who replaces it.
#[tokio::test]
async fn a_replaced_route_is_no_longer_the_connections_own() {
    let server = Server::new();
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let vpc = backend.vpc("10.0.0.0/16").await;
    let fleet = studio.fleet().await;
    backend.authorize(STUDIO, &vpc).await;
    studio.connect(&fleet, BACKEND, &vpc).await;
    let connection = server.only_connection().await;
    let (table, _) = backend.main_table(&vpc).await;
    let key = keys::route_table(
        &backend.scope(),
        &vpc.parse().unwrap(),
        &table.parse().unwrap(),
    );
    let mut tx = server.transaction();
    let mut record = tx.get(&key).await.unwrap().unwrap();
    for destination in ["100.64.0.0/24", "100.64.1.0/24"] {
        record.routes.push(Route {
            destination: destination.parse().unwrap(),
            target: RouteTarget::Peering(connection.id.clone()),
            made_by: Some(connection.id.clone()),
        });
    }
    tx.put(&record).unwrap();
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);

    let input = route(&table, "100.64.0.0/24", connection.id.as_str());
    backend.call("ReplaceRoute", input).await;
    let mut record = server.transaction().get(&key).await.unwrap().unwrap();
    record.remove_routes_of(&connection.id);
    let left: Vec<String> = record
        .routes
        .iter()
        .map(|route| route.destination.to_string())
        .collect();
    assert_eq!(left, ["10.0.0.0/16", "100.64.0.0/24"]);

    // And anyone may delete what it wrote.
    let input = json!({"RouteTableId": table, "DestinationCidrBlock": "100.64.1.0/24"});
    backend.call("DeleteRoute", input).await;
    assert_eq!(backend.routes(&table).await.len(), 1);
}

#[tokio::test]
async fn the_local_route_stays_local() {
    let server = Server::new();
    let pair = peered(&server).await;
    let backend = server.ec2(BACKEND);
    let Pair {
        here,
        table,
        connection,
        ..
    } = &pair;
    let code = "InvalidParameterValue";
    for within in ["10.0.0.0/16", "10.0.0.0/17", "10.0.9.9/32"] {
        let message = format!(
            "The destination CIDR block {within} is equal to or more specific than one of this \
             VPC's CIDR blocks: 10.0.0.0/16 is local to VPC {here}."
        );
        let input = route(table, within, connection);
        backend.refused("CreateRoute", input, code, &message).await;
    }
    backend.route(table, "10.0.0.0/15", connection).await;

    let local = json!({"RouteTableId": table, "DestinationCidrBlock": "10.0.0.0/16"});
    let message = format!("cannot remove local route 10.0.0.0/16 in route table {table}");
    backend
        .refused("DeleteRoute", local.clone(), code, &message)
        .await;
    let message = format!(
        "Route target is not supported. The route to 10.0.0.0/16 is the local one of route table \
         {table}, and stays within the VPC."
    );
    let input = route(table, "10.0.0.0/16", connection);
    backend.refused("ReplaceRoute", input, code, &message).await;

    // EC2's two ways to say "as it was".
    for (member, value) in [("GatewayId", json!("local")), ("LocalTarget", json!(true))] {
        let input = with(local.clone(), member, value.clone());
        backend.call("ReplaceRoute", input).await;
        let wide = json!({"RouteTableId": table, "DestinationCidrBlock": "10.0.0.0/15"});
        let message = format!(
            "Only a local route can be reset to the local target, and 10.0.0.0/15 is no CIDR block \
             of VPC {here}."
        );
        let input = with(wide, member, value);
        backend.refused("ReplaceRoute", input, code, &message).await;
    }
}

#[tokio::test]
async fn routes_are_refused() {
    let server = Server::new();
    let pair = peered(&server).await;
    let backend = server.ec2(BACKEND);
    let Pair {
        table, connection, ..
    } = &pair;
    backend.route(table, "10.1.0.0/16", connection).await;
    let other = backend.vpc("10.2.0.0/16").await;
    let (foreign, _) = backend.main_table(&other).await;
    let good = || route(table, "10.1.1.0/24", connection);
    let to =
        |destination: &str| json!({"RouteTableId": table, "DestinationCidrBlock": destination});
    let (create, replace, delete) = ("CreateRoute", "ReplaceRoute", "DeleteRoute");
    let not_a_block = |text: &str| {
        format!(
            "Value ({text}) for parameter destinationCidrBlock is invalid. This is not a valid \
             CIDR block."
        )
    };
    let no_such = |id: &str| format!("The vpcPeeringConnection ID '{id}' does not exist");
    let never = "pcx-00000000000000000";
    let mut table_of: Vec<(&str, Value, &str, String)> = vec![
        (
            create,
            route(table, "10.1.0.0/16", connection),
            "RouteAlreadyExists",
            format!(
                "The route identified by 10.1.0.0/16 already exists in route table {table}; use \
                 ReplaceRoute to change where it leads."
            ),
        ),
        (
            create,
            route(&foreign, "10.1.0.0/16", connection),
            "InvalidVpcPeeringConnectionID.NotFound",
            no_such(connection),
        ),
        (
            create,
            with(good(), "VpcPeeringConnectionId", never),
            "InvalidVpcPeeringConnectionID.NotFound",
            no_such(never),
        ),
        (
            create,
            with(good(), "VpcPeeringConnectionId", "igw-1"),
            "InvalidVpcPeeringConnectionId.Malformed",
            "Invalid id: \"igw-1\" (expecting \"pcx-...\")".into(),
        ),
        (
            create,
            to("10.1.1.0/24"),
            "MissingParameter",
            "The request must contain the parameter vpcPeeringConnectionId".into(),
        ),
        (
            create,
            json!({"RouteTableId": table, "VpcPeeringConnectionId": connection}),
            "MissingParameter",
            "The request must contain the parameter destinationCidrBlock".into(),
        ),
        (
            replace,
            to("10.1.0.0/16"),
            "MissingParameter",
            "The request must contain the parameter vpcPeeringConnectionId".into(),
        ),
        (
            replace,
            good(),
            "InvalidParameterValue",
            format!(
                "There is no route defined for '10.1.1.0/24' in the route table {table}. Use \
                 CreateRoute instead."
            ),
        ),
        (
            replace,
            with(good(), "LocalTarget", true),
            "InvalidParameterCombination",
            "The request must contain exactly one target; leave out either vpcPeeringConnectionId \
             or the local one."
                .into(),
        ),
        (
            replace,
            with(to("10.1.0.0/16"), "GatewayId", "igw-01234567"),
            "UnsupportedOperation",
            "Tombolo has no gateway 'igw-01234567': GatewayId can only be local.".into(),
        ),
        (
            delete,
            to("10.1.1.0/24"),
            "InvalidRoute.NotFound",
            format!("no route with destination-cidr-block 10.1.1.0/24 in route table {table}"),
        ),
        (
            delete,
            with(to("10.1.0.0/16"), "RouteTableId", "rtb-00000000000000000"),
            "InvalidRouteTableID.NotFound",
            "The routeTable ID 'rtb-00000000000000000' does not exist".into(),
        ),
        (
            create,
            with(good(), "DryRun", true),
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.".into(),
        ),
    ];
    for text in [
        "10.1.0.0",
        "10.1.0.0/33",
        "10.1.0.0/-1",
        "10.1.0.00/16",
        "::/0",
        "",
    ] {
        for operation in [create, replace, delete] {
            let input = match operation {
                "DeleteRoute" => to(text),
                _ => route(table, text, connection),
            };
            table_of.push((operation, input, "InvalidParameterValue", not_a_block(text)));
        }
    }
    for (member, operations) in [
        ("DestinationIpv6CidrBlock", &[create, replace, delete][..]),
        ("DestinationPrefixListId", &[create, replace, delete]),
        ("TransitGatewayId", &[create, replace]),
        ("NatGatewayId", &[create, replace]),
        ("InstanceId", &[create, replace]),
        ("NetworkInterfaceId", &[create, replace]),
        ("EgressOnlyInternetGatewayId", &[create, replace]),
        ("VpcEndpointId", &[create, replace]),
        ("GatewayId", &[create]),
    ] {
        for &operation in operations {
            let message = format!("Tombolo does not have the parameter {member}; leave it out.");
            let input = with(to("10.1.1.0/24"), member, "x-01234567");
            table_of.push((operation, input, "UnsupportedOperation", message));
        }
    }
    for (operation, input, code, message) in table_of {
        backend.refused(operation, input, code, &message).await;
    }
}

#[tokio::test]
async fn a_table_has_no_more_routes_than_the_quota() {
    let server = Server::with_quotas(Quotas {
        routes_per_table: 2,
        ..Quotas::default()
    });
    let pair = peered(&server).await;
    let backend = server.ec2(BACKEND);
    backend
        .route(&pair.table, "10.1.0.0/24", &pair.connection)
        .await;
    backend
        .route(&pair.table, "10.1.1.0/24", &pair.connection)
        .await;
    let message = format!(
        "The maximum number of routes has been reached: route table {} has 2. Delete one, or raise \
         the quota routes_per_table of the server.",
        pair.table
    );
    let input = route(&pair.table, "10.1.2.0/24", &pair.connection);
    backend
        .refused("CreateRoute", input, "RouteLimitExceeded", &message)
        .await;
}

/// Of two connections that a person has to choose between, each table has its own.
#[tokio::test]
async fn tables_of_one_vpc_lead_to_different_peers() {
    let server = Server::new();
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let here = backend.vpc("10.0.0.0/16").await;
    let mut led = Vec::new();
    for _ in 0..2 {
        let there = studio.vpc("10.1.0.0/16").await;
        let connection = server.peer((BACKEND, &here), (STUDIO, &there)).await;
        let table = backend.route_table(&here).await;
        let id = connection.id.to_string();
        backend.route(&table, "10.1.0.0/16", &id).await;
        led.push((table, id));
    }
    for (table, connection) in led {
        assert_eq!(backend.routes(&table).await[0][1], connection);
    }
    let (main, _) = backend.main_table(&here).await;
    assert!(backend.routes(&main).await.is_empty());
}

/// A connection that is being deleted takes no more routes, though packets may still be on the way.
#[tokio::test]
async fn a_connection_on_its_way_out_takes_no_route() {
    let server = Server::new();
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let vpc = backend.vpc("10.0.0.0/16").await;
    let fleet = studio.fleet().await;
    backend.authorize(STUDIO, &vpc).await;
    studio.connect(&fleet, BACKEND, &vpc).await;
    server
        .step(&fleet, Step::Delete(BACKEND.parse().unwrap()))
        .await;
    let id = server.only_connection().await.id.to_string();
    let (table, _) = backend.main_table(&vpc).await;
    let input = route(&table, "100.64.0.0/24", &id);
    let message = format!(
        "The vpcPeeringConnection ID '{id}' is deleting, and no route can lead to it any more"
    );
    let code = "InvalidVpcPeeringConnectionID.NotFound";
    backend.refused("CreateRoute", input, code, &message).await;
}
