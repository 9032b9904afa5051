/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* Counters, and records for whoever follows the flows. */
#ifndef TOMBOLO_EVENTS_H
#define TOMBOLO_EVENTS_H

#include "packet.h"

/* As `read_ip` counts. */
static __always_inline __u32 segments_of(const struct __sk_buff *skb)
{
	return skb->gso_segs ? skb->gso_segs : 1;
}

static __always_inline void add(struct traffic *traffic, __u32 packets, __u32 bytes)
{
	traffic->packets += packets;
	traffic->bytes += bytes;
}

static __always_inline void count(__u32 slot, __u32 packets, __u32 bytes)
{
	struct traffic *traffic = bpf_map_lookup_elem(&counters, &slot);

	if (traffic)
		add(traffic, packets, bytes);
}

static __always_inline int drop(struct __sk_buff *skb, __u32 reason)
{
	__u32 ifindex = skb->ifindex;
	__u32 packets = segments_of(skb);
	__u32 bytes = skb->len - ETH_HLEN;
	struct interface_traffic *of = bpf_map_lookup_elem(&interface_traffic, &ifindex);

	if (of)
		add(&of->dropped, packets, bytes);
	count(reason, packets, bytes);
	return TC_ACT_SHOT;
}

static __always_inline struct flow_event *reserve_event(void)
{
	struct flow_event *event = bpf_ringbuf_reserve(&flow_events, sizeof(*event), 0);

	if (!event)
		count(EVENTS_LOST, 1, 0);
	return event;
}

static __always_inline void submit_event(struct flow_event *event)
{
	__u64 waiting = bpf_ringbuf_query(&flow_events, BPF_RB_AVAIL_DATA);

	bpf_ringbuf_submit(event, waiting < EVENTS_TO_WAKE_FOR ? BPF_RB_NO_WAKEUP :
								 BPF_RB_FORCE_WAKEUP);
}

/* A record of one packet: one that begins a flow or belongs to none, or one that is rejected. */
__noinline int report_packet(const struct packet *packet, __u32 outcome, __u64 now)
{
	struct flow_event *event;

	if (!packet)
		return 0;
	event = reserve_event();
	if (!event)
		return 0;
	event->start = now;
	event->end = now;
	event->packets[0] = packet->segments;
	event->packets[1] = 0;
	event->bytes[0] = packet->bytes;
	event->bytes[1] = 0;
	event->ifindex[0] = packet->ifindex[0];
	event->ifindex[1] = packet->ifindex[1];
	event->addresses[0] = packet->source.address;
	event->addresses[1] = packet->destination.address;
	if (packet->kind == BEGINS || packet->kind == ANSWERS) {
		event->ports[0] = packet->source.port;
		event->ports[1] = packet->destination.port;
	} else {
		event->ports[0] = 0;
		event->ports[1] = packet->service;
	}
	event->protocol = packet->protocol;
	event->outcome = outcome;
	event->padding = 0;
	submit_event(event);
	return 0;
}

/*
 * A record of what a flow carried since its last one, which only one of several CPUs makes.
 * `beginner` and `other` are the ends as the packet at hand has them.
 */
__noinline int report_flow(struct flow *flow, const struct flow_end *beginner,
			   const struct flow_end *other, __u32 protocol, __u64 now)
{
	struct flow_event *event;
	__u64 start;

	if (!flow || !beginner || !other)
		return 0;
	start = flow->reported;
	if (__sync_val_compare_and_swap(&flow->reported, start, now) != start)
		return 0;
	event = reserve_event();
	/* The counts stay for the next record. */
	if (!event)
		return 0;
	event->start = start;
	event->end = flow->last;
	event->packets[0] = __sync_lock_test_and_set(&flow->packets[0], 0);
	event->packets[1] = __sync_lock_test_and_set(&flow->packets[1], 0);
	event->bytes[0] = __sync_lock_test_and_set(&flow->bytes[0], 0);
	event->bytes[1] = __sync_lock_test_and_set(&flow->bytes[1], 0);
	event->ifindex[0] = flow->ifindex[0];
	event->ifindex[1] = flow->ifindex[1];
	event->addresses[0] = beginner->address;
	event->addresses[1] = other->address;
	event->ports[0] = beginner->port;
	event->ports[1] = other->port;
	event->protocol = protocol;
	event->outcome = ACCEPTED;
	event->padding = 0;
	submit_event(event);
	return 0;
}

#endif
