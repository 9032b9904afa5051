/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * Between instances and what is outside of every VPC: players that come in by ports of the public
 * address, and flows that instances begin to the internet.
 *
 * What comes from outside ends here unless it is of a flow, or for a port that leads somewhere; it
 * is never answered, but that it is too big.
 */
#ifndef TOMBOLO_OUTSIDE_H
#define TOMBOLO_OUTSIDE_H

#include "policy.h"
#include "translate.h"

static __always_inline struct outside *the_outside(void)
{
	__u32 first = 0;
	struct outside *there = bpf_map_lookup_elem(&outside, &first);

	return there && there->address ? there : NULL;
}

static __always_inline int is_in(__be32 address, __u32 block, __u32 length)
{
	return !((bpf_ntohl(address) ^ block) >> (32 - length));
}

/* Whether no packet can truly come from there (RFC 6890). */
static __always_inline int is_no_source(__be32 address)
{
	return is_in(address, 0x00000000, 8) || is_in(address, 0x7f000000, 8) ||
	       is_in(address, 0xe0000000, 3);
}

/*
 * Whether the internet has no such address: what an instance sends there would at best reach the
 * machine itself or networks around it. An internet gateway of AWS has no way there either.
 */
static __always_inline int is_not_outside(__be32 address)
{
	return is_no_source(address) || is_in(address, 0x0a000000, 8) ||
	       is_in(address, 0x64400000, 10) || is_in(address, 0xa9fe0000, 16) ||
	       is_in(address, 0xac100000, 12) || is_in(address, 0xc0a80000, 16);
}

/* Where a packet from outside goes. */
struct inside {
	__u32 ifindex;
	__be16 port;
	/* Whether anyone may begin flows there; else it can only be an answer. */
	__u16 is_public;
};

/* Finds it by the port of the public address that the packet names; 0 if that leads nowhere. */
static __always_inline int find_inside(const struct packet *packet, struct inside *inside)
{
	struct public_port_key port = {
		.port = packet->public_port,
		.protocol = packet->flow_protocol,
	};
	struct inside_port *leads = bpf_map_lookup_elem(&public_ports, &port);

	if (leads) {
		inside->ifindex = leads->ifindex;
		inside->port = leads->port;
		inside->is_public = 1;
		return 1;
	}

	struct translation_key key = {
		.remote = packet->source.address,
		.remote_port = packet->source.port,
		.port = packet->public_port,
		.protocol = packet->flow_protocol,
	};
	struct translation *of = bpf_map_lookup_elem(&translations, &key);

	if (!of)
		return 0;
	inside->ifindex = of->ifindex;
	inside->port = of->inside.port;
	inside->is_public = 0;
	return 1;
}

/* Reads a packet that came to the public address as far as to find where it goes: 0, or a reason. */
static __always_inline __u32 read_from_outside(struct __sk_buff *skb, struct packet *packet,
					       const struct fragment_key *fragment, __u64 now)
{
	__u32 reason;

	if (is_later_fragment(packet))
		reason = recall_first(fragment, packet, now);
	else
		reason = read_transport(skb, packet);
	packet->public_port = packet->destination.port;
	return reason;
}

