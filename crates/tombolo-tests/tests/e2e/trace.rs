//! `tombolo trace`: every hop's failure is told with what to change, and changing it brings the
//! packet one hop further.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::Output;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tombolo_tests::aws::Client;
use tombolo_tests::dev::Dev;
use tombolo_tests::network;
use tombolo_tests::server::Server;
use tombolo_tests::serving::Serving;
use tombolo_tests::workload::Workload;
use tombolo_tests::{scenario, wait};

const GAME: &str = "10.91.0.10";
const DATA: &str = "10.90.0.10";
const PORT: u16 = 5432;

#[test]
fn what_stands_in_the_way_is_told_hop_by_hop_until_nothing_does() {
    let server = Serving::start_plain();
    let (studio, backend) = (server.studio(), server.backend());
    let game = scenario::vpc_with_subnet(studio, "10.91.0.0/24");
    let data = scenario::vpc_with_subnet(backend, "10.90.0.0/24");
    let one = Workload::start(&server, "studio", &game, address(GAME));
    let other = Workload::start(&server, "backend", &data, address(DATA));
    let to = format!("{DATA}:{PORT}");

    let told = Told::by(&server, GAME, &to, &[]);
    told.blocks_at("route", "create-vpc-peering-connection");

    let request = [
        ("VpcId", &*game),
        ("PeerVpcId", &*data),
        ("PeerOwnerId", &*backend.account),
    ];
    let made = studio.ec2("CreateVpcPeeringConnection", &request);
    let connection = made.unwrap().text("vpcPeeringConnectionId");
    network::peering_is(backend, &connection, "pending-acceptance");
    network::route(studio, &game, "10.90.0.0/24", &connection);
    let told = Told::by(&server, GAME, &to, &[]);
    told.blocks_at("peering", "accept-vpc-peering-connection");

    let accept = [("VpcPeeringConnectionId", &*connection)];
    backend.ec2("AcceptVpcPeeringConnection", &accept).unwrap();
    network::peering_is(studio, &connection, "active");
    let told = Told::by(&server, GAME, &to, &[]);
    told.blocks_at("ingress", "authorize-security-group-ingress");

    let group = network::default_group(backend, &data);
    admit(backend, &group, ("tcp", "5432", "5432"));
    let told = Told::by(&server, GAME, &to, &[]);
    told.blocks_at("route back", "create-route");

    // From here on nothing is stored that stands in the way, and a packet says the rest.
    network::route(backend, &data, "10.91.0.0/24", &connection);
    let told = Told::by(&server, GAME, &to, &[]);
    assert_eq!(told.text("/probe/outcome"), "refused");
    assert!(told.is_yes(), "{told:?}");

    let _listening = other.within(|| TcpListener::bind(("0.0.0.0", PORT)).unwrap());
    let told = Told::by(&server, GAME, &to, &[]);
    assert_eq!(told.text("/probe/outcome"), "answered");
    assert!(told.is_yes() && told.agrees(), "{told:?}");

    // The interface's id does as well, and what is sent is told apart.
    let interface = told.text("/source/id");
    Told::by(&server, &interface, DATA, &[]).blocks_at("ingress", "icmp");
    admit(backend, &group, ("icmp", "8", "0"));
    admit(backend, &group, ("udp", "5432", "5432"));
    let echo = Told::by(&server, &interface, DATA, &[]);
    assert_eq!(echo.text("/probe/outcome"), "answered");
    let refused = Told::by(&server, &interface, &to, &["--protocol", "udp"]);
    assert_eq!(refused.text("/probe/outcome"), "refused");
    let _silent = other.within(|| UdpSocket::bind(("0.0.0.0", PORT)).unwrap());
    let arrived = Told::by(&server, &interface, &to, &["--protocol", "udp"]);
    assert_eq!(arrived.text("/probe/outcome"), "arrived");
    assert!(arrived.is_yes(), "{arrived:?}");

    let nobody = Told::by(&server, GAME, "10.90.0.99:1", &["--no-probe"]);
    assert_eq!(nobody.text("/probe/outcome"), "not_sent");
    nobody.blocks_at("destination", "describe-network-interfaces");

    // An interface without a workload is nowhere in the data path, and that is as it should be.
    let subnet = arrived.text("/source/subnet");
    let idle = studio.ec2("CreateNetworkInterface", &[("SubnetId", &*subnet)]);
    let idle = idle.unwrap().text("networkInterfaceId");
    Told::by(&server, &idle, &to, &[]).blocks_at("source", "tombolo run");

    network::part(studio, &connection);
    Told::by(&server, GAME, &to, &[]).blocks_at("peering", "delete-route");
    drop((one, other));
}

