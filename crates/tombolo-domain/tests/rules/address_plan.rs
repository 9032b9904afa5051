//! [`AddressPlan::choose`] against trying every block, address by address.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use proptest::prelude::*;
use tombolo_domain::cidr::{AddressPlan, overlap};

fn addresses(block: Ipv4Net) -> std::ops::RangeInclusive<u32> {
    u32::from(block.network())..=u32::from(block.broadcast())
}

fn brute_force(plan: &AddressPlan, avoid: &[Ipv4Net]) -> Option<Ipv4Net> {
    let taken: BTreeSet<u32> = avoid
        .iter()
        .filter(|block| overlap(plan.pool, **block))
        .flat_map(|block| {
            let [pool, block] = [addresses(plan.pool), addresses(*block)];
            *pool.start().max(block.start())..=*pool.end().min(block.end())
        })
        .collect();
    let mut blocks = plan.pool.subnets(plan.fleet_prefix).ok()?;
    blocks.find(|block| addresses(*block).all(|address| !taken.contains(&address)))
}

/// A block near `base`: in the pool, around it, or all of IPv4.
fn block_near(base: u32) -> impl Strategy<Value = Ipv4Net> {
    (prop_oneof![1 => 0..20u8, 9 => 20..=32u8], 0..8192u32).prop_map(move |(prefix, offset)| {
        let address = Ipv4Addr::from(base.saturating_sub(2048).saturating_add(offset));
        Ipv4Net::new(address, prefix).unwrap().trunc()
    })
}

fn plans() -> impl Strategy<Value = (AddressPlan, Vec<Ipv4Net>)> {
    // The first, a middling and the last block of IPv4.
    let bases = prop_oneof![Just(0), Just(0x0a00_0000), Just(0xffff_f000)];
    (bases, 20..=28u8, 20..=30u8).prop_flat_map(|(base, pool_prefix, fleet_prefix)| {
        let pool = Ipv4Net::new(Ipv4Addr::from(base), pool_prefix).unwrap();
        let plan = AddressPlan { pool, fleet_prefix };
        let avoid = proptest::collection::vec(block_near(base), 0..24);
        (Just(plan), avoid)
    })
}

proptest! {
    #[test]
    fn the_first_free_block_is_chosen((plan, avoid) in plans()) {
        prop_assert_eq!(plan.choose(&avoid), brute_force(&plan, &avoid));
    }

    #[test]
    fn blocks_overlap_that_share_an_address(
        a in block_near(0x0a00_0000),
        b in block_near(0x0a00_0000),
    ) {
        let [first, second] = [addresses(a), addresses(b)];
        let shared = first.start() <= second.end() && second.start() <= first.end();
        prop_assert_eq!(overlap(a, b), shared);
    }
}

#[test]
fn every_block_of_a_pool_is_handed_out_once() {
    let plan = AddressPlan {
        pool: "100.64.0.0/20".parse().unwrap(),
        fleet_prefix: 24,
    };
    let mut taken = Vec::new();
    while let Some(block) = plan.choose(&taken) {
        taken.push(block);
    }
    let all: Vec<Ipv4Net> = plan.pool.subnets(24).unwrap().collect();
    assert_eq!(taken, all);
}
