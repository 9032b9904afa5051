//! The free capacity of the data path's tables, checked before an operation fills them.

use std::collections::BTreeMap;

use crate::share::share_of;

/// How many entries of a table stay free, and which fraction of a large one: records fill the
/// tables a moment after they are stored, and one request can need several entries, or thousands
/// where rules overlap.
const RESERVE: u64 = 64;
const RESERVED_PART: u64 = 16;

/// The entries of the data path's tables by name, as last sampled. A table that was not sampled
/// counts as empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableCapacity(BTreeMap<String, Table>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Table {
    used: u64,
    capacity: u64,
}

/// A table that is full.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the data path's table {table} has {used} of {capacity} entries")]
pub struct TableFull {
    /// The table.
    pub table: String,
    /// Its entries.
    pub used: u64,
    /// How many it holds.
    pub capacity: u64,
}

impl TableCapacity {
    /// From each table's name, its entries, and its capacity.
    pub fn new(tables: impl IntoIterator<Item = (String, u64, u64)>) -> Self {
        let tables = tables.into_iter();
        TableCapacity(
            tables
                .map(|(name, used, capacity)| (name, Table { used, capacity }))
                .collect(),
        )
    }

    /// How many entries of a table one account may have; `None` if the table was not sampled.
    pub fn share(&self, table: &str) -> Option<u64> {
        let Table { capacity, .. } = self.0.get(table)?;
        Some(share_of(usize::try_from(*capacity).unwrap_or(usize::MAX)) as u64)
    }

    /// Those of `tables` of which one account may have more than its share, with how many entries that
    /// is: all accounts together have more.
    pub fn crowded<'t>(&self, tables: &[&'t str]) -> Vec<(&'t str, u64)> {
        let crowded = tables.iter().filter_map(|&name| {
            let share = self.share(name)?;
            (self.0.get(name)?.used >= share).then_some((name, share))
        });
        crowded.collect()
    }

    /// Checks that all of `tables` have free entries.
    ///
    /// # Errors
    /// The first one that is full, except for the reserve.
    pub fn check(&self, tables: &[&str]) -> Result<(), TableFull> {
        for &name in tables {
            let Some(&Table { used, capacity }) = self.0.get(name) else {
                continue;
            };
            let reserve = RESERVE.max(capacity / RESERVED_PART);
            if used.saturating_add(reserve) > capacity {
                return Err(TableFull {
                    table: name.to_owned(),
                    used,
                    capacity,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_crowded_when_all_together_have_one_accounts_share() {
        let capacity = |used| TableCapacity::new([("routes".to_owned(), used, 1_000)]);
        assert_eq!(capacity(499).crowded(&["admissions", "routes"]), []);
        assert_eq!(
            capacity(500).crowded(&["admissions", "routes"]),
            [("routes", 500)]
        );
    }

    #[test]
    fn a_table_is_full_a_little_before_its_last_entry_and_an_unknown_one_never() {
        let capacity = |used| TableCapacity::new([("routes".to_owned(), used, 1_000)]);
        assert_eq!(capacity(936).check(&["admissions", "routes"]), Ok(()));
        let full = capacity(937).check(&["admissions", "routes"]).unwrap_err();
        assert_eq!((full.used, full.capacity), (937, 1_000));
        assert_eq!(TableCapacity::default().check(&["routes"]), Ok(()));

        let large = |used| TableCapacity::new([("rule_ports".to_owned(), used, 1 << 20)]);
        let reserve = 1 << 16;
        assert_eq!(large((1 << 20) - reserve).check(&["rule_ports"]), Ok(()));
        assert!(
            large((1 << 20) - reserve + 1)
                .check(&["rule_ports"])
                .is_err()
        );
    }
}
