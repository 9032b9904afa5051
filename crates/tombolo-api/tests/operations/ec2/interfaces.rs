//! CreateNetworkInterface, DescribeNetworkInterfaces and DeleteNetworkInterface.

use serde_json::{Value, json};
use tombolo_domain::vpc::Attachment;
use tombolo_store::typed::Committed;
use tombolo_testkit::ec2::filter;

use crate::account::Account;
use crate::document::{text, with};
use crate::server::{BACKEND, Server};

/// A subnet of 11 usable addresses, 10.0.0.4 to 10.0.0.14, in a VPC of its own.
async fn small_subnet(account: &Account<'_>) -> String {
    let vpc = account.vpc("10.0.0.0/16").await;
    account.subnet(&vpc, "10.0.0.0/28").await
}

const PROGRAM: Attachment = Attachment::Program {
    pid: 4711,
    start_time: 1,
    boot: None,
};

#[tokio::test]
async fn a_new_interface_is_shown_in_full() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let subnet = small_subnet(&backend).await;
    let vpc = text(&backend.only("DescribeVpcs", "Vpcs").await["VpcId"]);
    let group = backend
        .only("DescribeSecurityGroups", "SecurityGroups")
        .await;
    let input = json!({
        "SubnetId": subnet,
        "Description": "primary database",
        "ClientToken": "once",
        "TagSpecifications": [
            {"ResourceType": "network-interface", "Tags": [{"Key": "Name", "Value": "db"}]},
        ],
    });
    let created = backend.call("CreateNetworkInterface", input).await;
    let id = text(&created["NetworkInterface"]["NetworkInterfaceId"]);
    let expected = json!({
        "NetworkInterfaceId": id,
        "SubnetId": subnet,
        "VpcId": vpc,
        "OwnerId": BACKEND,
        "AvailabilityZone": "us-west-2a",
        "Description": "primary database",
        "Status": "available",
        "Attachment": null,
        "InterfaceType": "interface",
        "MacAddress": "06:54:0a:00:00:04",
        "PrivateIpAddress": "10.0.0.4",
        "PrivateIpAddresses": [{"Primary": true, "PrivateIpAddress": "10.0.0.4"}],
        "Ipv6Addresses": [],
        "Groups": [{"GroupId": group["GroupId"], "GroupName": "default"}],
        "RequesterManaged": false,
        "SourceDestCheck": true,
        "TagSet": [{"Key": "Name", "Value": "db"}],
    });
    assert_eq!(created["NetworkInterface"], expected);
    assert_eq!(created["ClientToken"], "once");
    let shown = backend
        .only("DescribeNetworkInterfaces", "NetworkInterfaces")
        .await;
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn addresses_are_the_first_free_ones_until_there_are_none() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let subnet = small_subnet(&backend).await;
    let fixed = json!({"SubnetId": subnet, "PrivateIpAddress": "10.0.0.5"});
    backend.call("CreateNetworkInterface", fixed).await;
    let listed = json!({
        "SubnetId": subnet,
        "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.7", "Primary": true}],
    });
    backend.call("CreateNetworkInterface", listed).await;

    let mut addresses = Vec::new();
    let mut last = Value::Null;
    for _ in 0..9 {
        last = backend.interface(&subnet).await;
        addresses.push(text(&last["PrivateIpAddress"]));
    }
    let expected = [4, 6, 8, 9, 10, 11, 12, 13, 14].map(|host| format!("10.0.0.{host}"));
    assert_eq!(addresses, expected);

    let message = format!(
        "Subnet {subnet} (10.0.0.0/28) has no free address; delete a network interface in it, or \
         use another subnet."
    );
    let another = json!({"SubnetId": subnet});
    let code = "InsufficientFreeAddressesInSubnet";
    backend
        .refused("CreateNetworkInterface", another, code, &message)
        .await;
    let input = json!({"NetworkInterfaceId": last["NetworkInterfaceId"]});
    backend.call("DeleteNetworkInterface", input).await;
    let again = backend.interface(&subnet).await;
    assert_eq!(again["PrivateIpAddress"], "10.0.0.14");
}

