/* SPDX-License-Identifier: MIT */
/* Slots in shared memory: one writer each, any reader. */
#include <sys/mman.h>

#include <string.h>

#include "state/scoreboard.h"

#define SLOT_TRIES	100	/* a writer needs nanoseconds */

struct board *
board_new(void)
{
	struct board *b;

	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return b != MAP_FAILED ? b : NULL;
}

uint32_t
board_used(const struct board *b)
{
	uint32_t n = b->nslots;

	return n < BOARD_ROOM ? n : BOARD_ROOM;
}

/* In words, so that whoever reads meanwhile sees words that were stored. */
static void
slot_store(_Atomic uint64_t *dst, size_t size, struct str src)
{
	size_t n = src.len < size ? src.len : size - 1, i;
	uint64_t word;

	for (i = 0; i + sizeof(word) <= n; i += sizeof(word)) {
		memcpy(&word, src.p + i, sizeof(word));
		atomic_store_explicit(dst++, word, memory_order_relaxed);
	}
	word = 0;
	if (n > i)
		memcpy(&word, src.p + i, n - i);
	atomic_store_explicit(dst, word, memory_order_relaxed);
}

static void
slot_load(char *dst, size_t size, const _Atomic uint64_t *src)
{
	uint64_t word;
	size_t i;

	for (i = 0; i < size; i += sizeof(word)) {
		word = atomic_load_explicit(src++, memory_order_relaxed);
		memcpy(dst + i, &word, sizeof(word));
	}
	/* The writer may be hostile: the copy ends where it must. */
	dst[size - 1] = '\0';
}

void
slot_begin(struct slot *s, int64_t now_ns, int64_t deadline_ns,
    struct str method, struct str uri)
{
	struct slot_request *r = &s->req;
	uint32_t seq = atomic_load_explicit(&r->seq, memory_order_relaxed);

	atomic_store_explicit(&r->seq, seq | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	slot_store(r->method, sizeof(r->method), method);
	slot_store(r->uri, sizeof(r->uri), uri);
	atomic_store_explicit(&r->start_ns, now_ns, memory_order_relaxed);
	atomic_store_explicit(&r->deadline_ns, deadline_ns,
	    memory_order_relaxed);
	atomic_store_explicit(&r->seq, (seq | 1) + 1, memory_order_release);
	atomic_store_explicit(&s->stage, SLOT_BUSY, memory_order_release);
}

void
slot_end(struct slot *s)
{
	atomic_store_explicit(&s->req.start_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->stage, SLOT_IDLE, memory_order_release);
}

static inline void
count_up(_Atomic uint64_t *n)
{
	atomic_store_explicit(n,
	    atomic_load_explicit(n, memory_order_relaxed) + 1,
	    memory_order_relaxed);
}

void
slot_count(struct slot *s, enum slot_count what)
{
	count_up(&s->count[what]);
}

void
hist_add(struct hist *h, int64_t ns)
{
	uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;
	int bucket = us == 0 ? 0 : 64 - __builtin_clzll(us);

	count_up(&h->n[bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1]);
}

void
hist_sum(struct hist_sum *sum, const struct hist *h)
{
	uint64_t n;
	int i;

	for (i = 0; i < HIST_BUCKETS; i++) {
		n = atomic_load_explicit(&h->n[i], memory_order_relaxed);
		sum->n[i] += n;
		sum->total += n;
	}
}

uint64_t
hist_quantile(const struct hist_sum *sum, double share)
{
	double want = (double)sum->total * share;
	uint64_t have = 0;
	int i;

	for (i = 0; i < HIST_BUCKETS - 1; i++) {
		have += sum->n[i];
		if ((double)have >= want)
			break;
	}
	return sum->total > 0 ? UINT64_C(1) << i : 0;
}

bool
slot_read(const struct slot *s, struct slot_view *v)
{
	const struct slot_request *r = &s->req;
	uint32_t before, after;
	int i;

	for (i = 0; i < SLOT_TRIES; i++) {
		before = atomic_load_explicit(&r->seq, memory_order_acquire);
		v->start_ns = atomic_load_explicit(&r->start_ns,
		    memory_order_relaxed);
		v->deadline_ns = atomic_load_explicit(&r->deadline_ns,
		    memory_order_relaxed);
		slot_load(v->method, sizeof(v->method), r->method);
		slot_load(v->uri, sizeof(v->uri), r->uri);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&r->seq, memory_order_relaxed);
		if (before == after && (before & 1) == 0)
			break;
	}
	return i < SLOT_TRIES && v->start_ns > 0;
}
