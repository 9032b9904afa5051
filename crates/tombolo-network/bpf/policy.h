/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* The policy: whether a packet whose two ends are known may pass, by its flow or by rules. */
#ifndef TOMBOLO_POLICY_H
#define TOMBOLO_POLICY_H

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

/* The packet that a fragment is of, on its way to the VPC `to`. */
static __always_inline struct fragment_key fragment_key_of(const struct packet *packet, __u32 to)
{
	struct fragment_key key = {
		.from = packet->source.vpc,
		.to = to,
		.source = packet->source.address,
		.destination = packet->destination.address,
		.id = packet->id,
		.protocol = packet->protocol,
	};

	return key;
}

/*
 * Gives a later fragment what the first one said: 0, or the reason to drop it. One that lies over
 * the flags of a TCP header is never a true one (RFC 3128).
 */
static __always_inline __u32 recall_first(const struct fragment_key *key, struct packet *packet,
					  __u64 now)
{
	struct fragment *first = bpf_map_lookup_elem(&fragments, key);
	__u16 offset = packet->fragment & IP_FRAGMENT_OFFSET;

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

/* Remembers what a first fragment says, as the packet had it when it came. */
static __always_inline void remember_first(const struct fragment_key *key,
					   const struct packet *packet, __u64 now)
{
	struct fragment first = {
		.seen = now,
		.source_port = packet->source.port,
		.destination_port = packet->outside == SENDER ? packet->public_port :
								packet->destination.port,
		.service = packet->service,
		/* Only a whole quotation is believed. */
		.kind = packet->kind == QUOTES ? ALONE : packet->kind,
	};

	if (packet->fragment & IP_MORE_FRAGMENTS && !is_later_fragment(packet))
		bpf_map_update_elem(&fragments, key, &first, BPF_ANY);
}

/* Whether groups let a live flow of an earlier generation go on, as its beginner would be asked. */
static __always_inline int is_still_allowed(const struct flow *flow, const struct packet *packet,
					const struct groups *from, const struct groups *to)
{
	int reply = flow->began != packet->end;
	struct beginning begins = {
		.sender = reply ? packet->destination.address : packet->source.address,
		.receiver = reply ? packet->source.address : packet->destination.address,
		.service = reply ? packet->source.port : packet->destination.port,
		.protocol = packet->flow_protocol,
		.outside = packet->outside,
	};

	if (!reply)
		return !refusal(from, to, &begins);
	if (packet->outside != NOBODY)
		begins.outside = packet->outside == SENDER ? RECEIVER : SENDER;
	return !refusal(to, from, &begins);
}

/*
 * The entry of the packet's flow, if there is one. `packet->belongs` tells whether it is of a live
 * flow that the packet belongs to and that groups still let; else a new one takes its place.
 */
static __noinline struct flow *find_flow(struct packet *packet,
							const struct groups *from,
							const struct groups *to,
							const struct settings *set, __u64 now)
{
	struct flow_key key = {};
	struct flow *there = NULL;

	packet->end = flow_key_of(packet, &key);
	packet->belongs = 0;
	if (packet->kind != ALONE)
		there = bpf_map_lookup_elem(&flows, &key);
	if (!there || !is_live(there, packet, packet->end, now))
		return there;
	if (there->generation != set->generation) {
		if (!is_still_allowed(there, packet, from, to))
			return there;
		there->generation = set->generation;
	}
	packet->belongs = 1;
	return there;
}

/* 0 if groups let the packet begin a flow, else the reason to drop it. */
static __always_inline __u32 policy_refusal(const struct packet *packet, const struct groups *from,
				   const struct groups *to)
{
	struct beginning begins = {
		.sender = packet->source.address,
		.receiver = packet->destination.address,
		.service = packet->service,
		.protocol = packet->protocol,
		.outside = packet->outside,
	};

	return refusal(from, to, &begins);
}

/* Drops a packet that is larger than the receiver's MTU, and tells its sender. */
static __always_inline int refuse_size(struct __sk_buff *skb, const struct packet *packet,
				       const struct told *told)
{
	reject(skb, packet, DROP_TOO_BIG);
	/* Never an error about an error or a later fragment (RFC 1122, 3.2.2). */
	if (packet->kind == QUOTES || packet->kind == ALONE || is_later_fragment(packet))
		return TC_ACT_SHOT;
	return answer_too_big(skb, told, packet->header_length);
}

static __always_inline void count_sent(const struct packet *packet)
{
	struct interface_traffic *of = bpf_map_lookup_elem(&interface_traffic, &packet->ifindex[0]);

	if (of)
		add(&of->sent, packet->segments, packet->bytes);
}

static __always_inline void count_received(const struct packet *packet)
{
	struct interface_traffic *of = bpf_map_lookup_elem(&interface_traffic, &packet->ifindex[1]);

	if (of)
		add(&of->received, packet->segments, packet->bytes);
}

/*
 * Addresses the frame to `mac`, from the router; 0 if it cannot be. A stack refuses a frame that it
 * takes for another host's, also on kernels that do not reset this themselves.
 */
static __always_inline int readdress(struct __sk_buff *skb, const __u8 *mac)
{
	struct ethhdr *ethernet = (void *)(long)skb->data;

	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return 0;
	__builtin_memcpy(ethernet->h_dest, mac, ETH_ALEN);
	set_router_mac(ethernet->h_source);
	if (skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);
	return 1;
}

#endif
