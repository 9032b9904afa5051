/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * The data path: one program for every network interface of every VPC on the machine.
 *
 * It runs at the ingress of the veth's end in the core namespace, so it sees each packet that a
 * workload sends, first thing, and decides alone: no packet reaches the core namespace's own
 * network stack. crates/tombolo-network/src/verdict.rs is the same decision as a pure function;
 * whoever changes one changes the other.
 *
 * What a VPC's router does elsewhere and this one does not: the TTL stays as it is, since
 * workloads in Amazon VPC do not see the router as a hop either; the router's own address answers
 * ARP and nothing else, not even an echo request, as on EC2. Fragments pass: every decision is
 * made from the IPv4 header, which each fragment has.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Slots of `counters`: first the drops, numbered as `DropReason` in src/engine.rs. */
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
	FORWARDED_LOCAL,
	FORWARDED_PEERING,
	COUNTERS,
};

enum route_kind {
	ROUTE_LOCAL,
	ROUTE_PEERING,
};

/* The interface at the other end of a veth: what its packets must look like. */
struct interface {
	__u32 vpc;
	__u32 route_table;
	__be32 address;
	__be32 subnet;
	__be32 netmask;
	__u8 mac[ETH_ALEN];
	__u8 padding[2];
};

struct endpoint_key {
	__u32 vpc;
	__be32 address;
};

/* Where an address of a VPC is. `ifindex` is the veth's end in the core namespace. */
struct endpoint {
	__u32 ifindex;
	__u8 mac[ETH_ALEN];
	__u8 padding[2];
};

/* Numbers are in network byte order in the tries, where they are the first bits of the prefix. */
struct route_key {
	__u32 prefix_length;
	__be32 table;
	__be32 destination;
};

struct route {
	__u32 kind;
	__u32 vpc;
};

/* Who may send into the VPC `to`; routes alone would make a peering a way through. */
struct admission_key {
	__u32 prefix_length;
	__be32 to;
	__be32 from;
	__be32 source;
};

/* RFC 826; linux/if_arp.h pulls in the C library, which has no headers for this target. */
#define ARP_HARDWARE_ETHERNET 1
#define ARP_REQUEST 1
#define ARP_REPLY 2

struct arp_ipv4 {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_length;
	__u8 protocol_length;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN];
	__be32 sender;
	__u8 target_mac[ETH_ALEN];
	__be32 target;
} __attribute__((packed));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct interface);
} interfaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct endpoint_key);
	__type(value, struct endpoint);
} endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct route_key);
	__type(value, struct route);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct admission_key);
	__type(value, __u32);
} admissions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/*
 * 02:54:4d:42:00:01, `ROUTER_MAC` in src/ebpf/interface.rs, which every veth has at its end in
 * the core namespace. Written out, since an array would become one more map to load and look at.
 */
static __always_inline void set_router_mac(__u8 *mac)
{
	mac[0] = 0x02;
	mac[1] = 0x54;
	mac[2] = 0x4d;
	mac[3] = 0x42;
	mac[4] = 0x00;
	mac[5] = 0x01;
}

static __always_inline void count(__u32 slot)
{
	__u64 *packets = bpf_map_lookup_elem(&counters, &slot);

	if (packets)
		*packets += 1;
}

static __always_inline int drop(__u32 reason)
{
	count(reason);
	return TC_ACT_SHOT;
}

static __always_inline int same_mac(const __u8 *a, const __u8 *b)
{
	__u8 difference = 0;

	for (int i = 0; i < ETH_ALEN; i++)
		difference |= a[i] ^ b[i];
	return !difference;
}

/* Makes the first `length` bytes readable in place; the caller's own bounds check tells whether. */
static __always_inline void pull(struct __sk_buff *skb, __u32 length)
{
	if (skb->data + length > skb->data_end)
		bpf_skb_pull_data(skb, length);
}

/*
 * The router answers for every address of the subnet, its own included, but not for the
 * interface's own: a workload's duplicate address detection must stay silent. What gets no answer
 * ends here uncounted, since it is not a packet on its way to anyone.
 */
