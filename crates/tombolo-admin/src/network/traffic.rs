//! What the data path has counted.

use anyhow::Result;
use tombolo_store::keys;

use crate::message::{PeeringDescription, ReadTraffic, TrafficReading};
use crate::service::AdminService;

impl AdminService {
    /// The counters, with the interfaces and peerings that they are about.
    pub async fn read_traffic(&self, _: ReadTraffic) -> Result<TrafficReading> {
        let connections = self.read().peek(&keys::all_connections()).await?;
        let carrying = connections
            .into_iter()
            .filter(|connection| connection.state.carries_packets());
        let peerings = carrying.map(|connection| {
            let between = PeeringDescription {
                requester: connection.requester.vpc,
                accepter: connection.accepter.vpc,
            };
            (connection.id, between)
        });
        Ok(TrafficReading {
            network: self.network,
            counters: self.engine.counters().await?,
            interfaces: self.attached_interfaces().await?,
            peerings: peerings.collect(),
        })
    }
}
