//! What was found changed and put right.

use std::sync::Arc;

use anyhow::Result;
use tombolo_domain::repair::RepairRecord;
use tombolo_store::keys;

use crate::message::ListRepairs;
use crate::server::Door;

impl Door {
    /// The records of repairs, the newest first.
    pub async fn list_repairs(self: Arc<Self>, _: ListRepairs) -> Result<Vec<RepairRecord>> {
        Ok(self.read().peek(&keys::repairs()).await?)
    }
}
