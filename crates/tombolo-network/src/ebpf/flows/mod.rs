//! What goes on beside the packets: flow records are read, and flows that are over removed, each
//! on a thread of its own, so that neither waits for an `apply` nor an `apply` for them.
//!
//! While no engine runs nothing of it happens: flows that are over count as absent all the same,
//! records are lost and counted, and of the room in the flow table what is left can be used.

mod owners;
mod reader;
mod record;
mod recount;
mod sweeper;

use std::os::unix::net::UnixStream;
use std::sync::mpsc;

use tombolo_tasks::Tasks;

pub(super) use self::owners::Owners;
use self::reader::Reader;
pub(super) use self::sweeper::Sweeper;
use crate::ebpf::error::Doing;
use crate::ebpf::maps::object::{FlowTable, Pins};
use crate::engine::EngineError;
use crate::flow::FlowPublisher;

/// The two threads; they end soon after it is dropped.
#[derive(Debug)]
pub(super) struct FlowThreads {
    _reader: UnixStream,
    sweeper: mpsc::Sender<()>,
}

impl FlowThreads {
    /// Starts them on the maps that are pinned.
    pub(super) fn spawn(
        pins: &Pins,
        table: FlowTable,
        owners: &Owners,
        publisher: &FlowPublisher,
        tasks: &Tasks,
    ) -> Result<Self, EngineError> {
        let reader = Reader::open(pins, owners.clone(), publisher.clone())?;
        let sweeper = Sweeper::open(pins, table, owners.clone(), publisher.clone())?;
        let (stop_reader, stopped) =
            UnixStream::pair().doing(|| "making a pair of sockets".to_owned())?;
        let (wake_sweeper, woken) = mpsc::channel();
        let starting = || "starting a thread".to_owned();
        tasks
            .spawn_thread(
                "node/flow-reader",
                "reads what the data path tells about flows",
                reader::INTERVAL,
                move |task| reader.run(task, &stopped),
            )
            .doing(starting)?;
        tasks
            .spawn_thread(
                "node/flow-sweeper",
                "removes flows that are over",
                sweeper::INTERVAL,
                move |task| sweeper.run(task, &woken),
            )
            .doing(starting)?;
        Ok(FlowThreads {
            _reader: stop_reader,
            sweeper: wake_sweeper,
        })
    }

    /// Has the flow table swept now: interfaces are gone, and their flows with them.
    pub(super) fn sweep(&self) {
        // An error says that the thread is gone, which its task has reported.
        let _ = self.sweeper.send(());
    }
}
