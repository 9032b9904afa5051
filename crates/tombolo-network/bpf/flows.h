/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* The flow table: what lets replies pass without a rule. */
#ifndef TOMBOLO_FLOWS_H
#define TOMBOLO_FLOWS_H

#include "events.h"

static __always_inline int comes_first(const struct flow_end *a, const struct flow_end *b)
{
	__u64 host_a = (__u64)a->vpc << 32 | a->address;
	__u64 host_b = (__u64)b->vpc << 32 | b->address;

	return host_a < host_b || (host_a == host_b && a->port <= b->port);
}

/* Fills in the key of the packet's flow; returns which of its ends the packet's source is. */
static __always_inline __u32 flow_key_of(const struct packet *packet, struct flow_key *key)
{
	__u32 source = !comes_first(&packet->source, &packet->destination);

	key->ends[0] = source ? packet->destination : packet->source;
	key->ends[1] = source ? packet->source : packet->destination;
	key->protocol = packet->flow_protocol;
	return source;
}

static __always_inline int is_closing(__u32 tcp_state)
{
	__u32 fins = TCP_FIN_OF_BEGINNER | TCP_FIN_OF_OTHER;

	return (tcp_state & TCP_RST) || (tcp_state & fins) == fins;
}

static __always_inline __s64 timeout_of(__u8 protocol, __u32 state)
{
	switch (protocol) {
	case IPPROTO_TCP:
		if (is_closing(state))
			return TCP_CLOSING_TIMEOUT;
		return state & TCP_ANSWERED ? TCP_ESTABLISHED_TIMEOUT : TCP_OPENING_TIMEOUT;
	case IPPROTO_UDP:
		return state < UDP_STREAM ? UDP_TIMEOUT : UDP_STREAM_TIMEOUT;
	case IPPROTO_ICMP:
		return ICMP_TIMEOUT;
	default:
		return OTHER_TIMEOUT;
	}
}

/*
 * Whether the flow is of the two interfaces that the packet is of. An address may be another's by
 * now, who inherits no flows with it.
 */
static __always_inline int is_of_both(const struct flow *flow, const struct packet *packet,
				      __u32 source)
{
	if (flow->began == source)
		return flow->ifindex[0] == packet->ifindex[0] &&
		       flow->ifindex[1] == packet->ifindex[1];
	return flow->ifindex[0] == packet->ifindex[1] && flow->ifindex[1] == packet->ifindex[0];
}

/*
 * Whether the packet can belong to the flow. What can only be a first packet belongs to no flow
 * that the other end began, or a server could open connections back to its clients' ports for as
 * long as the table remembers them; nor to one that is closing, whose ports are used again.
 */
static __always_inline int is_live(const struct flow *flow, const struct packet *packet,
				   __u32 source, __u64 now)
{
	/* Signed, since another CPU may have read a later time before. */
	__s64 idle = now - flow->last;

	/* Who outside knows the flow knows it by the port that it goes by. */
	if (packet->outside == SENDER && flow->public_port != packet->public_port)
		return 0;

	if (idle > timeout_of(packet->flow_protocol, flow->state) ||
	    !is_of_both(flow, packet, source))
		return 0;
	if (!opens(packet))
		return 1;
	return flow->began == source &&
	       !(packet->protocol == IPPROTO_TCP && is_closing(flow->state));
}

static __always_inline void advance(struct flow *flow, const struct packet *packet, __u32 reply)
{
	__u32 state = flow->state;

	if (packet->protocol == IPPROTO_TCP) {
		__u32 seen = reply ? TCP_ANSWERED : 0;

		if (packet->tcp_flags & TCP_FLAG_FIN)
			seen |= reply ? TCP_FIN_OF_OTHER : TCP_FIN_OF_BEGINNER;
		if (packet->tcp_flags & TCP_FLAG_RST)
			seen |= TCP_RST;
		/* Atomic is dear, and rarely is anything new. */
		if ((state & seen) != seen)
			__sync_fetch_and_or(&flow->state, seen);
	} else if (packet->protocol == IPPROTO_UDP) {
		/* At even numbers the beginner spoke last. */
		if (state < UDP_STREAM && reply != (state & 1))
			flow->state = state + 1;
	}
}

