/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * The data path: one program for every network interface of every VPC on the machine.
 *
 * It runs at the ingress of the veth's end in the core namespace, so it sees each packet that a
 * workload sends, first thing, and decides alone: no packet reaches the core namespace's own
 * network stack. src/verdict.rs and src/verdict/model.rs are the same decision in Rust, written from
 * the rules rather than from these maps; whoever changes one changes the other.
 *
 * What a VPC's router does elsewhere and this one does not: the TTL stays as it is, since
 * workloads in Amazon VPC do not see the router as a hop either; the router's own address answers
 * ARP and nothing else, not even an echo request, as on EC2; nothing is fragmented on the way.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "flows.h"
#include "router.h"
#include "rules.h"
#include "too_big.h"

/* Drops a packet whose addresses are known, with a record of it. */
static __always_inline int reject(struct __sk_buff *skb, const struct packet *packet, __u32 reason)
{
	report_packet(packet, reason, bpf_ktime_get_coarse_ns());
	return drop(skb, reason);
}

/*
 * Gives a later fragment what the first one said: 0, or the reason to drop it. One that lies over
 * the flags of a TCP header is never a true one (RFC 3128).
 */
static __always_inline __u32 recall_first(const struct fragment_key *key, __u16 offset,
					  struct packet *packet, __u64 now)
{
	struct fragment *first = bpf_map_lookup_elem(&fragments, key);

	if (!first || (__s64)(now - first->seen) > (__s64)FRAGMENT_TIMEOUT)
		return DROP_FRAGMENT;
	if (packet->protocol == IPPROTO_TCP && offset * 8 < TCP_HEADER)
		return DROP_FRAGMENT;
	packet->source.port = first->source_port;
	packet->destination.port = first->destination_port;
	packet->service = first->service;
	packet->kind = first->kind;
	/* Not one that opens a connection: that was the first. */
	packet->tcp_flags = TCP_FLAG_ACK;
	return 0;
}

static __always_inline void remember_first(const struct fragment_key *key,
					   const struct packet *packet, __u64 now)
{
	struct fragment first = {
		.seen = now,
		.source_port = packet->source.port,
		.destination_port = packet->destination.port,
		.service = packet->service,
		/* Only a whole quotation is believed. */
		.kind = packet->kind == QUOTES ? ALONE : packet->kind,
	};

	bpf_map_update_elem(&fragments, key, &first, BPF_ANY);
}

/*
 * Whether groups let a live flow of an earlier generation go on, as its beginner would be asked
 * now. `source` tells which end of the flow the packet is from.
 */
static __always_inline int is_still_let(const struct flow *flow, __u32 source,
					const struct packet *packet, const struct interface *from,
					const struct endpoint *to)
{
	int reply = flow->began != source;
	struct beginning begins = {
		.sender = reply ? packet->destination.address : packet->source.address,
		.receiver = reply ? packet->source.address : packet->destination.address,
		.service = reply ? packet->source.port : packet->destination.port,
		.protocol = packet->flow_protocol,
	};

	if (reply)
		return !refusal(&to->groups, &from->groups, &begins);
	return !refusal(&from->groups, &to->groups, &begins);
}

/*
 * The stateful part: 0 if the packet may pass, else the reason to drop it. Sets `flow` to the live
 * flow that it belongs to; without one, `over` to the entry that is in a new one's place.
 */
static __always_inline __u32 judge(const struct packet *packet, const struct interface *from,
				   const struct endpoint *to, const struct settings *set,
				   __u64 now, struct flow **flow, struct flow **over,
				   __u32 *source)
{
	struct beginning begins = {
		.sender = packet->source.address,
		.receiver = packet->destination.address,
		.service = packet->service,
		.protocol = packet->protocol,
	};
	struct flow_key key = {};
	struct flow *there = NULL;

	*source = flow_key_of(packet, &key);
	if (packet->kind != ALONE)
		there = bpf_map_lookup_elem(&flows, &key);
	if (there && is_live(there, packet, *source, now)) {
		if (there->generation == set->generation) {
			*flow = there;
			return 0;
		}
		if (is_still_let(there, *source, packet, from, to)) {
			there->generation = set->generation;
			*flow = there;
			return 0;
		}
	}
	*over = there;
	return refusal(&from->groups, &to->groups, &begins);
}

