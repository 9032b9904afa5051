/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * What the data path looks up, remembers and counts. src/ebpf/maps/entries.rs has the same layouts.
 *
 * Numbers in host byte order are `__u32`, what stands so in a packet is `__be32`. In the keys of
 * the tries all is big-endian, so that a prefix of the bytes is a prefix of the number. No struct
 * has implicit padding, since keys are compared by their bytes.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC_COARSE, bytes are those of IPv4 packets.
 */
#ifndef TOMBOLO_MAPS_H
#define TOMBOLO_MAPS_H

#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* `MAX_GROUPS` in src/network.rs: how many security groups an interface can carry. */
#define MAX_GROUPS 5

/*
 * The verifier goes through a global function that is `__noinline` once, for any arguments, and not
 * again for each path that leads to a call: the program stays far from the limit of what it looks
 * at. The function's pointers may be NULL for all that it knows.
 */

/* The numbers of an interface's security groups; 0 after the last. */
struct groups {
	__u32 numbers[MAX_GROUPS];
};

/* --- Where packets go ----------------------------------------------------------------------- */

/* The interface at the other end of a veth: what its packets must look like. */
struct interface {
	__u32 vpc;
	__u32 route_table;
	__be32 address;
	__be32 subnet;
	__be32 netmask;
	__u8 mac[ETH_ALEN];
	/* The largest IPv4 packet that it takes. */
	__u16 mtu;
	struct groups groups;
	/* What it has to do with the outside, of `enum outside_right`. */
	__u32 outside;
};

enum outside_right {
	/* It answers flows that began outside. */
	OUTSIDE_ANSWERS = 1,
	/* It begins flows to the outside. */
	OUTSIDE_BEGINS = 2,
};

/* By the ifindex of the veth's end in the core namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct interface);
} interfaces SEC(".maps");

struct endpoint_key {
	__u32 vpc;
	__be32 address;
};

/* Where an address of a VPC is. `ifindex` is the veth's end in the core namespace. */
struct endpoint {
	__u32 ifindex;
	__u8 mac[ETH_ALEN];
	/* The largest IPv4 packet that it takes. */
	__u16 mtu;
	struct groups groups;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct endpoint_key);
	__type(value, struct endpoint);
} endpoints SEC(".maps");

/* A black hole is in the trie to be found: it takes what is its own from wider routes. */
enum route_kind {
	ROUTE_LOCAL,
	ROUTE_PEERING,
	ROUTE_BLACK_HOLE,
};

struct route_key {
	__u32 prefix_length;
	__be32 table;
	__be32 destination;
};

struct route {
	__u32 kind;
	__u32 vpc;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct route_key);
	__type(value, struct route);
} routes SEC(".maps");

/*
 * The peering ACL: which sources of VPC `from` may send into VPC `to`; routes alone would make a
 * peering a way through. Its map has the name that metrics and errors have for it.
 */
struct peering_acl_key {
	__u32 prefix_length;
	__be32 to;
	__be32 from;
	__be32 source;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct peering_acl_key);
	__type(value, __u32);
} admissions SEC(".maps");

/* --- The way outside --------------------------------------------------------------------------- */

/*
 * The VPC number of what is outside of every VPC; none has it. Where a link is named of which the
 * packet came or to which it goes, OUTSIDE_LINK is: so flows do not hang on the uplink's index.
 */
#define OUTSIDE_VPC 0
#define OUTSIDE_LINK 0xffffffff

/*
 * How the core namespace is joined to the machine's own: the uplink, a veth pair. All 0 when it is
 * not, and then nothing is outside.
 */
struct outside {
	/* The public address. */
	__be32 address;
	/* The uplink's end in the core namespace. */
	__u32 uplink;
	/* Its other end, by its index in the machine's namespace. */
	__u32 far_end;
	/* The machine's interface that the outside is behind; 0 when the machine routes. */
	__u32 interface;
	/* The ports that flows from instances leave by, in host byte order. */
	__u16 first_port;
	__u16 last_port;
	/* The largest IPv4 packet that goes out. */
	__u16 mtu;
	/* The MAC of the far end. */
	__u8 mac[ETH_ALEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct outside);
} outside SEC(".maps");

/* A port of the public address. */
struct public_port_key {
	__be16 port;
	__u8 protocol;
	__u8 padding;
};

/* A port of an interface, by the ifindex of the veth's end in the core namespace. */
struct inside_port {
	__u32 ifindex;
	__be16 port;
	__u8 protocol;
	__u8 padding;
};

/* Where the ports of the public address lead that anyone outside may begin flows to. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct public_port_key);
	__type(value, struct inside_port);
} public_ports SEC(".maps");

/*
 * The same the other way. A flow that an instance begins from such a port leaves by the port that
 * leads back to it: a server that is asked at the address that it was heard from answers.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct inside_port);
	__type(value, struct public_port_key);
} mapped_ports SEC(".maps");

/* --- What security groups let through -------------------------------------------------------- */

enum rule_direction {
	EGRESS,
	INGRESS,
};

