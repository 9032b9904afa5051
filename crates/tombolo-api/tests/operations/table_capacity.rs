//! A network whose tables are full refuses what would add to them, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tombolo_api::model::ServiceName;
use tombolo_api::registry;
use tombolo_domain::table_capacity::TableCapacity;
use tombolo_store::keys;

use crate::account::Account;
use crate::server::{BACKEND, HOME, STUDIO, Server, settings};
use crate::slow::Slow;
use crate::store::Meddled;

/// An operation that adds entries to the data path's tables.
struct Filling {
    service: ServiceName,
    operation: &'static str,
    tables: &'static [&'static str],
    /// An input of the model's, for nothing that exists: the capacity is checked first.
    input: Value,
}

fn of_ec2(operation: &'static str, tables: &'static [&'static str], input: Value) -> Filling {
    Filling {
        service: ServiceName::Ec2,
        operation,
        tables,
        input,
    }
}

fn of_gamelift(operation: &'static str, tables: &'static [&'static str], input: Value) -> Filling {
    Filling {
        service: ServiceName::GameLift,
        operation,
        tables,
        input,
    }
}

/// All of them, written down a second time, so that none is taken out of the tables of operations
/// unseen.
fn fillings() -> Vec<Filling> {
    const INTERFACE: &str = "eni-0a1b2c3d4e5f60718";
    const GROUP: &str = "sg-0a1b2c3d4e5f60718";
    const PEERING: &str = "pcx-0a1b2c3d4e5f60718";
    const ROUTES: &str = "rtb-0a1b2c3d4e5f60718";
    const SUBNET: &str = "subnet-0a1b2c3d4e5f60718";
    const VPC: &str = "vpc-0a1b2c3d4e5f60718";
    const BUILD: &str = "build-2222bbbb-33cc-44dd-55ee-6666ffff77aa";
    const FLEET: &str = "fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa";
    let rule = json!({
        "GroupId": GROUP,
        "IpPermissions": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}],
    });
    vec![
        of_ec2(
            "CreateVpc",
            &["routes"],
            json!({"CidrBlock": "10.0.0.0/16"}),
        ),
        of_ec2(
            "AssociateVpcCidrBlock",
            &["routes"],
            json!({"VpcId": VPC, "CidrBlock": "10.1.0.0/16"}),
        ),
        of_ec2(
            "CreateNetworkInterface",
            &["interfaces", "endpoints"],
            json!({"SubnetId": SUBNET}),
        ),
        of_ec2(
            "ModifyNetworkInterfaceAttribute",
            &["rule_blocks", "rule_ports"],
            json!({"NetworkInterfaceId": INTERFACE, "Groups": [GROUP]}),
        ),
        of_ec2("CreateRouteTable", &["routes"], json!({"VpcId": VPC})),
        of_ec2(
            "AssociateRouteTable",
            &["routes"],
            json!({"RouteTableId": ROUTES, "SubnetId": SUBNET}),
        ),
        of_ec2(
            "CreateRoute",
            &["routes"],
            json!({
                "RouteTableId": ROUTES,
                "DestinationCidrBlock": "10.1.0.0/16",
                "VpcPeeringConnectionId": PEERING,
            }),
        ),
        of_ec2(
            "CreateSecurityGroup",
            &["rule_blocks", "rule_ports"],
            json!({"GroupName": "players", "Description": "players", "VpcId": VPC}),
        ),
        of_ec2(
            "AuthorizeSecurityGroupIngress",
            &["rule_blocks", "rule_ports"],
            rule.clone(),
        ),
        of_ec2(
            "AuthorizeSecurityGroupEgress",
            &["rule_blocks", "rule_ports"],
            rule,
        ),
        of_ec2(
            "ModifySecurityGroupRules",
            &["rule_blocks", "rule_ports"],
            json!({"GroupId": GROUP, "SecurityGroupRules": []}),
        ),
        of_ec2(
            "CreateVpcPeeringConnection",
            &["routes", "admissions", "rule_blocks", "rule_ports"],
            json!({"VpcId": VPC, "PeerVpcId": VPC}),
        ),
        of_ec2(
            "AcceptVpcPeeringConnection",
            &["routes", "admissions", "rule_blocks", "rule_ports"],
            json!({"VpcPeeringConnectionId": PEERING}),
        ),
        of_gamelift(
            "CreateVpcPeeringConnection",
            &["routes", "admissions", "rule_blocks", "rule_ports"],
            json!({"FleetId": FLEET, "PeerVpcAwsAccountId": BACKEND, "PeerVpcId": VPC}),
        ),
        of_gamelift(
            "CreateFleet",
            &["interfaces", "endpoints", "rule_blocks", "rule_ports"],
            json!({"Name": "fleet", "BuildId": BUILD, "EC2InstanceType": "c5.large"}),
        ),
        of_gamelift(
            "UpdateFleetCapacity",
            &["interfaces", "endpoints"],
            json!({"FleetId": FLEET, "DesiredInstances": 2}),
        ),
        of_gamelift(
            "UpdateFleetPortSettings",
            &["rule_blocks", "rule_ports"],
            json!({"FleetId": FLEET}),
        ),
    ]
}

