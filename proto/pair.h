/* SPDX-License-Identifier: MIT */
/*
 * FastCGI's name-value pairs, inline: a request has thirty of them, and a call
 * for each costs more than taking it apart.
 */
#ifndef PROTO_PAIR_H
#define PROTO_PAIR_H

#include "proto/proto.h"

/* One length of 1 or 4 bytes; -1 if the block ends before. */
static inline int64_t
fcgi_pair_length(struct proto_str *block)
{
	const uint8_t	*p = (const uint8_t *)block->p;
	size_t		 n = block->len > 0 && p[0] & 0x80 ? 4 : 1;

	if (block->len < n)
		return -1;
	block->p += n;
	block->len -= n;
	return n == 1 ? p[0] : (int64_t)(p[0] & 0x7f) << 24 |
	    (int64_t)p[1] << 16 | (int64_t)p[2] << 8 | p[3];
}

/* As proto_ops.pair. */
static inline int
fcgi_pair(struct proto_str *block, struct proto_str *name,
    struct proto_str *value)
{
	int64_t		 nlen, vlen;

	if (block->len == 0)
		return 0;
	nlen = fcgi_pair_length(block);
	vlen = fcgi_pair_length(block);
	/* Lengths have 31 bits, so their sum cannot wrap. */
	if (nlen == -1 || vlen == -1 || nlen + vlen > (int64_t)block->len)
		return -1;
	*name = (struct proto_str){ block->p, (size_t)nlen };
	*value = (struct proto_str){ block->p + nlen, (size_t)vlen };
	block->p += nlen + vlen;
	block->len -= (size_t)(nlen + vlen);
	return 1;
}

#endif
