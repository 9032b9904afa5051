//! Values of everything that the store keeps: each variant of each enum, each member with a value and
//! without.

use std::collections::BTreeMap;

use tombolo_domain::account::{
    AccessKey, Account, SecretKey, TemporaryCredential, TokenHash, User,
};
use tombolo_domain::fleet::{
    Build, BuildSource, BuildStatus, Capacity, Compute, EventCode, Fleet, FleetEvent, FleetStatus,
    InboundPermission, Instance, ManagedCompute, MappedPort, OperatingSystem,
    ResourceCreationLimit, RuntimeConfiguration, ScalingPolicy, ServerProcess, ShownAttributes,
    TransportProtocol,
};
use tombolo_domain::host::HostBoot;
use tombolo_domain::id::IdSource;
use tombolo_domain::object::{
    Blob, Bucket, BucketName, MultipartUpload, Object, ObjectHeaders, UploadedPart,
};
use tombolo_domain::peering::{
    Authorization, Connection, End, FailureReason, PeeringOptions, Requester, State, Transition,
};
use tombolo_domain::quota::AccountQuotas;
use tombolo_domain::repair::RepairRecord;
use tombolo_domain::reported::{
    EventPosition, FleetProgress, ReportedBuild, ReportedFleet, ReportedHost, ReportedInstance,
    ReportedNetwork, TableFull, UnpackOutcome,
};
use tombolo_domain::tag::Tags;
use tombolo_domain::vpc::{
    Attachment, CidrAssociation, IcmpMessages, MacAddress, NetworkInterface, Peer, PeeredGroup,
    PortRange, Protocol, Route, RouteTable, RouteTableAssociation, RouteTableNumber, RouteTarget,
    RuleDirection, SecurityGroup, SecurityGroupNumber, SecurityGroupRule, Subnet, Vpc,
    VpcAttributes, VpcNumber,
};
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::StoreError;
use tombolo_store::keys::{self, ConnectionRef, Entity, InstanceRef};
use tombolo_store::typed::Transaction;

/// A host, and a boot of it.
const HOST: &str = "host-00000000-0000-4000-8000-000000000001";
const BOOT: &str = "33333333-4444-4555-8666-777777777777";

/// Parses what the test itself writes.
fn of<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn scope() -> Scope {
    Scope {
        account: of("111122223333"),
        region: of("us-west-2"),
    }
}

/// The account at the other end, whose id starts with a zero.
fn other_scope() -> Scope {
    Scope {
        account: of("012345678901"),
        ..scope()
    }
}

fn at(text: &str) -> Timestamp {
    of(text)
}

/// Ids whose bits are all the same.
struct Same(u8);

