/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * Network address translation (RFC 3022): what stands in a packet in place of an end that the other
 * side must not see. Checksums follow by what has changed, so that one that is still to be filled
 * in, or was never there, stays so.
 */
#ifndef TOMBOLO_TRANSLATE_H
#define TOMBOLO_TRANSLATE_H

#include "packet.h"

struct rewriting {
	__be32 address;
	__be32 new_address;
	__be16 port;
	__be16 new_port;
	/* Whether it is the packet's source, else its destination. */
	__u32 of_source;
};

#define IPV4_CHECKSUM 10
#define IPV4_SOURCE 12
#define IPV4_DESTINATION 16
#define TCP_CHECKSUM 16
#define UDP_CHECKSUM 6
#define ICMP_CHECKSUM 2
#define ICMP_ID 4

/* The end in an IPv4 header at `at`. */
static __always_inline int rewrite_address(struct __sk_buff *skb, __u32 at, __u32 source,
					   const struct rewriting *change)
{
	return bpf_l3_csum_replace(skb, at + IPV4_CHECKSUM, change->address, change->new_address,
				   sizeof(change->address)) ||
	       bpf_skb_store_bytes(skb, at + (source ? IPV4_SOURCE : IPV4_DESTINATION),
				   &change->new_address, sizeof(change->new_address), 0);
}

static __always_inline int rewrite_port(struct __sk_buff *skb, __u32 at,
					const struct rewriting *change)
{
	return bpf_skb_store_bytes(skb, at, &change->new_port, sizeof(change->new_port), 0);
}

/*
 * The packet that an ICMP error quotes went the other way. Its IPv4 header's checksum makes up for
 * the address in it, an ICMP query's for its identifier; the checksum of a quoted TCP or UDP header
 * is left as it is, since it is of bytes that are not there (as RFC 5508, 4.2 allows).
 */
__noinline int rewrite_quoted(struct __sk_buff *skb, __u32 message, const struct rewriting *change)
{
	struct iphdr ip;
	__u32 quoted = message + ICMP_HEADER, transport;

	if (!change || bpf_skb_load_bytes(skb, quoted, &ip, sizeof(ip)) ||
	    rewrite_address(skb, quoted, !change->of_source, change))
		return -1;
	if (change->port == change->new_port)
		return 0;
	transport = quoted + ip.ihl * 4;
	if (ip.protocol == IPPROTO_ICMP)
		return bpf_l3_csum_replace(skb, transport + ICMP_CHECKSUM, change->port,
					   change->new_port, sizeof(change->port)) ||
		       rewrite_port(skb, transport + ICMP_ID, change);
	return bpf_l4_csum_replace(skb, message + ICMP_CHECKSUM, change->port, change->new_port,
				   sizeof(change->port)) ||
	       rewrite_port(skb, transport + (change->of_source ? 2 : 0), change);
}

/* Puts the new end in; 0, or what is not 0 when the packet has no room for what it says it has. */
__noinline int rewrite(struct __sk_buff *skb, const struct packet *packet,
		       const struct rewriting *change)
{
	__u32 transport, checksum, port;
	__u64 flags = 0;

	if (!packet || !change || rewrite_address(skb, ETH_HLEN, change->of_source, change))
		return -1;
	if (is_later_fragment(packet))
		return 0;
	transport = ETH_HLEN + packet->header_length;
	if (packet->kind == QUOTES)
		return rewrite_quoted(skb, transport, change);
	if (packet->protocol == IPPROTO_ICMP) {
		checksum = transport + ICMP_CHECKSUM;
		port = transport + ICMP_ID;
	} else {
		checksum = transport + TCP_CHECKSUM;
		if (packet->protocol == IPPROTO_UDP) {
			checksum = transport + UDP_CHECKSUM;
			flags = BPF_F_MARK_MANGLED_0;
		}
		port = transport + (change->of_source ? 0 : 2);
		if (bpf_l4_csum_replace(skb, checksum, change->address, change->new_address,
					flags | BPF_F_PSEUDO_HDR | sizeof(change->address)))
			return -1;
	}
	if (change->port == change->new_port)
		return 0;
	return bpf_l4_csum_replace(skb, checksum, change->port, change->new_port,
				   flags | sizeof(change->port)) ||
	       rewrite_port(skb, port, change);
}

#endif
