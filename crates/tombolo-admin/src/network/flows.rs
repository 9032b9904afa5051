//! Following flows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::Stream;
use futures::stream;
use tokio::time::Instant;
use tombolo_domain::id::{AccountId, NetworkInterfaceId};
use tombolo_network::{FlowEvent, FlowOutcome, FlowRecord, FlowRecords};

use crate::message::{FlowLine, FollowFlows, Outcome};
use crate::service::{AdminService, find_account};

/// How old the list of interfaces' owners may be before an unknown interface makes the server read
/// it again.
const MAX_OWNERS_AGE: Duration = Duration::from_secs(1);

impl AdminService {
    /// The flows that `request` is about, from now on, until the server stops.
    pub async fn follow_flows(
        self: Arc<Self>,
        request: FollowFlows,
    ) -> Result<impl Stream<Item = FlowLine> + Send + use<>> {
        let records = self.engine.flows();
        let account = match &request.account {
            Some(name) => Some(find_account(&mut self.read(), name).await?.id),
            None => None,
        };
        let following = FlowStream {
            owners: Owners::default(),
            service: self,
            records,
            request,
            account,
        };
        Ok(stream::unfold(following, |mut following| async move {
            let line = following.next().await?;
            Some((line, following))
        }))
    }
}

/// The stream of flow records to one client. The engine's buffer for each reader is bounded; a
/// client that reads too slowly gets the number of records that were lost.
struct FlowStream {
    service: Arc<AdminService>,
    records: FlowRecords,
    request: FollowFlows,
    account: Option<AccountId>,
    owners: Owners,
}

impl FlowStream {
    async fn next(&mut self) -> Option<FlowLine> {
        let stopping = self.service.stopping.clone();
        loop {
            let record = match stopping.run_until_cancelled(self.records.next()).await?? {
                FlowEvent::Record(record) => record,
                FlowEvent::Lost(lost) => return Some(FlowLine::Lost(lost)),
            };
            if !self.is_requested(&record) {
                continue;
            }
            let account = self.owners.of(&self.service, &record.interface).await;
            if self.account.is_none() || self.account == account {
                return Some(FlowLine::Record { account, record });
            }
        }
    }

    fn is_requested(&self, record: &FlowRecord) -> bool {
        let of_interface = self.request.interface.as_ref();
        let has_outcome = match self.request.outcome {
            None => true,
            Some(Outcome::Accepted) => record.outcome == FlowOutcome::Accepted,
            Some(Outcome::Rejected) => matches!(record.outcome, FlowOutcome::Rejected(_)),
        };
        has_outcome && of_interface.is_none_or(|wanted| *wanted == record.interface)
    }
}

/// Who has which interface, read again when one appears that is not known.
#[derive(Default)]
struct Owners {
    known: BTreeMap<NetworkInterfaceId, AccountId>,
    read: Option<Instant>,
}

impl Owners {
    /// `None` for one that is gone.
    async fn of(
        &mut self,
        service: &AdminService,
        interface: &NetworkInterfaceId,
    ) -> Option<AccountId> {
        let is_fresh = self
            .read
            .is_some_and(|read| read.elapsed() < MAX_OWNERS_AGE);
        if !self.known.contains_key(interface) && !is_fresh {
            match service.attached_interfaces().await {
                Ok(attached) => {
                    let owners = attached.into_iter().map(|(id, one)| (id, one.account));
                    self.known = owners.collect();
                }
                Err(error) => tracing::warn!("reading who has which interface: {error:#}"),
            }
            self.read = Some(Instant::now());
        }
        self.known.get(interface).copied()
    }
}
