/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* Whether security groups let a flow begin. */
#ifndef TOMBOLO_RULES_H
#define TOMBOLO_RULES_H

#include "packet.h"

/* The first packet of a flow, as rules see it. */
struct beginning {
	__be32 sender;
	__be32 receiver;
	__be16 service;
	__u8 protocol;
	/* Of `enum outsider`. */
	__u8 outside;
};

struct question {
	struct groups groups;
	struct groups remote_groups;
	__be32 remote;
	__be16 service;
	__u8 protocol;
	__u8 direction;
};

static __always_inline int has_port(const struct question *asked, __u32 group, __be32 remote,
				    __u8 remote_length)
{
	struct rule_port_key key = {
		.prefix_length = RULE_PORT_BITS,
		.group = bpf_htonl(group),
		.remote = remote,
		.direction = asked->direction,
		.remote_length = remote_length,
		.protocol = bpf_htons(asked->protocol),
		.port = asked->service,
	};

	return bpf_map_lookup_elem(&rule_ports, &key) != NULL;
}

/* Whether one of the groups has a rule for it. */
__noinline int some_group_allows(const struct question *asked)
{
	if (!asked)
		return 0;
	for (int i = 0; i < MAX_GROUPS; i++) {
		__u32 group = asked->groups.numbers[i];
		struct rule_block_key block = {
			.prefix_length = RULE_BLOCK_BITS,
			.group = bpf_htonl(group),
			.direction = bpf_htonl(asked->direction),
			.remote = asked->remote,
		};
		__u32 *length;

		if (!group)
			break;
		length = bpf_map_lookup_elem(&rule_blocks, &block);
		if (length && *length <= 32) {
			/* A shift by 32 would do nothing. */
			__be32 mask = *length ? bpf_htonl(~0U << (32 - *length)) : 0;

			if (has_port(asked, group, asked->remote & mask, *length))
				return 1;
		}
		for (int j = 0; j < MAX_GROUPS; j++) {
			__u32 remote_group = asked->remote_groups.numbers[j];

			if (!remote_group)
				break;
			if (has_port(asked, group, bpf_htonl(remote_group), REMOTE_IS_GROUP))
				return 1;
		}
	}
	return 0;
}

/*
 * 0 if the sender's groups let it out and the receiver's let it in, else the reason of the drop.
 * The groups of an end that is outside are not looked at.
 */
__noinline __u32 refusal(const struct groups *sender, const struct groups *receiver,
			 const struct beginning *begins)
{
	if (!sender || !receiver || !begins)
		return DROP_SECURITY_GROUP_EGRESS;

	struct question asked = {
		.groups = *sender,
		.remote = begins->receiver,
		.service = begins->service,
		.protocol = begins->protocol,
		.direction = EGRESS,
	};

	if (begins->outside == NOBODY)
		asked.remote_groups = *receiver;
	if (begins->outside != SENDER && !some_group_allows(&asked))
		return DROP_SECURITY_GROUP_EGRESS;
	if (begins->outside == RECEIVER)
		return 0;

	asked.groups = *receiver;
	if (begins->outside == NOBODY)
		asked.remote_groups = *sender;
	asked.remote = begins->sender;
	asked.direction = INGRESS;
	return some_group_allows(&asked) ? 0 : DROP_SECURITY_GROUP_INGRESS;
}

#endif