#[tokio::test]
async fn create_network_interface_refuses() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let subnet = small_subnet(&backend).await;
    backend.interface(&subnet).await;
    let vpc = text(&backend.only("DescribeVpcs", "Vpcs").await["VpcId"]);
    let other = backend.vpc("10.9.0.0/16").await;
    let groups = filter("vpc-id", &other);
    let groups = backend
        .filtered("DescribeSecurityGroups", "SecurityGroups", groups)
        .await;
    let foreign_group = text(&groups[0]["GroupId"]);
    let good = || json!({"SubnetId": subnet});
    let at = |address: &str| with(good(), "PrivateIpAddress", address);
    let one_address = "A network interface has one private IPv4 address in Tombolo: name at most \
                       one, in PrivateIpAddress or in PrivateIpAddresses.";
    let table: Vec<(Value, &str, String)> = vec![
        (
            json!({"SubnetId": "eni-1"}),
            "InvalidSubnetID.Malformed",
            "Invalid id: \"eni-1\" (expecting \"subnet-...\")".into(),
        ),
        (
            json!({"SubnetId": "subnet-00000000000000000"}),
            "InvalidSubnetID.NotFound",
            "The subnet ID 'subnet-00000000000000000' does not exist".into(),
        ),
        (
            at("10.0.0"),
            "InvalidParameterValue",
            "Value (10.0.0) for parameter privateIpAddress is invalid. This is not an IPv4 address."
                .into(),
        ),
        (
            at("10.0.0.16"),
            "InvalidParameterValue",
            format!(
                "Address 10.0.0.16 does not fall within the subnet's address range (subnet \
                 {subnet}, 10.0.0.0/28)."
            ),
        ),
        (
            at("10.0.0.3"),
            "InvalidParameterValue",
            format!(
                "Address 10.0.0.3 is reserved: the first four addresses of a subnet and the last \
                 cannot be assigned (subnet {subnet}, 10.0.0.0/28)."
            ),
        ),
        (
            at("10.0.0.4"),
            "InvalidIPAddress.InUse",
            format!("Address 10.0.0.4 of subnet {subnet} is in use."),
        ),
        (
            with(
                at("10.0.0.5"),
                "PrivateIpAddresses",
                json!([{"PrivateIpAddress": "10.0.0.6"}]),
            ),
            "UnsupportedOperation",
            one_address.into(),
        ),
        (
            with(
                good(),
                "PrivateIpAddresses",
                json!([{"PrivateIpAddress": "10.0.0.5"}, {"PrivateIpAddress": "10.0.0.6"}]),
            ),
            "UnsupportedOperation",
            one_address.into(),
        ),
        (
            with(good(), "SecondaryPrivateIpAddressCount", 1),
            "UnsupportedOperation",
            "Tombolo does not have the parameter SecondaryPrivateIpAddressCount; leave it out."
                .into(),
        ),
        (
            with(good(), "Groups", json!(["default"])),
            "InvalidGroupId.Malformed",
            "Invalid id: \"default\" (expecting \"sg-...\")".into(),
        ),
        (
            with(good(), "Groups", json!([foreign_group])),
            "InvalidGroup.NotFound",
            format!("The security group '{foreign_group}' does not exist in VPC '{vpc}'"),
        ),
        (
            with(good(), "DryRun", true),
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.".into(),
        ),
    ];
    for (input, code, message) in table {
        backend
            .refused("CreateNetworkInterface", input, code, &message)
            .await;
    }
}

