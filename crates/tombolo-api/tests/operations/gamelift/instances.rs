//! DescribeInstances.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tombolo_domain::fleet::{Instance, MappedPort, PublicAddress, TransportProtocol};

use crate::document::{list, text};
use crate::server::{AWAY, HOME, STUDIO, Server};

fn public() -> PublicAddress {
    PublicAddress {
        address: "203.0.113.7".parse().unwrap(),
        ports: "20000-39999".parse().unwrap(),
    }
}

fn mapped(instance: &mut Instance) {
    instance.running = true;
    instance.ports = vec![MappedPort {
        protocol: TransportProtocol::Udp,
        port: 8303,
        public_port: 20_001,
    }];
}

#[tokio::test]
async fn an_instance_is_reached_at_the_public_address_if_a_port_leads_to_it() {
    let server = Server::with_public(public());
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let open = studio.instance(&fleet, mapped).await;
    let closed = studio.instance(&fleet, |_| {}).await;
    let expected = |id: &str, address: &str, status: &str, arn: &Value| {
        json!({
            "FleetId": fleet,
            "FleetArn": arn,
            "InstanceId": id,
            "IpAddress": address,
            "DnsName": address,
            "OperatingSystem": "AMAZON_LINUX_2023",
            "Type": "c5.large",
            "Status": status,
            "CreationTime": 1_795_348_800.489,
            "Location": HOME,
        })
    };
    let arn = &studio.attributes(&fleet).await["FleetArn"];
    for (id, address, status) in [
        (&open, "203.0.113.7", "ACTIVE"),
        (&closed, "100.64.0.5", "PENDING"),
    ] {
        for name in [json!(fleet), arn.clone()] {
            let input = json!({"FleetId": name, "InstanceId": id, "Location": HOME});
            let output = studio.call("DescribeInstances", input).await;
            assert_eq!(
                output["Instances"],
                json!([expected(id, address, status, arn)])
            );
        }
    }
}

/// Without a public address, there is only the one that peered networks use.
#[tokio::test]
async fn an_instance_has_its_private_address_where_players_cannot_reach_it() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let id = studio.instance(&fleet, mapped).await;
    let input = json!({"FleetId": fleet, "InstanceId": id});
    let output = studio.call("DescribeInstances", input).await;
    assert_eq!(output["Instances"][0]["IpAddress"], "100.64.0.4");
}

#[tokio::test]
async fn all_instances_of_a_fleet_come_in_pages() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let [fleet, other] = [studio.fleet().await, studio.fleet().await];
    let mut ids = Vec::new();
    for _ in 0..5 {
        server.advance(SignedDuration::from_secs(1));
        ids.push(studio.instance(&fleet, |_| {}).await);
    }
    studio.instance(&other, |_| {}).await;
    ids.sort();

    let mut found = Vec::new();
    let mut input = json!({"FleetId": fleet, "Limit": 2});
    for count in [2, 2, 1] {
        let output = studio.call("DescribeInstances", input.clone()).await;
        let page = list(&output["Instances"]);
        assert_eq!(page.len(), count);
        found.extend(page.iter().map(|one| text(&one["InstanceId"])));
        input["NextToken"] = output["NextToken"].clone();
    }
    assert_eq!(input["NextToken"], Value::Null);
    assert_eq!(found, ids);
}

#[tokio::test]
async fn an_instance_of_another_fleet_is_unknown() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let [fleet, other] = [studio.fleet().await, studio.fleet().await];
    let elsewhere = studio.instance(&other, |_| {}).await;
    for id in [elsewhere.as_str(), "i-00000000000000000", "i.none"] {
        let input = json!({"FleetId": fleet, "InstanceId": id});
        let message = format!("Fleet {fleet} has no instance {id}.");
        studio
            .refused("DescribeInstances", input, "NotFoundException", &message)
            .await;
    }
    let input = json!({"FleetId": fleet, "Location": AWAY});
    let message = "Location eu-west-1 is not served: a fleet has instances in its home Region us-west-2 only.";
    studio
        .refused(
            "DescribeInstances",
            input,
            "UnsupportedRegionException",
            message,
        )
        .await;
}
