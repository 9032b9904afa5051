//! The whole scenario by the AWS SDK for Rust, the one client that speaks rpc-v2-cbor.

use aws_sdk_gamelift::Client as GameLift;
use aws_sdk_gamelift::config::retry::RetryConfig;
use aws_sdk_gamelift::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_gamelift::error::SdkError;
use aws_sdk_gamelift::operation::create_vpc_peering_connection::CreateVpcPeeringConnectionError;
use aws_sdk_gamelift::types::{
    Ec2InstanceType, EventCode, FleetAction, FleetStatus, FleetType, InstanceStatus, IpPermission,
    IpProtocol, MetricName, PolicyType, RuntimeConfiguration, ServerProcess, TargetConfiguration,
    VpcPeeringConnection,
};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tombolo_tests::aws::Client;
use tombolo_tests::dev::Dev;
use tombolo_tests::{build, scenario, wait};

#[tokio::test(flavor = "multi_thread")]
async fn the_story_by_the_rust_sdk() {
    let server = Dev::start();
    let (studio, backend) = (server.studio(), server.backend());
    let (fleets, consent) = (sdk(&server, &studio), sdk(&server, &backend));
    let vpc = scenario::vpc_with_subnet(&backend, "10.50.0.0/16");
    let build = build::import(&server, &[("server", build::IDLE)]);

    let fleet = an_active_fleet(&fleets, &build).await;
    let refused = connecting(&fleets, &fleet, &backend.account, &vpc).await;
    let refused = refused.expect_err("no authorization").into_service_error();
    assert!(refused.is_unauthorized_exception(), "{refused:?}");
    assert!(refused.to_string().contains(&vpc), "{refused}");

    authorize(&consent, &fleets, &studio, &backend, &vpc).await;
    scaled(&fleets, &fleet).await;
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

/// A second instance, a port, and a policy, whose target is the one number of the API that need not
/// be whole.
async fn scaled(fleets: &GameLift, fleet: &str) {
    let capacity = fleets.update_fleet_capacity().fleet_id(fleet);
    let capacity = capacity.desired_instances(2).max_size(2).send().await;
    let location = capacity.expect("UpdateFleetCapacity");
    assert!(location.location().is_some());
    until("two instances", async || {
        let found = fleets.describe_instances().fleet_id(fleet).send().await;
        let found = found.expect("DescribeInstances");
        let mut instances = found.instances().iter();
        let all = instances
            .all(|one| one.status() == Some(&InstanceStatus::Active) && one.ip_address().is_some());
        (all && found.instances().len() == 2).then_some(())
    })
    .await;
    let counted = fleets.describe_fleet_capacity().fleet_ids(fleet);
    let counted = counted.send().await.expect("DescribeFleetCapacity");
    let counts = counted.fleet_capacity()[0]
        .instance_counts()
        .expect("counts");
    assert_eq!((counts.desired(), counts.active()), (Some(2), Some(2)));

    let permission = IpPermission::builder()
        .from_port(8303)
        .to_port(8304)
        .ip_range("0.0.0.0/0")
        .protocol(IpProtocol::Udp)
        .build();
    let update = fleets.update_fleet_port_settings().fleet_id(fleet);
    let update = update.inbound_permission_authorizations(permission.clone());
    update.send().await.expect("UpdateFleetPortSettings");
    let settings = fleets.describe_fleet_port_settings().fleet_id(fleet);
    let settings = settings.send().await.expect("DescribeFleetPortSettings");
    assert_eq!(settings.inbound_permissions(), [permission]);

    let target = TargetConfiguration::builder().target_value(12.5).build();
    let put = fleets.put_scaling_policy().fleet_id(fleet).name("free");
    let put = put
        .policy_type(PolicyType::TargetBased)
        .metric_name(MetricName::PercentAvailableGameSessions)
        .target_configuration(target);
    let stop = fleets.stop_fleet_actions().fleet_id(fleet);
    let stop = stop.actions(FleetAction::AutoScaling);
    stop.send().await.expect("StopFleetActions");
    put.send().await.expect("PutScalingPolicy");
    let policies = fleets.describe_scaling_policies().fleet_id(fleet);
    let policies = policies.send().await.expect("DescribeScalingPolicies");
    let shown = policies.scaling_policies()[0].target_configuration();
    assert_eq!(
        shown.map(TargetConfiguration::target_value),
        Some(Some(12.5))
    );
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
