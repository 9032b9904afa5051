//! A peering connection in EC2's operations: seen by both owners, in routes and rules, and ended by
//! DeleteVpc.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tombolo_domain::peering::{State, Step};
use tombolo_domain::vpc::{Route, RouteTarget};
use tombolo_store::keys;
use tombolo_store::typed::Committed;
use tombolo_testkit::ec2::filter;

use crate::document::text;
use crate::server::{BACKEND, STUDIO, Server};

const OPERATION: &str = "DescribeVpcPeeringConnections";
const LIST: &str = "VpcPeeringConnections";

/// A VPC of the backend's with a connection that the studio's fleet asked for. Gives the VPC and
/// the time that the authorization ends.
async fn requested(server: &Server) -> (String, Value) {
    let backend = server.ec2(BACKEND);
    let studio = server.ec2(STUDIO);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let fleet = studio.fleet().await;
    let authorized = backend.authorize(STUDIO, &vpc).await;
    studio.connect(&fleet, BACKEND, &vpc).await;
    let expires = authorized["VpcPeeringAuthorization"]["ExpirationTime"].clone();
    (vpc, expires)
}

/// Takes `step` on the only connection.
async fn step(server: &Server, step: Step) {
    let fleet = server.only_connection().await.fleet.unwrap();
    server.step(fleet.as_str(), step).await;
}

/// Writes the route and the rule of the only connection, as the network reconciler does.
async fn open(server: &Server) {
    let connection = server.only_connection().await;
    let scope = server.ec2(BACKEND).scope();
    let vpc = &connection.accepter.vpc;
    let mut tx = server.transaction();
    for mut table in tx.list(&keys::route_tables_of(&scope, vpc)).await.unwrap() {
        table.routes.push(Route {
            destination: connection.requester.cidr.unwrap(),
            target: RouteTarget::Peering(connection.id.clone()),
            made_by: Some(connection.id.clone()),
        });
        tx.put(&table).unwrap();
    }
    for mut group in tx
        .list(&keys::security_groups_of(&scope, vpc))
        .await
        .unwrap()
    {
        group.admit(
            connection.requester.cidr.unwrap(),
            &connection.id,
            server.ids(),
        );
        tx.put(&group).unwrap();
    }
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
}

#[tokio::test]
async fn both_owners_see_a_connection_in_full() {
    let server = Server::new();
    let (vpc, expires) = requested(&server).await;
    let connection = server.only_connection().await;
    let options = json!({
        "AllowDnsResolutionFromRemoteVpc": false,
        "AllowEgressFromLocalClassicLinkToRemoteVpc": false,
        "AllowEgressFromLocalVpcToRemoteClassicLink": false,
    });
    let fleet_cidr = connection.requester.cidr.unwrap().to_string();
    let expected = json!({
        "VpcPeeringConnectionId": connection.id,
        "RequesterVpcInfo": {
            "VpcId": connection.requester.vpc,
            "OwnerId": STUDIO,
            "Region": "us-west-2",
            "CidrBlock": fleet_cidr,
            "CidrBlockSet": [{"CidrBlock": fleet_cidr}],
            "PeeringOptions": options,
        },
        "AccepterVpcInfo": {
            "VpcId": vpc,
            "OwnerId": BACKEND,
            "Region": "us-west-2",
            "CidrBlock": "10.0.0.0/16",
            "CidrBlockSet": [{"CidrBlock": "10.0.0.0/16"}],
            "PeeringOptions": options,
        },
        "Status": {
            "Code": "initiating-request",
            "Message": format!("Initiating Request to {BACKEND}"),
        },
        "ExpirationTime": expires,
        "Tags": [],
    });
    for account in [BACKEND, STUDIO] {
        assert_eq!(server.ec2(account).only(OPERATION, LIST).await, expected);
    }

    let fleet = server.only_connection().await.fleet.unwrap();
    server.activate(fleet.as_str()).await;
    for account in [BACKEND, STUDIO] {
        let shown = server.ec2(account).only(OPERATION, LIST).await;
        assert_eq!(
            shown["Status"],
            json!({"Code": "active", "Message": "Active"})
        );
        assert_eq!(shown["ExpirationTime"], Value::Null);
    }
}

#[tokio::test]
async fn a_connection_within_one_account_is_shown_once() {
    let server = Server::new();
    let studio = server.ec2(STUDIO);
    let vpc = studio.vpc("10.0.0.0/16").await;
    let fleet = studio.fleet().await;
    studio.authorize(STUDIO, &vpc).await;
    studio.connect(&fleet, STUDIO, &vpc).await;
    let shown = studio.only(OPERATION, LIST).await;
    assert_eq!(shown["AccepterVpcInfo"]["VpcId"], vpc.as_str());
}

#[tokio::test]
async fn fields_filter_connections() {
    let server = Server::new();
    let (vpc, _) = requested(&server).await;
    let connection = server.only_connection().await;
    let (id, cidr) = (
        connection.id.to_string(),
        connection.requester.cidr.unwrap().to_string(),
    );
    let backend = server.ec2(BACKEND);
    for (name, value, count) in [
        ("status-code", "initiating-request", 1),
        ("status-code", "active", 0),
        ("status-message", "Initiating*", 1),
        ("vpc-peering-connection-id", &id, 1),
        ("accepter-vpc-info.vpc-id", &vpc, 1),
        ("accepter-vpc-info.owner-id", BACKEND, 1),
        ("accepter-vpc-info.cidr-block", "10.0.0.0/16", 1),
        ("requester-vpc-info.vpc-id", &vpc, 0),
        ("requester-vpc-info.owner-id", STUDIO, 1),
        ("requester-vpc-info.cidr-block", &cidr, 1),
        ("expiration-time", "2026-11-23T12:00:00*", 1),
    ] {
        let found = backend.filtered(OPERATION, LIST, filter(name, value)).await;
        assert_eq!(found.len(), count, "{name}={value}");
    }
}

