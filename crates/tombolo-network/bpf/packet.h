/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* What a packet says of itself, once its IPv4 header is believed. */
#ifndef TOMBOLO_PACKET_H
#define TOMBOLO_PACKET_H

#include <linux/in.h>
#include <linux/ip.h>

#include "maps.h"

/* RFC 791, 3.1 */
#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff

/* RFC 792 */
#define ICMP_ECHO_REPLY 0
#define ICMP_UNREACHABLE 3
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define ICMP_TIMESTAMP 13
#define ICMP_TIMESTAMP_REPLY 14
#define ICMP_HEADER 8

/* RFC 9293, 3.1: the byte at offset 13. */
#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10
#define TCP_HEADER 20
#define UDP_HEADER 8

/* What a packet has to do with flows. */
enum kind {
	/* It belongs to its flow, or begins it if rules let it. */
	BEGINS,
	/*
	 * An answer to an ICMP query or to a SYN, or a reset: it belongs to the flow that it is of,
	 * and begins none. Else who answers would soon have no part of the table left for its own,
	 * when others open connections and reset them so that only the table notices.
	 */
	ANSWERS,
	/* An ICMP error: it goes with the flow of the packet that it quotes. */
	QUOTES,
	/* Any other ICMP message: rules decide about each. */
	ALONE,
};

/* Which end of a packet's way is outside, and so has no groups that are to be asked. */
enum outsider {
	NOBODY,
	SENDER,
	RECEIVER,
};

struct packet {
	/* The ends of the flow that it belongs to: its sender, then who gets it. */
	struct flow_end source;
	struct flow_end destination;
	__u32 ifindex[2];
	__u32 segments;
	__u32 bytes;
	/* The size of the largest segment, as an IPv4 packet. */
	__u32 size;
	/* What rules go by: the destination's port, or an ICMP message's type and code. */
	__be16 service;
	__u8 protocol;
	/* The protocol of the flow, which for an ICMP error is the quoted packet's. */
	__u8 flow_protocol;
	__u8 kind;
	__u8 tcp_flags;
	/* Of `enum outsider`. */
	__u8 outside;
	/* Of the IPv4 header, in bytes. */
	__u8 header_length;
	/* The port of the public address that a packet from or to the outside goes by. */
	__be16 public_port;
	/* Flags and offset. */
	__u16 fragment;
	__be16 id;
	/* Which end of its flow's key the source is, and whether it belongs to the flow there. */
	__u8 end;
	__u8 belongs;
};

/* The first bytes after the IPv4 header, of whichever protocol. */
union transport {
	struct {
		__be16 source;
		__be16 destination;
	} ports;
	struct {
		__u8 type;
		__u8 code;
		__be16 checksum;
		__be16 id;
		__be16 sequence;
	} icmp;
};

/* Reads the IPv4 header into a packet that is all zeros yet; 0 if there is none to believe. */
static __always_inline int read_ip(const struct __sk_buff *skb, struct packet *packet)
{
	struct ethhdr *ethernet = (void *)(long)skb->data;
	struct iphdr *ip = (void *)(ethernet + 1);

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return 0;

	__u32 header_length = ip->ihl * 4;
	__u32 total_length = bpf_ntohs(ip->tot_len);

	if (ip->version != 4 || header_length < sizeof(*ip) || total_length < header_length ||
	    total_length + sizeof(*ethernet) > skb->len)
		return 0;
	packet->source.address = ip->saddr;
	packet->destination.address = ip->daddr;
	packet->ifindex[0] = skb->ifindex;
	/* A packet that is not cut into segments yet is counted as those that it will be. */
	packet->segments = skb->gso_segs ? skb->gso_segs : 1;
	packet->bytes = skb->len - ETH_HLEN;
	packet->size = total_length;
	packet->protocol = ip->protocol;
	packet->flow_protocol = ip->protocol;
	packet->kind = ALONE;
	packet->header_length = header_length;
	packet->fragment = bpf_ntohs(ip->frag_off);
	packet->id = ip->id;
	return 1;
}

static __always_inline int is_later_fragment(const struct packet *packet)
{
	return packet->fragment & IP_FRAGMENT_OFFSET;
}

