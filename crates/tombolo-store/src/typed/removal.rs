//! Removing a record together with what belongs to it.

use tombolo_domain::Scope;
use tombolo_domain::id::VpcId;

use super::Transaction;
use crate::StoreError;
use crate::keys::{self, Entity, VpcResource};

impl Transaction {
    /// Deletes a record. One that is kept under a VPC takes along its tags, those of its parts, and
    /// the entry that finds it by its id.
    pub fn remove<T: Entity>(&mut self, record: &T) {
        if let Some(VpcResource { scope, id, .. }) = record.vpc_resource() {
            self.delete(&keys::located(scope, id));
            self.delete(&keys::tags(scope, id));
            for part in record.tagged_parts() {
                self.delete(&keys::tags(scope, part));
            }
        }
        self.delete(&record.key());
    }

    /// Deletes a VPC with everything that is kept under it: subnets, network interfaces, route
    /// tables, security groups, and the tags of all. That it may go is the caller's to know.
    pub async fn remove_vpc(&mut self, scope: &Scope, vpc: &VpcId) -> Result<(), StoreError> {
        for table in self.list(&keys::route_tables_of(scope, vpc)).await? {
            self.remove(&table);
        }
        for group in self.list(&keys::security_groups_of(scope, vpc)).await? {
            self.remove(&group);
        }
        for interface in self.list(&keys::interfaces_of(scope, vpc)).await? {
            self.remove(&interface);
        }
        for subnet in self.list(&keys::subnets_of(scope, vpc)).await? {
            self.remove(&subnet);
        }
        self.delete(&keys::tags(scope, vpc.as_str()));
        self.delete(&keys::vpc_scope(vpc));
        self.delete(&keys::vpc(scope, vpc));
        Ok(())
    }
}