#[tokio::test]
async fn each_owner_has_tags_of_its_own_on_a_connection() {
    let server = Server::new();
    requested(&server).await;
    let id = server.only_connection().await.id;
    for account in [BACKEND, STUDIO] {
        let tags = json!([{"Key": "owner", "Value": account}]);
        let input = json!({"Resources": [id], "Tags": tags});
        server.ec2(account).call("CreateTags", input).await;
    }
    for account in [BACKEND, STUDIO] {
        let shown = server.ec2(account).only(OPERATION, LIST).await;
        assert_eq!(shown["Tags"], json!([{"Key": "owner", "Value": account}]));
    }
}

#[tokio::test]
async fn a_route_is_a_black_hole_until_its_connection_is_active() {
    let server = Server::new();
    requested(&server).await;
    step(&server, Step::Deliver).await;
    step(&server, Step::Accept).await;
    open(&server).await;
    let connection = server.only_connection().await;
    let backend = server.ec2(BACKEND);
    let route = async || {
        let table = backend.only("DescribeRouteTables", "RouteTables").await;
        table["Routes"][1].clone()
    };
    let expected = |state: &str| {
        json!({
            "DestinationCidrBlock": connection.requester.cidr.unwrap().to_string(),
            "GatewayId": null,
            "VpcPeeringConnectionId": connection.id,
            "Origin": "CreateRoute",
            "State": state,
        })
    };
    assert_eq!(route().await, expected("blackhole"));
    step(&server, Step::Provisioned).await;
    assert_eq!(route().await, expected("active"));
    step(&server, Step::Delete(BACKEND.parse().unwrap())).await;
    assert_eq!(route().await, expected("blackhole"));
    let filters = filter("route.vpc-peering-connection-id", connection.id.as_str());
    let found = backend
        .filtered("DescribeRouteTables", "RouteTables", filters)
        .await;
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn a_connections_rule_names_it() {
    let server = Server::new();
    requested(&server).await;
    open(&server).await;
    let connection = server.only_connection().await;
    let group = server
        .ec2(BACKEND)
        .only("DescribeSecurityGroups", "SecurityGroups")
        .await;
    let permissions = group["IpPermissions"].as_array().unwrap();
    assert_eq!(
        permissions.len(),
        1,
        "rules of one protocol are shown together"
    );
    assert_eq!(
        permissions[0]["IpRanges"],
        json!([{
            "CidrIp": connection.requester.cidr.unwrap().to_string(),
            "Description": format!(
                "Added for VPC peering connection {} and removed with it.",
                connection.id
            ),
        }])
    );
    assert_eq!(
        permissions[0]["UserIdGroupPairs"][0]["GroupId"],
        group["GroupId"]
    );
}

#[tokio::test]
async fn deleting_the_vpc_ends_its_connection_and_its_authorization() {
    for steps in [
        vec![],
        vec![Step::Deliver],
        vec![Step::Deliver, Step::Accept],
        vec![Step::Deliver, Step::Accept, Step::Provisioned],
    ] {
        let server = Server::new();
        let (vpc, _) = requested(&server).await;
        for step in steps {
            self::step(&server, step).await;
        }
        let owner = BACKEND.parse().unwrap();
        let delete = json!({"VpcId": vpc});
        server.ec2(BACKEND).call("DeleteVpc", delete).await;
        assert_eq!(
            server.only_connection().await.state,
            State::Deleting { by: owner }
        );
        assert!(server.keys("authoriz").await.is_empty());

        step(&server, Step::Removed).await;
        let two_hours = SignedDuration::from_hours(2);
        for account in [BACKEND, STUDIO] {
            let shown = server.ec2(account).only(OPERATION, LIST).await;
            let message = format!("Deleted by {BACKEND}");
            let status = json!({"Code": "deleted", "Message": message});
            assert_eq!(shown["Status"], status);
        }
        server.advance(two_hours);
        for account in [BACKEND, STUDIO] {
            let shown = server.ec2(account).all(OPERATION, LIST).await;
            assert_eq!(shown, Vec::<Value>::new());
        }
    }
}

#[tokio::test]
async fn deleting_the_vpc_leaves_a_connection_that_is_over() {
    let server = Server::new();
    let (vpc, _) = requested(&server).await;
    let fleet = server.only_connection().await.fleet.unwrap();
    server.activate(fleet.as_str()).await;
    let studio = STUDIO.parse().unwrap();
    step(&server, Step::Delete(studio)).await;
    let before = server.only_connection().await;
    let delete = json!({"VpcId": vpc});
    server.ec2(BACKEND).call("DeleteVpc", delete).await;
    assert_eq!(server.only_connection().await, before);
}

#[tokio::test]
async fn a_forgotten_connection_is_unknown() {
    let server = Server::new();
    requested(&server).await;
    let id = text(&json!(server.only_connection().await.id));
    step(&server, Step::Delete(STUDIO.parse().unwrap())).await;
    step(&server, Step::Removed).await;
    server.advance(SignedDuration::from_hours(2));
    let message = format!("The vpcPeeringConnection ID '{id}' does not exist");
    let code = "InvalidVpcPeeringConnectionID.NotFound";
    for (operation, input) in [
        (OPERATION, json!({"VpcPeeringConnectionIds": [id]})),
        ("CreateTags", json!({"Resources": [id], "Tags": []})),
    ] {
        let backend = server.ec2(BACKEND);
        backend.refused(operation, input, code, &message).await;
    }
}
