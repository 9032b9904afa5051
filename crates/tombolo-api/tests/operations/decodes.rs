//! What a request costs does not grow with what else there is: each operation decodes as many records
//! beside 10,000 VPCs as beside 100, and reads as many from the read model.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Value, json};
use tombolo_api::model::ServiceName;
use tombolo_api::registry;
use tombolo_domain::peering::Step;
use tombolo_domain::quota::Quotas;
use tombolo_store::model::reads;
use tombolo_store::typed::decodes;
use tombolo_store::{Store, Txn, TxnOutcome};
use tombolo_testkit::gamelift::fleet_input;

use crate::document::text;
use crate::server::{BACKEND, HOME, STUDIO, Server};

/// How many records an operation may decode, whatever there is.
const MOST_DECODED: u64 = 40;
/// How many it may read from the read model.
const MOST_READ: u64 = 60;

/// The text with each id replaced by another, the same for the same id and `copy`.
fn with_other_ids(text: &[u8], copy: usize) -> Vec<u8> {
    const DIGITS: usize = 17;
    let mut other = text.to_vec();
    let mut at = 0;
    while at + DIGITS < other.len() {
        let is_id = other[at] == b'-'
            && other[at + 1..]
                .iter()
                .take(DIGITS)
                .all(u8::is_ascii_hexdigit)
            && !other
                .get(at + 1 + DIGITS)
                .is_some_and(u8::is_ascii_alphanumeric);
        if is_id {
            // The last digits are random; so are these.
            let number = format!("{copy:05x}");
            other[at + 1..at + 1 + number.len()].copy_from_slice(number.as_bytes());
            at += DIGITS;
        }
        at += 1;
    }
    other
}

/// A server on which the backend's account has a VPC with all that VPCs have, a hundred or many times.
async fn beside(copies: usize) -> Server {
    let server = Server::with_quotas(Quotas {
        security_groups_per_region: 1_000_000,
        outstanding_peering_requests: 1_000_000,
        vpcs_per_region: 1_000_000,
        interfaces_per_region: 1_000_000,
        live_peerings_per_region: 1_000_000,
        ..Quotas::default()
    });
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    backend.interface(&subnet).await;
    let tags = json!([{"Key": "Name", "Value": "one of many"}]);
    backend
        .call(
            "CreateTags",
            json!({"Resources": [vpc, subnet], "Tags": tags}),
        )
        .await;
    let peer = backend.vpc("10.1.0.0/16").await;
    let ends = json!({"VpcId": vpc, "PeerVpcId": peer});
    backend.call("CreateVpcPeeringConnection", ends).await;
    // One that is over, as most are after a while.
    let mut over = server.only_connection().await;
    over.apply(Step::Deliver, server.now()).unwrap();
    over.apply(Step::Reject(over.accepter.account), server.now())
        .unwrap();
    server
        .write(async |tx| tx.put_delivered(&over).unwrap())
        .await;

    let (_, one) = server.dump().await;
    let mut puts: BTreeMap<Bytes, Bytes> = BTreeMap::new();
    for copy in 0..copies {
        for (key, value) in &one {
            let other = |text: &[u8]| Bytes::from(with_other_ids(text, copy));
            puts.insert(other(key), other(value));
        }
    }
    // The server's own entries are one each, and stay as they are.
    puts.retain(|key, _| !one.contains_key(key));
    let puts = puts.into_iter().collect();
    let store = server.store();
    let written = store.txn(Txn {
        puts,
        ..Txn::default()
    });
    assert!(matches!(written.await.unwrap(), TxnOutcome::Committed(_)));
    server
}

/// What a step of the script cost.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    operation: String,
    decoded: u64,
    read: u64,
}

/// The costs of each step of a script that meets most operations.
struct Script<'s> {
    server: &'s Server,
    costs: Vec<Cost>,
}

impl Script<'_> {
    async fn ec2(&mut self, account: &str, operation: &str, input: Value) -> Value {
        let caller = self.server.ec2(account);
        self.count(operation, caller.call(operation, input)).await
    }

    async fn gamelift(&mut self, account: &str, operation: &str, input: Value) -> Value {
        let caller = self.server.gamelift(account);
        self.count(operation, caller.call(operation, input)).await
    }

    async fn count(&mut self, operation: &str, call: impl Future<Output = Value>) -> Value {
        let (decoded, read) = (decodes(), reads());
        let output = call.await;
        self.costs.push(Cost {
            operation: operation.to_owned(),
            decoded: decodes() - decoded,
            read: reads() - read,
        });
        output
    }
}

