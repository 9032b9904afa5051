//! Inbound permissions, and the rules that they become.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tombolo_domain::Scope;
use tombolo_domain::fleet::inbound::{MAX_OPEN_PORTS, MAX_PERMISSIONS, check_all, open_ports};
use tombolo_domain::fleet::{InboundPermission, TransportProtocol};
use tombolo_domain::id::VpcId;
use tombolo_domain::testing::SeededIds;
use tombolo_domain::vpc::{Peer, PortRange, Protocol, SecurityGroup, SecurityGroupRule};

fn protocol() -> impl Strategy<Value = TransportProtocol> {
    prop_oneof![Just(TransportProtocol::Tcp), Just(TransportProtocol::Udp)]
}

/// Around the bounds, so that both sides of each are met.
fn permission() -> impl Strategy<Value = InboundPermission> {
    let first = prop_oneof![
        20u16..24,
        1020u16..1032,
        2000u16..2100,
        59_990u16..60_010,
        any::<u16>(),
    ];
    let longer = prop_oneof![Just(0u16), 0u16..40, 90u16..110, any::<u16>()];
    (first, longer, any::<bool>(), protocol(), 0u8..=2).prop_map(
        |(from_port, longer, backwards, protocol, range)| InboundPermission {
            from_port,
            to_port: if backwards && longer < 3 {
                from_port.saturating_sub(longer)
            } else {
                from_port.saturating_add(longer)
            },
            range: format!("10.{range}.0.0/16").parse().unwrap(),
            protocol,
        },
    )
}

fn permissions() -> impl Strategy<Value = Vec<InboundPermission>> {
    prop_oneof![
        3 => proptest::collection::vec(permission(), 0..6),
        1 => proptest::collection::vec(permission(), 48..53),
    ]
}

/// Port by port.
fn may_have(permissions: &[InboundPermission]) -> bool {
    let is_open = |port: u16| port == 22 || (1026..=60_000).contains(&port);
    let mut open = BTreeSet::new();
    for one in permissions {
        if one.from_port > one.to_port {
            return false;
        }
        for port in one.from_port..=one.to_port {
            if !is_open(port) {
                return false;
            }
            open.insert((one.protocol, port));
        }
    }
    permissions.len() <= MAX_PERMISSIONS && open.len() <= MAX_OPEN_PORTS
}

fn group() -> SecurityGroup {
    let scope = Scope {
        account: "111122223333".parse().unwrap(),
        region: "us-west-2".parse().unwrap(),
    };
    let ids = SeededIds::new(100);
    let vpc = VpcId::generate(&ids);
    SecurityGroup::default_of(scope, vpc, &ids)
}

fn says(rule: &SecurityGroupRule) -> (Protocol, Peer) {
    (rule.protocol, rule.peer.clone())
}

fn said_by(permission: &InboundPermission) -> (Protocol, Peer) {
    let ports = PortRange {
        from: permission.from_port,
        to: permission.to_port,
    };
    let protocol = match permission.protocol {
        TransportProtocol::Tcp => Protocol::Tcp(ports),
        TransportProtocol::Udp => Protocol::Udp(ports),
    };
    (protocol, Peer::Cidr(permission.range))
}

proptest! {
    #[test]
    fn a_fleet_may_have_what_a_count_of_every_port_allows(permissions in permissions()) {
        prop_assert_eq!(check_all(&permissions).is_ok(), may_have(&permissions));
        if check_all(&permissions).is_ok() {
            let each = permissions.iter().flat_map(|one| {
                (one.from_port..=one.to_port).map(|port| (one.protocol, port))
            });
            prop_assert_eq!(open_ports(&permissions), each.collect::<BTreeSet<_>>());
        }
    }

    /// Whatever was there before, the rules of players are those of the permissions now, and what
    /// stays is the same rule.
    #[test]
    fn rules_follow_the_permissions(
        before in proptest::collection::btree_set(0u16..8, 0..6),
        after in proptest::collection::btree_set(0u16..8, 0..6),
    ) {
        let of = |ports: &BTreeSet<u16>| -> Vec<InboundPermission> {
            let permission = |port: &u16| InboundPermission {
                from_port: 2000 + port,
                to_port: 2000 + port,
                range: "0.0.0.0/0".parse().unwrap(),
                protocol: if port.is_multiple_of(2) { TransportProtocol::Tcp } else { TransportProtocol::Udp },
            };
            ports.iter().map(permission).collect()
        };
        let ids = SeededIds::new(0);
        let mut group = group();
        let own = group.rules.clone();
        group.allow_players(&of(&before), &ids);
        let earlier = group.rules.clone();
        group.allow_players(&of(&after), &ids);

        let (players, others): (Vec<_>, Vec<_>) =
            group.rules.iter().cloned().partition(SecurityGroupRule::is_of_inbound_permission);
        prop_assert_eq!(others, own);
        let said: BTreeSet<_> = players.iter().map(says).collect();
        prop_assert_eq!(said.len(), players.len());
        prop_assert_eq!(said, of(&after).iter().map(said_by).collect::<BTreeSet<_>>());
        let stayed = players.iter().filter(|rule| earlier.contains(rule)).count();
        prop_assert_eq!(stayed, before.intersection(&after).count());
    }
}
