//! Security groups, and VPCs of people that are peered: making them, and looking at them.

use serde_json::{Value, json};

use crate::server::{BACKEND, Server};

/// A server with a group `web` of the backend's.
pub(crate) async fn with_group() -> (Server, String) {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let group = backend.group(&vpc, "web").await;
    (server, group)
}

/// A permission for TCP to one port from a block.
pub(crate) fn tcp(port: i64, cidr: &str) -> Value {
    json!({
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "IpRanges": [{"CidrIp": cidr}],
    })
}

/// A permission for everything from a group.
pub(crate) fn from_group(pair: Value) -> Value {
    json!({"IpProtocol": "-1", "UserIdGroupPairs": [pair]})
}