static __always_inline int answer_arp(struct __sk_buff *skb, const struct interface *from)
{
	pull(skb, sizeof(struct ethhdr) + sizeof(struct arp_ipv4));

	struct ethhdr *ethernet = (void *)(long)skb->data;
	struct arp_ipv4 *arp = (void *)(ethernet + 1);
	__be32 target;

	if ((void *)(arp + 1) > (void *)(long)skb->data_end)
		return drop(DROP_MALFORMED);
	if (arp->hardware != bpf_htons(ARP_HARDWARE_ETHERNET) ||
	    arp->protocol != bpf_htons(ETH_P_IP) || arp->hardware_length != ETH_ALEN ||
	    arp->protocol_length != sizeof(__be32))
		return drop(DROP_MALFORMED);
	if (!same_mac(arp->sender_mac, from->mac))
		return drop(DROP_SPOOFED_MAC);
	/* 0.0.0.0 is an address probe (RFC 5227, 2.1.1). */
	if (arp->sender != from->address && arp->sender != 0)
		return drop(DROP_SPOOFED_ADDRESS);

	target = arp->target;
	if (arp->operation != bpf_htons(ARP_REQUEST) || target == from->address ||
	    (target & from->netmask) != from->subnet)
		return TC_ACT_SHOT;

	arp->operation = bpf_htons(ARP_REPLY);
	arp->target = arp->sender;
	arp->sender = target;
	__builtin_memcpy(arp->target_mac, from->mac, ETH_ALEN);
	set_router_mac(arp->sender_mac);
	__builtin_memcpy(ethernet->h_dest, from->mac, ETH_ALEN);
	set_router_mac(ethernet->h_source);
	return bpf_redirect(skb->ifindex, 0);
}

static __always_inline int forward(struct __sk_buff *skb, const struct interface *from)
{
	struct ethhdr *ethernet = (void *)(long)skb->data;
	struct iphdr *ip = (void *)(ethernet + 1);

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return drop(DROP_MALFORMED);

	__u32 header_length = ip->ihl * 4;
	__u32 total_length = bpf_ntohs(ip->tot_len);

	if (ip->version != 4 || header_length < sizeof(*ip) || total_length < header_length ||
	    total_length + sizeof(*ethernet) > skb->len)
		return drop(DROP_MALFORMED);
	if (ip->saddr != from->address)
		return drop(DROP_SPOOFED_ADDRESS);

	struct route_key towards = {
		.prefix_length = 64,
		.table = bpf_htonl(from->route_table),
		.destination = ip->daddr,
	};
	struct route *route = bpf_map_lookup_elem(&routes, &towards);

	if (!route)
		return drop(DROP_NO_ROUTE);

	if (route->kind != ROUTE_LOCAL) {
		struct admission_key entering = {
			.prefix_length = 96,
			.to = bpf_htonl(route->vpc),
			.from = bpf_htonl(from->vpc),
			.source = ip->saddr,
		};

		if (!bpf_map_lookup_elem(&admissions, &entering))
			return drop(DROP_NOT_ADMITTED);
	}

	struct endpoint_key destination = {
		.vpc = route->vpc,
		.address = ip->daddr,
	};
	struct endpoint *to = bpf_map_lookup_elem(&endpoints, &destination);

	if (!to)
		return drop(DROP_NO_SUCH_DESTINATION);

	__builtin_memcpy(ethernet->h_dest, to->mac, ETH_ALEN);
	set_router_mac(ethernet->h_source);
	/* A workload that did not send to the router's MAC would have its packet refused by the
	 * receiving stack as another host's, on kernels that do not reset this themselves. */
	if (skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);

	if (bpf_redirect_peer(to->ifindex, 0) != TC_ACT_REDIRECT)
		return drop(DROP_REDIRECT);
	count(route->kind == ROUTE_LOCAL ? FORWARDED_LOCAL : FORWARDED_PEERING);
	return TC_ACT_REDIRECT;
}

SEC("classifier")
int tombolo(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct interface *from = bpf_map_lookup_elem(&interfaces, &ifindex);

	if (!from)
		return drop(DROP_UNKNOWN_INTERFACE);

	pull(skb, sizeof(struct ethhdr) + sizeof(struct iphdr));

	struct ethhdr *ethernet = (void *)(long)skb->data;

	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return drop(DROP_MALFORMED);
	/* A tag that the kernel took out of the frame is no longer in `h_proto`. */
	if (skb->vlan_present)
		return drop(DROP_ETHER_TYPE);
	if (ethernet->h_proto != bpf_htons(ETH_P_IP) && ethernet->h_proto != bpf_htons(ETH_P_ARP))
		return drop(DROP_ETHER_TYPE);
	if (!same_mac(ethernet->h_source, from->mac))
		return drop(DROP_SPOOFED_MAC);

	if (ethernet->h_proto == bpf_htons(ETH_P_ARP))
		return answer_arp(skb, from);
	return forward(skb, from);
}

char program_license[] SEC("license") = "Dual MIT/GPL";
