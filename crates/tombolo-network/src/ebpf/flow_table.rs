//! How large the table of flows is.

/// How many flows the data path remembers. A flow that does not fit cannot begin: its first packet
/// is dropped and counted as [`FlowTableFull`](crate::DropReason::FlowTableFull), and the flows that
/// are in the table go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowTable {
    /// All flows, also the expired that are not swept out yet. Memory is taken as they come, about
    /// 200 bytes each.
    pub capacity: u32,
    /// Of these, how many that one interface began, so that no workload fills the table for the
    /// others.
    pub share: u32,
}

impl Default for FlowTable {
    /// 1,048,576 flows, 65,536 an interface.
    fn default() -> Self {
        FlowTable {
            capacity: 1 << 20,
            share: 1 << 16,
        }
    }
}
