//! How much room the data path has left, for whoever is about to ask for more.

use std::collections::BTreeMap;

/// How many entries of a table are kept free at least, and which part of a large one: what is
/// stored fills tables a moment later, and one request can need several entries, or thousands where
/// rules lie within each other.
const RESERVE: u64 = 64;
const RESERVED_PART: u64 = 16;

/// The data path's tables by name, as they were when somebody last looked. Nothing is known of a
/// table that is not there, and then it has room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room(BTreeMap<String, Table>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Table {
    used: u64,
    capacity: u64,
}

/// A table that has no room for more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the data path's table {table} has {used} of {capacity} entries")]
pub struct Full {
    /// The table.
    pub table: String,
    /// Its entries.
    pub used: u64,
    /// How many it holds.
    pub capacity: u64,
}

impl Room {
    /// From each table's name, entries, and how many it holds.
    pub fn new(tables: impl IntoIterator<Item = (String, u64, u64)>) -> Self {
        let tables = tables.into_iter();
        Room(
            tables
                .map(|(name, used, capacity)| (name, Table { used, capacity }))
                .collect(),
        )
    }

    /// Whether there is room in all of `tables`.
    ///
    /// # Errors
    /// The first one that is full, but for a small reserve.
    pub fn is_in(&self, tables: &[&str]) -> Result<(), Full> {
        for &name in tables {
            let Some(&Table { used, capacity }) = self.0.get(name) else {
                continue;
            };
            let reserve = RESERVE.max(capacity / RESERVED_PART);
            if used.saturating_add(reserve) > capacity {
                return Err(Full {
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
    fn a_table_is_full_a_little_before_its_last_entry_and_an_unknown_one_never() {
        let room = |used| Room::new([("routes".to_owned(), used, 1_000)]);
        assert_eq!(room(936).is_in(&["admissions", "routes"]), Ok(()));
        let full = room(937).is_in(&["admissions", "routes"]).unwrap_err();
        assert_eq!((full.used, full.capacity), (937, 1_000));
        assert_eq!(Room::default().is_in(&["routes"]), Ok(()));

        let large = |used| Room::new([("rule_ports".to_owned(), used, 1 << 20)]);
        let reserve = 1 << 16;
        assert_eq!(large((1 << 20) - reserve).is_in(&["rule_ports"]), Ok(()));
        assert!(
            large((1 << 20) - reserve + 1)
                .is_in(&["rule_ports"])
                .is_err()
        );
    }
}
