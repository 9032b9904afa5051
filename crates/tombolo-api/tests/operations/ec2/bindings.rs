//! What decides by the connections of a VPC depends on there being no other, though they are found by an
//! index.

use serde_json::json;
use tombolo_api::lookup::ScopedTransaction;
use tombolo_domain::principal::Action;
use tombolo_domain::vpc::Vpc;
use tombolo_store::typed::Committed;

use crate::server::{BACKEND, STUDIO, Server};

const ACTION: Action = Action::new("ec2", "CreateVpcPeeringConnection");

/// A VPC of the studio's and one of the backend's.
async fn vpcs(server: &Server) -> [String; 2] {
    [
        server.ec2(STUDIO).vpc("10.1.0.0/16").await,
        server.ec2(BACKEND).vpc("10.2.0.0/16").await,
    ]
}

/// What becomes of a write to `vpc` by who decided with `read`, if `meanwhile` happens before.
async fn committed(
    server: &Server,
    (account, vpc): (&str, &str),
    read: impl AsyncFnOnce(&mut ScopedTransaction<'_>, &Vpc),
    meanwhile: impl Future<Output = ()>,
) -> Committed {
    let caller = server.ec2(account);
    let mut tx = caller.transaction();
    let vpc = tx.vpc(vpc).to(ACTION).await.unwrap();
    read(&mut tx, &vpc).await;
    meanwhile.await;
    tx.put(&vpc).unwrap();
    tx.commit().await.unwrap()
}

async fn connections(tx: &mut ScopedTransaction<'_>, vpc: &Vpc) {
    assert!(tx.connections_of_vpc(vpc).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_that_a_vpc_asks_for_meanwhile_is_a_conflict() {
    let server = Server::new();
    let [own, peer] = vpcs(&server).await;
    let outcome = committed(&server, (STUDIO, &own), connections, async {
        server.ec2(STUDIO).ask(&own, BACKEND, &peer).await;
    });
    assert_eq!(outcome.await, Committed::Conflict);
}

#[tokio::test]
async fn a_connection_that_reaches_a_vpc_meanwhile_is_a_conflict() {
    let server = Server::new();
    let [own, peer] = vpcs(&server).await;
    let id = server.ec2(STUDIO).ask(&own, BACKEND, &peer).await;
    let outcome = committed(&server, (BACKEND, &peer), connections, async {
        server.deliver(&id).await;
    });
    assert_eq!(outcome.await, Committed::Conflict);
}

#[tokio::test]
async fn connections_of_other_vpcs_are_none() {
    let server = Server::new();
    let [own, peer] = vpcs(&server).await;
    let other = server.ec2(STUDIO).vpc("10.3.0.0/16").await;
    let outcome = committed(&server, (STUDIO, &other), connections, async {
        let id = server.ec2(STUDIO).ask(&own, BACKEND, &peer).await;
        server.deliver(&id).await;
    });
    assert_eq!(outcome.await, Committed::Yes);
}

#[tokio::test]
async fn a_fleets_connection_that_is_there_meanwhile_is_a_conflict() {
    let server = Server::new();
    let [_, peer] = vpcs(&server).await;
    let named = json!({"GameLiftAwsAccountId": STUDIO, "PeerVpcId": peer});
    let backend = server.gamelift(BACKEND);
    backend.call("CreateVpcPeeringAuthorization", named).await;
    let fleet = server.gamelift(STUDIO).fleet().await;
    let id = fleet.parse().unwrap();
    let present = async |tx: &mut ScopedTransaction<'_>, peer: &Vpc| {
        assert!(tx.present_connection(&id, peer).await.unwrap().is_none());
    };
    let outcome = committed(&server, (BACKEND, &peer), present, async {
        server
            .gamelift(STUDIO)
            .connect(&fleet, BACKEND, &peer)
            .await;
    });
    assert_eq!(outcome.await, Committed::Conflict);
}