/*
 * The blocks of addresses that a group's rules name. The value is the length of the block's own
 * prefix: a lookup finds the longest, and its ports are under (address & mask, length) in
 * `rule_ports`.
 */
struct rule_block_key {
	__u32 prefix_length;
	__be32 group;
	__be32 direction;
	__be32 remote;
};

#define RULE_BLOCK_BITS 96

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rule_block_key);
	__type(value, __u32);
} rule_blocks SEC(".maps");

/*
 * What a group lets through from or to one of its blocks or referenced groups; what is there is
 * let through. A block has the entries of all wider blocks that it lies in too, so the longest
 * block that holds an address decides alone.
 *
 * `remote` is the block's address with `remote_length` its prefix, or a group's number with
 * `remote_length` REMOTE_IS_GROUP. A rule for every protocol is the prefix that ends before
 * `protocol`, one for every port the prefix that ends before `port`, a range of ports some
 * prefixes of `port`: one lookup for them all. For ICMP `port` is type and code.
 */
struct rule_port_key {
	__u32 prefix_length;
	__be32 group;
	__be32 remote;
	__u8 direction;
	__u8 remote_length;
	__be16 protocol;
	__be16 port;
	__u8 padding[2];
};

#define REMOTE_IS_GROUP 0xff
#define RULE_PORT_BITS 112

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 21);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rule_port_key);
	__type(value, __u32);
} rule_ports SEC(".maps");

/* --- Flows ------------------------------------------------------------------------------------ */

struct settings {
	/* Written anew after each change of rules, or of what groups an interface carries: a flow of
	 * another generation is decided again. Not 0 once anything was applied. */
	__u32 generation;
	/* How many flows that one interface began may be in the table at a time. */
	__u32 flow_share;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

struct flow_end {
	__u32 vpc;
	__be32 address;
	__be16 port;
	__u8 padding[2];
};

/*
 * Both directions of a flow have one key: `ends` are in the order of (vpc, address, port), each
 * compared as it stands in memory.
 *
 * `port` of an ICMP query is the query's identifier for the end that asks, and its type and code
 * for the one that answers; without ports it is 0.
 */
struct flow_key {
	struct flow_end ends[2];
	__u8 protocol;
	__u8 padding[3];
};

/*
 * `state` of a TCP flow: what has been seen of it. It is closing after TCP_RST or both TCP_FINs,
 * established when TCP_ANSWERED and not closing, else opening.
 */
enum tcp_state {
	TCP_ANSWERED = 1,
	TCP_FIN_OF_BEGINNER = 2,
	TCP_FIN_OF_OTHER = 4,
	TCP_RST = 8,
};

/*
 * `state` of a UDP flow: how often the direction changed, to UDP_STREAM at most: 1 is a request
 * and an answer, 3 a second one (AWS's definition of a stream: more than one such transaction).
 */
#define UDP_STREAM 3

#define SECOND 1000000000ULL
/*
 * How long a flow may be idle before it counts as absent: as in the EC2 User Guide, "Security
 * group connection tracking", where it says; the rest is ours.
 */
#define TCP_ESTABLISHED_TIMEOUT (432000 * SECOND)
#define TCP_OPENING_TIMEOUT (60 * SECOND)
#define TCP_CLOSING_TIMEOUT (10 * SECOND)
#define UDP_TIMEOUT (30 * SECOND)
#define UDP_STREAM_TIMEOUT (180 * SECOND)
#define ICMP_TIMEOUT (30 * SECOND)
#define OTHER_TIMEOUT (600 * SECOND)

/* Each pair is of the end that began the flow, then of the other. */
struct flow {
	/* The last packet's time. */
	__u64 last;
	/* The time of the last report; the counts are of what came since. */
	__u64 reported;
	__u64 packets[2];
	__u64 bytes[2];
	__u32 ifindex[2];
	__u32 generation;
	__u32 state;
	/* Which of the key's ends began it. */
	__u32 began;
	/* Of a flow with the outside: the port of the public address that it goes by. */
	__be16 public_port;
	/* Which of `ifindex` has it in its share of the table: 1 when the outside began it. */
	__u8 charged;
	/* Whether it is counted in `vpc_flows` and `group_flows`; flows of earlier builds are not. */
	__u8 shared;
};

/*
 * Not preallocated: the memory is used as flows come. User space removes the expired (with
 * BPF_MAP_LOOKUP_AND_DELETE_ELEM, so that it knows what it removed), reports what they still have
 * in their counts, and adds them to `flow_ended`. The program reuses an expired entry for the same
 * key in place.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

/*
 * How many flows an interface began, or the outside with it, by its ifindex, and how many of those user space removed; the
 * difference is its share of the table. Two maps, since the program only adds to the first and user
 * space only to the second: no update is ever lost. User space makes both entries with that of
 * `interfaces`. (When the program takes over another's entry it takes 1 from whose it was.)
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} flow_use SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} flow_ended SEC(".maps");

/*
 * The same for the interfaces of a VPC together, and for the VPCs of a share group: whoever makes
 * VPC after VPC has no more of the table than its group. A VPC's entry says which group it is in,
 * and stays until its last flow was removed.
 */
struct vpc_flows {
	__u64 began;
	__u64 share_group;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct vpc_flows);
} vpc_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} vpc_flows_ended SEC(".maps");

