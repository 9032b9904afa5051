//! Sets right how many flows are counted for an interface, a VPC or a share group.
//!
//! The program counts a flow after it has put it into the table, and the sweeper counts its end after it
//! has taken it out. Whoever is stopped in between leaves a count that is wrong, in maps that outlive the
//! engine: a part of somebody's share that nobody could use again. So each sweep, which reads the whole
//! table anyway, compares what it has seen with what is counted.
//!
//! Flows begin meanwhile, so it can only tell by how much a count is wrong at least:
//!
//! - Too high: what was counted before the table was read is in it, or has ended. A flow that began since
//!   can only add to what is seen.
//! - Too low: what is seen was counted by the time that the table was read. A flow that began since can
//!   only add to what is counted.
//!
//! In the moment between a flow's change and its count neither is so, nor for a flow that another interface
//! takes over while the table is read. Such a moment does not last from one sweep to the next: only what
//! two in a row have found is set right, by the smaller of both.

use std::collections::{BTreeMap, HashMap};

use super::sweeper::Sharer;
use crate::ebpf::maps::flow_entries::{EVERY_GROUP, FlowEntry, FlowKey};

/// A number of flows for each who has a share of the table.
pub(super) type Counts = BTreeMap<Sharer, u64>;

/// How many flows of each are in the table.
#[derive(Default)]
pub(super) struct InTable(HashMap<Sharer, i64>);

impl InTable {
    /// So many more, or fewer, as this one.
    pub(super) fn count(&mut self, key: &FlowKey, flow: &FlowEntry, flows: i64) {
        self.add(Sharer::Interface(flow.payer()), flows);
        if flow.shared != 0 {
            self.add(Sharer::Vpc(key.ends[flow.payers_end()].vpc), flows);
        }
    }

    /// Counts the flows of the VPCs for their share groups, once all were counted.
    pub(super) fn add_groups(&mut self, groups: &BTreeMap<u32, u64>) {
        for (vpc, group) in groups {
            let flows = self.of(&Sharer::Vpc(*vpc));
            self.add(Sharer::Group(*group), flows);
            self.add(Sharer::Group(EVERY_GROUP), flows);
        }
    }

    fn add(&mut self, sharer: Sharer, flows: i64) {
        *self.0.entry(sharer).or_default() += flows;
    }

    fn of(&self, sharer: &Sharer) -> i64 {
        self.0.get(sharer).copied().unwrap_or(0)
    }
}

/// What the last sweep found.
#[derive(Default)]
pub(super) struct Recount {
    suspected: BTreeMap<Sharer, i64>,
}

impl Recount {
    /// Compares what was seen in the table with what is counted: as begun before and after it was read,
    /// and as ended after that. Returns by how much the ended flows of each are to be more.
    pub(super) fn compare(
        &mut self,
        before: &Counts,
        after: &Counts,
        ended: &Counts,
        seen: &InTable,
    ) -> BTreeMap<Sharer, i64> {
        let mut suspected = BTreeMap::new();
        let mut corrections = BTreeMap::new();
        for (sharer, after) in after {
            let (Some(before), Some(ended)) = (before.get(sharer), ended.get(sharer)) else {
                continue;
            };
            let seen = seen.of(sharer);
            let too_high = (before.wrapping_sub(*ended) as i64).wrapping_sub(seen);
            let too_low = (after.wrapping_sub(*ended) as i64).wrapping_sub(seen);
            let wrong = match (too_high > 0, too_low < 0) {
                (true, _) => too_high,
                (false, true) => too_low,
                (false, false) => continue,
            };
            match self.suspected.get(sharer) {
                Some(&earlier) if earlier.signum() == wrong.signum() => {
                    let least = wrong.abs().min(earlier.abs()) * wrong.signum();
                    corrections.insert(*sharer, least);
                }
                _ => {
                    suspected.insert(*sharer, wrong);
                }
            }
        }
        self.suspected = suspected;
        corrections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VPC: Sharer = Sharer::Vpc(1);

    /// What one sweep corrects, of counts before and after the table was read, and what was seen.
    fn sweep(recount: &mut Recount, [before, after, ended]: [u64; 3], seen: i64) -> Option<i64> {
        let of = |count| Counts::from([(VPC, count)]);
        let mut in_table = InTable::default();
        in_table.add(VPC, seen);
        let corrections = recount.compare(&of(before), &of(after), &of(ended), &in_table);
        corrections.get(&VPC).copied()
    }

    #[test]
    fn what_two_sweeps_find_is_corrected_by_the_smaller_of_both() {
        let mut recount = Recount::default();
        assert_eq!(sweep(&mut recount, [10, 10, 2], 3), None);
        assert_eq!(sweep(&mut recount, [12, 14, 2], 6), Some(4));
        // What is left is found anew.
        assert_eq!(sweep(&mut recount, [14, 14, 6], 7), None);
        assert_eq!(sweep(&mut recount, [14, 14, 6], 7), Some(1));
        assert_eq!(sweep(&mut recount, [14, 14, 7], 7), None);
    }

    #[test]
    fn flows_that_begin_while_the_table_is_read_are_no_reason() {
        let mut recount = Recount::default();
        for seen in [5, 7, 10] {
            assert_eq!(sweep(&mut recount, [5, 10, 0], seen), None);
            assert_eq!(sweep(&mut recount, [5, 10, 0], seen), None);
        }
    }

    #[test]
    fn a_count_that_is_too_low_is_set_right_as_well() {
        let mut recount = Recount::default();
        assert_eq!(sweep(&mut recount, [5, 5, 3], 4), None);
        assert_eq!(sweep(&mut recount, [5, 6, 3], 5), Some(-2));
        // It was taken for more ended than began, which the arithmetic bears.
        assert_eq!(sweep(&mut recount, [0, 0, 1], 0), None);
        assert_eq!(sweep(&mut recount, [0, 0, 1], 0), Some(-1));
    }

    #[test]
    fn once_too_high_and_once_too_low_is_a_moment() {
        let mut recount = Recount::default();
        assert_eq!(sweep(&mut recount, [5, 5, 0], 4), None);
        assert_eq!(sweep(&mut recount, [5, 5, 0], 6), None);
        assert_eq!(sweep(&mut recount, [5, 5, 0], 4), None);
    }
}