fn full(table: &str) -> TableCapacity {
    TableCapacity::new([(table.to_owned(), 1_000, 1_000)])
}

#[test]
fn the_operations_that_fill_tables_are_known() {
    let rows: BTreeMap<_, _> = ServiceName::ALL
        .into_iter()
        .flat_map(registry::operations)
        .filter(|row| !row.fills.is_empty())
        .map(|row| ((row.service.as_str(), row.name), row.fills))
        .collect();
    let known: BTreeMap<_, _> = fillings()
        .into_iter()
        .map(|one| ((one.service.as_str(), one.operation), one.tables))
        .collect();
    assert_eq!(rows, known);
}

#[tokio::test]
async fn a_full_table_refuses_what_would_add_to_it() {
    for filling in fillings() {
        let (service, operation) = (filling.service, filling.operation);
        for table in filling.tables {
            let server = Server::new().with_table_capacity(full(table));
            let account = Account::new(&server, service, BACKEND, HOME);
            let refusal = account.refusal(operation, filling.input.clone()).await;
            let code = match service {
                ServiceName::GameLift => "InvalidRequestException",
                ServiceName::Ec2 | ServiceName::Sts => "ResourceLimitExceeded",
            };
            assert_eq!(refusal.code, code, "{operation}");
            assert_eq!(
                refusal.message,
                format!(
                    "{operation} needs room in the network: the data path's table {table} has \
                     1000 of 1000 entries. Delete what is no longer needed, or use another server."
                )
            );
        }
    }
}

#[tokio::test]
async fn a_full_table_refuses_nothing_else() {
    let server = Server::new().with_table_capacity(full("rule_ports"));
    let account = server.ec2(STUDIO);
    let vpc = account.vpc("10.0.0.0/16").await;
    account.call("DeleteVpc", json!({"VpcId": vpc})).await;
}

/// Rules of a group that the data path multiplies: so many blocks within each other, each with ranges of
/// ports of its own.
fn nested(group: &str, blocks: u16) -> Value {
    let permissions: Vec<_> = (1..=blocks)
        .map(|length| {
            json!({
                "IpProtocol": "tcp",
                "FromPort": 1 + length * 512,
                "ToPort": 65534 - length * 512,
                "IpRanges": [{"CidrIp": format!("10.0.0.0/{length}")}],
            })
        })
        .collect();
    json!({"GroupId": group, "IpPermissions": permissions})
}

/// Sixty rules can take thousands of entries, and no interface need carry their group for that: it could
/// be carried by a call that adds no rule.
#[tokio::test]
async fn one_account_has_at_most_half_of_the_entries_that_rules_take() {
    let room = || {
        let ports = ("rule_ports".to_owned(), 0, 40_000);
        TableCapacity::new([("rule_blocks".to_owned(), 0, 1_000), ports])
    };
    let server = Server::new().with_table_capacity(room());
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let mut groups = Vec::new();
    for n in 0..8 {
        groups.push(backend.group(&vpc, &format!("g{n}")).await);
    }
    let mut refusal = None;
    for (n, group) in groups.iter().enumerate() {
        let rules = nested(group, 30);
        let refused = backend
            .attempt("AuthorizeSecurityGroupIngress", rules)
            .await;
        if refused.is_some() {
            refusal = Some((n, refused));
            break;
        }
    }
    // Some 6,900 of rule_ports each, of which 20,000 are half.
    assert_eq!(refusal, Some((2, Some("ResourceLimitExceeded"))));
    let refused = backend
        .refusal("AuthorizeSecurityGroupEgress", nested(&groups[2], 30))
        .await;
    assert!(
        refused
            .message
            .contains("of the data path's table rule_ports, and one account may have 20000"),
        "{}",
        refused.message
    );
    // A server that has counted nothing yet counts what is there.
    let server = server.copy(2).await.with_table_capacity(room());
    let backend = server.ec2(BACKEND);
    let rules = nested(&groups[2], 30);
    let refused = backend
        .attempt("AuthorizeSecurityGroupIngress", rules.clone())
        .await;
    assert_eq!(refused, Some("ResourceLimitExceeded"));

    // What takes little is taken still, and another account has its own half.
    let few = nested(&groups[3], 1);
    backend.call("AuthorizeSecurityGroupIngress", few).await;
    let stranger = server.ec2(STUDIO);
    let theirs = stranger.vpc("10.0.0.0/16").await;
    let theirs = stranger.group(&theirs, "theirs").await;
    stranger
        .call("AuthorizeSecurityGroupIngress", nested(&theirs, 30))
        .await;

    // What is deleted is room again.
    backend
        .call("DeleteSecurityGroup", json!({"GroupId": groups[0]}))
        .await;
    backend.call("AuthorizeSecurityGroupIngress", rules).await;
}