#[test]
fn people_read_the_same_and_end_with_the_command_to_give() {
    let server = Serving::start_plain();
    let vpc = scenario::vpc_with_subnet(server.backend(), "10.90.0.0/24");
    let _one = Workload::start(&server, "backend", &vpc, address("10.90.0.20"));
    let _other = Workload::start(&server, "backend", &vpc, address(DATA));
    let group = network::default_group(server.backend(), &vpc);
    // The default group lets its own members in, so its rule is taken away.
    let revoke = [
        ("GroupId", &*group),
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.Groups.1.GroupId", &*group),
    ];
    let revoked = server.backend().ec2("RevokeSecurityGroupIngress", &revoke);
    revoked.unwrap();

    let traced = trace(&server, "10.90.0.20", &format!("{DATA}:80"), &[]);
    assert_eq!(traced.status.code(), Some(1));
    let text = String::from_utf8(traced.stdout).unwrap();
    let last = text.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("No: security group {group} of eni-"))
            && last.ends_with(&format!(
                "Allow it: aws ec2 authorize-security-group-ingress --group-id {group} \
                 --protocol tcp --port 80 --cidr 10.90.0.20/32"
            )),
        "{text}"
    );
    assert!(text.contains("NO  ingress "), "{text}");
    assert!(text.contains("ok  data path    decides the same"), "{text}");
}

/// The destination's counter is everybody's.
#[test]
fn a_datagram_that_was_dropped_has_not_arrived_because_another_one_has() {
    let server = Serving::start_plain();
    let vpc = scenario::vpc_with_subnet(server.backend(), "10.90.0.0/24");
    let noisy = Workload::start(&server, "backend", &vpc, address("10.90.0.20"));
    let silent = Workload::start(&server, "backend", &vpc, address(DATA));
    let group = network::default_group(server.backend(), &vpc);
    // Only one port of UDP is let in.
    for (call, rule) in [
        (
            "RevokeSecurityGroupIngress",
            [("Protocol", "-1"), ("Port", "-1")],
        ),
        (
            "AuthorizeSecurityGroupIngress",
            [("Protocol", "udp"), ("Port", "7777")],
        ),
    ] {
        let [(_, protocol), (_, port)] = rule;
        let parameters = [
            ("GroupId", &*group),
            ("IpPermissions.1.IpProtocol", protocol),
            ("IpPermissions.1.FromPort", port),
            ("IpPermissions.1.ToPort", port),
            ("IpPermissions.1.Groups.1.GroupId", &*group),
        ];
        server.backend().ec2(call, &parameters).unwrap();
    }
    let _listening = silent.within(|| UdpSocket::bind(("0.0.0.0", 7777)).unwrap());
    let noise = noisy.within(|| UdpSocket::bind(("0.0.0.0", 0)).unwrap());
    let told = thread::scope(|scope| {
        let (done, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            while ended.recv_timeout(Duration::from_millis(10)) == Err(RecvTimeoutError::Timeout) {
                noise.send_to(b"noise", (DATA, 7777)).unwrap();
            }
        });
        let told = Told::by(
            &server,
            "10.90.0.20",
            &format!("{DATA}:53"),
            &["--protocol", "udp"],
        );
        drop(done);
        told
    });
    told.blocks_at("ingress", "authorize-security-group-ingress");
    assert_eq!(told.text("/probe/outcome"), "silent");
}

#[test]
fn an_address_of_several_vpcs_is_refused_with_the_candidates() {
    let server = Serving::start_plain();
    let vpcs = [server.studio(), server.backend()]
        .map(|owner| scenario::vpc_with_subnet(owner, "10.90.0.0/24"));
    let workloads = [("studio", &vpcs[0]), ("backend", &vpcs[1])]
        .map(|(account, vpc)| Workload::start(&server, account, vpc, address(DATA)));
    let traced = trace(&server, DATA, "10.90.0.20", &[]);
    assert_eq!(traced.status.code(), Some(2));
    let told = String::from_utf8(traced.stderr).unwrap();
    assert!(vpcs.iter().all(|vpc| told.contains(&**vpc)), "{told}");
    assert!(told.contains("hint: "), "{told}");

    let of_one = Told::by(&server, DATA, "10.90.0.20", &["--vpc", &vpcs[1]]);
    assert_eq!(of_one.text("/source/vpc"), vpcs[1]);
    drop(workloads);
}

