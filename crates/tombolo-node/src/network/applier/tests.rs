//! When interfaces are tried again, and when all is looked at, by a clock that is moved.
#![allow(clippy::unwrap_used, reason = "this is how a test fails")]

use tokio::time::advance;
use tombolo_network::{
    Interface, MAX_MTU, MacAddress, Protocol, RouteTableNumber, Rule, RuleDirection, RulePeer,
    SecurityGroup, ShareGroup, Subnet, Vpc, VpcNumber,
};

use super::*;

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../../../tests/node/engine.rs"]
mod engine;

use engine::Narrow;

const SECOND: Duration = Duration::from_secs(1);

fn applier(engine: &Arc<Narrow>) -> Applier {
    Applier::new(engine.clone(), Outbox::new(), watch::Sender::default())
}

fn eni() -> NetworkInterfaceId {
    "eni-00000000000000001".parse().unwrap()
}

/// A VPC with an interface, whose group has so many rules.
fn network(rules: u16) -> Network {
    let interface = Interface {
        vpc: VpcNumber(1),
        address: [10, 0, 0, 4].into(),
        mac: MacAddress([2, 0, 0, 0, 0, 1]),
        subnet: Subnet("10.0.0.0/24".parse().unwrap()),
        route_table: RouteTableNumber(1),
        security_groups: vec![SecurityGroupNumber(1)],
        mtu: MAX_MTU,
        outside: None,
    };
    let blocks = (0..rules).map(|number| Rule {
        direction: RuleDirection::Ingress,
        protocol: Protocol::All,
        peer: RulePeer::Cidr(format!("10.{number}.0.0/16").parse().unwrap()),
    });
    let group = SecurityGroup {
        rules: blocks.collect(),
    };
    let of_vpc = Vpc {
        cidrs: vec!["10.0.0.0/16".parse().unwrap()],
        share_group: ShareGroup(1),
    };
    Network {
        vpcs: [(VpcNumber(1), of_vpc)].into(),
        security_groups: [(SecurityGroupNumber(1), group)].into(),
        interfaces: [(eni(), interface)].into(),
        ..Network::default()
    }
}

fn nothing() -> Taken {
    Taken {
        change: NetworkChange::default(),
        undo: NetworkChange::default(),
    }
}

/// Makes another VPC of `network`, as a tenant does.
fn one_more_vpc(network: &mut Network) -> Taken {
    let number = VpcNumber(network.vpcs.len() as u32 + 1);
    let change = NetworkChange {
        vpcs: [(number, network.vpcs.values().next().cloned())].into(),
        ..NetworkChange::default()
    };
    let undo = network.change(change.clone());
    Taken { change, undo }
}

#[tokio::test(start_paused = true)]
async fn an_interface_is_tried_again_beside_rules_that_do_not_fit() {
    let engine = Arc::new(Narrow::with_rule_capacity(20));
    engine.refuse(&eni());
    let mut applier = applier(&engine);
    let network = network(30);
    assert!(
        applier
            .give(&network, nothing(), &[])
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(applier.evicted().len(), 1);
    let whole = engine.whole_networks();
    for (tried, wait) in [1, 2, 4].into_iter().enumerate() {
        assert_eq!(applier.pause(), SECOND * wait);
        advance(SECOND * wait).await;
        assert!(
            applier
                .give(&network, nothing(), &[])
                .await
                .unwrap()
                .is_none()
        );
        let changes = engine.changes();
        assert_eq!(changes.len(), tried + 1);
        let named = changes[tried].interfaces.keys();
        assert_eq!(named.collect::<Vec<_>>(), [&eni()]);
    }
    assert_eq!(engine.whole_networks(), whole);
}

/// Until there is room nothing can be tried again, and who waits for nothing would spin.
#[tokio::test(start_paused = true)]
async fn nothing_is_tried_again_while_a_network_is_refused() {
    let engine = Arc::new(Narrow::with_rule_capacity(20));
    engine.refuse(&eni());
    let mut applier = applier(&engine);
    let network = network(1);
    applier.give(&network, nothing(), &[]).await.unwrap();
    applier.given = Given::Refused(network);
    advance(SECOND * 5).await;
    assert_eq!(applier.pause(), RESYNC);
}

#[tokio::test(start_paused = true)]
async fn all_is_looked_at_every_15_s_however_often_something_changes() {
    let engine = Arc::new(Narrow::with_rule_capacity(20));
    let mut applier = applier(&engine);
    let mut network = network(1);
    applier.give(&network, nothing(), &[]).await.unwrap();
    let mut looked = Vec::new();
    for second in 1..=40 {
        advance(SECOND).await;
        let taken = one_more_vpc(&mut network);
        applier.give(&network, taken, &[]).await.unwrap();
        if applier.is_due() {
            applier.look(&network, &[]).await.unwrap();
            looked.push(second);
        }
    }
    assert_eq!(looked, [15, 30]);
    assert_eq!(engine.whole_networks(), 3);
    assert_eq!(engine.changes().len(), 40);
    assert_eq!(applier.pause(), SECOND * 5);
}

/// Where rules do not fit each change is given as a whole network, which is no look at all.
#[tokio::test(start_paused = true)]
async fn a_change_beside_rules_that_do_not_fit_puts_off_no_look() {
    let engine = Arc::new(Narrow::with_rule_capacity(20));
    let mut applier = applier(&engine);
    let mut network = network(30);
    applier.give(&network, nothing(), &[]).await.unwrap();
    let whole = engine.whole_networks();
    advance(SECOND * 14).await;
    let taken = one_more_vpc(&mut network);
    applier.give(&network, taken, &[]).await.unwrap();
    assert_eq!(engine.whole_networks(), whole + 1);
    advance(SECOND).await;
    assert!(applier.is_due());
    applier.look(&network, &[]).await.unwrap();
    assert_eq!(engine.whole_networks(), whole + 2);
    assert!(!applier.is_due());
}

#[tokio::test(start_paused = true)]
async fn a_look_that_takes_long_is_made_less_often() {
    let engine = Arc::new(Narrow::with_rule_capacity(20));
    let mut applier = applier(&engine);
    let network = network(1);
    applier.give(&network, nothing(), &[]).await.unwrap();
    applier.looked = Some(Look {
        at: Instant::now(),
        took: SECOND * 3,
    });
    advance(RESYNC).await;
    assert!(!applier.is_due());
    advance(RESYNC).await;
    assert!(applier.is_due());
}
