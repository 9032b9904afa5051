//! The events that the control plane has not acknowledged yet.

use std::collections::VecDeque;

use crate::api::event::{Event, NumberedEvent};

/// How many events are kept for a control plane that is away. One takes up to 5 KiB.
const CAPACITY: usize = 1000;

/// A bounded sequence of events; when it is full the oldest goes.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    /// Consecutive numbers, the last of them `last`.
    kept: VecDeque<NumberedEvent>,
    last: u64,
    acknowledged: u64,
}

impl EventLog {
    /// Appends an event that happened at `unix_ms` and left so many server processes `running`.
    pub(super) fn push(&mut self, unix_ms: u64, running: u32, event: Event) {
        self.last += 1;
        if self.kept.len() == CAPACITY {
            self.kept.pop_front();
        }
        self.kept.push_back(NumberedEvent {
            seq: self.last,
            unix_ms,
            lost: 0,
            running,
            event,
        });
    }

    /// Forgets the events up to `seq`.
    pub(super) fn acknowledge(&mut self, seq: u64) {
        self.acknowledged = self.acknowledged.max(seq.min(self.last));
        while self
            .kept
            .front()
            .is_some_and(|event| event.seq <= self.acknowledged)
        {
            self.kept.pop_front();
        }
    }

    /// How many unacknowledged events are kept.
    pub(super) fn unacknowledged(&self) -> usize {
        self.kept.len()
    }

    /// The first kept event after `seq`, with how many in between were lost: dropped without
    /// having been acknowledged.
    pub(super) fn after(&self, seq: u64) -> Option<NumberedEvent> {
        let first = self.kept.front()?.seq;
        let next = seq.saturating_add(1);
        let index = usize::try_from(next.saturating_sub(first)).ok()?;
        let event = self.kept.get(index)?;
        let expected = next.max(self.acknowledged + 1);
        Some(NumberedEvent {
            lost: event.seq.saturating_sub(expected),
            ..event.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_log(events: u64) -> EventLog {
        let mut event_log = EventLog::default();
        (0..events).for_each(|at| event_log.push(at, 1, Event::Running));
        event_log
    }

    /// The numbers, and the sum of what was lost, that a client sees who read up to `seq`.
    fn read(event_log: &EventLog, mut seq: u64) -> (Vec<u64>, u64) {
        let (mut numbers, mut lost) = (Vec::new(), 0);
        while let Some(event) = event_log.after(seq) {
            seq = event.seq;
            lost += event.lost;
            numbers.push(seq);
        }
        (numbers, lost)
    }

    #[test]
    fn events_come_in_order_from_where_the_reader_was() {
        let event_log = event_log(5);
        assert_eq!(read(&event_log, 0), (vec![1, 2, 3, 4, 5], 0));
        assert_eq!(read(&event_log, 3), (vec![4, 5], 0));
        assert_eq!(read(&event_log, 5), (vec![], 0));
        assert_eq!(read(&event_log, u64::MAX - 1), (vec![], 0));
        assert_eq!(read(&event_log, u64::MAX), (vec![], 0));
    }

    #[test]
    fn acknowledged_events_are_gone_and_not_lost() {
        let mut event_log = event_log(5);
        event_log.acknowledge(3);
        assert_eq!(read(&event_log, 0), (vec![4, 5], 0));
        event_log.acknowledge(2);
        assert_eq!(read(&event_log, 4), (vec![5], 0));
        event_log.acknowledge(u64::MAX);
        assert_eq!(read(&event_log, 0), (vec![], 0));
        event_log.push(6, 0, Event::Stopped);
        assert_eq!(read(&event_log, 5), (vec![6], 0));
    }

    #[test]
    fn what_the_bound_drops_is_counted() {
        let mut event_log = event_log(CAPACITY as u64 + 7);
        let (numbers, lost) = read(&event_log, 0);
        assert_eq!((numbers.len(), numbers[0], lost), (CAPACITY, 8, 7));
        assert_eq!(read(&event_log, 5).1, 2);
        event_log.acknowledge(7);
        assert_eq!(read(&event_log, 0).1, 0);
    }
}
