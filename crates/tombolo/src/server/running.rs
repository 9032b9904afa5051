//! The reconcilers of a server, which the admin socket shares with whoever stops it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use tokio::sync::RwLock;
use tombolo_admin::service::NodeHandle;
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_node::Reconcilers;

/// The reconcilers, until the server that stops takes them out.
pub(super) struct RunningReconcilers(RwLock<Option<Reconcilers>>);

impl RunningReconcilers {
    pub(super) fn new(reconcilers: Reconcilers) -> Self {
        RunningReconcilers(RwLock::new(Some(reconcilers)))
    }

    /// Takes them out, once nobody waits for an interface any more. `None` if they were taken
    /// already.
    pub(super) async fn take(&self) -> Option<Reconcilers> {
        self.0.write().await.take()
    }
}

#[async_trait]
impl NodeHandle for RunningReconcilers {
    async fn wake(&self) {
        if let Some(reconcilers) = &*self.0.read().await {
            reconcilers.wake();
        }
    }

    async fn namespace_of(
        &self,
        interface: &NetworkInterfaceId,
        deadline: Duration,
    ) -> Result<PathBuf> {
        let reconcilers = self.0.read().await;
        let reconcilers = reconcilers.as_ref().context("the server is stopping")?;
        Ok(reconcilers.namespace_of(interface, deadline).await?)
    }
}
