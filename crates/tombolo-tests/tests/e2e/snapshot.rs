//! Everything that can be listed, to see that a refused request has changed nothing.

use serde_json::json;
use tombolo_tests::aws::Client;
use tombolo_tests::dev::Dev;

/// What both accounts see, as text to compare.
pub(crate) fn of(server: &Dev) -> String {
    [server.studio(), server.backend()]
        .iter()
        .map(of_account)
        .collect()
}

fn of_account(client: &Client) -> String {
    const GAMELIFT: [&str; 4] = [
        "ListFleets",
        "ListBuilds",
        "DescribeVpcPeeringAuthorizations",
        "DescribeVpcPeeringConnections",
    ];
    const EC2: [&str; 7] = [
        "DescribeVpcs",
        "DescribeSubnets",
        "DescribeNetworkInterfaces",
        "DescribeRouteTables",
        "DescribeSecurityGroups",
        "DescribeVpcPeeringConnections",
        "DescribeTags",
    ];
    let mut all = String::new();
    for operation in GAMELIFT {
        let listed = client.gamelift(operation, &json!({})).expect(operation);
        all.push_str(&format!("{operation} {listed}\n"));
    }
    for action in EC2 {
        let mut listed = client.ec2(action, &[]).expect(action);
        // The one thing that differs from reply to reply.
        let request = listed.text("requestId");
        listed.0 = listed.0.replace(&request, "");
        all.push_str(&format!("{action} {}\n", listed.0));
    }
    all
}