static __always_inline void count_forwarded(const struct packet *packet, __u32 route_kind)
{
	struct vpc_pair pair = { .from = packet->source.vpc, .to = packet->destination.vpc };
	struct interface_traffic *of;
	struct traffic *crossed;

	of = bpf_map_lookup_elem(&interface_traffic, &packet->ifindex[0]);
	if (of)
		add(&of->sent, packet->segments, packet->bytes);
	of = bpf_map_lookup_elem(&interface_traffic, &packet->ifindex[1]);
	if (of)
		add(&of->received, packet->segments, packet->bytes);
	if (route_kind == ROUTE_LOCAL) {
		count(FORWARDED_LOCAL, packet->segments, packet->bytes);
		return;
	}
	count(FORWARDED_PEERING, packet->segments, packet->bytes);
	crossed = bpf_map_lookup_elem(&peering_traffic, &pair);
	if (crossed)
		add(crossed, packet->segments, packet->bytes);
}

static __always_inline int forward(struct __sk_buff *skb, const struct interface *from,
				   const struct settings *set)
{
	struct ethhdr *ethernet = (void *)(long)skb->data;
	struct iphdr *ip = (void *)(ethernet + 1);

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return drop(skb, DROP_MALFORMED);

	__u32 header_length = ip->ihl * 4;
	__u32 total_length = bpf_ntohs(ip->tot_len);

	if (ip->version != 4 || header_length < sizeof(*ip) || total_length < header_length ||
	    total_length + sizeof(*ethernet) > skb->len)
		return drop(skb, DROP_MALFORMED);

	struct packet packet = {
		.source = { .vpc = from->vpc, .address = ip->saddr },
		.destination = { .address = ip->daddr },
		.ifindex = { skb->ifindex },
		.segments = segments_of(skb),
		.bytes = skb->len - ETH_HLEN,
		.size = total_length,
		.protocol = ip->protocol,
		.flow_protocol = ip->protocol,
		.kind = ALONE,
	};
	__u16 fragment = bpf_ntohs(ip->frag_off);
	struct fragment_key fragment_key = {
		.from = from->vpc,
		.source = ip->saddr,
		.destination = ip->daddr,
		.id = ip->id,
		.protocol = ip->protocol,
	};
	__u32 reason = 0;

	/* A later fragment has no ports: what is there is not looked at before its first is found. */
	if (!(fragment & IP_FRAGMENT_OFFSET))
		reason = read_transport(skb, ETH_HLEN + header_length,
					total_length - header_length, &packet);
	if (reason)
		return reject(skb, &packet, reason);
	if (packet.source.address != from->address)
		return reject(skb, &packet, DROP_SPOOFED_ADDRESS);

	struct route_key towards = {
		.prefix_length = 64,
		.table = bpf_htonl(from->route_table),
		.destination = packet.destination.address,
	};
	struct route *route = bpf_map_lookup_elem(&routes, &towards);

	if (!route || route->kind == ROUTE_BLACK_HOLE)
		return reject(skb, &packet, DROP_NO_ROUTE);

	if (route->kind != ROUTE_LOCAL) {
		struct admission_key entering = {
			.prefix_length = 96,
			.to = bpf_htonl(route->vpc),
			.from = bpf_htonl(from->vpc),
			.source = packet.source.address,
		};

		if (!bpf_map_lookup_elem(&admissions, &entering))
			return reject(skb, &packet, DROP_NOT_ADMITTED);
	}

	struct endpoint_key destination = {
		.vpc = route->vpc,
		.address = packet.destination.address,
	};
	struct endpoint *to = bpf_map_lookup_elem(&endpoints, &destination);

	if (!to)
		return reject(skb, &packet, DROP_NO_SUCH_DESTINATION);
	packet.destination.vpc = route->vpc;
	packet.ifindex[1] = to->ifindex;

	__u64 now = bpf_ktime_get_coarse_ns();
	__u32 source = 0;
	struct flow *flow = NULL, *over = NULL;

	fragment_key.to = route->vpc;
	if (fragment & IP_FRAGMENT_OFFSET)
		reason = recall_first(&fragment_key, fragment & IP_FRAGMENT_OFFSET, &packet, now);
	if (!reason)
		reason = judge(&packet, from, to, set, now, &flow, &over, &source);
	if (reason)
		return reject(skb, &packet, reason);

	if (packet.size > to->mtu) {
		reject(skb, &packet, DROP_TOO_BIG);
		/* Never an error about an error or a later fragment (RFC 1122, 3.2.2). */
		if (packet.kind == QUOTES || packet.kind == ALONE || fragment & IP_FRAGMENT_OFFSET)
			return TC_ACT_SHOT;
		return answer_too_big(skb, from, header_length, to->mtu);
	}

	if (packet.kind == BEGINS || packet.kind == ANSWERS) {
		if (flow)
			continue_flow(flow, &packet, source, now);
		else if (packet.kind == BEGINS)
			reason = begin_flow(&packet, over, set, now);
		else
			report_packet(&packet, ACCEPTED, now);
	} else if (packet.kind == ALONE) {
		report_packet(&packet, ACCEPTED, now);
	}
	if (reason)
		return reject(skb, &packet, reason);
	if (fragment & IP_MORE_FRAGMENTS && !(fragment & IP_FRAGMENT_OFFSET))
		remember_first(&fragment_key, &packet, now);

	/* Helpers that looked into the packet may have moved it. */
	ethernet = (void *)(long)skb->data;
	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return drop(skb, DROP_MALFORMED);
	__builtin_memcpy(ethernet->h_dest, to->mac, ETH_ALEN);
	set_router_mac(ethernet->h_source);
	/* A workload that did not send to the router's MAC would have its packet refused by the
	 * receiving stack as another host's, on kernels that do not reset this themselves. */
	if (skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);

	if (bpf_redirect_peer(to->ifindex, 0) != TC_ACT_REDIRECT)
		return reject(skb, &packet, DROP_REDIRECT);
	count_forwarded(&packet, route->kind);
	return TC_ACT_REDIRECT;
}