/* A packet at the core namespace's end of the uplink. */
static __always_inline int enter(struct __sk_buff *skb, const struct outside *out,
				 const struct settings *set)
{
	struct packet packet = {};
	struct inside inside = {};
	__u64 now = bpf_ktime_get_coarse_ns();
	__u32 reason;

	if (!read_ip(skb, &packet))
		return drop(skb, DROP_MALFORMED);
	packet.outside = SENDER;
	packet.ifindex[0] = OUTSIDE_LINK;
	if (packet.destination.address != out->address)
		return drop(skb, DROP_NOT_A_PUBLIC_PORT);

	struct route_key back = { .prefix_length = 64, .destination = packet.source.address };
	struct fragment_key fragment = fragment_key_of(&packet, OUTSIDE_VPC);

	if (is_no_source(back.destination) || back.destination == out->address)
		return drop(skb, DROP_SPOOFED_ADDRESS);
	reason = read_from_outside(skb, &packet, &fragment, now);
	if (reason)
		return drop(skb, reason);
	if (packet.kind == ALONE || !find_inside(&packet, &inside))
		return drop(skb, DROP_NOT_A_PUBLIC_PORT);

	struct interface *to = bpf_map_lookup_elem(&interfaces, &inside.ifindex);

	if (!to)
		return drop(skb, DROP_NO_SUCH_DESTINATION);
	packet.ifindex[1] = inside.ifindex;
	packet.destination.vpc = to->vpc;
	packet.destination.address = to->address;
	packet.destination.port = inside.port;
	if (packet.protocol != IPPROTO_ICMP)
		packet.service = inside.port;
	/* Who is asked back must be outside too: no rule for a VPC's own addresses is met by others. */
	back.table = bpf_htonl(to->route_table);
	if (bpf_map_lookup_elem(&routes, &back))
		return reject(skb, &packet, DROP_SPOOFED_ADDRESS);
	if (!inside.is_public && !(to->outside & OUTSIDE_BEGINS))
		return reject(skb, &packet, DROP_NO_INTERNET);

	struct flow *flow = find_flow(&packet, &to->groups, &to->groups, set, now);

	if (!packet.belongs) {
		if (!inside.is_public || packet.kind != BEGINS)
			return reject(skb, &packet, DROP_NO_FLOW);
		reason = policy_refusal(&packet, &to->groups, &to->groups);
	}
	if (reason)
		return reject(skb, &packet, reason);

	if (packet.size > to->mtu) {
		struct told told = {
			.router = out->address,
			.sender = back.destination,
			.mtu = to->mtu,
		};

		__builtin_memcpy(told.mac, out->mac, ETH_ALEN);
		return refuse_size(skb, &packet, &told);
	}
	if (!packet.belongs)
		reason = begin_flow(&packet, flow, set, now);
	else if (flow && packet.kind != QUOTES)
		continue_flow(flow, &packet, packet.end, now);
	if (reason)
		return reject(skb, &packet, reason);
	remember_first(&fragment, &packet, now);

	struct rewriting change = {
		.address = out->address,
		.new_address = to->address,
		.port = packet.public_port,
		.new_port = inside.port,
	};

	if (rewrite(skb, &packet, &change) || !readdress(skb, to->mac))
		return drop(skb, DROP_MALFORMED);
	if (bpf_redirect_peer(inside.ifindex, 0) != TC_ACT_REDIRECT)
		return reject(skb, &packet, DROP_REDIRECT);
	count_received(&packet);
	count(FORWARDED_FROM_OUTSIDE, packet.segments, packet.bytes);
	return TC_ACT_REDIRECT;
}

/* Whether the port of the public address is one that leads to the packet's source. */
static __always_inline int leads_back(const struct packet *packet, __be16 public_port)
{
	struct public_port_key port = { .port = public_port, .protocol = packet->flow_protocol };
	struct inside_port *leads = bpf_map_lookup_elem(&public_ports, &port);

	return leads && leads->ifindex == packet->ifindex[0] && leads->port == packet->source.port;
}

/* Whether what a live flow goes by is still there: it began when it was. */
static __always_inline int may_go_on(const struct flow *flow, const struct packet *packet,
				     const struct interface *from, const struct outside *out)
{
	__u16 port = bpf_ntohs(flow->public_port);

	/* The instance began it. */
	if (!flow->charged) {
		if (!(from->outside & OUTSIDE_BEGINS))
			return 0;
		if (port >= out->first_port && port <= out->last_port)
			return 1;
	}
	return leads_back(packet, flow->public_port);
}

/* How many ports are tried for a new flow: with half of them in use it fails once in 65,536. */
#define TRIES 16

/* Whether the packet's source has that entry already, of a flow that is over. */
static __always_inline int has_translation(const struct translation_key *key,
					   const struct packet *packet)
{
	struct translation *there = bpf_map_lookup_elem(&translations, key);

	return there && there->ifindex == packet->ifindex[0] &&
	       there->inside.port == packet->source.port;
}

/*
 * Gives a flow that an instance begins a port of the public address that no other flow to the same
 * remote end goes by: 0, or the reason that there is none. A port that leads to the instance is
 * taken, if there is one, then `before`, which the same flow went by earlier; else one by chance
 * (RFC 6056), and `key` is the entry that was made.
 */
__noinline __u32 take_public_port(struct packet *packet, const struct outside *out, __be16 before,
				  struct translation_key *key)
{
	if (!packet || !out || !key)
		return DROP_INTERNET_PORTS_FULL;

	struct inside_port inside = {
		.ifindex = packet->ifindex[0],
		.port = packet->source.port,
		.protocol = packet->protocol,
	};
	struct public_port_key *mapped = bpf_map_lookup_elem(&mapped_ports, &inside);

	key->protocol = 0;
	if (mapped) {
		packet->public_port = mapped->port;
		return 0;
	}

	struct translation translation = {
		.inside = packet->source,
		.ifindex = packet->ifindex[0],
	};
	__u32 ports = out->last_port - out->first_port + 1;
	__u32 start = bpf_get_prandom_u32();
	long error;

