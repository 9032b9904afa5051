//! Peering connections with their history, and authorizations.

use anyhow::Result;
use tombolo_domain::time::Clock;
use tombolo_store::keys;

use crate::hint::hinted;
use crate::message::{ListPeerings, Peerings};
use crate::service::{AdminService, find_account};

impl AdminService {
    /// The connections in which an account has an end, and the authorizations that it gave or that
    /// name it, in all Regions.
    pub async fn list_peerings(&self, request: ListPeerings) -> Result<Peerings> {
        let mut tx = self.read();
        let account = find_account(&mut tx, &request.account).await?.id;
        let now = self.clock.now();
        let mut connections = tx.peek(&keys::all_connections()).await?;
        connections
            .retain(|one| one.requester.account == account || one.accepter.account == account);
        for one in &mut connections {
            *one = one.clone().as_of(now);
        }
        if let Some(id) = request.connection {
            connections.retain(|one| one.id == id);
            if connections.is_empty() {
                return Err(hinted(
                    format!("account {account} has no end in a VPC peering connection {id}"),
                    "`tombolo peering list` shows those that there are records of; those \
                     that are over are kept for two hours to two days",
                ));
            }
        }
        connections.sort_by_key(|one| one.history.first().map(|transition| transition.at));
        let mut authorizations = tx.peek(&keys::all_authorizations()).await?;
        authorizations.retain(|one| one.peer_account == account || one.fleet_account == account);
        Ok(Peerings {
            connections,
            authorizations,
            now,
        })
    }
}
