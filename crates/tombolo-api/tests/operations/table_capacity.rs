//! A network whose tables are full refuses what would add to them, and nothing else.

use serde_json::json;
use tombolo_domain::table_capacity::TableCapacity;

use crate::server::{BACKEND, STUDIO, Server};

fn full(table: &str) -> TableCapacity {
    TableCapacity::new([(table.to_owned(), 1_000, 1_000)])
}

#[tokio::test]
async fn a_full_table_refuses_what_would_add_to_it_and_nothing_else() {
    let rule = json!({
        "GroupId": "sg-0a1b2c3d4e5f60718",
        "IpPermissions": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}],
    });
    let accept = json!({"VpcPeeringConnectionId": "pcx-0a1b2c3d4e5f60718"});
    for (table, operation, input) in [
        ("rule_ports", "AuthorizeSecurityGroupIngress", rule.clone()),
        ("rule_blocks", "AuthorizeSecurityGroupEgress", rule),
        (
            "rule_ports",
            "ModifySecurityGroupRules",
            json!({"GroupId": "sg-0a1b2c3d4e5f60718", "SecurityGroupRules": []}),
        ),
        ("admissions", "AcceptVpcPeeringConnection", accept),
        ("routes", "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"})),
        (
            "endpoints",
            "CreateNetworkInterface",
            json!({"SubnetId": "subnet-0a1b2c3d4e5f60718"}),
        ),
    ] {
        let server = Server::new().within(full(table));
        let refusal = server.ec2(BACKEND).refusal(operation, input).await;
        assert_eq!(refusal.code, "ResourceLimitExceeded");
        assert_eq!(
            refusal.message,
            format!(
                "{operation} needs room in the network: the data path's table {table} has 1000 of \
                 1000 entries. Delete what is no longer needed, or use another server."
            )
        );
    }

    let server = Server::new().within(full("rule_ports"));
    let account = server.ec2(STUDIO);
    let vpc = account.vpc("10.0.0.0/16").await;
    account.call("DeleteVpc", json!({"VpcId": vpc})).await;
}

#[tokio::test]
async fn a_fleets_connection_is_refused_in_gamelifts_words() {
    let server = Server::new().within(full("admissions"));
    let request = json!({
        "FleetId": "fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa",
        "PeerVpcAwsAccountId": BACKEND,
        "PeerVpcId": "vpc-0a1b2c3d4e5f60718",
    });
    let studio = server.gamelift(STUDIO);
    let refused = studio.attempt("CreateVpcPeeringConnection", request).await;
    assert_eq!(refused, Some("InvalidRequestException"));
}