	key->remote = packet->destination.address;
	key->remote_port = packet->destination.port;
	key->port = before;
	key->protocol = packet->protocol;
	packet->public_port = before;
	if (before && has_translation(key, packet)) {
		key->protocol = 0;
		return 0;
	}
	for (__u32 i = 0; i < TRIES; i++) {
		__u16 port = out->first_port + (start + i) % ports;

		key->port = bpf_htons(port);
		key->protocol = packet->protocol;
		packet->public_port = key->port;
		error = bpf_map_update_elem(&translations, key, &translation, BPF_NOEXIST);
		if (!error)
			return 0;
		/* There are as many as flows may be: it is the table of these that has no room. */
		if (error == -7 /* E2BIG */) {
			key->protocol = 0;
			return DROP_FLOW_TABLE_FULL;
		}
	}
	key->protocol = 0;
	return DROP_INTERNET_PORTS_FULL;
}

/* Begins a flow to the outside: 0, or the reason to drop its packet. */
static __always_inline __u32 begin_outside(struct packet *packet, struct flow *over,
					   const struct outside *out, const struct settings *set,
					   __u64 now)
{
	struct translation_key key = {};
	struct flow_key flow_key = {};
	struct flow *flow;
	__u32 reason = take_public_port(packet, out, over ? over->public_port : 0, &key);

	if (reason)
		return reason;
	reason = begin_flow(packet, over, set, now);
	if (!reason) {
		/* Another CPU may have been quicker, with another port. */
		flow_key_of(packet, &flow_key);
		flow = bpf_map_lookup_elem(&flows, &flow_key);
		if (!flow || flow->public_port == packet->public_port)
			return 0;
		packet->public_port = flow->public_port;
	}
	if (key.protocol)
		bpf_map_delete_elem(&translations, &key);
	return reason;
}

/* A packet of an instance that none of its routes takes. */
__noinline int leave(struct __sk_buff *skb, struct packet *packet, const struct interface *from,
		     const struct outside *out, const struct settings *set)
{
	if (!packet || !from || !out || !set)
		return TC_ACT_SHOT;

	__u64 now = bpf_ktime_get_coarse_ns();
	struct flow *flow;
	__u32 reason = 0;

	packet->outside = RECEIVER;
	packet->ifindex[1] = OUTSIDE_LINK;

	struct fragment_key fragment = fragment_key_of(packet, OUTSIDE_VPC);

	if (is_later_fragment(packet))
		reason = recall_first(&fragment, packet, now);
	if (reason)
		return reject(skb, packet, reason);
	flow = find_flow(packet, &from->groups, &from->groups, set, now);
	if (flow && packet->belongs && may_go_on(flow, packet, from, out)) {
		packet->public_port = flow->public_port;
	} else if (!(from->outside & OUTSIDE_BEGINS)) {
		reason = DROP_NO_INTERNET;
	} else if (is_not_outside(packet->destination.address) ||
		   packet->destination.address == out->address) {
		reason = DROP_NOT_OUTSIDE;
	} else if (packet->kind != BEGINS ||
		   (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP &&
		    packet->protocol != IPPROTO_ICMP)) {
		reason = DROP_NO_FLOW;
	} else {
		reason = policy_refusal(packet, &from->groups, &from->groups);
	}
	if (reason)
		return reject(skb, packet, reason);

	if (packet->size > out->mtu) {
		struct told told = {
			.router = router_of(from),
			.sender = from->address,
			.mtu = out->mtu,
		};

		__builtin_memcpy(told.mac, from->mac, ETH_ALEN);
		return refuse_size(skb, packet, &told);
	}
	if (!packet->public_port)
		reason = begin_outside(packet, flow, out, set, now);
	else if (flow && packet->kind != QUOTES)
		continue_flow(flow, packet, packet->end, now);
	if (reason)
		return reject(skb, packet, reason);
	remember_first(&fragment, packet, now);

	struct rewriting change = {
		.address = from->address,
		.new_address = out->address,
		.port = packet->source.port,
		.new_port = packet->public_port,
		.of_source = 1,
	};

	if (rewrite(skb, packet, &change) || !readdress(skb, out->mac))
		return drop(skb, DROP_MALFORMED);
	if (bpf_redirect_peer(out->uplink, 0) != TC_ACT_REDIRECT)
		return reject(skb, packet, DROP_REDIRECT);
	count_sent(packet);
	count(FORWARDED_TO_OUTSIDE, packet->segments, packet->bytes);
	return TC_ACT_REDIRECT;
}

#endif