/* The ports of the flow that a packet with this start belongs to, from its sender's side. */
static __always_inline __u8 read_ports(__u8 protocol, const union transport *start, __be16 *source,
				       __be16 *destination)
{
	__u8 type = start->icmp.type;

	*source = 0;
	*destination = 0;
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) {
		*source = start->ports.source;
		*destination = start->ports.destination;
		return BEGINS;
	}
	if (protocol != IPPROTO_ICMP)
		return BEGINS;
	if (start->icmp.code == 0 && (type == ICMP_ECHO || type == ICMP_TIMESTAMP)) {
		*source = start->icmp.id;
		*destination = bpf_htons(type << 8);
		return BEGINS;
	}
	if (start->icmp.code == 0 && (type == ICMP_ECHO_REPLY || type == ICMP_TIMESTAMP_REPLY)) {
		*source = bpf_htons((type == ICMP_ECHO_REPLY ? ICMP_ECHO : ICMP_TIMESTAMP) << 8);
		*destination = start->icmp.id;
		return ANSWERS;
	}
	return ALONE;
}

/*
 * An ICMP error about a packet that its receiver, the error's sender, got from the one that the
 * error goes to. No other error can be true: no workload routes for others. Outside are routers
 * that do; the flow's end is then who the packet went to, not who complains.
 */
static __always_inline void read_quoted(struct __sk_buff *skb, __u32 offset, __u32 available,
					struct packet *packet)
{
	struct iphdr ip;
	union transport start;
	__be16 source, destination;
	__u32 header_length;

	if (available < ICMP_HEADER + sizeof(ip) ||
	    bpf_skb_load_bytes(skb, offset + ICMP_HEADER, &ip, sizeof(ip)))
		return;
	header_length = ip.ihl * 4;
	if (ip.version != 4 || header_length < sizeof(ip) ||
	    available < ICMP_HEADER + header_length + sizeof(start))
		return;
	if (ip.saddr != packet->destination.address ||
	    (ip.daddr != packet->source.address && packet->outside != SENDER) ||
	    (ip.frag_off & bpf_htons(IP_FRAGMENT_OFFSET)))
		return;
	if (bpf_skb_load_bytes(skb, offset + ICMP_HEADER + header_length, &start, sizeof(start)))
		return;
	if (read_ports(ip.protocol, &start, &source, &destination) == ALONE)
		return;
	packet->source.address = ip.daddr;
	packet->source.port = destination;
	packet->destination.port = source;
	packet->flow_protocol = ip.protocol;
	packet->kind = QUOTES;
}

/*
 * Reads what is after the IPv4 header: 0, or the reason to drop the packet. A header that is not
 * all there is refused, also in a first fragment: what is decided on could come in a later one
 * (RFC 1858).
 */
static __always_inline __u32 read_transport(struct __sk_buff *skb, struct packet *packet)
{
	__u32 offset = ETH_HLEN + packet->header_length;
	__u32 available = packet->size - packet->header_length;
	__u32 header = 0;
	union transport start = {};

	if (packet->protocol == IPPROTO_TCP)
		header = TCP_HEADER;
	else if (packet->protocol == IPPROTO_UDP || packet->protocol == IPPROTO_ICMP)
		header = UDP_HEADER;
	if (available < header)
		return DROP_MALFORMED;
	if (header && bpf_skb_load_bytes(skb, offset, &start, sizeof(start)))
		return DROP_MALFORMED;

	packet->kind = read_ports(packet->protocol, &start, &packet->source.port,
				  &packet->destination.port);
	packet->service = packet->destination.port;

	if (packet->protocol == IPPROTO_TCP) {
		__u8 last[2];

		if (bpf_skb_load_bytes(skb, offset + 12, last, sizeof(last)))
			return DROP_MALFORMED;
		header = (last[0] >> 4) * 4;
		packet->tcp_flags = last[1];
		if (last[1] & TCP_FLAG_RST ||
		    (last[1] & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == (TCP_FLAG_SYN | TCP_FLAG_ACK))
			packet->kind = ANSWERS;
	} else if (packet->protocol == IPPROTO_ICMP) {
		__u8 type = start.icmp.type;

		packet->service = bpf_htons(type << 8 | start.icmp.code);
		if (type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
		    type == ICMP_PARAMETER_PROBLEM)
			read_quoted(skb, offset, available, packet);
	}
	if (skb->gso_size)
		packet->size = offset - ETH_HLEN + header + skb->gso_size;
	return 0;
}

/* Whether it can only be the first of a flow: a TCP connection's SYN, an ICMP query. */
static __always_inline int opens(const struct packet *packet)
{
	if (packet->protocol == IPPROTO_TCP)
		return (packet->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
	return packet->protocol == IPPROTO_ICMP && packet->kind == BEGINS;
}

#endif
