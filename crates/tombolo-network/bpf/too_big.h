/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* What a sender is told whose packet is larger than the destination takes. */
#ifndef TOMBOLO_TOO_BIG_H
#define TOMBOLO_TOO_BIG_H

#include "events.h"
#include "router.h"

/* RFC 1191, 4 */
#define ICMP_FRAGMENTATION_NEEDED 4

struct icmp_too_big {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 unused;
	__be16 mtu;
};

/*
 * How much of the packet is quoted after its IPv4 header: a TCP header and more than the eight
 * bytes of RFC 792, since the kernel does not let a packet end before the place of a checksum that
 * is still to be filled in.
 */
#define QUOTED 24

static __always_inline __be16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Who tells whom what. */
struct told {
	__be32 router;
	__be32 sender;
	__u8 mac[ETH_ALEN];
	__u16 mtu;
};

/*
 * Makes the packet the answer to itself: the router's ICMP "fragmentation needed" with the MTU of
 * the destination. Also when the packet may be fragmented ("don't fragment" not set), which only
 * a real router could do: the sender is told to, since else it would never know.
 */
__noinline int answer_too_big(struct __sk_buff *skb, const struct told *told, __u32 header_length)
{
	if (!told)
		return TC_ACT_SHOT;

	struct {
		struct icmp_too_big icmp;
		__u8 quoted[QUOTED];
	} message = {
		.icmp = {
			.type = ICMP_UNREACHABLE,
			.code = ICMP_FRAGMENTATION_NEEDED,
			.mtu = bpf_htons(told->mtu),
		},
	};
	const __u32 added = sizeof(struct iphdr) + sizeof(struct icmp_too_big);
	__u32 kept = header_length + QUOTED;
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		/* RFC 1812, 4.3.2.5: internetwork control. */
		.tos = 0xc0,
		.tot_len = bpf_htons(added + kept),
		.ttl = 64,
		.protocol = IPPROTO_ICMP,
		.saddr = told->router,
		.daddr = told->sender,
	};

	if (bpf_skb_change_tail(skb, ETH_HLEN + kept, 0) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + header_length, message.quoted, QUOTED) ||
	    bpf_skb_adjust_room(skb, added, BPF_ADJ_ROOM_MAC, 0))
		return TC_ACT_SHOT;

	ip.check = fold(bpf_csum_diff(NULL, 0, (void *)&ip, sizeof(ip), 0));
	/* The quoted IPv4 header adds nothing: with its own checksum in it, it sums to zero. */
	message.icmp.checksum = fold(bpf_csum_diff(NULL, 0, (void *)&message, sizeof(message), 0));
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN + sizeof(ip), &message.icmp, sizeof(message.icmp), 0))
		return TC_ACT_SHOT;

	struct ethhdr *ethernet = (void *)(long)skb->data;

	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	__builtin_memcpy(ethernet->h_dest, told->mac, ETH_ALEN);
	set_router_mac(ethernet->h_source);
	return bpf_redirect(skb->ifindex, 0);
}

#endif