SEC("classifier")
int tombolo(struct __sk_buff *skb)
{
	__u32 first = 0, ifindex = skb->ifindex;
	struct settings *current = bpf_map_lookup_elem(&settings, &first);

	if (!current)
		return TC_ACT_SHOT;

	/*
	 * Copied before anything is looked up that it is the generation of: if groups or rules change
	 * while the packet is decided about, its flow is of the generation before and decided again.
	 */
	struct settings set = *current;
	struct interface *from = bpf_map_lookup_elem(&interfaces, &ifindex);

	if (!from)
		return drop(skb, DROP_UNKNOWN_INTERFACE);

	pull(skb, sizeof(struct ethhdr) + sizeof(struct iphdr));

	struct ethhdr *ethernet = (void *)(long)skb->data;

	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return drop(skb, DROP_MALFORMED);
	/* A tag that the kernel took out of the frame is no longer in `h_proto`. */
	if (skb->vlan_present)
		return drop(skb, DROP_ETHER_TYPE);
	if (ethernet->h_proto != bpf_htons(ETH_P_IP) && ethernet->h_proto != bpf_htons(ETH_P_ARP))
		return drop(skb, DROP_ETHER_TYPE);
	if (!same_mac(ethernet->h_source, from->mac))
		return drop(skb, DROP_SPOOFED_MAC);

	if (ethernet->h_proto == bpf_htons(ETH_P_ARP))
		return answer_arp(skb, from);
	return forward(skb, from, &set);
}

char program_license[] SEC("license") = "Dual MIT/GPL";
