//! How much of the store an operation reads: one that names its resource reads what is in that
//! resource's VPC, however much else the account has.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use tombolo_store::KeyRange;

use crate::document::{text, with};
use crate::server::{BACKEND, Server};
use crate::store::{Meddle, Meddled};

/// Remembers which ranges were read.
struct Remembering(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Meddle for Remembering {
    fn before_range(&self, range: &KeyRange) {
        let start = range.start.escape_ascii().to_string();
        self.0.lock().unwrap().push(start);
    }
}

#[tokio::test]
async fn an_operation_on_one_resource_reads_what_is_in_its_vpc() {
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let server = Server::over(|store| Meddled::new(store, Remembering(ranges.clone())));
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let interface = text(&backend.interface(&subnet).await["NetworkInterfaceId"]);
    let table = backend.only("DescribeRouteTables", "RouteTables").await;
    let group = backend
        .only("DescribeSecurityGroups", "SecurityGroups")
        .await;
    let table = text(&table["RouteTableId"]);
    let group = text(&group["GroupId"]);
    let other = backend.group(&vpc, "other").await;
    let resources = json!([vpc, subnet, interface, table, group]);
    let tags = json!([{"Key": "stage", "Value": "test"}]);

    let calls = [
        (
            "CreateSubnet",
            json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}),
        ),
        (
            "CreateNetworkInterface",
            json!({"SubnetId": subnet, "Groups": [group]}),
        ),
        (
            "AuthorizeSecurityGroupIngress",
            json!({"GroupId": group, "IpPermissions": [
                {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other}]},
            ]}),
        ),
        (
            "RevokeSecurityGroupIngress",
            json!({"GroupId": group, "IpPermissions": [
                {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other}]},
            ]}),
        ),
        (
            "ModifyNetworkInterfaceAttribute",
            json!({"NetworkInterfaceId": interface, "Groups": [other]}),
        ),
        (
            "ModifyNetworkInterfaceAttribute",
            json!({"NetworkInterfaceId": interface, "Groups": [group]}),
        ),
        ("DeleteSecurityGroup", json!({"GroupId": other})),
        ("CreateTags", json!({"Resources": resources, "Tags": tags})),
        ("DeleteTags", json!({"Resources": resources})),
        (
            "DeleteNetworkInterface",
            json!({"NetworkInterfaceId": interface}),
        ),
    ];
    for (operation, input) in calls {
        assert_reads_only(&ranges, &vpc, operation, || backend.call(operation, input)).await;
    }

    let peer = backend.vpc("10.2.0.0/16").await;
    let peering = server.peer((BACKEND, &vpc), (BACKEND, &peer)).await;
    let route = json!({"RouteTableId": table, "DestinationCidrBlock": "10.2.0.0/16"});
    let calls = [
        ("CreateRouteTable", json!({"VpcId": vpc})),
        (
            "AssociateRouteTable",
            json!({"RouteTableId": table, "SubnetId": subnet}),
        ),
        (
            "CreateRoute",
            with(route.clone(), "VpcPeeringConnectionId", peering.id.as_str()),
        ),
        ("DeleteRoute", route),
        (
            "AssociateVpcCidrBlock",
            json!({"VpcId": vpc, "CidrBlock": "10.3.0.0/16"}),
        ),
    ];
    for (operation, input) in calls {
        assert_reads_only(&ranges, &vpc, operation, || backend.call(operation, input)).await;
    }

    let empty = backend.vpc("10.1.0.0/16").await;
    let subnet = backend.subnet(&empty, "10.1.0.0/24").await;
    let input = json!({"SubnetId": subnet});
    let delete = || backend.call("DeleteSubnet", input);
    assert_reads_only(&ranges, &empty, "DeleteSubnet", delete).await;
    let input = json!({"VpcId": empty});
    let delete = || backend.call("DeleteVpc", input);
    assert_reads_only(&ranges, &empty, "DeleteVpc", delete).await;
}

async fn assert_reads_only<T>(
    ranges: &Mutex<Vec<String>>,
    vpc: &str,
    operation: &str,
    call: impl AsyncFnOnce() -> T,
) {
    ranges.lock().unwrap().clear();
    call().await;
    let read = ranges.lock().unwrap().clone();
    let within = format!("/{vpc}/");
    assert!(
        read.iter().all(|range| range.ends_with(&within)),
        "{operation} reads {read:?}"
    );
}

#[tokio::test]
async fn what_was_deleted_is_not_found_by_its_id() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let before = server.keys("located/").await;
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let interface = text(&backend.interface(&subnet).await["NetworkInterfaceId"]);
    // The subnet, the interface, the main route table and the default security group.
    assert_eq!(server.keys("located/").await.len(), 4);

    let input = json!({"NetworkInterfaceId": interface});
    backend.call("DeleteNetworkInterface", input).await;
    backend
        .call("DeleteSubnet", json!({"SubnetId": subnet}))
        .await;
    backend.call("DeleteVpc", json!({"VpcId": vpc})).await;
    assert_eq!(server.keys("located/").await, before);
}