/* Counts a packet of a live flow, and makes its record if that is due. */
static __always_inline void continue_flow(struct flow *flow, const struct packet *packet,
					  __u32 source, __u64 now)
{
	__u32 reply = flow->began != source;

	flow->last = now;
	advance(flow, packet, reply);
	/* Each index written out: a variable one into a map's value costs the verifier dearly. */
	if (reply) {
		__sync_fetch_and_add(&flow->packets[1], packet->segments);
		__sync_fetch_and_add(&flow->bytes[1], packet->bytes);
	} else {
		__sync_fetch_and_add(&flow->packets[0], packet->segments);
		__sync_fetch_and_add(&flow->bytes[0], packet->bytes);
	}
	if ((__s64)(now - flow->reported) >= (__s64)REPORT_INTERVAL)
		report_flow(flow, reply ? &packet->destination : &packet->source,
			    reply ? &packet->source : &packet->destination, packet->protocol, now);
}

static __always_inline void change_use(__u32 ifindex, __s64 by)
{
	__u64 *began = bpf_map_lookup_elem(&flow_use, &ifindex);

	if (began)
		__sync_fetch_and_add(began, by);
}

/* Whether an interface has as many flows in the table as it may, so that others keep theirs. */
static __always_inline int share_is_used(__u32 ifindex, __u32 share)
{
	__u64 *began = bpf_map_lookup_elem(&flow_use, &ifindex);
	__u64 *ended = bpf_map_lookup_elem(&flow_ended, &ifindex);

	return began && ended && (__s64)(*began - *ended) >= (__s64)share;
}

/* How many of the flows that were begun are still in the table; 0 where nobody counts. */
static __always_inline __s64 in_table(const __u64 *began, const __u64 *ended)
{
	return began && ended ? (__s64)(*began - *ended) : 0;
}

static __always_inline __s64 flows_of_group(__u64 group)
{
	return in_table(bpf_map_lookup_elem(&group_flows, &group),
			bpf_map_lookup_elem(&group_flows_ended, &group));
}

/*
 * Whether a VPC and its share group may begin one more flow, or take over one that is in the table
 * already.
 */
__noinline int vpc_may_begin(__u32 vpc, __u32 takes_over)
{
	__u32 first = 0;
	struct flow_shares *shares = bpf_map_lookup_elem(&flow_shares, &first);
	struct vpc_flows *of_vpc = bpf_map_lookup_elem(&vpc_flows, &vpc);
	__s64 of_group;

	if (!shares || !of_vpc)
		return 1;
	if (in_table(&of_vpc->began, bpf_map_lookup_elem(&vpc_flows_ended, &vpc)) >= shares->vpc)
		return 0;
	of_group = flows_of_group(of_vpc->share_group);
	if (of_group >= shares->group)
		return 0;
	return takes_over || of_group < shares->reserved ||
	       flows_of_group(EVERY_GROUP) < shares->all;
}

/* Counts a flow for a VPC and its group, or takes it back; 0 where nobody counts. */
__noinline int change_shares(__u32 vpc, __s32 by)
{
	struct vpc_flows *of_vpc = bpf_map_lookup_elem(&vpc_flows, &vpc);
	__u64 group, every = EVERY_GROUP;
	__u64 *began;

	if (!of_vpc)
		return 0;
	group = of_vpc->share_group;
	__sync_fetch_and_add(&of_vpc->began, (__s64)by);
	began = bpf_map_lookup_elem(&group_flows, &group);
	if (began)
		__sync_fetch_and_add(began, (__s64)by);
	began = bpf_map_lookup_elem(&group_flows, &every);
	if (began)
		__sync_fetch_and_add(began, (__s64)by);
	return 1;
}

