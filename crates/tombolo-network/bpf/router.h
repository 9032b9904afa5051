/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* The VPC's router as workloads see it: an address and a MAC in each subnet, and answers to ARP. */
#ifndef TOMBOLO_ROUTER_H
#define TOMBOLO_ROUTER_H

#include "events.h"

/*
 * 02:54:4d:42:00:01, `ROUTER_MAC` in src/ebpf/links/interface.rs, which every veth has at its end in
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

/* `Subnet::router` in src/network.rs. */
static __always_inline __be32 router_of(const struct interface *interface)
{
	return bpf_htonl(bpf_ntohl(interface->subnet) + 1);
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
	if ((void *)(long)skb->data + length > (void *)(long)skb->data_end)
		bpf_skb_pull_data(skb, length);
}

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
		return drop(skb, DROP_MALFORMED);
	if (arp->hardware != bpf_htons(ARP_HARDWARE_ETHERNET) ||
	    arp->protocol != bpf_htons(ETH_P_IP) || arp->hardware_length != ETH_ALEN ||
	    arp->protocol_length != sizeof(__be32))
		return drop(skb, DROP_MALFORMED);
	if (!same_mac(arp->sender_mac, from->mac))
		return drop(skb, DROP_SPOOFED_MAC);
	/* 0.0.0.0 is an address probe (RFC 5227, 2.1.1). */
	if (arp->sender != from->address && arp->sender != 0)
		return drop(skb, DROP_SPOOFED_ADDRESS);

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

#endif