#[test]
fn a_simulated_network_says_that_no_packet_was_sent() {
    let server = Dev::start_simulated();
    let refused = trace(&server, "10.1.0.4", "10.2.0.4", &[]);
    assert_eq!(refused.status.code(), Some(2), "nobody has the address");
    for usage in [
        &["--to", "10.2.0.4", "--protocol", "tcp"][..],
        &["--to", "10.2.0.4:53", "--protocol", "icmp"],
        &["--to", "10.2.0.4:0"],
        &["--to", "database"],
        // What never leaves a workload would be answered by the workload itself.
        &["--to", "127.0.0.1:22"],
    ] {
        let mut trace = server.command(&["trace", "--from", "10.1.0.4"]);
        let ended = trace.args(usage).output().unwrap();
        assert_eq!(ended.status.code(), Some(2), "{usage:?}");
    }

    // What is stored is walked here as well.
    let backend = server.backend();
    let vpc = scenario::vpc(&backend, "10.1.0.0/16");
    let subnet = [("VpcId", &*vpc), ("CidrBlock", "10.1.0.0/24")];
    let subnet = backend
        .ec2("CreateSubnet", &subnet)
        .unwrap()
        .text("subnetId");
    let interface = backend.ec2("CreateNetworkInterface", &[("SubnetId", &*subnet)]);
    let interface = interface.unwrap().text("networkInterfaceId");
    let told = Told::by(&server, &interface, "10.2.0.4", &[]);
    assert!(told.text("/probe/reason").contains("simulated"), "{told:?}");
    told.blocks_at("source", "tombolo run");
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// Adds a rule for the game's workload alone.
fn admit(owner: &Client, group: &str, (protocol, from, to): (&str, &str, &str)) {
    let block = format!("{GAME}/32");
    let rule = [
        ("GroupId", group),
        ("IpPermissions.1.IpProtocol", protocol),
        ("IpPermissions.1.FromPort", from),
        ("IpPermissions.1.ToPort", to),
        ("IpPermissions.1.IpRanges.1.CidrIp", &*block),
    ];
    owner.ec2("AuthorizeSecurityGroupIngress", &rule).unwrap();
}

fn trace(server: &impl Server, from: &str, to: &str, options: &[&str]) -> Output {
    let mut trace = server.command(&["trace", "--from", from, "--to", to]);
    trace.args(options).output().unwrap()
}

/// What a trace says, as JSON.
#[derive(Debug)]
struct Told(Value);

impl Told {
    /// Traces until what is stored and what the data path decides agree: a change takes a moment.
    #[track_caller]
    fn by(server: &impl Server, from: &str, to: &str, options: &[&str]) -> Self {
        wait::until("the data path to agree", || {
            let ended = trace(server, from, to, &[options, &["--json"]].concat());
            let told: Value = serde_json::from_slice(&ended.stdout)
                .unwrap_or_else(|error| panic!("{error}: {ended:?}"));
            let told = Told(told);
            assert_eq!(ended.status.success(), told.is_yes(), "{told:?}");
            told.agrees().then_some(told)
        })
    }

    fn text(&self, pointer: &str) -> String {
        let value = self.0.pointer(pointer);
        scenario::text(value.unwrap_or_else(|| panic!("no {pointer} in {self:?}")))
    }

    fn is_yes(&self) -> bool {
        self.0["reachable"] == true
    }

    fn agrees(&self) -> bool {
        self.0["data_path"]["agrees"] == true
    }

    /// Checks that the first obstacle is at `place` and what to do about it says `remedy`.
    #[track_caller]
    fn blocks_at(&self, place: &str, remedy: &str) {
        assert!(!self.is_yes(), "{self:?}");
        let hops = self.0["hops"].as_array().unwrap();
        let blocked = hops.iter().find(|hop| !hop["obstacle"].is_null());
        let blocked = blocked.unwrap_or_else(|| panic!("nothing blocks in {self:?}"));
        assert_eq!(scenario::text(&blocked["place"]), place.replace(' ', "_"));
        let answer = self.text("/answer");
        assert!(
            answer.starts_with("No: ") && answer.contains(remedy),
            "{answer}"
        );
    }
}
