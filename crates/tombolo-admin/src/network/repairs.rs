//! Lists repairs.

use anyhow::Result;
use tombolo_domain::repair::RepairRecord;
use tombolo_store::keys;

use crate::message::ListRepairs;
use crate::service::AdminService;

impl AdminService {
    /// The records of repairs, the newest first.
    pub async fn list_repairs(&self, _: ListRepairs) -> Result<Vec<RepairRecord>> {
        Ok(self.read().peek(&keys::repairs()).await?)
    }
}
