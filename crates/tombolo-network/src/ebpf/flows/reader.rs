//! Reads the program's events of flows, and publishes records of them to those who follow.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::time::Duration;

use aya::maps::{MapData, PerCpuArray, RingBuf};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tombolo_tasks::{Reason, Returned, Task};

use super::owners::Owners;
use super::record::{self, Epoch};
use crate::ebpf::error::Doing;
use crate::ebpf::maps::counters::EVENTS_LOST;
use crate::ebpf::maps::entries::TrafficEntry;
use crate::ebpf::maps::flow_entries::FlowEventEntry;
use crate::ebpf::maps::mirrored_map::open_pinned;
use crate::ebpf::maps::object::Pins;
use crate::engine::EngineError;
use crate::flow::{FlowEvent, FlowPublisher};

/// The program wakes the reader only when much waits, so it looks by itself this often while somebody
/// follows the flows.
const INTERVAL_MS: u16 = 100;
/// The same while nobody does. Whoever begins to follow waits so long for the first record.
const UNFOLLOWED_INTERVAL_MS: u16 = 1_000;
/// The longest of both.
pub(super) const INTERVAL: Duration = Duration::from_millis(UNFOLLOWED_INTERVAL_MS as u64);

pub(super) struct Reader {
    events: RingBuf<MapData>,
    counters: PerCpuArray<MapData, TrafficEntry>,
    /// How many records the program had had no room for when last looked at.
    lost: u64,
    owners: Owners,
    publisher: FlowPublisher,
}

impl Reader {
    /// Reads the pinned ring buffer.
    pub(super) fn open(
        pins: &Pins,
        owners: Owners,
        publisher: FlowPublisher,
    ) -> Result<Self, EngineError> {
        let events = open_pinned(&pins.flows, "flow_events", RingBuf::try_from)?;
        let counters = open_pinned(&pins.build, "counters", PerCpuArray::try_from)?;
        let mut reader = Reader {
            events,
            counters,
            lost: 0,
            owners,
            publisher,
        };
        reader.lost = reader.count_lost()?;
        Ok(reader)
    }

    /// Reads until the other end of `stop` is closed.
    pub(super) fn run(mut self, task: &Task, stop: &UnixStream) -> Returned {
        loop {
            match self.wait(stop) {
                Ok(true) => return Returned::Stopped,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(
                        "flow records end here: polling the ring buffer failed: {error}"
                    );
                    return Returned::Failed;
                }
            }
            // A failure is logged by the task.
            let _ = task.run_blocking(Reason::Period, || self.read());
        }
    }

    /// Waits until there is something to read, for a moment at most; says whether to stop.
    fn wait(&self, stop: &UnixStream) -> io::Result<bool> {
        let mut waiting = [
            PollFd::new(self.events.as_fd(), PollFlags::POLLIN),
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
        ];
        let interval = match self.publisher.is_followed() {
            true => INTERVAL_MS,
            false => UNFOLLOWED_INTERVAL_MS,
        };
        match poll(&mut waiting, PollTimeout::from(interval)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(waiting[1].any() == Some(true))
    }

    /// Reads all that is there. Without anybody who follows the flows it is only taken out, so
    /// that what is lost is what somebody missed.
    fn read(&mut self) -> Result<(), EngineError> {
        let epoch = Epoch::read().doing(|| "reading the clock".to_owned())?;
        let is_followed = self.publisher.is_followed();
        while let Some(bytes) = self.events.next() {
            if is_followed && let Some(event) = event(&bytes) {
                for record in record::records(&event, &epoch, &self.owners) {
                    self.publisher.publish(FlowEvent::Record(record));
                }
            }
        }
        let lost = self.count_lost()?;
        let missed = lost.saturating_sub(self.lost);
        self.lost = lost;
        if missed > 0 {
            self.publisher.publish(FlowEvent::Lost(missed));
        }
        Ok(())
    }

    fn count_lost(&self) -> Result<u64, EngineError> {
        let values = self
            .counters
            .get(&EVENTS_LOST, 0)
            .doing(|| "reading the BPF map counters".to_owned())?;
        Ok(values.iter().map(|lost| lost.packets).sum())
    }
}

fn event(bytes: &[u8]) -> Option<FlowEventEntry> {
    if bytes.len() != size_of::<FlowEventEntry>() {
        return None;
    }
    // SAFETY: there are as many bytes as the type has, and of a `Pod` all bytes are a value.
    Some(unsafe { ptr::read_unaligned(bytes.as_ptr().cast()) })
}