/// What calls in flight add is reserved, so that no number of them at once passes the share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_once_add_no_more_rules_than_an_account_may_have() {
    let ports = ("rule_ports".to_owned(), 0, 40_000);
    let server = Server::with(settings(), |store| Meddled::new(store, Slow));
    let server = server.with_table_capacity(TableCapacity::new([ports]));
    let server = Arc::new(server);
    let vpc = server.ec2(BACKEND).vpc("10.0.0.0/16").await;
    let mut calls = JoinSet::new();
    for n in 0..8 {
        let group = server.ec2(BACKEND).group(&vpc, &format!("g{n}")).await;
        let server = server.clone();
        calls.spawn(async move {
            let rules = nested(&group, 30);
            let backend = server.ec2(BACKEND);
            backend
                .attempt("AuthorizeSecurityGroupIngress", rules)
                .await
        });
    }
    let outcomes = calls.join_all().await;
    let refused = outcomes.iter().flatten().collect::<Vec<_>>();
    assert_eq!(refused, [&"ResourceLimitExceeded"; 6]);
}

/// The rule that a fleet's connection adds is for a block, which takes what the wider ones around it have.
#[tokio::test]
async fn what_a_fleets_connection_adds_to_rules_counts_when_it_is_made() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("172.16.0.0/16").await;
    let group = backend.default_group(&vpc).await;
    let everywhere = json!([{
        "IpProtocol": "tcp",
        "FromPort": 1,
        "ToPort": 65534,
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
    }]);
    backend.let_in(&group, everywhere).await;
    let fleet = server.gamelift(BACKEND).fleet().await;
    server.gamelift(BACKEND).authorize(BACKEND, &vpc).await;
    let groups = server
        .transaction()
        .peek(&keys::all_security_groups())
        .await;
    let own: u64 = groups
        .unwrap()
        .iter()
        .map(|one| one.rule_entries().ports)
        .sum();

    let room = |more| TableCapacity::new([("rule_ports".to_owned(), 0, 2 * (own + more))]);
    let connect = json!({
        "FleetId": fleet, "PeerVpcAwsAccountId": BACKEND, "PeerVpcId": vpc,
    });
    // Thirty prefixes and the block's own in one group, the block's own in the other.
    let server = server.with_table_capacity(room(31));
    let studio = server.gamelift(BACKEND);
    let refusal = studio
        .refusal("CreateVpcPeeringConnection", connect.clone())
        .await;
    assert_eq!(refusal.code, "InvalidRequestException");
    assert!(
        refusal.message.contains("table rule_ports"),
        "{}",
        refusal.message
    );
    let server = server.with_table_capacity(room(32));
    let studio = server.gamelift(BACKEND);
    studio.call("CreateVpcPeeringConnection", connect).await;
}

/// Half of what all share is one account's; another one has the other half.
#[tokio::test]
async fn one_account_has_at_most_half_of_a_table() {
    let room = |used| TableCapacity::new([("interfaces".to_owned(), used, 200)]);
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    for _ in 0..100 {
        backend.interface(&subnet).await;
    }
    let server = server.with_table_capacity(room(99));
    server.ec2(BACKEND).interface(&subnet).await;
    let server = server.with_table_capacity(room(101));
    let backend = server.ec2(BACKEND);
    let refusal = backend
        .refusal("CreateNetworkInterface", json!({"SubnetId": subnet}))
        .await;
    assert_eq!(refusal.code, "ResourceLimitExceeded");
    assert!(
        refusal.message.contains("has 101 entries"),
        "{}",
        refusal.message
    );
    backend.group(&vpc, "of another table").await;

    let stranger = server.ec2(STUDIO);
    let vpc = stranger.vpc("10.0.0.0/16").await;
    let subnet = stranger.subnet(&vpc, "10.0.0.0/24").await;
    stranger.interface(&subnet).await;
}
