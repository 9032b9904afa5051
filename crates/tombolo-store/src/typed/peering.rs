//! Peering connections and authorizations, each together with the entry that finds it from its other
//! end.

use tombolo_domain::peering::{Authorization, Connection};

use super::Transaction;
use crate::StoreError;
use crate::keys::{self, AuthorizedKey, ConnectionRef, Entity, Key, PeeringKey};

impl Transaction {
    /// Writes a connection that its accepter is to see from now on.
    pub fn put_delivered(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.put_at(&entry(connection), &ConnectionRef::of(connection))?;
        self.put(connection)
    }

    /// Deletes a connection with its entry and the tags that both owners gave it.
    pub fn remove_connection(&mut self, connection: &Connection) {
        for scope in [connection.requester_scope(), connection.accepter_scope()] {
            self.delete(&keys::tags(&scope, connection.id.as_str()));
        }
        self.delete(&entry(connection));
        self.delete(&connection.key());
    }

    /// Writes an authorization.
    pub fn put_authorization(&mut self, authorization: &Authorization) -> Result<(), StoreError> {
        self.put_at(&named(authorization), &())?;
        self.put(authorization)
    }

    /// Deletes an authorization.
    pub fn remove_authorization(&mut self, authorization: &Authorization) {
        self.delete(&named(authorization));
        self.delete(&authorization.key());
    }
}

/// The entry of an authorization among those that name the same account.
fn named(authorization: &Authorization) -> Key<AuthorizedKey> {
    let Authorization {
        peer_account,
        peer_vpc,
        ..
    } = authorization;
    keys::authorized(&authorization.fleets(), *peer_account, peer_vpc)
}

/// The entry of a connection among those of its accepter's VPC.
fn entry(connection: &Connection) -> Key<PeeringKey> {
    let scope = connection.accepter_scope();
    keys::peering(&scope, &connection.accepter.vpc, &connection.id)
}
