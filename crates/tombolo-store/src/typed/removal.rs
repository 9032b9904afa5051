//! Removing a record together with what is kept under it.

use tombolo_domain::Scope;
use tombolo_domain::id::VpcId;

use super::Transaction;
use crate::{StoreError, keys};

impl Transaction {
    /// Deletes a VPC with everything that is kept for it: subnets, interfaces, route tables,
    /// security groups and tags. That it may go is the caller's to know.
    pub async fn remove_vpc(&mut self, scope: &Scope, vpc: &VpcId) -> Result<(), StoreError> {
        for table in self.list(&keys::route_tables_of(scope, vpc)).await? {
            self.delete(&keys::route_table(scope, vpc, &table.id));
            self.delete(&keys::tags(scope, table.id.as_str()));
        }
        for group in self.list(&keys::security_groups_of(scope, vpc)).await? {
            self.delete(&keys::security_group(scope, vpc, &group.id));
            self.delete(&keys::tags(scope, group.id.as_str()));
        }
        for interface in self.list(&keys::interfaces_of(scope, vpc)).await? {
            self.delete(&keys::interface(scope, vpc, &interface.id));
            self.delete(&keys::tags(scope, interface.id.as_str()));
        }
        for subnet in self.list(&keys::subnets(scope)).await? {
            if subnet.vpc == *vpc {
                self.delete(&keys::subnet(scope, &subnet.id));
                self.delete(&keys::tags(scope, subnet.id.as_str()));
            }
        }
        self.delete(&keys::tags(scope, vpc.as_str()));
        self.delete(&keys::vpc_scope(vpc));
        self.delete(&keys::vpc(scope, vpc));
        Ok(())
    }
}
