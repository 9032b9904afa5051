//! Everything that the read model has, as it was at one revision.

use std::any::Any;
use std::sync::Arc;

use super::index::{Index, Indexed, Term};
use super::table::Table;
use crate::keys::{
    AuthorizationKey, AuthorizedKey, BuildKey, ConnectionKey, FleetKey, InstanceKey, InterfaceKey,
    Key, KeyParts, Kind, PeeringKey, Prefix, PublicPortKey, RouteTableKey, ScalingPolicyKey,
    SecurityGroupKey, SubnetKey, TagsKey, VpcKey,
};
use crate::{Entry, Event, Revision, StoreError};

/// Records with their keys, in key order.
type FoundByTerm<K> = Vec<(Key<K>, Arc<<K as KeyParts>::Value>)>;

/// Makes a table a kind.
macro_rules! tables {
    ($($table:ident: $kind:ident, $parts:ty;)*) => {
        /// Whether the read model has the records of a kind.
        pub(crate) fn has_table(kind: Kind) -> bool {
            matches!(kind, $(Kind::$kind)|*)
        }

        #[derive(Clone, Default)]
        struct Tables {
            $($table: Table<$parts>,)*
        }

        impl Tables {
            fn load(entries: &[Entry], index: &mut Index) -> Self {
                let mut terms = Vec::new();
                let tables = Tables {
                    $($table: {
                        // The entries of a kind are next to each other.
                        let name = [Kind::$kind.name().as_bytes(), b"/"].concat();
                        let start = entries.partition_point(|one| one.key[..] < name[..]);
                        let of_kind = entries[start..].iter();
                        let of_kind = of_kind.take_while(|one| one.key.starts_with(&name));
                        let of_kind = of_kind.map(|one| (one.key.clone(), one.value.clone(), one.modified));
                        Table::load(of_kind, &mut terms, index)
                    },)*
                };
                index.load(terms);
                tables
            }

            fn apply(&mut self, event: &Event, index: &mut Index) {
                let Event { key, value, revision } = event;
                match Kind::of(key) {
                    $(Ok(Kind::$kind) => {
                        self.$table.apply(key.clone(), value.as_ref(), *revision, index);
                    })*
                    // What nobody lists, and what nobody may read but from the store itself.
                    _ => {}
                }
            }

            /// The table of a kind, if there is one.
            fn of<K: KeyParts>(&self) -> Option<&Table<K>> {
                let table: &dyn Any = match K::KIND {
                    $(Kind::$kind => &self.$table,)*
                    _ => return None,
                };
                table.downcast_ref()
            }
        }
    };
}

// Not here: accounts, their keys and credentials, which must be read from the store itself; objects,
// parts and events, of which there are many and which are read a page at a time.
tables! {
    vpcs: Vpc, VpcKey;
    subnets: Subnet, SubnetKey;
    interfaces: NetworkInterface, InterfaceKey;
    route_tables: RouteTable, RouteTableKey;
    security_groups: SecurityGroup, SecurityGroupKey;
    tags: Tags, TagsKey;
    authorizations: Authorization, AuthorizationKey;
    authorized: Authorized, AuthorizedKey;
    connections: Connection, ConnectionKey;
    peerings: Peering, PeeringKey;
    fleets: Fleet, FleetKey;
    instances: Instance, InstanceKey;
    public_ports: PublicPort, PublicPortKey;
    scaling_policies: ScalingPolicy, ScalingPolicyKey;
    builds: Build, BuildKey;
}

/// The decoded records of most kinds at one revision. It never changes, and a copy costs nothing.
#[derive(Clone, Default)]
pub struct Snapshot {
    revision: Revision,
    tables: Tables,
    index: Index,
}

impl Snapshot {
    /// What `entries`, all of a store's in key order, are at `revision`.
    pub(super) fn load(entries: &[Entry], revision: Revision) -> Self {
        let mut index = Index::default();
        Snapshot {
            revision,
            tables: Tables::load(entries, &mut index),
            index,
        }
    }

    /// The snapshot after `events`, which follow it without a gap.
    pub(super) fn after(&self, events: &[Event]) -> Self {
        let mut next = self.clone();
        for event in events {
            next.tables.apply(event, &mut next.index);
            next.revision = next.revision.max(event.revision);
        }
        next
    }

    /// The store's revision that it shows.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The records of a kind; `None` for one that the read model does not have.
    pub(crate) fn table<K: KeyParts>(&self) -> Option<&Table<K>> {
        self.tables.of()
    }

    /// The record that is kept under a key.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn get<K: Indexed>(&self, key: &Key<K>) -> Result<Option<Arc<K::Value>>, StoreError> {
        let record = self
            .table::<K>()
            .and_then(|table| table.get(key.as_bytes()));
        record
            .map(|record| record.value(key.as_bytes()))
            .transpose()
    }

    /// The records under a prefix, in key order.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn list<K: Indexed>(
        &self,
        prefix: &Prefix<K>,
    ) -> impl Iterator<Item = Result<(Key<K>, Arc<K::Value>), StoreError>> {
        let range = prefix.range();
        let records = self.table::<K>().map(|table| table.range(range));
        records.into_iter().flatten().map(|(key, record)| {
            let value = record.value(key.as_bytes())?;
            Ok((key, value))
        })
    }

    /// The records under a prefix that have a term, in key order.
    ///
    /// # Errors
    /// One of those that may have it cannot be read.
    pub fn find<K: Indexed>(
        &self,
        term: &Term<'_>,
        within: &Prefix<K>,
    ) -> Result<FoundByTerm<K>, StoreError> {
        let Some(table) = self.table::<K>() else {
            return Ok(Vec::new());
        };
        for key in table.unreadable(&within.range()) {
            // The key of a record that is there was checked when the server started.
            if key.parts().is_ok_and(|key| !key.may_have_term(term, self)) {
                continue;
            }
            if let Some(record) = table.get(key.as_bytes()) {
                record.value(key.as_bytes())?;
            }
        }
        let mut found = Vec::new();
        for key in self.index.find(term) {
            let key = Key::stored(key.clone());
            let Some(record) = table.get(key.as_bytes()) else {
                // Of another kind, with a term of the same hash.
                continue;
            };
            if within.contains(&key) {
                let value = record.value(key.as_bytes())?;
                if K::has_term(&value, term) {
                    found.push((key, value));
                }
            }
        }
        Ok(found)
    }

    /// The keys of all records of a kind.
    pub(super) fn keys<K: KeyParts>(&self) -> impl Iterator<Item = K> {
        let table = self.table::<K>().into_iter();
        table
            .flat_map(Table::keys)
            .filter_map(|key| key.parts().ok())
    }
}
