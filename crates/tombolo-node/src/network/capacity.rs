//! What to do when the wanted network does not fit the data path.
//!
//! An engine that is asked for too much changes nothing, so everything else would wait for the one
//! thing that does not fit. So something is evicted, and nobody else's changes wait for it:
//!
//! - Rules: the newest security groups of the VPC whose rules take most. Until there is room, they
//!   let nothing through, as if they had no rules.
//! - What only peerings fill: a connection that is being made. It fails, and says why. What is in
//!   force already stays.

use std::collections::BTreeMap;

use tombolo_domain::peering::Connection;
use tombolo_domain::vpc::{SecurityGroupNumber, VpcNumber};
use tombolo_network::{EngineError, Network};

/// The tables that rules fill.
const OF_RULES: [&str; 2] = ["rule_blocks", "rule_ports"];

/// The other tables that a peering has entries in: failing one cannot make room in the others.
const OF_PEERINGS: [&str; 3] = ["routes", "admissions", "peering_traffic"];

/// What is evicted.
#[derive(Debug)]
pub(super) enum Eviction {
    /// A connection that is being made, which the controller chooses.
    Connection {
        /// The table that has no room for it.
        table: String,
        /// How many entries that holds.
        capacity: u64,
    },
    /// The rules of these groups; never none.
    Rules(Vec<SecurityGroupNumber>),
}

/// What is evicted, so that the rest of `network` fits; `None` where nothing would help.
pub(super) fn eviction(
    error: &EngineError,
    network: &Network,
    provisioning: &[Connection],
) -> Option<Eviction> {
    let EngineError::Full {
        table,
        needed,
        capacity,
    } = error
    else {
        return None;
    };
    if OF_RULES.contains(&table.as_str()) {
        let groups = heaviest_groups(network, needed.saturating_sub(*capacity));
        return (!groups.is_empty()).then_some(Eviction::Rules(groups));
    }
    let is_of_peerings = OF_PEERINGS.contains(&table.as_str());
    (is_of_peerings && !provisioning.is_empty()).then(|| Eviction::Connection {
        table: table.clone(),
        capacity: *capacity,
    })
}

/// Takes the rules of `groups` out of a network; says whether there were any.
pub(super) fn evict_rules(network: &mut Network, groups: &[SecurityGroupNumber]) -> bool {
    let mut had_rules = false;
    for number in groups {
        if let Some(group) = network.security_groups.get_mut(number) {
            had_rules |= !group.rules.is_empty();
            group.rules.clear();
        }
    }
    had_rules
}

/// What the rules of one VPC's groups take.
#[derive(Default)]
struct Weight {
    entries: u64,
    /// Those with rules, each with its entries; the newest last.
    groups: Vec<(SecurityGroupNumber, u64)>,
}

/// Groups whose rules take `surplus` entries together: again and again the newest of the VPC that
/// takes most, so that nobody pays for what others fill.
fn heaviest_groups(network: &Network, mut surplus: u64) -> Vec<SecurityGroupNumber> {
    let mut vpcs = weights(network);
    let mut gone = Vec::new();
    while surplus > 0
        && let Some(heaviest) = vpcs.values_mut().max_by_key(|weight| weight.entries)
        && let Some((group, entries)) = heaviest.groups.pop()
    {
        heaviest.entries -= entries;
        surplus = surplus.saturating_sub(entries);
        gone.push(group);
    }
    gone
}

fn weights(network: &Network) -> BTreeMap<VpcNumber, Weight> {
    // Only groups that an interface carries are there, and a group is carried in its own VPC.
    let carried = network.interfaces.values();
    let vpcs: BTreeMap<SecurityGroupNumber, VpcNumber> = carried
        .flat_map(|one| one.security_groups.iter().map(|group| (*group, one.vpc)))
        .collect();
    let mut weights: BTreeMap<VpcNumber, Weight> = BTreeMap::new();
    for (number, group) in &network.security_groups {
        let entries = group.entries().total();
        if let Some(vpc) = vpcs.get(number).filter(|_| entries > 0) {
            let weight = weights.entry(*vpc).or_default();
            weight.entries += entries;
            weight.groups.push((*number, entries));
        }
    }
    weights
}
