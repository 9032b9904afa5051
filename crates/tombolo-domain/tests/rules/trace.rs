//! The walk of a packet's path: each obstacle told where it stands, and whatever rules, routes and
//! peerings there are, the same end as a reading too simple to be wrong.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use proptest::prelude::*;
use tombolo_domain::Scope;
use tombolo_domain::id::{
    AccountId, FleetId, RouteTableAssociationId, SecurityGroupId, SecurityGroupRuleId,
    VpcPeeringConnectionId,
};
use tombolo_domain::peering::{Authorization, Connection, End, State, Step};
use tombolo_domain::testing::SeededIds;
use tombolo_domain::trace::{Obstacle, Packet, Place, Question, Records, Trace, Way, walk};
use tombolo_domain::vpc::{
    Attachment, MacAddress, NetworkInterface, Peer, PeeredGroup, PortRange, Protocol, Route,
    RouteTable, RouteTarget, RuleDirection, SecurityGroup, SecurityGroupRule, Subnet, Vpc,
    VpcAttributes, VpcNumber,
};

const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 4);
const DATABASE: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 4);
const PACKET: Packet = Packet::Tcp { port: 5432 };

/// VPCs 1 and 2, peered and routed both ways, with one interface each whose group lets everything
/// through. Ids end in the number of their VPC.
fn world() -> Records {
    let mut records = Records::default();
    for number in [1, 2] {
        add_vpc(&mut records, number);
    }
    let connection = connection(&records, State::Active);
    let id = connection.id.clone();
    records.connections.push(connection);
    route(&mut records, 1, "10.2.0.0/16", &id);
    route(&mut records, 2, "10.1.0.0/16", &id);
    records
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(prefix: &str, number: u32) -> T {
    format!("{prefix}-{number:017x}").parse().unwrap()
}

/// The one fleet that there is in a test.
fn fleet_id() -> FleetId {
    FleetId::generate(&SeededIds::new(0))
}

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn scope(number: u32) -> Scope {
    Scope {
        account: format!("{number:012}").parse().unwrap(),
        region: "us-west-2".parse().unwrap(),
    }
}

fn add_vpc(records: &mut Records, number: u32) {
    let scope = scope(number);
    let cidr = net(&format!("10.{number}.0.0/16"));
    records.vpcs.push(Vpc {
        scope: scope.clone(),
        id: id("vpc", number),
        number: VpcNumber(number),
        cidr,
        secondary_cidrs: Vec::new(),
        attributes: VpcAttributes::default(),
        fleet: None,
        created: Timestamp::UNIX_EPOCH,
    });
    records.subnets.push(Subnet {
        scope: scope.clone(),
        id: id("subnet", number),
        vpc: id("vpc", number),
        cidr,
        availability_zone: "us-west-2a".to_owned(),
    });
    records.route_tables.push(RouteTable {
        scope: scope.clone(),
        id: id("rtb", number),
        vpc: id("vpc", number),
        number: None,
        main: Some(id::<RouteTableAssociationId>("rtbassoc", number)),
        associations: Vec::new(),
        routes: vec![Route::local(cidr)],
        client_token: None,
    });
    let everybody = Peer::Cidr(Ipv4Net::default());
    records.security_groups.push(SecurityGroup {
        scope: scope.clone(),
        id: id("sg", number),
        vpc: id("vpc", number),
        number: None,
        name: "default".to_owned(),
        description: String::new(),
        rules: vec![
            rule(RuleDirection::Egress, Protocol::All, everybody.clone()),
            rule(RuleDirection::Ingress, Protocol::All, everybody),
        ],
    });
    let address = Ipv4Addr::new(10, number as u8, 0, 4);
    records.interfaces.push(NetworkInterface {
        scope,
        id: id("eni", number),
        vpc: id("vpc", number),
        subnet: id("subnet", number),
        address,
        mac: MacAddress::for_address(address),
        description: String::new(),
        groups: vec![id::<SecurityGroupId>("sg", number)],
        mtu: None,
        attachment: Some(Attachment::Program {
            pid: 1,
            start_time: 1,
            boot: None,
        }),
        client_token: None,
        created: Timestamp::UNIX_EPOCH,
    });
}

fn rule(direction: RuleDirection, protocol: Protocol, peer: Peer) -> SecurityGroupRule {
    SecurityGroupRule {
        id: id::<SecurityGroupRuleId>("sgr", 1),
        direction,
        protocol,
        peer,
        description: None,
        made_by: None,
    }
}

/// A fleet's connection of VPC 1 with VPC 2, taken to `state` or, if that is none of these, left
/// as it was asked for.
fn connection(records: &Records, state: State) -> Connection {
    let now = Timestamp::UNIX_EPOCH;
    let (fleets, peer) = (&records.vpcs[0], &records.vpcs[1]);
    let (studio, backend) = (fleets.scope.account, peer.scope.account);
    let region = fleets.scope.region.clone();
    let given = Authorization::issue(region.clone(), studio, backend, peer.id.clone(), now);
    let fleet = fleet_id();
    let consent = given.consent(now).unwrap();
    let ids = SeededIds::new(1);
    let mut made = Connection::request(consent, region, fleet, End::of(fleets), peer, now, &ids);
    let by: AccountId = backend;
    let steps = match state {
        State::InitiatingRequest => vec![],
        State::PendingAcceptance => vec![Step::Deliver],
        State::Provisioning => vec![Step::Deliver, Step::Accept],
        State::Active => vec![Step::Deliver, Step::Accept, Step::Provisioned],
        _ => vec![Step::Delete(by), Step::Removed],
    };
    for step in steps {
        made.apply(step, now).unwrap();
    }
    made
}

fn route(records: &mut Records, vpc: usize, destination: &str, peering: &VpcPeeringConnectionId) {
    records.route_tables[vpc - 1].routes.push(Route {
        destination: net(destination),
        target: RouteTarget::Peering(peering.clone()),
        made_by: None,
    });
}

/// Sets the rules of a VPC's group.
fn rules(records: &mut Records, vpc: usize, rules: Vec<SecurityGroupRule>) {
    records.security_groups[vpc - 1].rules = rules;
}

fn trace(records: &Records) -> Trace {
    let question = Question {
        from: &records.interfaces[0],
        to: DATABASE,
        packet: PACKET,
    };
    walk(records, &question).unwrap()
}

/// The first hop in the way, and what to do about it.
#[track_caller]
fn blocked(records: &Records) -> (Place, Obstacle, String) {
    let trace = trace(records);
    let hop = trace.blocked().expect("something stands in the way");
    let remedy = hop.remedy.clone().unwrap_or_default();
    (hop.place, hop.obstacle.clone().unwrap(), remedy)
}

#[test]
fn an_open_path_is_told_from_interface_to_interface_and_back() {
    let trace = trace(&world());
    assert_eq!(trace.blocked(), None, "{trace:#?}");
    assert_eq!(trace.destination, Some(id("eni", 2)));
    let places: Vec<Place> = trace.hops.iter().map(|hop| hop.place).collect();
    assert_eq!(
        places,
        [
            Place::Source,
            Place::Egress,
            Place::Route,
            Place::Peering,
            Place::Destination,
            Place::Ingress,
            Place::RouteBack
        ]
    );
}

#[test]
fn a_missing_ingress_rule_is_told_with_the_command_that_adds_it() {
    let mut records = world();
    rules(&mut records, 2, vec![]);
    let (place, obstacle, remedy) = blocked(&records);
    assert_eq!(place, Place::Ingress);
    assert_eq!(
        obstacle.to_string(),
        "security group sg-00000000000000002 of eni-00000000000000002 has no ingress rule for tcp \
         5432 from 10.1.0.4"
    );
    assert_eq!(
        remedy,
        "Allow it: aws ec2 authorize-security-group-ingress --group-id sg-00000000000000002 \
         --protocol tcp --port 5432 --cidr 10.1.0.4/32"
    );
}

#[test]
fn a_fleets_rules_are_not_to_be_changed_by_hand() {
    let mut records = world();
    records.vpcs[0].fleet = Some(fleet_id());
    rules(&mut records, 1, vec![]);
    let (place, _, remedy) = blocked(&records);
    assert_eq!(place, Place::Egress);
    assert!(remedy.contains("create-vpc-peering-connection"), "{remedy}");
}

#[test]
fn a_rule_for_a_group_of_a_peered_vpc_counts_until_the_peering_ends() {
    let mut records = world();
    let peered = PeeredGroup {
        account: records.vpcs[0].scope.account,
        vpc: id("vpc", 1),
        group: id("sg", 1),
        connection: records.connections[0].id.clone(),
    };
    let one = rule(
        RuleDirection::Ingress,
        Protocol::Tcp(PortRange {
            from: 5432,
            to: 5432,
        }),
        Peer::PeeredGroup(peered),
    );
    rules(&mut records, 2, vec![one]);
    assert_eq!(trace(&records).blocked(), None);

    // The group is gone, the peering goes on.
    let mut without = records.clone();
    without.security_groups.remove(0);
    let stale = trace(&without)
        .hops
        .into_iter()
        .any(|hop| match hop.obstacle {
            Some(Obstacle::NoRule { stale, .. }) => !stale.is_empty(),
            _ => false,
        });
    assert!(stale);
}

#[test]
fn a_missing_route_is_told_with_the_peering_that_leads_there() {
    let mut records = world();
    records.route_tables[0].routes.truncate(1);
    let (place, obstacle, remedy) = blocked(&records);
    assert_eq!(place, Place::Route);
    assert!(matches!(
        obstacle,
        Obstacle::NoRoute {
            way: Way::There,
            ..
        }
    ));
    assert!(
        remedy.contains("create-route --route-table-id rtb-00000000000000001")
            && remedy.contains("--destination-cidr-block 10.2.0.0/16"),
        "{remedy}"
    );
}

/// What has to be done when no peering leads there depends on whose networks the two are.
#[test]
fn a_missing_peering_is_told_with_the_call_that_makes_it() {
    let remedy = |fleets: &[usize]| {
        let mut records = world();
        records.connections.clear();
        for table in &mut records.route_tables {
            table.routes.truncate(1);
        }
        for vpc in fleets {
            records.vpcs[vpc - 1].fleet = Some(fleet_id());
        }
        let (place, _, remedy) = blocked(&records);
        assert_eq!(place, Place::Route);
        remedy
    };
    let fleet = fleet_id();
    assert!(remedy(&[]).ends_with(
        "aws ec2 create-vpc-peering-connection --vpc-id vpc-00000000000000001 --peer-owner-id \
         000000000002 --peer-vpc-id vpc-00000000000000002"
    ));
    assert!(remedy(&[1]).ends_with(&format!(
        "aws gamelift create-vpc-peering-connection --fleet-id {fleet} --peer-vpc-aws-account-id \
         000000000002 --peer-vpc-id vpc-00000000000000002"
    )));
    assert!(remedy(&[2]).ends_with(&format!(
        "aws gamelift create-vpc-peering-connection --fleet-id {fleet} --peer-vpc-aws-account-id \
         000000000001 --peer-vpc-id vpc-00000000000000001"
    )));
    assert!(remedy(&[1, 2]).ends_with("fleets are never peered."));
}

#[test]
fn a_black_hole_beside_a_new_peering_is_led_through_that() {
    let mut records = world();
    records.route_tables[0].routes.truncate(1);
    route(&mut records, 1, "10.2.0.0/16", &id("pcx", 9));
    let (place, _, remedy) = blocked(&records);
    assert_eq!(place, Place::Peering);
    let peering = &records.connections[0].id;
    assert!(
        remedy.ends_with(&format!(
            "aws ec2 replace-route --route-table-id rtb-00000000000000001 \
             --destination-cidr-block 10.2.0.0/16 --vpc-peering-connection-id {peering}"
        )),
        "{remedy}"
    );
}

#[test]
fn a_missing_route_back_is_told_as_such() {
    let mut records = world();
    records.route_tables[1].routes.truncate(1);
    let (place, obstacle, remedy) = blocked(&records);
    assert_eq!(place, Place::RouteBack);
    assert!(obstacle.to_string().starts_with("replies do not come back"));
    assert!(remedy.contains("rtb-00000000000000002"), "{remedy}");
}

#[test]
fn a_subnets_own_table_counts_and_not_the_main_one() {
    let mut records = world();
    let mut own = records.route_tables[0].clone();
    own.id = id("rtb", 9);
    own.main = None;
    own.routes.truncate(1);
    own.associations = vec![tombolo_domain::vpc::RouteTableAssociation {
        id: id("rtbassoc", 9),
        subnet: id("subnet", 1),
    }];
    records.route_tables.push(own);
    let (_, obstacle, _) = blocked(&records);
    assert!(obstacle.to_string().contains("rtb-00000000000000009"));
}

#[test]
fn a_peering_that_carries_nothing_makes_its_route_a_black_hole() {
    for state in [State::PendingAcceptance, State::Expired] {
        let mut records = world();
        let id = records.connections[0].id.clone();
        records.connections[0] = connection(&records, state);
        records.connections[0].id = id;
        let (place, obstacle, _) = blocked(&records);
        assert_eq!(place, Place::Peering);
        assert!(obstacle.to_string().contains("is a black hole"));
    }
}

#[test]
fn the_longest_route_decides_also_when_it_is_a_black_hole() {
    let mut records = world();
    let gone = id("pcx", 9);
    route(&mut records, 1, "10.2.0.0/24", &gone);
    let (_, obstacle, _) = blocked(&records);
    assert!(
        obstacle
            .to_string()
            .ends_with("pcx-00000000000000009 is gone")
    );
}

#[test]
fn a_source_that_the_peering_does_not_know_is_not_admitted() {
    let mut records = world();
    records.interfaces[0].address = Ipv4Addr::new(10, 9, 0, 4);
    let (place, obstacle, _) = blocked(&records);
    assert_eq!(place, Place::Peering);
    assert!(matches!(obstacle, Obstacle::NotAdmitted { .. }));
}

#[test]
fn nobody_there_and_nobody_attached_are_told_apart() {
    let mut records = world();
    records.interfaces[1].attachment = None;
    let (place, obstacle, _) = blocked(&records);
    assert_eq!(place, Place::Destination);
    assert!(matches!(obstacle, Obstacle::NotAttached { .. }));

    records.interfaces.truncate(1);
    let (place, obstacle, _) = blocked(&records);
    assert_eq!(place, Place::Destination);
    assert!(matches!(obstacle, Obstacle::NoSuchDestination { .. }));

    records.interfaces[0].attachment = None;
    let (place, ..) = blocked(&records);
    assert_eq!(place, Place::Source);
}

/// A rule may name the group of whoever has the address: while no route leads there, that is what
/// has to be changed first.
#[test]
fn a_route_comes_before_a_rule_that_may_depend_on_it() {
    let mut records = world();
    let to_group = rule(
        RuleDirection::Egress,
        Protocol::All,
        Peer::Group(id("sg", 1)),
    );
    rules(&mut records, 1, vec![to_group]);
    records.route_tables[0].routes.truncate(1);
    assert_eq!(blocked(&records).0, Place::Route);
}

#[test]
fn records_that_were_read_while_a_vpc_went_away_are_no_path() {
    let mut records = world();
    records.vpcs.remove(0);
    let question = Question {
        from: &records.interfaces[0],
        to: DATABASE,
        packet: PACKET,
    };
    assert_eq!(walk(&records, &question), None);
}

fn any_protocol() -> impl Strategy<Value = Protocol> {
    let ports = (5430..5435_u16, 0..4_u16).prop_map(|(from, more)| PortRange {
        from,
        to: from + more,
    });
    prop_oneof![
        Just(Protocol::All),
        ports.clone().prop_map(Protocol::Tcp),
        ports.prop_map(Protocol::Udp),
        Just(Protocol::Number(47)),
    ]
}

fn any_rule() -> impl Strategy<Value = SecurityGroupRule> {
    let direction = prop_oneof![Just(RuleDirection::Ingress), Just(RuleDirection::Egress)];
    let blocks = vec!["0.0.0.0/0", "10.1.0.0/16", "10.2.0.4/32", "10.1.0.5/32"];
    let peer = prop_oneof![
        prop::sample::select(blocks).prop_map(|block| Peer::Cidr(net(block))),
        (1..3_u32).prop_map(|group| Peer::Group(id("sg", group))),
    ];
    (direction, any_protocol(), peer)
        .prop_map(|(direction, protocol, peer)| rule(direction, protocol, peer))
}

/// Whether the one group of interface `number` has a rule for the packet, by its words alone.
fn reads(records: &Records, number: usize, direction: RuleDirection, remote: Ipv4Addr) -> bool {
    let rules = records.security_groups[number - 1].rules.iter();
    rules
        .filter(|rule| rule.direction == direction)
        .any(|rule| {
            let is_peer = match &rule.peer {
                Peer::Cidr(cidr) => cidr.contains(&remote),
                // The other interface carries its own VPC's group only.
                Peer::Group(group) => *group == id("sg", 3 - number as u32),
                Peer::PeeredGroup(_) => unreachable!("none is generated"),
            };
            let is_protocol = match rule.protocol {
                Protocol::All => true,
                Protocol::Tcp(ports) => ports.from <= 5432 && 5432 <= ports.to,
                _ => false,
            };
            is_peer && is_protocol
        })
}

/// Where the longest of a table's routes leads: to the other VPC, or not.
fn leads(records: &Records, number: usize, to: Ipv4Addr) -> bool {
    let routes = records.route_tables[number - 1].routes.iter();
    let longest = routes
        .filter(|route| route.destination.contains(&to))
        .max_by_key(|route| route.destination.prefix_len());
    longest.is_some_and(|route| {
        route.target == RouteTarget::Peering(records.connections[0].id.clone())
    })
}

proptest! {
    #[test]
    fn the_walk_ends_as_a_naive_reading_does(
        out in prop::collection::vec(any_rule(), 0..4),
        inward in prop::collection::vec(any_rule(), 0..4),
        there in prop::collection::vec((8..=32_u8, any::<bool>()), 0..4),
        back in prop::collection::vec((8..=32_u8, any::<bool>()), 0..4),
        is_active in prop::bool::weighted(0.8),
    ) {
        let mut records = world();
        rules(&mut records, 1, out);
        rules(&mut records, 2, inward);
        let active = records.connections[0].id.clone();
        let other: VpcPeeringConnectionId = id("pcx", 9);
        for (vpc, to, routes) in [(1, DATABASE, there), (2, SOURCE, back)] {
            records.route_tables[vpc - 1].routes.truncate(1);
            for (length, leads_there) in routes {
                let destination = Ipv4Net::new(to, length).unwrap().trunc();
                let peering = if leads_there { &active } else { &other };
                let routes = &records.route_tables[vpc - 1].routes;
                if routes.iter().all(|route| route.destination != destination) {
                    route(&mut records, vpc, &destination.to_string(), peering);
                }
            }
        }
        if !is_active {
            records.connections[0].state = State::Expired;
        }
        let expected = is_active
            && reads(&records, 1, RuleDirection::Egress, DATABASE)
            && reads(&records, 2, RuleDirection::Ingress, SOURCE)
            && leads(&records, 1, DATABASE)
            && leads(&records, 2, SOURCE);

        let trace = trace(&records);
        prop_assert_eq!(trace.blocked().is_none(), expected, "{:#?}", trace);
        // Whatever is in the way is told with what to do about it, or that it is in nobody's hand.
        for hop in &trace.hops {
            prop_assert_eq!(hop.obstacle.is_some(), hop.remedy.is_some(), "{:#?}", hop);
        }
    }
}

#[test]
fn json_says_what_was_found_and_reads_back() {
    let mut records = world();
    rules(&mut records, 2, vec![]);
    let trace = trace(&records);
    let json = serde_json::to_value(&trace).unwrap();
    assert_eq!(json["hops"][5]["place"], "ingress");
    assert_eq!(json["hops"][5]["obstacle"]["kind"], "no_rule");
    assert_eq!(serde_json::from_value::<Trace>(json).unwrap(), trace);
}
