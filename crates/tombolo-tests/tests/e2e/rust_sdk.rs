//! The whole story by the AWS SDK for Rust, the one client that speaks rpc-v2-cbor.

use aws_sdk_gamelift::Client as GameLift;
use aws_sdk_gamelift::config::retry::RetryConfig;
use aws_sdk_gamelift::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_gamelift::error::SdkError;
use aws_sdk_gamelift::operation::create_vpc_peering_connection::CreateVpcPeeringConnectionError;
use aws_sdk_gamelift::types::{
    Ec2InstanceType, EventCode, FleetStatus, FleetType, RuntimeConfiguration, ServerProcess,
    VpcPeeringConnection,
};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tombolo_tests::aws::Client;
use tombolo_tests::dev::Dev;
use tombolo_tests::{build, story, wait};

#[tokio::test(flavor = "multi_thread")]
async fn the_story_by_the_rust_sdk() {
    let server = Dev::start();
    let (studio, backend) = (server.studio(), server.backend());
    let (fleets, consent) = (sdk(&server, &studio), sdk(&server, &backend));
    let vpc = story::vpc_with_subnet(&backend, "10.50.0.0/16");
    let build = build::import(&server, &[("server", build::IDLE)]);

    let fleet = an_active_fleet(&fleets, &build).await;
    let refused = connecting(&fleets, &fleet, &backend.account, &vpc).await;
    let refused = refused.expect_err("no authorization").into_service_error();
    assert!(refused.is_unauthorized_exception(), "{refused:?}");
    assert!(refused.to_string().contains(&vpc), "{refused}");

    authorize(&consent, &fleets, &studio, &backend, &vpc).await;
    let connected = connecting(&fleets, &fleet, &backend.account, &vpc).await;
    connected.expect("CreateVpcPeeringConnection");
    let connection = connection_that_is(&fleets, &fleet, "active").await;
    assert_eq!(connection.peer_vpc_id(), Some(&*vpc));
    until_event(&fleets, &fleet, EventCode::FleetVpcPeeringSucceeded).await;
    let id = connection.vpc_peering_connection_id().expect("an id");
    let seen = backend.ec2(
        "DescribeVpcPeeringConnections",
        &[("VpcPeeringConnectionId.1", id)],
    );
    assert_eq!(seen.expect("EC2 shows it").text("code"), "active");

    let delete = fleets.delete_vpc_peering_connection().fleet_id(&fleet);
    delete
        .vpc_peering_connection_id(id)
        .send()
        .await
        .expect("DeleteVpcPeeringConnection");
    connection_that_is(&fleets, &fleet, "deleted").await;
    until_event(&fleets, &fleet, EventCode::FleetVpcPeeringDeleted).await;

    fleets
        .delete_fleet()
        .fleet_id(&fleet)
        .send()
        .await
        .expect("DeleteFleet");
    until("the fleet to be gone", async || {
        let listed = fleets.list_fleets().send().await.expect("ListFleets");
        (!listed.fleet_ids().contains(&fleet)).then_some(())
    })
    .await;
}

fn sdk(server: &Dev, client: &Client) -> GameLift {
    let keys = &client.signer;
    let credentials = Credentials::new(
        &keys.access_key_id,
        &keys.secret_access_key,
        None,
        None,
        "tombolo dev",
    );
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .endpoint_url(server.endpoint())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new(server.region().to_owned()))
        .retry_config(RetryConfig::disabled());
    GameLift::from_conf(config.build())
}

async fn an_active_fleet(fleets: &GameLift, build: &str) -> String {
    let process = ServerProcess::builder()
        .launch_path("/local/game/server")
        .concurrent_executions(1)
        .build();
    let made = fleets
        .create_fleet()
        .name("arena")
        .build_id(build)
        .ec2_instance_type(Ec2InstanceType::C5Large)
        .fleet_type(FleetType::OnDemand)
        .runtime_configuration(
            RuntimeConfiguration::builder()
                .server_processes(process)
                .build(),
        )
        .send()
        .await
        .expect("CreateFleet");
    let made = made.fleet_attributes().expect("FleetAttributes");
    assert_eq!(made.status(), Some(&FleetStatus::New));
    assert!(made.creation_time().is_some());
    let fleet = made.fleet_id().expect("an id").to_owned();
    until("the fleet to be ACTIVE", async || {
        let found = fleets
            .describe_fleet_attributes()
            .fleet_ids(&fleet)
            .send()
            .await;
        let found = found.expect("DescribeFleetAttributes");
        (found.fleet_attributes().first()?.status() == Some(&FleetStatus::Active)).then_some(())
    })
    .await;
    fleet
}

async fn connecting(
    fleets: &GameLift,
    fleet: &str,
    peer_account: &str,
    peer_vpc: &str,
) -> Result<(), SdkError<CreateVpcPeeringConnectionError>> {
    let create = fleets.create_vpc_peering_connection().fleet_id(fleet);
    let create = create
        .peer_vpc_aws_account_id(peer_account)
        .peer_vpc_id(peer_vpc);
    create.send().await.map(|_| ())
}

async fn authorize(
    consent: &GameLift,
    fleets: &GameLift,
    studio: &Client,
    backend: &Client,
    vpc: &str,
) {
    let issue = consent.create_vpc_peering_authorization().peer_vpc_id(vpc);
    let issued = issue.game_lift_aws_account_id(&studio.account).send().await;
    let issued = issued.expect("CreateVpcPeeringAuthorization");
    let issued = issued
        .vpc_peering_authorization()
        .expect("an authorization");
    assert_eq!(issued.peer_vpc_aws_account_id(), Some(&*backend.account));
    let created = issued.creation_time().expect("a time").secs();
    let expires = issued.expiration_time().expect("a time");
    assert_eq!(
        (expires.secs(), expires.subsec_nanos()),
        (created + 86_400, 0)
    );
    for side in [consent, fleets] {
        let seen = side.describe_vpc_peering_authorizations().send().await;
        let seen = seen.expect("DescribeVpcPeeringAuthorizations");
        assert_eq!(
            seen.vpc_peering_authorizations(),
            std::slice::from_ref(issued)
        );
    }
}

async fn connection_that_is(fleets: &GameLift, fleet: &str, code: &str) -> VpcPeeringConnection {
    until(&format!("the connection to be {code}"), async || {
        let found = fleets
            .describe_vpc_peering_connections()
            .fleet_id(fleet)
            .send()
            .await;
        let found = found.expect("DescribeVpcPeeringConnections");
        let mut found = found
            .vpc_peering_connections
            .unwrap_or_default()
            .into_iter();
        found.find(|one| one.status().and_then(|status| status.code()) == Some(code))
    })
    .await
}

async fn until_event(fleets: &GameLift, fleet: &str, code: EventCode) {
    until(&format!("event {code}"), async || {
        let found = fleets.describe_fleet_events().fleet_id(fleet).send().await;
        let found = found.expect("DescribeFleetEvents");
        let mut events = found.events().iter();
        events
            .any(|event| event.event_code() == Some(&code))
            .then_some(())
    })
    .await;
}

/// [`wait::until`] for an SDK that only answers asynchronously. The runtime has other threads for
/// the connections meanwhile.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let runtime = Handle::current();
    block_in_place(|| wait::until(what, || runtime.block_on(look())))
}
