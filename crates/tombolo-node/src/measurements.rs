//! What the controller asks this machine for.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use tombolo_controller::Measurements;
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_network::NetworkEngine;

/// What `engine` measures.
pub fn measurements(engine: Arc<dyn NetworkEngine>) -> Arc<dyn Measurements> {
    Arc::new(OfEngine(engine))
}

struct OfEngine(Arc<dyn NetworkEngine>);

#[async_trait]
impl Measurements for OfEngine {
    async fn active_ports(
        &self,
    ) -> Result<BTreeMap<NetworkInterfaceId, u32>, Box<dyn Error + Send + Sync>> {
        Ok(self.0.active_ports().await?)
    }
}
