//! The BPF maps: what they hold, what they should hold, and the object that makes them.

pub(in crate::ebpf) mod counter_map;
pub(in crate::ebpf) mod counters;
pub(in crate::ebpf) mod datapath;
pub(in crate::ebpf) mod desired;
pub(in crate::ebpf) mod entries;
pub(in crate::ebpf) mod flow_entries;
pub(in crate::ebpf) mod flow_shares;
pub(in crate::ebpf) mod kernel_map;
pub(in crate::ebpf) mod mirrored_map;
pub(in crate::ebpf) mod object;
pub(in crate::ebpf) mod pinned_fds;
