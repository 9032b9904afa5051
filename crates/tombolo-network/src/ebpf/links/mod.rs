//! Network devices: veth pairs, the uplink, and the programs that are attached to them.

pub(in crate::ebpf) mod attachment;
pub(in crate::ebpf) mod baseline;
pub(in crate::ebpf) mod filter;
pub(in crate::ebpf) mod interface;
pub(in crate::ebpf) mod local_ports;
pub(in crate::ebpf) mod netlink;
pub(in crate::ebpf) mod uplink;
