/* SPDX-License-Identifier: MIT */
/*
 * One input, played to a codec in every cut, each piece in memory that ends at
 * an unreadable page: the events must be the expected ones every time.
 */
#ifndef TESTS_PROTO_VECTOR_H
#define TESTS_PROTO_VECTOR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/proto_trace.h"

#define VECTOR_MAX	(1 << 18)
#define VECTOR_ALL	4096		/* longest input cut at every byte */

/* The input being built, and the memory it is read from. */
static struct {
	uint8_t		 bytes[VECTOR_MAX];
	size_t		 len;
	uint8_t		*end;		/* of the readable memory */
} vector;

/* A test starts with an empty input, even behind one that failed. */
static inline int
vector_clear(void **state)
{
	(void)state;
	vector.len = 0;
	return 0;
}

#define TEST(f)	cmocka_unit_test_setup(f, vector_clear)

static inline void
vector_put(const void *bytes, size_t n)
{
	assert_true(n <= sizeof(vector.bytes) - vector.len);
	if (n > 0)
		memcpy(vector.bytes + vector.len, bytes, n);
	vector.len += n;
}

static inline void
vector_fill(uint8_t byte, size_t n)
{
	assert_true(n <= sizeof(vector.bytes) - vector.len);
	memset(vector.bytes + vector.len, byte, n);
	vector.len += n;
}

static inline void
vector_map(void)
{
	size_t		 page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t		*p;

	p = mmap(NULL, VECTOR_MAX + page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED);
	vector.end = p + VECTOR_MAX;
	assert_int_equal(mprotect(vector.end, page, PROT_NONE), 0);
}

static inline void
vector_feed(struct trace *t, size_t from, size_t n)
{
	if (vector.end == NULL)
		vector_map();
	memcpy(vector.end - n, vector.bytes + from, n);
	trace_feed(t, vector.end - n, n);
}

/* Feed first bytes, then pieces of the size step. */
static inline void
vector_run(struct trace *t, const struct proto_ops *ops,
    const struct trace_policy *policy, size_t first, size_t step)
{
	size_t		 at = 0, n;

	trace_init(t, ops, policy);
	for (n = first; at < vector.len; n = step) {
		if (n > vector.len - at)
			n = vector.len - at;
		vector_feed(t, at, n);
		at += n;
	}
}

static inline void
vector_cut(const struct proto_ops *ops, const struct trace_policy *policy,
    size_t first, size_t step, const char *want, uint64_t *hash)
{
	struct trace	 t;

	vector_run(&t, ops, policy, first, step);
	if (strcmp(trace_text(&t), want) != 0)
		print_error("cut at %zu, then by %zu:\n", first, step);
	assert_string_equal(trace_text(&t), want);
	if (*hash == 0)
		*hash = t.data_hash;
	assert_true(t.data_hash == *hash);
	trace_fini(&t);
}

/* Every cut of a long input would take minutes: its ends, and some between. */
static inline size_t
vector_next(size_t at)
{
	if (vector.len <= VECTOR_ALL || at < 300 || at + 300 > vector.len)
		return at + 1;
	return at + 691;
}

static inline void
vector_cuts(const struct proto_ops *ops, const struct trace_policy *policy,
    const char *want)
{
	uint64_t	 hash = 0;
	size_t		 at;

	vector_cut(ops, policy, vector.len, 1, want, &hash);
	for (at = 1; at < vector.len; at = vector_next(at))
		vector_cut(ops, policy, at, vector.len, want, &hash);
	vector_cut(ops, policy, 1, 1, want, &hash);
	vector_cut(ops, policy, 5, 3, want, &hash);
	vector_cut(ops, policy, 8, 8, want, &hash);
	vector_cut(ops, policy, 1, 13, want, &hash);
}

/* Check the input in every cut, bodies read both ways, and forget it. */
static inline void
vector_check(const struct proto_ops *ops, struct trace_policy policy,
    const char *want)
{
	vector_cuts(ops, &policy, want);
	policy.direct = true;
	vector_cuts(ops, &policy, want);
	vector.len = 0;
}

#endif