impl IdSource for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// Writes them all.
pub(crate) fn put_all(tx: &mut Transaction) -> Result<(), StoreError> {
    accounts(tx)?;
    networks(tx)?;
    security_groups(tx)?;
    peerings(tx)?;
    fleets(tx)?;
    instances(tx)?;
    builds(tx)?;
    reports(tx)?;
    objects(tx)?;
    tx.put(&Tags {
        scope: scope(),
        resource: "vpc-0a1b2c3d4e5f60718".to_owned(),
        tags: [("Name", "lobby"), ("stage", ""), ("été", "\"ja\"")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    })?;
    tx.put(&RepairRecord {
        id: of("11111111-2222-4333-8444-555555555555"),
        host: None,
        at: at("2026-11-20T08:30:00.123456789Z"),
        kind: "interface".to_owned(),
        found: "interface eni-0a1b2c3d4e5f60718 was missing".to_owned(),
    })?;
    tx.put(&RepairRecord {
        id: of("22222222-2222-4333-8444-555555555555"),
        host: Some(of(HOST)),
        at: at("2026-11-20T08:31:00Z"),
        kind: "map-entry".to_owned(),
        found: "an entry of the map endpoints was missing".to_owned(),
    })?;
    tx.put_at(&keys::clock_offset(), &-86_400)
}

fn accounts(tx: &mut Transaction) -> Result<(), StoreError> {
    let account = Account {
        id: scope().account,
        name: of("games_1.dev"),
        created: at("2026-11-01T00:00:00Z"),
    };
    tx.put_at(&keys::account_name(&account.name), &account.id)?;
    tx.put(&account)?;
    tx.put(&AccountQuotas {
        account: scope().account,
        overrides: BTreeMap::from([
            ("fleets_per_region".to_owned(), 3),
            ("vpcs_per_region".to_owned(), 2_000),
        ]),
    })?;
    tx.put(&User {
        account: scope().account,
        name: of("ci+deploy@games"),
        id: "AIDAABCDEFGHIJKLMNOP".to_owned(),
        created: at("2026-11-01T00:00:01.5Z"),
    })?;
    tx.put(&AccessKey {
        id: of("AKIAABCDEFGHIJKLMNOP"),
        account: scope().account,
        user: of("ci+deploy@games"),
        secret: SecretKey::generate(&Same(7)),
        created: at("2026-11-01T00:00:02Z"),
    })?;
    tx.put(&TemporaryCredential {
        id: of("ASIAABCDEFGHIJKLMNOP"),
        secret: SecretKey::generate(&Same(63)),
        token: TokenHash("0123456789abcdef".repeat(4)),
        scope: scope(),
        build: of("build-2222bbbb-33cc-44dd-85ee-6666ffff77aa"),
        expires: at("2026-11-01T00:15:00Z"),
    })
}

fn networks(tx: &mut Transaction) -> Result<(), StoreError> {
    let vpc = Vpc {
        scope: scope(),
        id: of("vpc-0a1b2c3d4e5f60718"),
        number: VpcNumber(1),
        cidr: of("10.0.0.0/16"),
        secondary_cidrs: vec![CidrAssociation {
            id: of("vpc-cidr-assoc-0123456789abcdef0"),
            cidr: of("10.1.0.0/16"),
        }],
        attributes: VpcAttributes {
            dns_support: false,
            dns_hostnames: true,
            network_address_usage_metrics: true,
        },
        fleet: None,
        created: at("2026-11-02T10:00:00.000000001Z"),
    };
    let hidden = Vpc {
        id: of("vpc-0fffffffffffffff1"),
        number: VpcNumber(16_777_215),
        cidr: of("100.64.0.0/24"),
        secondary_cidrs: Vec::new(),
        attributes: VpcAttributes::default(),
        fleet: Some(of("fleet-2222bbbb-33cc-44dd-85ee-6666ffff77aa")),
        ..vpc.clone()
    };
    for vpc in [&vpc, &hidden] {
        tx.put_at(&keys::vpc_scope(&vpc.id), &vpc.scope)?;
        tx.put(vpc)?;
    }
    tx.put_at(&keys::vpc_number(), &256)?;
    let subnet = Subnet {
        scope: scope(),
        id: of("subnet-0a1b2c3d4e5f60718"),
        vpc: vpc.id.clone(),
        cidr: of("10.0.1.0/24"),
        availability_zone: "us-west-2a".to_owned(),
    };
    tx.put(&subnet)?;

    let program = NetworkInterface {
        scope: scope(),
        id: of("eni-0a1b2c3d4e5f60718"),
        vpc: vpc.id.clone(),
        subnet: subnet.id.clone(),
        address: of("10.0.1.4"),
        mac: MacAddress::for_address(of("10.0.1.4")),
        description: "database".to_owned(),
        mtu: Some(9001),
        groups: vec![of("sg-0a1b2c3d4e5f60718"), of("sg-0fffffffffffffff1")],
        attachment: Some(Attachment::Program {
            pid: 4321,
            start_time: 987_654,
            boot: None,
        }),
        client_token: Some("token-1".to_owned()),
        created: at("2026-11-02T10:00:01Z"),
    };
    let instance = NetworkInterface {
        id: of("eni-0fffffffffffffff1"),
        vpc: hidden.id.clone(),
        description: String::new(),
        mtu: None,
        attachment: Some(Attachment::Instance {
            fleet: of("fleet-2222bbbb-33cc-44dd-85ee-6666ffff77aa"),
            instance: of("i-0a1b2c3d4e5f60718"),
        }),
        client_token: None,
        ..program.clone()
    };
    let program_of_a_boot = NetworkInterface {
        id: of("eni-0fffffffffffffff3"),
        attachment: Some(Attachment::Program {
            pid: 4321,
            start_time: 987_654,
            boot: Some(HostBoot {
                host: of(HOST),
                boot: of(BOOT),
            }),
        }),
        ..program.clone()
    };
    let unattached = NetworkInterface {
        id: of("eni-0fffffffffffffff2"),
        attachment: None,
        ..program.clone()
    };
    for interface in [&program, &instance, &unattached] {
        tx.put(interface)?;
    }
    // Alone: the entries that find interfaces by their ids have a golden file that does not change.
    tx.put_at(&program_of_a_boot.key(), &program_of_a_boot)?;

    let main = RouteTable {
        scope: scope(),
        id: of("rtb-0a1b2c3d4e5f60718"),
        vpc: vpc.id.clone(),
        number: None,
        main: Some(of("rtbassoc-0a1b2c3d4e5f60718")),
        associations: Vec::new(),
        routes: vec![
            Route::local(of("10.0.0.0/16")),
            Route {
                destination: of("100.64.0.0/24"),
                target: RouteTarget::Peering(of("pcx-0a1b2c3d4e5f60718")),
                made_by: Some(of("pcx-0a1b2c3d4e5f60718")),
            },
        ],
        client_token: None,
    };
    let own = RouteTable {
        id: of("rtb-0fffffffffffffff1"),
        number: Some(RouteTableNumber(17)),
        main: None,
        associations: vec![RouteTableAssociation {
            id: of("rtbassoc-0fffffffffffffff1"),
            subnet: subnet.id.clone(),
        }],
        client_token: Some("token-2".to_owned()),
        ..main.clone()
    };
    tx.put(&main)?;
    tx.put(&own)
}

fn security_groups(tx: &mut Transaction) -> Result<(), StoreError> {
    let protocols = [
        Protocol::All,
        Protocol::Tcp(PortRange { from: 22, to: 23 }),
        Protocol::Udp(PortRange::ALL),
        Protocol::Icmp(IcmpMessages {
            kind: Some(8),
            code: None,
        }),
        Protocol::Number(47),
    ];
    let peers = [
        Peer::Cidr(of("0.0.0.0/0")),
        Peer::Group(of("sg-0fffffffffffffff1")),
        Peer::PeeredGroup(PeeredGroup {
            account: other_scope().account,
            vpc: of("vpc-0fffffffffffffff2"),
            group: of("sg-0fffffffffffffff2"),
            connection: of("pcx-0a1b2c3d4e5f60718"),
        }),
    ];
    let mut rules = Vec::new();
    for (number, protocol) in (1..).zip(protocols) {
        rules.push(SecurityGroupRule {
            id: of(&format!("sgr-0000000000000000{number}")),
            direction: match number % 2 {
                0 => RuleDirection::Ingress,
                _ => RuleDirection::Egress,
            },
            protocol,
            peer: peers[number % peers.len()].clone(),
            description: (number == 1).then(|| "everything".to_owned()),
            made_by: (number == 2).then(|| of("pcx-0a1b2c3d4e5f60718")),
        });
    }
    let group = SecurityGroup {
        scope: scope(),
        id: of("sg-0a1b2c3d4e5f60718"),
        vpc: of("vpc-0a1b2c3d4e5f60718"),
        number: None,
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        rules,
    };
    let own = SecurityGroup {
        id: of("sg-0fffffffffffffff1"),
        number: Some(SecurityGroupNumber(18)),
        name: "database".to_owned(),
        rules: Vec::new(),
        ..group.clone()
    };
    tx.put(&group)?;
    tx.put(&own)
}

fn peerings(tx: &mut Transaction) -> Result<(), StoreError> {
    let authorization = Authorization {
        region: of("us-west-2"),
        fleet_account: scope().account,
        peer_account: other_scope().account,
        peer_vpc: of("vpc-0fffffffffffffff2"),
        created: at("2026-11-03T09:00:00.123Z"),
        expires: at("2026-11-04T09:00:00Z"),
        cancelled: None,
    };
    let cancelled = Authorization {
        peer_vpc: of("vpc-0fffffffffffffff3"),
        cancelled: Some(at("2026-11-03T10:00:00.5Z")),
        ..authorization.clone()
    };
    for one in [&authorization, &cancelled] {
        tx.put_authorization(one)?;
    }

    let (fleets, other) = (of("100.64.0.0/24"), of("10.0.0.0/16"));
    let reasons = [
        FailureReason::OverlappingCidr {
            fleet: fleets,
            other,
        },
        FailureReason::OverlappingVpcs {
            requester: other,
            accepter: other,
        },
        FailureReason::NoSuchVpc,
        FailureReason::TakenInPeer {
            fleet: fleets,
            other: None,
        },
        FailureReason::TakenInPeer {
            fleet: fleets,
            other: Some(other),
        },
        FailureReason::TakenInFleet { peer: other, other },
        FailureReason::VpcDeleted,
        FailureReason::FleetEnded,
        FailureReason::ConsentWithdrawn,
        FailureReason::NoRoom {
            table: "routes".to_owned(),
            capacity: 65_536,
        },
    ];
    let by = other_scope().account;
    let mut last = vec![
        State::InitiatingRequest,
        State::PendingAcceptance,
        State::Provisioning,
        State::Active,
        State::Rejected { by },
        State::Expired,
        State::Deleting { by },
        State::Deleted { by },
    ];
    last.extend(reasons.map(|reason| State::Failed { reason }));
    for (number, state) in last.into_iter().enumerate() {
        let of_fleet = number % 2 == 0;
        let passed = [State::InitiatingRequest, state.clone()];
        let connection = Connection {
            id: of(&format!("pcx-000000000000000{number:02}")),
            region: of("us-west-2"),
            fleet: of_fleet.then(|| of("fleet-2222bbbb-33cc-44dd-85ee-6666ffff77aa")),
            requester: End {
                account: scope().account,
                vpc: of("vpc-0a1b2c3d4e5f60718"),
                cidr: Some(fleets),
                secondary_cidrs: Vec::new(),
                options: PeeringOptions::default(),
            },
            accepter: End {
                account: other_scope().account,
                vpc: of("vpc-0fffffffffffffff2"),
                cidr: (number > 1).then_some(other),
                secondary_cidrs: vec![of("10.2.0.0/16"), of("10.3.0.0/24")],
                options: PeeringOptions {
                    dns_resolution_from_remote: true,
                },
            },
            expires: (!of_fleet).then(|| at("2026-11-10T09:00:00Z")),
            history: passed
                .into_iter()
                .map(|state| Transition {
                    state,
                    at: at("2026-11-03T09:30:00.000001Z"),
                })
                .collect(),
            state,
        };
        tx.put_delivered(&connection)?;
    }
    // The one that a fleet asked for, and the one that a VPC did, are above.
    for (vpc, requester) in [
        (
            "vpc-0fffffffffffffff4",
            Requester::Fleet(of("fleet-2222bbbb-33cc-44dd-85ee-6666ffff77aa")),
        ),
        (
            "vpc-0fffffffffffffff5",
            Requester::Vpc(of("vpc-0a1b2c3d4e5f60718")),
        ),
    ] {
        let id = of("pcx-0a1b2c3d4e5f60718");
        let key = keys::peering(&other_scope(), &of(vpc), &id);
        let account = scope().account;
        tx.put_at(&key, &ConnectionRef { account, requester })?;
    }
    Ok(())
}

fn fleets(tx: &mut Transaction) -> Result<(), StoreError> {
    let managed = ManagedCompute {
        build: of("build-2222bbbb-33cc-44dd-85ee-6666ffff77aa"),
        runtime: RuntimeConfiguration {
            server_processes: vec![
                ServerProcess {
                    launch_path: "/local/game/server".to_owned(),
                    parameters: Some("-port 7777 -name \"a b\"".to_owned()),
                    concurrent_executions: 2,
                },
                ServerProcess {
                    launch_path: "/local/game/relay".to_owned(),
                    parameters: None,
                    concurrent_executions: 1,
                },
            ],
        },
        vpc: of("vpc-0fffffffffffffff1"),
        instance_type: "c5.large".to_owned(),
        peering: Some(of("pcx-0a1b2c3d4e5f60718")),
        capacity: Capacity {
            desired: 2,
            minimum: 1,
            maximum: 5,
        },
        inbound_permissions: vec![
            InboundPermission {
                from_port: 7777,
                to_port: 7780,
                range: of("0.0.0.0/0"),
                protocol: TransportProtocol::Udp,
            },
            InboundPermission {
                from_port: 22,
                to_port: 22,
                range: of("203.0.113.0/24"),
                protocol: TransportProtocol::Tcp,
            },
        ],
        internet: true,
        scaling_is_stopped: true,
    };
    let statuses = [
        FleetStatus::New,
        FleetStatus::Downloading,
        FleetStatus::Validating,
        FleetStatus::Building,
        FleetStatus::Activating,
        FleetStatus::Active,
        FleetStatus::Error,
        FleetStatus::Deleting,
        FleetStatus::Terminated,
    ];
    let systems = [
        None,
        Some(OperatingSystem::Windows2012),
        Some(OperatingSystem::AmazonLinux),
        Some(OperatingSystem::AmazonLinux2),
        Some(OperatingSystem::Windows2016),
        Some(OperatingSystem::AmazonLinux2023),
        Some(OperatingSystem::Windows2022),
    ];
    for (number, status) in statuses.into_iter().enumerate() {
        let full = number % 2 == 0;
        tx.put(&Fleet {
            scope: scope(),
            id: of(&format!(
                "fleet-00000000-0000-4000-8000-00000000000{number}"
            )),
            name: "lobby".to_owned(),
            description: full.then(|| "first\nsecond".to_owned()),
            compute: match full {
                true => Compute::Managed(Box::new(managed.clone())),
                false => Compute::Anywhere,
            },
            status,
            created: at("2026-11-05T09:00:00.25Z"),
            terminated: (status == FleetStatus::Terminated).then(|| at("2026-11-06T09:00:00Z")),
            shown: ShownAttributes {
                fleet_type: full.then(|| "ON_DEMAND".to_owned()),
                metric_groups: vec!["default".to_owned()],
                new_game_session_protection_policy: full.then(|| "FullProtection".to_owned()),
                resource_creation_limit: full.then_some(ResourceCreationLimit {
                    new_game_sessions_per_creator: Some(3),
                    policy_period_in_minutes: None,
                }),
                log_paths: vec!["/local/game/logs".to_owned()],
                server_launch_path: full.then(|| "/local/game/server".to_owned()),
                server_launch_parameters: full.then(|| "-x".to_owned()),
                certificate_type: full.then(|| "DISABLED".to_owned()),
                operating_system: systems[number % systems.len()],
                locations: (!full)
                    .then(|| "custom-home".to_owned())
                    .into_iter()
                    .collect(),
                anywhere_cost: (!full).then(|| "0.2".to_owned()),
                concurrent_activations: full.then_some(4),
                activation_timeout_seconds: full.then_some(300),
            },
        })?;
    }
    let fleet = "fleet-2222bbbb-33cc-44dd-85ee-6666ffff77aa";
    for (name, target) in [("half", 50.0), ("a/b ü", 33.25)] {
        tx.put(&ScalingPolicy {
            scope: scope(),
            fleet: of(fleet),
            name: name.to_owned(),
            target,
        })?;
    }
    tx.put_at(&keys::fleet_block_choice(), &3)?;
    for (number, code) in (0..).zip(EVENT_CODES) {
        tx.put(&FleetEvent {
            scope: scope(),
            fleet: of(fleet),
            id: of(&format!("00000000-0000-4000-8000-0000000000{number:02}")),
            code,
            message: "Instance i-0a1b2c3d4e5f60718 \"ended\": é".to_owned(),
            at: at("2026-11-05T09:00:01.123456789Z"),
        })?;
    }
    Ok(())
}

/// Every one that there is.
const EVENT_CODES: [EventCode; 29] = [
    EventCode::GenericEvent,
    EventCode::FleetCreated,
    EventCode::FleetDeleted,
    EventCode::FleetStateDownloading,
    EventCode::FleetStateValidating,
    EventCode::FleetStateBuilding,
    EventCode::FleetStateActivating,
    EventCode::FleetStateActive,
    EventCode::FleetStateError,
    EventCode::FleetScalingEvent,
    EventCode::FleetCreationExtractingBuild,
    EventCode::FleetCreationRunningInstaller,
    EventCode::FleetCreationCompletedInstaller,
    EventCode::FleetCreationFailedInstaller,
    EventCode::FleetCreationValidatingRuntimeConfig,
    EventCode::FleetInitializationFailed,
    EventCode::FleetBinaryDownloadFailed,
    EventCode::FleetValidationLaunchPathNotFound,
    EventCode::FleetValidationExecutableRuntimeFailure,
    EventCode::FleetActivationFailed,
    EventCode::ServerProcessInvalidPath,
    EventCode::ServerProcessCrashed,
    EventCode::ServerProcessForceTerminated,
    EventCode::InstanceRecycled,
    EventCode::InstanceReplacedUnhealthy,
    EventCode::FleetNewGameSessionProtectionPolicyUpdated,
    EventCode::FleetVpcPeeringSucceeded,
    EventCode::FleetVpcPeeringFailed,
    EventCode::FleetVpcPeeringDeleted,
];

fn instances(tx: &mut Transaction) -> Result<(), StoreError> {
    let running = Instance {
        scope: scope(),
        fleet: of("fleet-2222bbbb-33cc-44dd-85ee-6666ffff77aa"),
        id: of("i-0a1b2c3d4e5f60718"),
        host: None,
        number: 7,
        interface: of("eni-0fffffffffffffff1"),
        ports: vec![
            MappedPort {
                protocol: TransportProtocol::Tcp,
                port: 22,
                public_port: 20_000,
            },
            MappedPort {
                protocol: TransportProtocol::Udp,
                port: 7777,
                public_port: 7777,
            },
        ],
        running: true,
        active_processes: 3,
        ending: false,
        earlier_position: Some(EventPosition {
            incarnation: "0123456789abcdef".to_owned(),
            number: 12,
        }),
        created: at("2026-11-05T09:01:00Z"),
    };
    let ending = Instance {
        id: of("i-0fffffffffffffff1"),
        number: 8,
        ports: Vec::new(),
        running: false,
        active_processes: 0,
        ending: true,
        earlier_position: None,
        ..running.clone()
    };
    let placed = Instance {
        id: of("i-0fffffffffffffff2"),
        host: Some(of(HOST)),
        number: 9,
        ports: Vec::new(),
        earlier_position: None,
        ..running.clone()
    };
    tx.put(&running)?;
    tx.put(&ending)?;
    tx.put(&placed)?;
    tx.put_at(&keys::instance_number(), &8)?;
    for port in &running.ports {
        let at = InstanceRef {
            scope: running.scope.clone(),
            fleet: running.fleet.clone(),
            instance: running.id.clone(),
        };
        tx.put_at(&keys::public_port(port.protocol, port.public_port), &at)?;
    }
    Ok(())
}

fn reports(tx: &mut Transaction) -> Result<(), StoreError> {
    tx.put(&ReportedHost {
        id: of(HOST),
        label: "pc".to_owned(),
        boot: of(BOOT),
    })?;
    let network = ReportedNetwork {
        host: of(HOST),
        revision: 4711,
        refused: None,
    };
    tx.put(&network)?;
    tx.put(&ReportedNetwork {
        host: of("host-00000000-0000-4000-8000-000000000002"),
        refused: Some(TableFull {
            table: "routes".to_owned(),
            capacity: 65_536,
        }),
        ..network
    })?;
    let progress = [
        FleetProgress::Downloaded,
        FleetProgress::Validated,
        FleetProgress::Installing,
        FleetProgress::Built { installed: true },
        FleetProgress::Connected,
        FleetProgress::Failed {
            during: FleetStatus::Building,
            code: EventCode::FleetCreationFailedInstaller,
            message: "The build's install.sh could not be run.".to_owned(),
        },
    ];
    for (number, progress) in progress.into_iter().enumerate() {
        tx.put(&ReportedFleet {
            scope: scope(),
            fleet: of(&format!("fleet-00000000-0000-4000-8000-{number:012}")),
            host: of(HOST),
            progress,
        })?;
    }
    tx.put(&ReportedInstance {
        scope: scope(),
        fleet: of("fleet-2222bbbb-33cc-44dd-85ee-6666ffff77aa"),
        instance: of("i-0fffffffffffffff2"),
        host: of(HOST),
        last_event: EventPosition {
            incarnation: "0123456789abcdef".to_owned(),
            number: 12,
        },
        running: true,
        active_processes: 3,
    })?;
    let reason = "the disk is full".to_owned();
    let outcomes = [
        UnpackOutcome::Unpacked { size_bytes: 4096 },
        UnpackOutcome::Failed {
            reason: reason.clone(),
        },
        UnpackOutcome::Refused { reason },
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        tx.put(&ReportedBuild {
            scope: scope(),
            build: of(&format!("build-00000000-0000-4000-8000-{number:012}")),
            host: of(HOST),
            outcome,
        })?;
    }
    Ok(())
}

fn builds(tx: &mut Transaction) -> Result<(), StoreError> {
    let ready = Build {
        scope: scope(),
        id: of("build-2222bbbb-33cc-44dd-85ee-6666ffff77aa"),
        name: Some("lobby".to_owned()),
        version: Some("1.2".to_owned()),
        status: BuildStatus::Ready,
        size_on_disk: Some(123_456_789),
        source: None,
        failure: None,
        operating_system: OperatingSystem::AmazonLinux2023,
        server_sdk_version: Some("5.2.0".to_owned()),
        created: at("2026-11-04T08:00:00Z"),
    };
    let initialized = Build {
        id: of("build-00000000-0000-4000-8000-000000000001"),
        name: None,
        version: None,
        status: BuildStatus::Initialized,
        size_on_disk: None,
        server_sdk_version: None,
        ..ready.clone()
    };
    let failed = Build {
        id: of("build-00000000-0000-4000-8000-000000000002"),
        status: BuildStatus::Failed,
        source: Some(BuildSource {
            bucket: of("my-builds"),
            key: "lobby/1.2.zip".to_owned(),
        }),
        failure: Some("there is no object lobby/1.2.zip".to_owned()),
        ..ready.clone()
    };
    [ready, initialized, failed]
        .iter()
        .try_for_each(|build| tx.put(build))
}

fn objects(tx: &mut Transaction) -> Result<(), StoreError> {
    let bucket: BucketName = of("my-builds");
    tx.put(&Bucket {
        scope: scope(),
        name: bucket.clone(),
        created: at("2026-11-04T07:00:00Z"),
    })?;
    let headers = ObjectHeaders {
        content_type: Some("application/zip".to_owned()),
        metadata: [("branch".to_owned(), "main".to_owned())].into(),
    };
    let blob = |id: &str, size| Blob { id: of(id), size };
    let object = Object {
        scope: scope(),
        bucket: bucket.clone(),
        key: "lobby/1.2 ü.zip".to_owned(),
        blobs: vec![
            blob("00000000-0000-4000-8000-00000000000a", 5 << 20),
            blob("00000000-0000-4000-8000-00000000000b", 1),
        ],
        size: (5 << 20) + 1,
        etag: "0123456789abcdef0123456789abcdef-2".to_owned(),
        modified: at("2026-11-04T07:30:00.123Z"),
        headers: headers.clone(),
        upload: Some(of("00000000-0000-4000-8000-00000000000c")),
    };
    let empty = Object {
        key: "empty".to_owned(),
        blobs: Vec::new(),
        size: 0,
        headers: ObjectHeaders::default(),
        upload: None,
        ..object.clone()
    };
    tx.put(&object)?;
    tx.put(&empty)?;
    let upload = MultipartUpload {
        scope: scope(),
        bucket,
        key: "lobby/1.3.zip".to_owned(),
        id: of("00000000-0000-4000-8000-00000000000d"),
        begun: at("2026-11-04T07:40:00Z"),
        headers,
    };
    tx.put(&upload)?;
    for number in [1, 10_000] {
        tx.put(&UploadedPart {
            scope: scope(),
            upload: upload.id.clone(),
            number,
            blob: blob("00000000-0000-4000-8000-00000000000e", 5 << 20),
            etag: "0123456789abcdef0123456789abcdef".to_owned(),
            modified: at("2026-11-04T07:41:00Z"),
        })?;
    }
    let unused = of("00000000-0000-4000-8000-00000000000f");
    tx.put_at(&keys::unused_blob(&unused), &())
}
