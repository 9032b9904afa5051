//! What is over is kept in numbers, the newest.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tombolo_domain::fleet::{FleetStatus, MAX_ENDED_FLEETS};
use tombolo_domain::peering::{
    FailureReason, MAX_ENDED_AUTHORIZATIONS, MAX_ENDED_CONNECTIONS, Step,
};
use tombolo_domain::time::Clock;
use tombolo_store::keys;

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

/// Those that end last stay, by the thousand, and what is live is not touched.
#[tokio::test]
async fn of_ended_connections_the_newest_thousand_are_kept() {
    let world = World::new();
    let own = world.vpc(&world.studio, "10.1.0.0/16").await;
    let peer = world.vpc(&world.backend, "10.2.0.0/16").await;
    let first = world.ask(&own, &peer).await;
    // As the controller leaves those that fail, each a second after the one before.
    let surplus = 5;
    let mut ended = Vec::new();
    for _ in 0..MAX_ENDED_CONNECTIONS + surplus {
        let mut connection = first.clone();
        connection.id = tombolo_domain::id::VpcPeeringConnectionId::generate(&*world.context.ids);
        world.clock.advance(SECOND);
        let failed = Step::Fail(FailureReason::NoSuchVpc);
        connection.apply(failed, world.clock.now()).unwrap();
        ended.push(connection);
    }
    world
        .write(async |tx| ended.iter().try_for_each(|one| tx.put(one)).unwrap())
        .await;

    let reconcilers = world.start();
    let kept: BTreeSet<_> = ended[surplus..].iter().map(|one| one.id.clone()).collect();
    world
        .eventually("the oldest are gone and no other", async |tx| {
            let all = tx.peek(&keys::connections(&world.studio)).await.unwrap();
            let (live, over): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|one| !one.state.is_over());
            assert_eq!(live.len(), 1, "{live:?}");
            let over: BTreeSet<_> = over.into_iter().map(|one| one.id).collect();
            assert!(over.is_superset(&kept));
            (over == kept).then_some(())
        })
        .await;

    // Whoever makes and deletes one more, and another one, takes the place of the oldest.
    let mut newest = BTreeSet::new();
    for _ in 0..surplus {
        world.clock.advance(SECOND);
        let other = world.vpc(&world.backend, "10.3.0.0/16").await;
        let connection = world.ask(&own, &other).await;
        world
            .take(&connection, Step::Delete(own.scope.account))
            .await;
        newest.insert(connection.id);
    }
    world
        .eventually("those are over", async |tx| {
            let all = tx.peek(&keys::connections(&world.studio)).await.unwrap();
            let over = all.into_iter().filter(|one| one.state.is_over());
            let over: BTreeSet<_> = over.map(|one| one.id).collect();
            over.is_superset(&newest).then_some(())
        })
        .await;
    // It looks at its start, and then once a minute.
    drop(reconcilers);
    let reconcilers = world.start();
    let kept: BTreeSet<_> = ended[2 * surplus..]
        .iter()
        .map(|one| one.id.clone())
        .collect();
    let kept: BTreeSet<_> = kept.union(&newest).cloned().collect();
    world
        .eventually(
            "the newest are kept and what was oldest is gone",
            async |tx| {
                let all = tx.peek(&keys::connections(&world.studio)).await.unwrap();
                let over = all.into_iter().filter(|one| one.state.is_over());
                let over: BTreeSet<_> = over.map(|one| one.id).collect();
                (over == kept).then_some(())
            },
        )
        .await;
    let studio = world.server.ec2(&world.studio.account.to_string());
    let describe = |id: &str| json!({"VpcPeeringConnectionIds": [id]});
    for id in &newest {
        let shown = describe(id.as_str());
        studio.call("DescribeVpcPeeringConnections", shown).await;
    }
    let gone = describe(ended[surplus].id.as_str());
    let refused = studio.refusal("DescribeVpcPeeringConnections", gone).await;
    assert_eq!(refused.code, "InvalidVpcPeeringConnectionID.NotFound");
    drop(reconcilers);
}