async fn costs_beside(copies: usize) -> Vec<Cost> {
    let server = beside(copies).await;
    // The model is made once, of all that there is.
    server
        .ec2(BACKEND)
        .call("DescribeVpcs", json!({"MaxResults": 5}))
        .await;
    let mut script = Script {
        server: &server,
        costs: Vec::new(),
    };
    let s = &mut script;

    let made = s
        .ec2(BACKEND, "CreateVpc", json!({"CidrBlock": "10.7.0.0/16"}))
        .await;
    let vpc = text(&made["Vpc"]["VpcId"]);
    let made = s
        .ec2(BACKEND, "CreateVpc", json!({"CidrBlock": "10.8.0.0/16"}))
        .await;
    let peer = text(&made["Vpc"]["VpcId"]);
    let by_id = json!({"VpcIds": [vpc]});
    s.ec2(BACKEND, "DescribeVpcs", by_id).await;
    let attribute = json!({"VpcId": vpc, "Attribute": "enableDnsSupport"});
    s.ec2(BACKEND, "DescribeVpcAttribute", attribute).await;
    let block = json!({"VpcId": vpc, "CidrBlock": "10.9.0.0/16"});
    let made = s.ec2(BACKEND, "AssociateVpcCidrBlock", block).await;
    let association = text(&made["CidrBlockAssociation"]["AssociationId"]);
    let association = json!({"AssociationId": association});
    s.ec2(BACKEND, "DisassociateVpcCidrBlock", association)
        .await;

    let subnet = json!({"VpcId": vpc, "CidrBlock": "10.7.1.0/24"});
    let made = s.ec2(BACKEND, "CreateSubnet", subnet).await;
    let subnet = text(&made["Subnet"]["SubnetId"]);
    s.ec2(BACKEND, "DescribeSubnets", json!({"SubnetIds": [subnet]}))
        .await;
    let filter = json!([{"Name": "vpc-id", "Values": [vpc]}]);
    for operation in [
        "DescribeSubnets",
        "DescribeRouteTables",
        "DescribeSecurityGroups",
        "DescribeNetworkInterfaces",
        "DescribeNetworkAcls",
    ] {
        let input = json!({"Filters": filter});
        s.ec2(BACKEND, operation, input).await;
    }
    let made = s
        .ec2(
            BACKEND,
            "CreateNetworkInterface",
            json!({"SubnetId": subnet}),
        )
        .await;
    let interface = text(&made["NetworkInterface"]["NetworkInterfaceId"]);
    let interfaces = json!({"NetworkInterfaceIds": [interface]});
    s.ec2(BACKEND, "DescribeNetworkInterfaces", interfaces)
        .await;
    let attribute = json!({"NetworkInterfaceId": interface, "Attribute": "description"});
    let shown = s.ec2(BACKEND, "DescribeNetworkInterfaceAttribute", attribute);
    shown.await;

    let made = s
        .ec2(BACKEND, "CreateRouteTable", json!({"VpcId": vpc}))
        .await;
    let table = text(&made["RouteTable"]["RouteTableId"]);
    let input = json!({"RouteTableId": table, "SubnetId": subnet});
    let made = s.ec2(BACKEND, "AssociateRouteTable", input).await;
    let association = text(&made["AssociationId"]);
    let association = json!({"AssociationId": association});
    s.ec2(BACKEND, "DisassociateRouteTable", association).await;
    let tables = json!({"RouteTableIds": [table]});
    s.ec2(BACKEND, "DescribeRouteTables", tables).await;

    let group = json!({"VpcId": vpc, "GroupName": "web", "Description": "web"});
    let made = s.ec2(BACKEND, "CreateSecurityGroup", group).await;
    let group = text(&made["GroupId"]);
    let rule = json!({"GroupId": group, "IpPermissions": [{
        "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
    }]});
    let made = s.ec2(BACKEND, "AuthorizeSecurityGroupIngress", rule).await;
    let rule = text(&made["SecurityGroupRules"][0]["SecurityGroupRuleId"]);
    let rules = json!({"SecurityGroupRuleIds": [rule]});
    s.ec2(BACKEND, "DescribeSecurityGroupRules", rules).await;
    let of_group = json!({"Filters": [{"Name": "group-id", "Values": [group]}]});
    s.ec2(BACKEND, "DescribeSecurityGroupRules", of_group).await;
    let groups = json!({"GroupIds": [group]});
    s.ec2(BACKEND, "DescribeSecurityGroups", groups).await;
    s.ec2(
        BACKEND,
        "DescribeSecurityGroupReferences",
        json!({"GroupId": [group]}),
    )
    .await;
    s.ec2(
        BACKEND,
        "DescribeStaleSecurityGroups",
        json!({"VpcId": vpc}),
    )
    .await;
    let tags = json!([{"Key": "Name", "Value": "mine"}]);
    let named = json!({"Resources": [vpc, rule, group, interface], "Tags": tags});
    s.ec2(BACKEND, "CreateTags", named.clone()).await;
    let of_vpc = json!({"Filters": [{"Name": "resource-id", "Values": [vpc]}]});
    let found = s.ec2(BACKEND, "DescribeTags", of_vpc).await;
    assert_eq!(text(&found["Tags"][0]["Value"]), "mine");
    s.ec2(BACKEND, "DeleteTags", named).await;
    let input = json!({"GroupId": group, "SecurityGroupRuleIds": [rule]});
    s.ec2(BACKEND, "RevokeSecurityGroupIngress", input).await;
    s.ec2(BACKEND, "DeleteSecurityGroup", json!({"GroupId": group}))
        .await;

    let ends = json!({"VpcId": vpc, "PeerVpcId": peer});
    for answer in ["AcceptVpcPeeringConnection", "RejectVpcPeeringConnection"] {
        let made = s
            .ec2(BACKEND, "CreateVpcPeeringConnection", ends.clone())
            .await;
        let id = text(&made["VpcPeeringConnection"]["VpcPeeringConnectionId"]);
        let one = json!({"VpcPeeringConnectionId": id});
        s.ec2(BACKEND, answer, one.clone()).await;
        let by_id = json!({"VpcPeeringConnectionIds": [id]});
        s.ec2(BACKEND, "DescribeVpcPeeringConnections", by_id).await;
        if answer.starts_with("Accept") {
            s.ec2(BACKEND, "DeleteVpcPeeringConnection", one).await;
        }
    }

    let named = json!({"GameLiftAwsAccountId": STUDIO, "PeerVpcId": vpc});
    s.gamelift(BACKEND, "CreateVpcPeeringAuthorization", named.clone())
        .await;
    for account in [BACKEND, STUDIO] {
        s.gamelift(account, "DescribeVpcPeeringAuthorizations", json!({}))
            .await;
    }
    let build = server.gamelift(STUDIO).ready_build().await;
    let fleet = fleet_input(&build);
    let made = s.gamelift(STUDIO, "CreateFleet", fleet).await;
    let fleet = text(&made["FleetAttributes"]["FleetId"]);
    let connect = json!({
        "FleetId": fleet, "PeerVpcAwsAccountId": BACKEND, "PeerVpcId": vpc,
    });
    s.gamelift(STUDIO, "CreateVpcPeeringConnection", connect)
        .await;
    let of_fleet = json!({"FleetId": fleet});
    let found = s
        .gamelift(STUDIO, "DescribeVpcPeeringConnections", of_fleet.clone())
        .await;
    let id = text(&found["VpcPeeringConnections"][0]["VpcPeeringConnectionId"]);
    let of_connection = json!({"FleetId": fleet, "VpcPeeringConnectionId": id});
    s.gamelift(STUDIO, "DeleteVpcPeeringConnection", of_connection)
        .await;
    s.gamelift(BACKEND, "DeleteVpcPeeringAuthorization", named)
        .await;
    let fleets = json!({"FleetIds": [fleet]});
    for operation in [
        "DescribeFleetAttributes",
        "DescribeFleetCapacity",
        "DescribeFleetUtilization",
    ] {
        s.gamelift(STUDIO, operation, fleets.clone()).await;
    }
    for operation in [
        "DescribeFleetEvents",
        "DescribeFleetLocationAttributes",
        "DescribeFleetPortSettings",
        "DescribeInstances",
        "DescribeRuntimeConfiguration",
        "DescribeScalingPolicies",
    ] {
        s.gamelift(STUDIO, operation, of_fleet.clone()).await;
    }
    let at_home = json!({"FleetId": fleet, "Location": HOME});
    for operation in [
        "DescribeFleetLocationCapacity",
        "DescribeFleetLocationUtilization",
    ] {
        s.gamelift(STUDIO, operation, at_home.clone()).await;
    }
    s.gamelift(STUDIO, "DescribeBuild", json!({"BuildId": build}))
        .await;
    let arn = text(&made["FleetAttributes"]["FleetArn"]);
    s.gamelift(STUDIO, "ListTagsForResource", json!({"ResourceARN": arn}))
        .await;
    for operation in ["ListBuilds", "ListFleets"] {
        s.gamelift(STUDIO, operation, json!({})).await;
    }
    for operation in [
        "DescribeAccountAttributes",
        "DescribeAvailabilityZones",
        "DescribeRegions",
    ] {
        s.ec2(BACKEND, operation, json!({})).await;
    }

    let input = json!({"NetworkInterfaceId": interface});
    s.ec2(BACKEND, "DeleteNetworkInterface", input).await;
    s.ec2(BACKEND, "DeleteSubnet", json!({"SubnetId": subnet}))
        .await;
    s.ec2(BACKEND, "DeleteRouteTable", json!({"RouteTableId": table}))
        .await;
    s.ec2(BACKEND, "DeleteVpc", json!({"VpcId": peer})).await;
    script.costs
}

#[tokio::test]
async fn an_operation_reads_as_many_records_beside_10_000_vpcs_as_beside_100() {
    let few = costs_beside(100).await;
    let many = costs_beside(10_000).await;
    for (few, many) in few.iter().zip(&many) {
        assert_eq!(few, many);
        assert!(
            few.decoded <= MOST_DECODED && few.read <= MOST_READ,
            "{few:?}"
        );
    }
    assert_eq!(few.len(), many.len());

    let met: BTreeSet<_> = few.iter().map(|cost| &*cost.operation).collect();
    for service in [ServiceName::Ec2, ServiceName::GameLift] {
        for operation in registry::operations(service) {
            let shows =
                operation.name.starts_with("Describe") || operation.name.starts_with("List");
            let is_met = met.contains(operation.name);
            assert!(is_met || !shows, "the script leaves out {}", operation.name);
        }
    }
}
