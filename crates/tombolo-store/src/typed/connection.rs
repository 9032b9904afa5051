//! A peering connection together with the entry that finds it from its accepter's VPC.

use tombolo_domain::Scope;
use tombolo_domain::peering::Connection;

use super::Transaction;
use crate::StoreError;
use crate::keys::{self, ConnectionAt, Key, Stored};

impl Transaction {
    /// Writes a connection that its accepter is to see from now on.
    pub fn put_delivered(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.put_at(&entry(connection), &ConnectionAt::of(connection))?;
        self.put(connection)
    }

    /// Deletes a connection with its entry and the tags that both owners gave it.
    pub fn remove_connection(&mut self, connection: &Connection) {
        for end in [&connection.requester, &connection.accepter] {
            let scope = Scope {
                account: end.account,
                region: connection.region.clone(),
            };
            self.delete(&keys::tags(&scope, connection.id.as_str()));
        }
        self.delete(&entry(connection));
        self.delete(&connection.key());
    }
}

fn entry(connection: &Connection) -> Key<ConnectionAt> {
    let Connection {
        id,
        region,
        accepter,
        ..
    } = connection;
    keys::peering(region, accepter.account, &accepter.vpc, id)
}
