/* SPDX-License-Identifier: MIT */
/*
 * What both codec fuzzers do. The first four bytes of an input choose the
 * worker that is played and a cut; the rest is what the peer sends. Whole and
 * cut must give the same events, and no byte outside the piece is touched:
 * each piece lives in a heap block of its own size.
 */
#ifndef TESTS_FUZZ_CODEC_H
#define TESTS_FUZZ_CODEC_H

#include "tests/unit/proto_trace.h"

static inline void
codec_feed(struct trace *t, const uint8_t *bytes, size_t n)
{
	uint8_t		*piece = malloc(n);

	assert(piece != NULL || n == 0);
	if (n > 0)
		memcpy(piece, bytes, n);
	trace_feed(t, piece, n);
	free(piece);
}

/* Feed first bytes, then pieces of the size step. */
static inline void
codec_run(struct trace *t, const uint8_t *bytes, size_t len, size_t first,
    size_t step)
{
	size_t		 n;

	for (n = first; len > 0; n = step) {
		if (n > len)
			n = len;
		codec_feed(t, bytes, n);
		bytes += n;
		len -= n;
	}
}

/* Pairs are slices of the block, in order, and come to an end. */
static inline void
codec_pairs(const struct proto_ops *ops, const uint8_t *bytes, size_t len)
{
	struct proto_str block, name, value;
	char		*copy = malloc(len + 1), *at = copy;

	assert(copy != NULL);
	memcpy(copy, bytes, len);
	block = (struct proto_str){ copy, len };
	while (ops->pair(&block, &name, &value) == 1) {
		assert(name.p > at && value.p >= name.p + name.len);
		assert(block.p == value.p + value.len);
		assert(block.p + block.len == copy + len);
		at = copy + (block.p - copy);
	}
	free(copy);
}

static inline void
codec_fuzz(const struct proto_ops *ops, const uint8_t *data, size_t size)
{
	struct trace	 whole, cut;
	struct trace_policy policy = { .max_conns = 16 };

	if (size < 4)
		return;
	policy.streams = 1 + (data[0] & 3);
	policy.early = data[0] & 4;
	policy.prompt = data[0] & 8;
	policy.length = data[1];
	trace_init(&whole, ops, &policy);
	codec_run(&whole, data + 4, size - 4, size, 1);
	policy.direct = data[0] & 16;
	trace_init(&cut, ops, &policy);
	codec_run(&cut, data + 4, size - 4, data[2], 1 + data[3]);
	if (strcmp(trace_text(&whole), trace_text(&cut)) != 0 ||
	    whole.data_hash != cut.data_hash || whole.why != cut.why)
		abort();
	trace_fini(&whole);
	trace_fini(&cut);
	codec_pairs(ops, data + 4, size - 4);
}

#endif
