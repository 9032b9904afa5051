//! Any request that EC2's model lets through.

use serde_json::json;

use crate::anything;
use crate::document::text;
use crate::server::{BACKEND, Server};

/// Texts that mean something to some operation, or nothing.
const TEXTS: [&str; 28] = [
    "",
    "a",
    "🏝",
    "\0",
    "../..",
    "default",
    "dedicated",
    "vpc-1",
    "vpc-0123456789abcdef0",
    "subnet-0123456789abcdef0",
    "eni-01234567",
    "rtb-0123456789abcdef0",
    "10.0.0.0/8",
    "10.0.0.0/16",
    "10.0.2.0/24",
    "10.0.0.0/99",
    "10.0.0.7",
    "us-west-2a",
    "vpc-id",
    "tag:stage",
    "vpc",
    "subnet",
    "tcp",
    "icmp",
    "-1",
    "sgr-0123456789abcdef0",
    "444455556666",
    "web",
];

#[test]
fn no_request_is_an_error_of_the_servers_own() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let server = Server::new();
    let known = runtime.block_on(async {
        let backend = server.ec2(BACKEND);
        let vpc = backend.vpc("10.0.0.0/16").await;
        let table = backend.only("DescribeRouteTables", "RouteTables").await;
        let group = backend
            .only("DescribeSecurityGroups", "SecurityGroups")
            .await;
        let rule = backend.rules(group["GroupId"].as_str().unwrap()).await;
        let subnet = backend.subnet(&vpc, "10.0.1.0/24").await;
        let interface = backend.interface(&subnet).await;
        let input = json!({"Resources": [vpc], "Tags": [{"Key": "stage", "Value": "a"}]});
        backend.call("CreateTags", input).await;
        let spare = backend.route_table(&vpc).await;
        let block = backend.add_block(&vpc, "10.1.0.0/24").await;
        let peer = backend.vpc("10.2.0.0/16").await;
        let peering = server.peer((BACKEND, &vpc), (BACKEND, &peer)).await;
        vec![
            spare,
            block,
            peering.id.to_string(),
            text(&table["Associations"][0]["RouteTableAssociationId"]),
            vpc,
            subnet,
            text(&interface["NetworkInterfaceId"]),
            text(&table["RouteTableId"]),
            text(&group["GroupId"]),
            text(&rule[0]["SecurityGroupRuleId"]),
        ]
    });
    anything::throw(&runtime, &server.ec2(BACKEND), known, &TEXTS);
}