#[tokio::test]
async fn of_ended_authorizations_the_newest_thousand_are_kept() {
    let world = World::new();
    let vpc = world.vpc(&world.backend, "10.0.0.0/16").await;
    let backend = world.gamelift(&world.backend);
    let surplus = 5;
    for number in 0..MAX_ENDED_AUTHORIZATIONS + surplus {
        let account = format!("{number:012}");
        let input = json!({"GameLiftAwsAccountId": account, "PeerVpcId": vpc.id});
        backend.call("CreateVpcPeeringAuthorization", input).await;
        if number < surplus {
            world.clock.advance(SECOND);
        }
    }
    // All have expired, and none for as long as it is remembered.
    world.clock.advance(Duration::from_secs(25 * 60 * 60));
    let valid = json!({"GameLiftAwsAccountId": "999999999999", "PeerVpcId": vpc.id});
    backend.call("CreateVpcPeeringAuthorization", valid).await;

    let _reconcilers = world.start();
    let named = world
        .eventually("a thousand and the valid one are left", async |tx| {
            let all = tx.peek(&keys::authorizations_from(&world.backend)).await;
            let all = all.unwrap();
            (all.len() == MAX_ENDED_AUTHORIZATIONS + 1).then_some(all)
        })
        .await;
    let oldest = |number: usize| format!("{number:012}");
    let named: BTreeSet<_> = named
        .iter()
        .map(|one| one.fleet_account.to_string())
        .collect();
    assert!((0..surplus).all(|number| !named.contains(&oldest(number))));
    assert!(named.contains("999999999999"));
    // The entries that find them from the other end went with them.
    let entries = world.server.keys("authorized/").await;
    assert_eq!(entries.len(), MAX_ENDED_AUTHORIZATIONS + 1);
}

/// What ends after the clock was set back is the newest, although its time says otherwise.
#[tokio::test]
async fn with_a_clock_that_was_set_back_the_newest_are_kept() {
    let world = World::new();
    let own = world.vpc(&world.studio, "10.1.0.0/16").await;
    let peer = world.vpc(&world.backend, "10.2.0.0/16").await;
    let first = world.ask(&own, &peer).await;
    let end = |count: usize| {
        let ended = (0..count).map(|_| {
            let mut connection = first.clone();
            connection.id =
                tombolo_domain::id::VpcPeeringConnectionId::generate(&*world.context.ids);
            let failed = Step::Fail(FailureReason::NoSuchVpc);
            connection.apply(failed, world.clock.now()).unwrap();
            connection
        });
        ended.collect::<Vec<_>>()
    };
    let before = end(MAX_ENDED_CONNECTIONS);
    world
        .write(async |tx| before.iter().try_for_each(|one| tx.put(one)).unwrap())
        .await;
    world.clock.advance(SignedDuration::from_mins(-30));
    let after = end(5);
    world
        .write(async |tx| after.iter().try_for_each(|one| tx.put(one)).unwrap())
        .await;

    let _reconcilers = world.start();
    let kept = world
        .eventually("a thousand are left", async |tx| {
            let all = tx.peek(&keys::connections(&world.studio)).await.unwrap();
            let over = all.into_iter().filter(|one| one.state.is_over());
            let over: BTreeSet<_> = over.map(|one| one.id).collect();
            (over.len() == MAX_ENDED_CONNECTIONS).then_some(over)
        })
        .await;
    assert!(after.iter().all(|one| kept.contains(&one.id)));
}

#[tokio::test]
async fn of_terminated_fleets_the_newest_hundred_are_kept_with_their_events() {
    let world = World::new();
    let surplus = 2;
    let mut fleets = Vec::new();
    for number in 0..MAX_ENDED_FLEETS + surplus {
        let cidr = format!("10.{number}.0.0/24");
        let (fleet, _) = world.fleet(&cidr, FleetStatus::Terminated).await;
        world.clock.advance(SECOND);
        world.server.terminate(fleet.id.as_str()).await;
        fleets.push(fleet);
    }
    let (living, _) = world.fleet("10.200.0.0/24", FleetStatus::Active).await;
    let _reconcilers = world.start();
    world
        .eventually("the oldest are gone", async |tx| {
            let all = tx.peek(&keys::fleets(&world.studio)).await.unwrap();
            (all.len() == MAX_ENDED_FLEETS + 1).then_some(())
        })
        .await;
    for (fleet, is_kept) in [(&fleets[1], false), (&fleets[2], true), (&living, true)] {
        assert_eq!(
            world
                .get(&keys::fleet(&fleet.scope, &fleet.id))
                .await
                .is_some(),
            is_kept
        );
        assert_eq!(world.events(fleet).await.is_empty(), !is_kept);
    }
}