#[tokio::test]
async fn the_same_client_token_makes_one_interface() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let subnet = small_subnet(&backend).await;
    let input = json!({"SubnetId": subnet, "Description": "db", "ClientToken": "once"});
    let first = backend.call("CreateNetworkInterface", input.clone()).await;
    let again = backend.call("CreateNetworkInterface", input.clone()).await;
    assert_eq!(first, again);

    let id = text(&first["NetworkInterface"]["NetworkInterfaceId"]);
    let message = format!(
        "The client token was used to make network interface {id} with other parameters; use \
         another token."
    );
    for (member, value) in [("Description", "cache"), ("PrivateIpAddress", "10.0.0.9")] {
        let other = with(input.clone(), member, value);
        backend
            .refused(
                "CreateNetworkInterface",
                other,
                "IdempotentParameterMismatch",
                &message,
            )
            .await;
    }

    let delete = json!({"NetworkInterfaceId": id});
    backend.call("DeleteNetworkInterface", delete).await;
    let new = backend.call("CreateNetworkInterface", input).await;
    assert_ne!(new["NetworkInterface"]["NetworkInterfaceId"], id.as_str());
}

#[tokio::test]
async fn an_interface_that_a_program_has_is_in_use() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let subnet = small_subnet(&backend).await;
    let mut tx = backend.transaction();
    let interface = backend.attached_interface(&mut tx, &subnet, PROGRAM).await;
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    let shown = backend
        .only("DescribeNetworkInterfaces", "NetworkInterfaces")
        .await;
    let digits = interface.id.as_str().trim_start_matches("eni-");
    assert_eq!(shown["Status"], "in-use");
    assert_eq!(
        shown["Attachment"],
        json!({
            "AttachmentId": format!("eni-attach-{digits}"),
            "AttachTime": 1_795_348_800.489,
            "DeleteOnTermination": true,
            "DeviceIndex": 0,
            "NetworkCardIndex": 0,
            "InstanceId": null,
            "InstanceOwnerId": BACKEND,
            "Status": "attached",
        })
    );
    let message = format!(
        "Network interface '{}' is currently in use by the program with process id 4711, and goes \
         with it when it ends.",
        interface.id
    );
    let input = json!({"NetworkInterfaceId": interface.id});
    let code = "InvalidNetworkInterface.InUse";
    backend
        .refused("DeleteNetworkInterface", input, code, &message)
        .await;
}

#[tokio::test]
async fn deleting_an_interface_takes_its_tags() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let subnet = small_subnet(&backend).await;
    let before = server.keys("").await;
    let interface = text(&backend.interface(&subnet).await["NetworkInterfaceId"]);
    let tags = json!({"Resources": [interface], "Tags": [{"Key": "Name"}]});
    backend.call("CreateTags", tags).await;
    let delete = json!({"NetworkInterfaceId": interface});
    backend.call("DeleteNetworkInterface", delete.clone()).await;
    assert_eq!(server.keys("").await, before);

    let message = format!("The networkInterface ID '{interface}' does not exist");
    let code = "InvalidNetworkInterfaceID.NotFound";
    backend
        .refused("DeleteNetworkInterface", delete, code, &message)
        .await;
    let malformed = json!({"NetworkInterfaceId": "eni-XYZ"});
    let code = "InvalidNetworkInterfaceId.Malformed";
    let message = "Invalid id: \"eni-XYZ\" (expecting \"eni-...\")";
    backend
        .refused("DeleteNetworkInterface", malformed, code, message)
        .await;
}

#[tokio::test]
async fn an_interface_conflicts_with_another_and_with_the_end_of_its_subnet() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let subnet = small_subnet(&backend).await;
    let mut slow = backend.transaction();
    backend
        .attached_interface(&mut slow, &subnet, PROGRAM)
        .await;
    let fast = backend.interface(&subnet).await;
    assert_eq!(slow.commit().await.unwrap(), Committed::Conflict);

    let mut slow = backend.transaction();
    let delete = json!({"NetworkInterfaceId": fast["NetworkInterfaceId"]});
    backend.call("DeleteNetworkInterface", delete).await;
    backend
        .attached_interface(&mut slow, &subnet, PROGRAM)
        .await;
    backend
        .call("DeleteSubnet", json!({"SubnetId": subnet}))
        .await;
    assert_eq!(slow.commit().await.unwrap(), Committed::Conflict);
}
