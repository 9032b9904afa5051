/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * The data path: one program for every network interface of every VPC on the machine, and three
 * for the way outside.
 *
 * The first runs at the ingress of the veth's end in the core namespace, so it sees each packet
 * that a workload sends, first thing, and decides alone: no packet reaches the core namespace's own
 * network stack. src/verdict.rs and src/verdict/model.rs are the same decision in Rust, written from
 * the rules rather than from these maps; whoever changes one changes the other.
 *
 * What a VPC's router does elsewhere and this one does not: the TTL stays as it is, since
 * workloads in Amazon VPC do not see the router as a hop either; the router's own address answers
 * ARP and nothing else, not even an echo request, as on EC2; nothing is fragmented on the way.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include "outside.h"

static __always_inline void count_forwarded(const struct packet *packet, __u32 route_kind)
{
	struct vpc_pair pair = { .from = packet->source.vpc, .to = packet->destination.vpc };
	struct traffic *crossed;

	count_sent(packet);
	count_received(packet);
	if (route_kind == ROUTE_LOCAL) {
		count(FORWARDED_LOCAL, packet->segments, packet->bytes);
		return;
	}
	count(FORWARDED_PEERING, packet->segments, packet->bytes);
	crossed = bpf_map_lookup_elem(&peering_traffic, &pair);
	if (crossed)
		add(crossed, packet->segments, packet->bytes);
}

/* A packet to the VPC that a route leads to, its own or a peered one. */
__noinline int pass(struct __sk_buff *skb, struct packet *packet, const struct interface *from,
		    const struct settings *set, __u32 route_kind)
{
	if (!packet || !from || !set)
		return TC_ACT_SHOT;
	if (route_kind != ROUTE_LOCAL) {
		struct peering_acl_key entering = {
			.prefix_length = 96,
			.to = bpf_htonl(packet->destination.vpc),
			.from = bpf_htonl(from->vpc),
			.source = packet->source.address,
		};

		if (!bpf_map_lookup_elem(&admissions, &entering))
			return reject(skb, packet, DROP_NOT_ADMITTED);
	}

	struct endpoint_key destination = {
		.vpc = packet->destination.vpc,
		.address = packet->destination.address,
	};
	struct endpoint *to = bpf_map_lookup_elem(&endpoints, &destination);

	if (!to)
		return reject(skb, packet, DROP_NO_SUCH_DESTINATION);
	packet->ifindex[1] = to->ifindex;

	__u64 now = bpf_ktime_get_coarse_ns();
	__u32 reason = 0;
	struct flow *flow;
	struct fragment_key fragment = fragment_key_of(packet, packet->destination.vpc);

	if (is_later_fragment(packet))
		reason = recall_first(&fragment, packet, now);
	if (reason)
		return reject(skb, packet, reason);
	flow = find_flow(packet, &from->groups, &to->groups, set, now);
	if (!packet->belongs)
		reason = policy_refusal(packet, &from->groups, &to->groups);
	if (reason)
		return reject(skb, packet, reason);

	if (packet->size > to->mtu) {
		struct told told = {
			.router = router_of(from),
			.sender = from->address,
			.mtu = to->mtu,
		};

		__builtin_memcpy(told.mac, from->mac, ETH_ALEN);
		return refuse_size(skb, packet, &told);
	}

	if (packet->kind == BEGINS || packet->kind == ANSWERS) {
		if (flow && packet->belongs)
			continue_flow(flow, packet, packet->end, now);
		else if (packet->kind == BEGINS)
			reason = begin_flow(packet, flow, set, now);
		else
			report_packet(packet, ACCEPTED, now);
	} else if (packet->kind == ALONE) {
		report_packet(packet, ACCEPTED, now);
	}
	if (reason)
		return reject(skb, packet, reason);
	remember_first(&fragment, packet, now);

	/* Helpers that looked into the packet may have moved it. */
	if (!readdress(skb, to->mac))
		return drop(skb, DROP_MALFORMED);
	if (bpf_redirect_peer(to->ifindex, 0) != TC_ACT_REDIRECT)
		return reject(skb, packet, DROP_REDIRECT);
	count_forwarded(packet, route_kind);
	return TC_ACT_REDIRECT;
}

static __always_inline int forward(struct __sk_buff *skb, const struct interface *from,
				   const struct settings *set)
{
	struct packet packet = {};
	__u32 reason = 0;

	if (!read_ip(skb, &packet))
		return drop(skb, DROP_MALFORMED);
	packet.source.vpc = from->vpc;
	/* A later fragment has no ports: what is there is not looked at before its first is found. */
	if (!is_later_fragment(&packet))
		reason = read_transport(skb, &packet);
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

	if (!route && from->outside) {
		struct outside *out = the_outside();

		if (out)
			return leave(skb, &packet, from, out, set);
	}
	if (!route || route->kind == ROUTE_BLACK_HOLE)
		return reject(skb, &packet, DROP_NO_ROUTE);
	packet.destination.vpc = route->vpc;
	return pass(skb, &packet, from, set, route->kind);
}

SEC("classifier")
int guest_egress(struct __sk_buff *skb)
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

/* At the core namespace's end of the uplink: what comes from outside. */
SEC("classifier")
int uplink_ingress(struct __sk_buff *skb)
{
	__u32 first = 0;
	struct settings *current = bpf_map_lookup_elem(&settings, &first);
	struct outside *out = the_outside();

	if (!current || !out)
		return TC_ACT_SHOT;

	/* As above. */
	struct settings set = *current;

	pull(skb, sizeof(struct ethhdr) + sizeof(struct iphdr));
	if (skb->vlan_present || skb->protocol != bpf_htons(ETH_P_IP))
		return drop(skb, DROP_ETHER_TYPE);
	return enter(skb, out, &set);
}

/*
 * At the machine's own interface that the outside is behind: takes what is Tombolo's, and leaves
 * all else to the machine, untouched and uncounted.
 */
SEC("classifier")
int host_ingress(struct __sk_buff *skb)
{
	struct outside *out = the_outside();
	struct packet packet = {};
	struct inside inside = {};

	if (!out || skb->vlan_present || skb->pkt_type != PACKET_HOST ||
	    skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	pull(skb, sizeof(struct ethhdr) + sizeof(struct iphdr));
	if (!read_ip(skb, &packet) || packet.destination.address != out->address)
		return TC_ACT_UNSPEC;
	packet.outside = SENDER;

	struct fragment_key fragment = fragment_key_of(&packet, OUTSIDE_VPC);

	if (read_from_outside(skb, &packet, &fragment, bpf_ktime_get_coarse_ns()) ||
	    packet.kind == ALONE || !find_inside(&packet, &inside))
		return TC_ACT_UNSPEC;
	return bpf_redirect_peer(out->far_end, 0);
}

/*
 * At the uplink's other end, when the outside is behind an interface of the machine: sends on by
 * the machine's routes and neighbours, but not through its stack, to which a packet with its own
 * address for a source is a martian.
 */
SEC("classifier")
int host_egress(struct __sk_buff *skb)
{
	struct outside *out = the_outside();

	if (!out || !out->interface)
		return TC_ACT_SHOT;
	return bpf_redirect_neigh(out->interface, NULL, 0, 0);
}

char program_license[] SEC("license") = "Dual MIT/GPL";
