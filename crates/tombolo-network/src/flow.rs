//! Records of flows, as VPC Flow Logs has them (Amazon VPC User Guide, "Flow log records").

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tombolo_domain::id::NetworkInterfaceId;

use crate::drop_reason::DropReason;

/// How many events one reader may be behind before it loses the oldest.
const MAX_READER_LAG: usize = 16_384;

/// What one interface saw of one direction of a flow since the record before: an accepted flow
/// has a record for each of its two interfaces and each direction that had packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRecord {
    /// The interface that saw it.
    pub interface: NetworkInterfaceId,
    /// Out of that interface, or into it.
    pub direction: FlowDirection,
    /// Where the packets came from.
    pub source: Ipv4Addr,
    /// Where they went.
    pub destination: Ipv4Addr,
    /// 0 where the protocol has no ports.
    pub source_port: u16,
    /// 0 where the protocol has no ports.
    pub destination_port: u16,
    /// IANA's number: 6 is TCP, 17 UDP, 1 ICMP.
    pub protocol: u8,
    /// How many.
    pub packets: u64,
    /// Bytes of IPv4 in all of them.
    pub bytes: u64,
    /// When the first of the packets came, by the machine's clock.
    pub start: Timestamp,
    /// When the last came, or when the record was made.
    pub end: Timestamp,
    /// Whether they were accepted or dropped.
    pub outcome: FlowOutcome,
}

/// Which way packets went, seen from an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowDirection {
    /// Into the interface.
    Ingress,
    /// Out of the interface.
    Egress,
}

/// What became of the packets of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowOutcome {
    /// They went on.
    Accepted,
    /// They were dropped.
    Rejected(DropReason),
}

/// What a reader of flow records meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowEvent {
    /// A record.
    Record(FlowRecord),
    /// So many records came and cannot be had any more: nobody read them in time, in the kernel
    /// or here.
    Lost(u64),
}

/// Follows the flow records of an engine from now on. Dropping it ends that.
#[derive(Debug)]
pub struct FlowRecords {
    events: broadcast::Receiver<FlowEvent>,
}

impl FlowRecords {
    /// The next event, once there is one; `None` when the engine has gone.
    pub async fn next(&mut self) -> Option<FlowEvent> {
        match self.events.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(lost)) => Some(FlowEvent::Lost(lost)),
            Err(RecvError::Closed) => None,
        }
    }
}

/// Where an engine puts flow records; a clone is the same place.
#[derive(Debug, Clone)]
pub(crate) struct FlowPublisher {
    events: broadcast::Sender<FlowEvent>,
}

impl FlowPublisher {
    /// Without any reader.
    pub(crate) fn new() -> Self {
        FlowPublisher {
            events: broadcast::Sender::new(MAX_READER_LAG),
        }
    }

    /// Tells every reader.
    pub(crate) fn publish(&self, event: FlowEvent) {
        // An error says that there is no reader, which is no failure.
        let _ = self.events.send(event);
    }

    /// Whether there is a reader.
    pub(crate) fn is_followed(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// A new reader.
    pub(crate) fn follow(&self) -> FlowRecords {
        FlowRecords {
            events: self.events.subscribe(),
        }
    }
}