/* Whether it was this CPU that made an owner's entry another's. */
static __always_inline int changes_hands(struct flow *flow, __u32 owner, __u32 payer)
{
	if (flow->charged)
		return __sync_val_compare_and_swap(&flow->ifindex[1], owner, payer) == owner;
	return __sync_val_compare_and_swap(&flow->ifindex[0], owner, payer) == owner;
}

/*
 * Puts the flow that the packet begins into the table: 0, or the reason to drop the packet. `there`
 * is the entry that its key has already, of a flow that is over.
 */
__noinline __u32 begin_flow(const struct packet *packet, struct flow *there,
			    const struct settings *set, __u64 now)
{
	if (!packet || !set)
		return DROP_FLOW_TABLE_FULL;

	struct flow flow = {
		.last = now,
		.reported = now,
		.ifindex = { packet->ifindex[0], packet->ifindex[1] },
		.generation = set->generation,
	};
	struct flow_key key = {};
	__u32 by_outside = packet->outside == SENDER;
	__u32 payer = packet->ifindex[by_outside], owner = 0;
	__u32 vpc = by_outside ? packet->destination.vpc : packet->source.vpc, owner_vpc = 0;
	long error;

	flow.public_port = packet->public_port;
	flow.charged = by_outside;
	flow.began = flow_key_of(packet, &key);
	advance(&flow, packet, 0);

	if (there) {
		owner = there->charged ? there->ifindex[1] : there->ifindex[0];
		/* Of a flow with the outside that is the end that is not outside. */
		owner_vpc = (there->began ^ there->charged) & 1 ? key.ends[1].vpc : key.ends[0].vpc;
	}
	/* One who takes the entry over from itself takes no more of the table. */
	if (owner != payer && share_is_used(payer, set->flow_share))
		return DROP_FLOW_TABLE_FULL;
	if (owner_vpc != vpc && !vpc_may_begin(vpc, there != NULL))
		return DROP_FLOW_TABLE_FULL;
	if (there) {
		__u32 same = there->began == flow.began;
		__u64 last = there->last;

		if (there->packets[0] | there->packets[1])
			report_flow(there, same ? &packet->source : &packet->destination,
				    same ? &packet->destination : &packet->source,
				    packet->protocol, now);
		/* Of several CPUs one begins the flow. The others' packets pass as its would. */
		if (__sync_val_compare_and_swap(&there->last, last, now) != last)
			return 0;
		there->reported = now;
		/*
		 * Of a flow that is not idle `last` may be `now` already, and then several get here:
		 * who finds the owner still there settles the accounts, once.
		 */
		if (owner != payer && changes_hands(there, owner, payer)) {
			change_use(owner, -1);
			change_use(payer, 1);
			if (owner_vpc != vpc) {
				if (there->shared)
					change_shares(owner_vpc, -1);
				there->shared = change_shares(vpc, 1);
			}
		}
		there->ifindex[0] = flow.ifindex[0];
		there->ifindex[1] = flow.ifindex[1];
		there->charged = flow.charged;
		there->public_port = flow.public_port;
		there->generation = flow.generation;
		there->state = flow.state;
		there->began = flow.began;
	} else {
		/* Whether they are counted is known before another can end it. */
		flow.shared = bpf_map_lookup_elem(&vpc_flows, &vpc) != NULL;
		error = bpf_map_update_elem(&flows, &key, &flow, BPF_NOEXIST);
		/* Another CPU was quicker with the same flow. */
		if (error == -17 /* EEXIST */)
			return 0;
		if (error)
			return DROP_FLOW_TABLE_FULL;
		change_use(payer, 1);
		if (flow.shared)
			change_shares(vpc, 1);
	}
	report_packet(packet, ACCEPTED, now);
	return 0;
}

#endif
