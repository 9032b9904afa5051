//! What every engine must do. It is asked of each in a target of its own, since one of them takes root.

use tombolo_network::{
    Counters, DropReason, EngineKind, Network, NetworkEngine, Packet, RuleDirection,
    SecurityGroupNumber, Traffic, Transport, Verdict,
};

use super::{Build, eni, two_vpcs};

/// Asks all of it of an engine with nothing in it.
pub async fn check(engine: &dyn NetworkEngine) {
    applying_twice_changes_nothing(engine).await;
    what_is_not_wanted_goes(engine).await;
    equal_vpcs_with_other_numbers_are_other_vpcs(engine).await;
    only_interfaces_in_place_have_namespaces(engine).await;
    every_reason_is_counted_from_zero(engine).await;
    decisions_follow_what_was_applied(engine).await;
    teardown_forgets_everything_and_the_engine_works_on(engine).await;
}

async fn changes(engine: &dyn NetworkEngine, network: &Network) -> usize {
    let applied = engine.apply(network).await.unwrap();
    assert_eq!(applied.failed, Default::default());
    applied.changes
}

async fn applying_twice_changes_nothing(engine: &dyn NetworkEngine) {
    for network in [Network::default(), two_vpcs(), two_vpcs().peered(1, 1, 2)] {
        changes(engine, &network).await;
        assert_eq!(changes(engine, &network).await, 0);
    }
}

async fn what_is_not_wanted_goes(engine: &dyn NetworkEngine) {
    changes(engine, &two_vpcs().peered(1, 1, 2)).await;
    for less in [
        two_vpcs().peered(1, 1, 2).without_peering(1),
        Network::default(),
    ] {
        assert_ne!(changes(engine, &less).await, 0);
        assert_eq!(changes(engine, &less).await, 0);
    }
}

async fn equal_vpcs_with_other_numbers_are_other_vpcs(engine: &dyn NetworkEngine) {
    let vpc = |number| {
        Network::default()
            .vpc(number, "10.0.0.0/16")
            .interface(1, number, "10.0.0.4")
    };
    changes(engine, &vpc(1)).await;
    assert_ne!(changes(engine, &vpc(2)).await, 0);
    changes(engine, &Network::default()).await;
}

async fn only_interfaces_in_place_have_namespaces(engine: &dyn NetworkEngine) {
    assert_eq!(engine.namespace(&eni(1)), None);
    changes(engine, &two_vpcs()).await;
    match (engine.kind(), engine.namespace(&eni(1))) {
        (EngineKind::Ebpf, Some(path)) => assert!(path.exists()),
        (EngineKind::Simulated, None) => {}
        other => panic!("{other:?}"),
    }
    changes(engine, &Network::default()).await;
    assert_eq!(engine.namespace(&eni(1)), None);
}

async fn every_reason_is_counted_from_zero(engine: &dyn NetworkEngine) {
    let counters = engine.counters().await.unwrap();
    assert_eq!(counters.dropped, Counters::none().dropped);
    assert_eq!(counters.dropped.len(), DropReason::ALL.len());
    assert_eq!(counters.forwarded_local, Traffic::default());
    assert_eq!(counters.forwarded_peering, Traffic::default());
}

async fn decisions_follow_what_was_applied(engine: &dyn NetworkEngine) {
    let network = two_vpcs().peered(1, 1, 2);
    let packet = Packet {
        source: network.address(1),
        destination: network.address(2),
        transport: Transport::Udp {
            source_port: 4000,
            destination_port: 4000,
        },
    };
    let spoofed = Packet {
        source: network.address(2),
        ..packet
    };
    let before = engine.counters().await.unwrap();
    let decide = async |packet| engine.decide(&eni(1), packet).await.unwrap();

    changes(engine, &network).await;
    assert_eq!(decide(&packet).await, Verdict::Peering(eni(2)));
    let spoof = Verdict::Drop(DropReason::SpoofedAddress);
    assert_eq!(decide(&spoofed).await, spoof);

    let mut closed = network.clone();
    let rules = |network: &mut Network, keep: RuleDirection| {
        let group = network.security_groups.get_mut(&SecurityGroupNumber(2));
        group.unwrap().rules.retain(|rule| rule.direction == keep);
    };
    rules(&mut closed, RuleDirection::Egress);
    changes(engine, &closed).await;
    let kept_out = Verdict::Drop(DropReason::SecurityGroupIngress);
    assert_eq!(decide(&packet).await, kept_out);

    changes(engine, &two_vpcs()).await;
    let no_route = Verdict::Drop(DropReason::NoRoute);
    assert_eq!(decide(&packet).await, no_route);

    changes(engine, &Network::default()).await;
    let unknown = Verdict::Drop(DropReason::UnknownInterface);
    assert_eq!(decide(&packet).await, unknown);
    let after = engine.counters().await.unwrap();
    assert_eq!(after.dropped_total(), before.dropped_total());
}

async fn teardown_forgets_everything_and_the_engine_works_on(engine: &dyn NetworkEngine) {
    changes(engine, &two_vpcs().peered(1, 1, 2)).await;
    engine.teardown().await.unwrap();
    assert_eq!(engine.namespace(&eni(1)), None);
    assert_eq!(changes(engine, &Network::default()).await, 0);
    assert_ne!(changes(engine, &two_vpcs()).await, 0);
    assert_eq!(changes(engine, &two_vpcs()).await, 0);
    engine.teardown().await.unwrap();
}