/* In place of a share group: all of them, so all flows. */
#define EVERY_GROUP (~0ULL)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u64);
} group_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u64);
} group_flows_ended SEC(".maps");

/* How many flows may be in the table at a time; what an interface may have is in `settings`. */
struct flow_shares {
	/* That the interfaces of one VPC began. */
	__u32 vpc;
	/* Of one share group. */
	__u32 group;
	/* Of all. What is left of the table is for groups that have less than `reserved`. */
	__u32 all;
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_shares);
} flow_shares SEC(".maps");

/*
 * The flows that instances began to the outside by ports of the public address that lead to nobody
 * else: how an answer finds back. For ICMP queries `port` is the identifier, and `remote_port` what
 * it is in `struct flow_end`.
 */
struct translation_key {
	__be32 remote;
	__be16 remote_port;
	__be16 port;
	__u8 protocol;
	__u8 padding[3];
};

/* Who began it; `ifindex` is the veth's end in the core namespace. */
struct translation {
	struct flow_end inside;
	__u32 ifindex;
};

/*
 * The program makes an entry before its flow, and user space removes those that have no flow. It
 * is as large as `flows`.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct translation_key);
	__type(value, struct translation);
} translations SEC(".maps");

/* The packet that a fragment is of (RFC 791, 3.2: what "Identification" tells apart). */
struct fragment_key {
	__u32 from;
	__u32 to;
	__be32 source;
	__be32 destination;
	__be16 id;
	__u8 protocol;
	__u8 padding;
};

/* What the first fragment said, which the others do not. */
struct fragment {
	__u64 seen;
	__be16 source_port;
	__be16 destination_port;
	__be16 service;
	__u8 kind;
	__u8 padding;
};

/* RFC 791: how long the receiver waits for the rest (Linux: net.ipv4.ipfrag_time). */
#define FRAGMENT_TIMEOUT (30 * SECOND)

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, struct fragment_key);
	__type(value, struct fragment);
} fragments SEC(".maps");

/* --- Counters and events ---------------------------------------------------------------------- */

/* Slots of `counters`: first the drops, numbered as `DropReason` in src/drop_reason.rs. */
enum counter {
	DROP_UNKNOWN_INTERFACE,
	DROP_MALFORMED,
	DROP_ETHER_TYPE,
	DROP_SPOOFED_MAC,
	DROP_SPOOFED_ADDRESS,
	DROP_NO_ROUTE,
	DROP_NOT_ADMITTED,
	DROP_NO_SUCH_DESTINATION,
	DROP_REDIRECT,
	DROP_SECURITY_GROUP_EGRESS,
	DROP_SECURITY_GROUP_INGRESS,
	DROP_FLOW_TABLE_FULL,
	DROP_TOO_BIG,
	DROP_FRAGMENT,
	DROP_NOT_A_PUBLIC_PORT,
	DROP_NO_FLOW,
	DROP_NO_INTERNET,
	DROP_NOT_OUTSIDE,
	DROP_INTERNET_PORTS_FULL,
	FORWARDED_LOCAL,
	FORWARDED_PEERING,
	FORWARDED_FROM_OUTSIDE,
	FORWARDED_TO_OUTSIDE,
	/* Records that `flow_events` had no room for, counted as packets. */
	EVENTS_LOST,
	COUNTERS,
};

/* What the kernel has not cut into segments yet counts as the packets that it will be. */
struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, struct traffic);
} counters SEC(".maps");

struct interface_traffic {
	struct traffic sent;
	struct traffic received;
	/* Of what it sent. */
	struct traffic dropped;
};

/* By ifindex; user space makes the entry with that of `interfaces`. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct interface_traffic);
} interface_traffic SEC(".maps");

struct vpc_pair {
	__u32 from;
	__u32 to;
};

/* What crossed, one entry a direction; user space makes it for the VPCs that are peered. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct vpc_pair);
	__type(value, struct traffic);
} peering_traffic SEC(".maps");

#define ACCEPTED 0xffffffff

/*
 * A flow since its last report, or a packet that begins no flow, or one that was rejected. The
 * source is who began the flow or sent the packet; of each pair the first is the source's.
 * `ports` are as in `struct flow_end`.
 */
struct flow_event {
	__u64 start;
	__u64 end;
	__u64 packets[2];
	__u64 bytes[2];
	/* 0 when the packet did not get as far as to have a destination. */
	__u32 ifindex[2];
	__be32 addresses[2];
	__be16 ports[2];
	__u32 protocol;
	/* ACCEPTED, or the reason of the drop. */
	__u32 outcome;
	__u32 padding;
};

/* How often a flow that goes on is reported. */
#define REPORT_INTERVAL (10 * SECOND)

/*
 * Nobody is woken for a single record, since that costs more than the packet: the reader is when
 * this many bytes wait, and looks at least every 100 ms by itself.
 */
#define EVENTS_TO_WAKE_FOR (1 << 16)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} flow_events SEC(".maps");

#endif
